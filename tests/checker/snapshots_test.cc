// A search that goes back to snapshots is the one that runs steps again: the same executions with
// the same ends, found in fewer steps. What has to be as it was decides here what the tasks do
// next.

#include <gtest/gtest.h>

#include <functional>
#include <ostream>
#include <string>
#include <vector>

#include "shapes.hpp"

namespace surefoot::checker {
namespace {

using programs::Body;
using programs::Int;
using programs::Ints;

struct State {
    Ints words;
    Mutex mutex;
    Spinlock spinlock;
    Data<int> data;
    shapes::State tlb;
    int history[2][16];  // of each task, told to nobody
    int length[2];
    Int called;
    Word<Int*> block;
};

void remember(State& s, int self, int value) { s.history[self][s.length[self]++] = value; }
void run_up(State& s, int self) {
    for (int i = 0; i < 6; ++i)
        s.words.at[2 + self].fetch_add(1);
}
void race(State& s, int self) {
    s.words.at[0].fetch_add(1);
    s.words.at[1].store(self + 1);
    remember(s, self, s.words.at[0].load());
}

struct Case {
    const char* name;
    void (*run)(State&, int self);
    bool holds = true;
    bool reuses = true;  // may run where the checker gives freed memory out again
};
std::ostream& operator<<(std::ostream& out, const Case& row) { return out << row.name; }

/// What the task has seen lies on its stack alone.
void with_a_stack(State& s, int self) {
    int seen = self;
    for (int i = 0; i < 8; ++i)
        seen = 3 * seen + (i < 5 ? s.words.at[2 + self].fetch_add(1) : s.words.at[0].fetch_add(1));
    s.words.at[1].store(seen);
}

void with_plain_memory(State& s, int self) {
    for (int i = 0; i < 8; ++i)
        remember(s, self, i < 5 ? s.words.at[2 + self].fetch_add(1) : s.words.at[0].fetch_add(1));
    int sum = 0;
    for (int i = 0; i < s.length[self]; ++i)
        sum = 3 * sum + s.history[self][i];
    s.words.at[1].store(sum);
}

void with_locks(State& s, int self) {
    run_up(s, self);
    s.spinlock.lock();
    race(s, self);
    s.spinlock.unlock();
    s.mutex.lock_shared();
    s.data.get();
    s.mutex.unlock_shared();
    if (s.mutex.try_lock()) {
        s.data.set(self);
        s.mutex.unlock();
    }
}

void with_sleep(State& s, int self) {
    run_up(s, self);
    s.mutex.lock();
    if (s.words.at[0].fetch_add(1) == 0)
        sfc_wait(&s.words, &s.mutex, nullptr);
    else
        sfc_wake(&s.words, 1, nullptr);
    s.mutex.unlock();
    race(s, self);
}

void with_grace_periods(State& s, int self) {
    run_up(s, self);
    sfc_rcu_read_lock(nullptr, nullptr);
    s.words.at[0].fetch_add(1);
    sfc_rcu_read_unlock(nullptr, nullptr);
    if (self == 0) return sfc_synchronize_rcu(nullptr, nullptr);
    sfc_call_rcu(
        nullptr, [](void* of) { static_cast<State*>(of)->words.at[1].fetch_add(1); }, &s, nullptr);
    sfc_rcu_barrier(nullptr, nullptr);
    s.words.at[1].load();
}

void with_interrupts(State& s, int self) {
    run_up(s, self);
    const unsigned ticket =
        sfc_ipi(3, [](void* of) { static_cast<State*>(of)->called.fetch_add(1); }, &s, nullptr);
    sfc_irq_disable();
    s.words.at[0].fetch_add(1);
    sfc_irq_enable();
    sfc_ipi_wait(ticket, nullptr);
    s.called.load();
}

void with_tlbs(State& s, int self) {
    run_up(s, self);
    if (self == 0) {
        s.tlb.entry.store(shapes::entry_of(2));
        shapes::translate(s.tlb, SFC_TLB_STORE);
        return shapes::shoot_down(s.tlb, shapes::drop);
    }
    s.words.at[0].store(shapes::translate(s.tlb, SFC_TLB_LOAD));
    s.words.at[1].store(shapes::translate(s.tlb, SFC_TLB_LOAD));
}

void with_children(State& s, int self) {
    run_up(s, self);
    s.words.at[self].store(1);
    if (s.words.at[1 - self].load() == 0) return;
    const unsigned child = sfc_spawn([](void* of) { static_cast<State*>(of)->called.fetch_add(1); },
                                     &s, SFC_ANY_CPU, "child");
    s.called.fetch_add(2);
    sfc_join(child, nullptr);
}

void with_choices(State& s, int self) {
    run_up(s, self);
    s.words.at[0].store(static_cast<int>(sfc_choose(3, nullptr)));
    remember(s, self, s.words.at[0].load());
}

/// Blocks that are given out, freed, and given out again.
void with_blocks(State& s, int self) {
    run_up(s, self);
    s.words.at[0].fetch_add(1);
    for (int i = 0; i < 2; ++i) {
        Int* const block = new (sfc_alloc(sizeof(Int), alignof(Int), nullptr)) Int;
        remember(s, self, static_cast<int>(sfc_generation(block)));
        remember(s, self, block->fetch_add(1));
        sfc_free(block, nullptr);
    }
}

/// Some of its executions use what was freed.
void with_misused_blocks(State& s, int self) {
    run_up(s, self);
    Int* const mine = new (sfc_alloc(sizeof(Int), alignof(Int), nullptr)) Int;
    s.block.store(mine);
    sfc_note("the other one may have it", nullptr);
    s.words.at[0].fetch_add(1);
    Int* const shared = s.block.load();
    if (shared != mine) shared->store(1);
    sfc_free(mine, nullptr);
}

/// The same by an allocator of the program's own.
void with_blocks_given_again(State& s, int self) {
    run_up(s, self);
    Int* const mine = new (sfc_alloc(sizeof(Int), alignof(Int), nullptr)) Int;
    sfc_free(mine, nullptr);
    s.words.at[0].fetch_add(1);
    sfc_give_again(mine, nullptr);
    new (mine) Int;
    mine->store(1);
    remember(s, self, static_cast<int>(sfc_generation(mine)));
}

/// Who comes second stands still from then on.
void with_a_fault(State& s, int self) {
    run_up(s, self);
    if (s.words.at[0].fetch_add(1) == 1) __builtin_trap();
    run_up(s, self);
    s.words.at[1].fetch_add(1);
}

/// Some of its executions race.
void with_plain_data(State& s, int self) {
    run_up(s, self);
    if (s.words.at[0].fetch_add(1) == 0) s.mutex.lock();
    s.data.set(self);
    remember(s, self, s.data.get());
    s.mutex.try_lock();
}

void announce(int* word, sfc_access_kind kind) { sfc_announce(word, sizeof *word, kind, nullptr); }
void with_announced_accesses(State& s, int self) {
    run_up(s, self);
    auto* const word = reinterpret_cast<int*>(&s.words.at[0]);
    announce(word, SFC_WRITE_MARKED);
    *static_cast<volatile int*>(word) = self + 1;
    announce(word, SFC_READ_MARKED);
    remember(s, self, *static_cast<volatile int*>(word));
    announce(word, SFC_RMW);
    remember(s, self, __atomic_fetch_add(word, 1, __ATOMIC_RELAXED));
}

constexpr Case kCases[] = {
    {"stack", with_a_stack},
    {"plain_memory", with_plain_memory},
    {"locks", with_locks},
    {"sleep", with_sleep},
    {"grace_periods", with_grace_periods},
    {"interrupts", with_interrupts},
    {"tlbs", with_tlbs},
    {"children", with_children},
    {"choices", with_choices},
    {"blocks", with_blocks},
    {"misused_blocks", with_misused_blocks, false},
    {"blocks_given_again", with_blocks_given_again, true, false},
    {"fault", with_a_fault, false},
    {"plain_data", with_plain_data, false},
    {"announced_accesses", with_announced_accesses},
};

Body body(void (*run)(State&, int)) {
    return [run](Program& program) {
        auto& state = program.make<State>();
        sfc_name(&state.words, sizeof state.words, "words");
        state.tlb.entry.store(shapes::entry_of(1));
        state.tlb.cpus = 3;
        for (int self = 0; self < 2; ++self)
            program.spawn([&state, run, self] { run(state, self); }, self == 0 ? "left" : "right");
        program.finish([&state] {
            std::string all;
            for (const auto& word : state.words.at)
                all += std::to_string(word.get()) + ' ';
            for (int self = 0; self < 2; ++self)
                for (int i = 0; i < state.length[self]; ++i)
                    all += std::to_string(state.history[self][i]) + ',';
            outcome(all + std::to_string(state.called.get()));
        });
    };
}

Result explore(const Body& body, Options options, bool snapshots) {
    options.snapshots = snapshots;
    options.hash_traces = true;
    options.repeat_every = 1;
    return check(body, options);
}

void expect_same(const Result& with, const Result& without) {
    EXPECT_EQ(with.verdict, without.verdict);
    EXPECT_EQ(with.message, without.message);
    EXPECT_EQ(with.complete, without.complete);
    EXPECT_EQ(with.blocked, without.blocked);
    EXPECT_EQ(with.redundant, without.redundant);
    EXPECT_EQ(with.violations, without.violations);
    EXPECT_EQ(with.max_depth, without.max_depth);
    EXPECT_EQ(with.outcomes, without.outcomes);
    EXPECT_EQ(with.trace_hash, without.trace_hash);
    EXPECT_EQ(with.replay, without.replay);
    EXPECT_EQ(with.schedule, without.schedule);
    EXPECT_LT(with.steps, without.steps);
}

void expect_refused(const Result& result, const std::string& why) {
    EXPECT_EQ(result.verdict, Verdict::wrong);
    EXPECT_EQ(result.violations, 0u);
    EXPECT_NE(result.message.find(why), std::string::npos) << result.message;
    EXPECT_NE(result.message.find("outside of the arena"), std::string::npos) << result.message;
}

class Snapshots : public testing::TestWithParam<Case> {};

TEST_P(Snapshots, find_what_running_again_finds) {
    const Body program = body(GetParam().run);
    for (const Model model : {Model::sc, Model::tso}) {
        for (const Strategy strategy : {Strategy::exhaustive, Strategy::bounded}) {
            for (const sfc_reuse reuse : {SFC_REUSE_NEVER, SFC_REUSE_LIFO}) {
                if (reuse == SFC_REUSE_LIFO && !GetParam().reuses) continue;
                SCOPED_TRACE(testing::Message() << static_cast<int>(model) << ", strategy "
                                                << static_cast<int>(strategy));
                const Options options{.model = model,
                                      .strategy = strategy,
                                      .bound = 1,
                                      .stop_at_error = false,
                                      .deadlock_is_error = false,
                                      .reuse = reuse};
                const Result without = explore(program, options, false);
                EXPECT_EQ(without.verdict, GetParam().holds ? Verdict::holds : Verdict::violated)
                    << without.message;
                expect_same(explore(program, options, true), without);
            }
        }
    }
}

INSTANTIATE_TEST_SUITE_P(Programs, Snapshots, testing::ValuesIn(kCases),
                         [](const auto& row) { return row.param.name; });

TEST(SnapshotSearch, of_several_processes_counts_the_same) {
    const Body program = programs::fib_bench(3);
    Options options{.jobs = 4, .executions_between_parts = 20};
    const Result without = explore(program, options, false);
    const Result with = explore(program, options, true);
    EXPECT_EQ(with.complete, 1698u) << with.message;
    EXPECT_EQ(with.trace_hash, without.trace_hash);
}

TEST(SnapshotSearch, by_chance_draws_the_same) {
    for (const Strategy strategy : {Strategy::random, Strategy::pct, Strategy::pos}) {
        const Options options{.strategy = strategy, .runs = 100};
        const Result without = explore(body(with_children), options, false);
        const Result with = explore(body(with_children), options, true);
        EXPECT_EQ(with.verdict, Verdict::incomplete) << with.message;
        EXPECT_EQ(with.trace_hash, without.trace_hash);
        EXPECT_EQ(with.steps, without.steps);  // it goes back to the beginning alone
    }
}

TEST(SnapshotSearch, tells_the_switch_hook_who_goes_on) {
    for (const bool snapshots : {false, true}) {
        static unsigned hooked;  // what the hook keeps elsewhere
        const Result result = explore(
            [](Program& program) {
                auto& state = program.make<State>();
                sfc_set_switch_hook(
                    [](unsigned task, unsigned, void* of) { *static_cast<unsigned*>(of) = task; },
                    &hooked);
                for (int self = 0; self < 3; ++self) {
                    program.spawn([&state] {
                        for (int i = 0; i < 6; ++i) {
                            state.words.at[i < 3 ? 3 : 0].fetch_add(1);
                            require(hooked == sfc_self(), "the hook was not called");
                        }
                    });
                }
            },
            {.strategy = Strategy::bounded, .bound = 2}, snapshots);
        EXPECT_EQ(result.verdict, Verdict::holds) << result.message;
    }
}

TEST(SnapshotSearch, notices_what_it_cannot_bring_back) {
    int elsewhere = 0;
    const Result result = check(
        [&elsewhere](Program& program) {
            auto& state = program.make<State>();
            elsewhere = 0;
            for (int self = 0; self < 2; ++self) {
                program.spawn([&state, &elsewhere, self] {
                    run_up(state, self);
                    state.words.at[1].store(++elsewhere);
                });
            }
        },
        {.snapshots = true});
    expect_refused(result, "not deterministic: ");
}

TEST(SnapshotSearch, notices_what_finish_alone_sees) {
    std::vector<int> elsewhere;
    const auto with_a_vector = [&elsewhere](Program& program) {
        auto& state = program.make<State>();
        elsewhere.clear();
        for (int self = 0; self < 2; ++self) {
            program.spawn([&state, &elsewhere, self] {
                for (int i = 0; i < 4; ++i)
                    state.words.at[0].fetch_add(1);
                elsewhere.push_back(self);
                for (int i = 0; i < 2; ++i)
                    state.words.at[1].fetch_add(1);
            });
        }
        program.finish([&elsewhere] {
            std::string all;
            for (const int self : elsewhere)
                all += std::to_string(self);
            outcome(all);
        });
    };
    EXPECT_EQ(check(with_a_vector).outcomes.size(), 2u);
    expect_refused(check(with_a_vector, {.snapshots = true}), "finish tells another outcome");
}

TEST(SnapshotSearch, repeats_what_finish_requires) {
    int setups = 0;
    int finishes = 0;
    const auto counted = [&](Program& program) {
        setups += 1;
        program.spawn([] { sfc_self(); });
        program.finish([&] {
            finishes += 1;
            require(setups == 1, "setup ran twice");
        });
    };
    EXPECT_EQ(check(counted).verdict, Verdict::holds);
    EXPECT_EQ(setups, 2);
    EXPECT_EQ(finishes, 1);
    setups = 0;
    expect_refused(check(counted, {.snapshots = true}), "run again, it fails: setup ran twice");
}

TEST(SnapshotSearch, is_not_for_the_model_weak) {
    const Result result = check(programs::fib_bench(1), {.model = Model::weak, .snapshots = true});
    EXPECT_EQ(result.verdict, Verdict::wrong);
    EXPECT_NE(result.message.find("snapshots"), std::string::npos) << result.message;
}

}  // namespace
}  // namespace surefoot::checker
