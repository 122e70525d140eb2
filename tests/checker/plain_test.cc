// Plain data: which programs have a data race under which model. Each row differs from another one
// in the one thing that orders the accesses, or does not.

#include <gtest/gtest.h>

#include <ostream>
#include <string>

#include "surefoot/checker/checker.hpp"

namespace surefoot::checker {
namespace {

struct State {
    Data<int> data;
    Data<int> other;
    Word<int> flag;
    Word<int> noise[2];
    Mutex mutex, second_mutex;
    Spinlock spinlock;
    char bytes[32];
};

enum class Races : std::uint8_t { never, always, only_weak };
enum class Models : std::uint8_t { all, not_weak };

struct Case {
    const char* name;
    Races races;
    void (*left)(State&);
    void (*right)(State&);
    Models models = Models::all;
};
std::ostream& operator<<(std::ostream& out, const Case& row) { return out << row.name; }

void write(State& s) { s.data.set(1); }
void read(State& s) { s.data.get(); }
void write_and_read(State& s) {
    write(s);
    read(s);
}
void write_other(State& s) { s.other.set(1); }

template <void (*access)(State&)>
void locked(State& s) {
    s.mutex.lock();
    access(s);
    s.mutex.unlock();
}
template <void (*access)(State&)>
void spinlocked(State& s) {
    s.spinlock.lock();
    access(s);
    s.spinlock.unlock();
}
template <void (*access)(State&)>
void locked_shared(State& s) {
    s.mutex.lock_shared();
    access(s);
    s.mutex.unlock_shared();
}
template <void (*access)(State&)>
void locked_otherwise(State& s) {
    s.second_mutex.lock();
    access(s);
    s.second_mutex.unlock();
}
template <sfc_order order>
void publish(State& s) {
    s.data.set(1);
    s.flag.store(1, order);
}
void publish_too_early(State& s) {
    s.flag.store(1, SFC_RELEASE);
    s.data.set(1);
}
void publish_behind_wmb(State& s) {
    s.data.set(1);
    sfc_fence(SFC_WMB, nullptr);
    s.flag.store(1);
}
void write_behind_wmb(State& s) {
    sfc_fence(SFC_WMB, nullptr);
    s.data.set(1);
    s.flag.store(1);
}
template <sfc_order order>
void read_published(State& s) {
    if (s.flag.load(order) == 1) s.data.get();
}
void read_published_behind_rmb(State& s) {
    if (s.flag.load() != 1) return;
    sfc_fence(SFC_RMB, nullptr);
    s.data.get();
}
void read_at_the_address(State& s) {
    const bool published = s.flag.load() == 1;
    sfc_address_depends(sfc_last_load());
    if (published) s.data.get();
}
void await_published(State& s) {
    s.flag.await(1, SFC_ACQUIRE);
    s.data.get();
}
void late_write(State& s) {
    s.noise[1].load();
    s.data.set(1);
}
void sandwich(State& s) {
    read(s);
    locked<write_other>(s);
    read(s);
}

// Accesses of other kinds to the bytes of `data`.
void marked_read(State& s) { sfc_load(&s.data, sizeof s.data, SFC_RELAXED, nullptr); }
void marked_write(State& s) { sfc_store(&s.data, sizeof s.data, 2, SFC_RELAXED, nullptr); }
void marked_add(State& s) { sfc_rmw(&s.data, sizeof s.data, SFC_ADD, 2, SFC_FULL, nullptr); }
void marked_failed_cas(State& s) {
    sfc_cas(&s.data, sizeof s.data, 7, 8, SFC_FULL, SFC_RELAXED, nullptr);
}
void marked_write_of_other(State& s) {
    sfc_store(&s.other, sizeof s.other, 2, SFC_RELAXED, nullptr);
}

template <unsigned first, unsigned count>
void write_bytes(State& s) {
    sfc_plain_write(s.bytes + first, count, nullptr);
}
template <unsigned first, unsigned count>
void read_bytes(State& s) {
    sfc_plain_read(s.bytes + first, count, nullptr);
}

void body_of_child(void* state) { static_cast<State*>(state)->data.get(); }
unsigned spawn_child(State& s) { return sfc_spawn(body_of_child, &s, SFC_ANY_CPU, "child"); }
void write_and_spawn(State& s) {
    s.data.set(1);
    spawn_child(s);
}
void spawn_and_write(State& s) {
    spawn_child(s);
    s.data.set(1);
}
void spawn_join_and_write(State& s) {
    sfc_join(spawn_child(s), nullptr);
    s.data.set(1);
}
void idle(State&) {}

void interrupt(State& s) { sfc_ipi(1, body_of_child, &s, nullptr); }
void write_without_interrupts(State& s) {
    sfc_irq_disable();
    s.data.set(1);
    sfc_irq_enable();
}
void wait_for_interrupt_and_write(State& s) {
    sfc_ipi_wait(sfc_ipi(1, body_of_child, &s, nullptr), nullptr);
    s.data.set(1);
}

void read_in_section(State& s) {
    sfc_rcu_read_lock(nullptr, nullptr);
    if (s.flag.load() == 0) s.data.get();
    sfc_rcu_read_unlock(nullptr, nullptr);
}
void read_after_section(State& s) {
    sfc_rcu_read_lock(nullptr, nullptr);
    const bool old = s.flag.load() == 0;
    sfc_rcu_read_unlock(nullptr, nullptr);
    if (old) s.data.get();
}
void write_after_grace_period(State& s) {
    s.flag.store(1);
    sfc_synchronize_rcu(nullptr, nullptr);
    s.data.set(1);
}
void write_in_callback(State& s) {
    s.flag.store(1);
    sfc_call_rcu(
        nullptr, [](void* state) { static_cast<State*>(state)->data.set(1); }, &s, nullptr);
}
void write_without_grace_period(State& s) {
    s.flag.store(1);
    sfc_fence(SFC_MB, nullptr);
    s.data.set(1);
}

void write_if_first(State& s) {
    if (s.flag.load() == 0) s.data.set(1);
}
void raise_flag_and_read(State& s) {
    s.flag.store(1);
    s.data.get();
}

using enum Races;
constexpr auto kNotWeak = Models::not_weak;
const Case kCases[] = {
    {"write_write", always, write, write},
    {"write_read", always, write, read},
    {"read_write", always, read, write},
    {"read_read", never, read, read},
    {"other_words", never, write, write_other},
    {"other_bytes", never, write_bytes<3, 10>, write_bytes<13, 10>},
    {"one_byte_in_common", always, write_bytes<3, 11>, read_bytes<13, 10>},
    {"range_in_the_middle", always, read_bytes<0, 32>, write_bytes<17, 1>},
    {"locked", never, locked<write>, locked<write>},
    {"one_side_locked", always, locked<write>, write},
    {"other_locks", always, locked<write>, locked_otherwise<write>},
    {"shared_readers", never, locked_shared<read>, locked<write>},
    {"shared_writers", always, locked_shared<write>, locked_shared<write>},
    {"spinlocked", never, spinlocked<read>, spinlocked<write>},
    {"one_side_spinlocked", always, spinlocked<read>, write},
    {"accesses_around_a_lock", always, sandwich, locked<write>},

    {"published", never, publish<SFC_RELEASE>, read_published<SFC_ACQUIRE>},
    {"published_and_awaited", never, publish<SFC_RELEASE>, await_published},
    {"published_relaxed", only_weak, publish<SFC_RELAXED>, read_published<SFC_ACQUIRE>},
    {"read_relaxed", only_weak, publish<SFC_RELEASE>, read_published<SFC_RELAXED>},
    {"published_too_early", always, publish_too_early, read_published<SFC_ACQUIRE>},
    {"wmb_and_rmb", never, publish_behind_wmb, read_published_behind_rmb},
    {"write_behind_wmb", only_weak, write_behind_wmb, read_published_behind_rmb},
    {"address_dependency", never, publish<SFC_RELEASE>, read_at_the_address},
    {"in_one_order_alone", always, write_if_first, raise_flag_and_read},

    {"read_after_own_write", always, write_and_read, read},
    {"marked_read", always, write, marked_read},
    {"marked_write", always, read, marked_write},
    {"marked_add", always, marked_add, read},
    {"plain_read_marked_read", never, read, marked_read},
    {"failed_cas_is_a_read", never, read, marked_failed_cas},
    {"plain_write_failed_cas", always, marked_failed_cas, write},
    {"marked_read_long_ago", always, marked_read, late_write},
    {"marked_write_elsewhere", never, read, marked_write_of_other},
    {"marked_write_locked", never, locked<marked_write>, locked<read>},
    {"plain_write_locked", never, locked<marked_read>, locked<write>},

    {"spawned_later", never, write_and_spawn, idle},
    {"spawned_earlier", always, spawn_and_write, idle},
    {"joined", never, spawn_join_and_write, idle},

    {"interrupts_on", always, write, interrupt, kNotWeak},
    {"interrupts_off", never, write_without_interrupts, interrupt, kNotWeak},
    {"interrupt_awaited", never, idle, wait_for_interrupt_and_write, kNotWeak},

    {"grace_period", never, read_in_section, write_after_grace_period, kNotWeak},
    {"callback", never, read_in_section, write_in_callback, kNotWeak},
    {"section_after_grace_period", always, read_after_section, write_after_grace_period},
    {"no_grace_period", always, read_in_section, write_without_grace_period},
};

class Plain : public testing::TestWithParam<Case> {
  protected:
    Result run(Model model, Options options = {}) const {
        options.model = model;
        const Case& row = GetParam();
        return check(
            [&row](Program& program) {
                auto& state = program.make<State>();
                program.spawn([&state, &row] { row.left(state); }, "left", 0);
                program.spawn([&state, &row] { row.right(state); }, "right", 1);
            },
            options);
    }
    void expect(Model model, bool races) const {
        const Result result = run(model);
        if (!races) {
            EXPECT_EQ(result.verdict, Verdict::holds) << result.message;
            return;
        }
        EXPECT_EQ(result.verdict, Verdict::violated);
        EXPECT_TRUE(result.message.starts_with("data race")) << result.message;
        if (model == Model::weak) return;
        const Result again = run(model, {.replay = result.replay});
        EXPECT_EQ(again.message, result.message);
    }
};

TEST_P(Plain, sc) { expect(Model::sc, GetParam().races == always); }
TEST_P(Plain, tso) { expect(Model::tso, GetParam().races == always); }
TEST_P(Plain, weak) {
    if (GetParam().models == Models::all) expect(Model::weak, GetParam().races != never);
}

// --- what a race takes to be found, and what it leaves alone -------------------------------------

Result run_both(void (*left)(State&), void (*right)(State&), Options options = {}) {
    return check(
        [=](Program& program) {
            auto& state = program.make<State>();
            program.spawn([&state, left] { left(state); }, "left", 0);
            program.spawn([&state, right] { right(state); }, "right", 1);
        },
        options);
}

/// A place in the program, as its messages have it.
const void* place(std::uintptr_t number) { return reinterpret_cast<const void*>(number); }

TEST(PlainRace, is_told_with_both_sides) {
    for (const Model model : {Model::sc, Model::tso, Model::weak}) {
        const Result result = run_both(
            [](State& s) {
                sfc_name(s.bytes, sizeof s.bytes, "bytes");
                sfc_plain_write(s.bytes + 2, 4, place(0x10));
            },
            [](State& s) { sfc_plain_read(s.bytes + 4, 2, place(0x20)); }, {.model = model});
        EXPECT_EQ(result.message,
                  "data race on bytes+4: plain write by left (0x10) and plain read by right (0x20) "
                  "are not ordered");
        EXPECT_EQ(result.place, "0x20");
    }
}

TEST(PlainRace, is_found_by_one_run_that_keeps_the_accesses_apart) {
    const auto busy = [](State& s) {
        for (int i = 0; i < 20; ++i)
            s.noise[sfc_cpu()].store(i);
        write(s);
        for (int i = 0; i < 20; ++i)
            s.noise[sfc_cpu()].store(i);
    };
    const Result result = run_both(busy, busy, {.strategy = Strategy::random, .runs = 1});
    EXPECT_EQ(result.verdict, Verdict::violated);
}

TEST(PlainRace, is_counted_once_an_execution_and_leaves_the_others) {
    for (const Model model : {Model::sc, Model::weak}) {
        // Left writes if it comes first, and then alone.
        const Result result =
            run_both(write_if_first, raise_flag_and_read, {.model = model, .stop_at_error = false});
        EXPECT_EQ(result.violations, 1u);
        EXPECT_EQ(result.complete, 1u);
    }
}

TEST(PlainAccesses, add_no_executions) {
    const auto add = [](State& s) {
        s.mutex.lock();
        s.data.set(s.data.get() + 1);
        s.mutex.unlock();
        s.noise[0].load();
    };
    for (const Model model : {Model::sc, Model::tso, Model::weak}) {
        const Result result = run_both(add, add, {.model = model});
        EXPECT_EQ(result.verdict, Verdict::holds) << result.message;
        EXPECT_EQ(result.complete, 2u);
        EXPECT_EQ(result.redundant, 0u);
    }
}

TEST(PlainAccesses, whose_value_weak_cannot_tell_are_refused) {
    const Result result =
        run_both(write_after_grace_period, read_in_section, {.model = Model::weak});
    EXPECT_EQ(result.verdict, Verdict::wrong) << result.message;
    EXPECT_NE(result.message.find("not under the model weak"), std::string::npos);
}

TEST(PlainAccesses, of_setup_and_finish_race_with_nothing) {
    const Result result = check([](Program& program) {
        auto& state = program.make<State>();
        state.data.set(1);
        program.spawn([&state] { state.data.set(2); });
        program.finish([&state] { require(state.data.get() == 2, "the write is lost"); });
    });
    EXPECT_EQ(result.verdict, Verdict::holds) << result.message;
}

INSTANTIATE_TEST_SUITE_P(All, Plain, testing::ValuesIn(kCases),
                         [](const auto& row) { return std::string(row.param.name); });

}  // namespace
}  // namespace surefoot::checker
