// Searches that do not see everything, and what every search refuses.

#include <gtest/gtest.h>
#include <unistd.h>

#include <string>

#include "rows.hpp"
#include "shapes.hpp"

namespace surefoot::checker {
namespace {

using namespace programs;

constexpr Model kModels[] = {Model::sc, Model::tso};

// --- at most so many preemptions
// ------------------------------------------------------------------

struct Bound {
    const char* name;
    const char* program;
    std::vector<std::uint64_t> sc;  // with at most 0, 1, ... preemptions; the last is all
    std::vector<std::uint64_t> tso;
};

/// Design table B, by brute force over all interleavings; under tso by the oracle's enumerator. The
/// model weak has no bounded search.
const Bound kBounds[] = {
    {"B1_SB", "Wx1 Ry | Wy1 Rx", {2, 3}, {4}},
    {"B1_MP", "Wx1 Wy1 | Ry Rx", {2, 3}, {3}},
    {"B1_LB", "Rx Wy1 | Ry Wx1", {2, 3}, {3}},
    {"B1_2_2W", "Wx1 Wy2 | Wy1 Wx2", {2, 3}, {3}},
    {"B2_CoRR", "Wx1 Wx2 | Rx Rx", {2, 4, 6}, {6}},
    {"B3_IRIW", "Wx1 | Rx Ry | Ry Rx | Wy1", {14, 15}, {14, 15}},
    {"B4_WRC", "Wx1 | Rx Wy1 | Ry Rx", {6, 7}, {7}},
    {"B4_ISA2", "Wx1 Wy1 | Ry Wz1 | Rz Rx", {6, 7}, {7}},
    {"B4_SB3", "Wx1 Ry | Wy1 Rz | Wz1 Rx", {6, 7}, {8}},
    {"B4_Z6_0", "Wx1 Wy1 | Ry Wz1 | Wz2 Rx", {6, 7}, {8}},
    {"B5_ainc3", "Ux | Ux | Ux", {6}, {6}},
    {"B5_ainc4", "Ux | Ux | Ux | Ux", {24}, {24}},
    {"B5_readers3", "Wx1 | Rx | Rx | Rx", {8}, {8}},
    {"B6_binc2", "Ux Uy | Ux Uy", {2, 4}, {2, 4}},
    {"B6_binc3", "Ux Uy | Ux Uy | Ux Uy", {6, 24, 36}, {6, 24, 36}},
};

class Bounded : public testing::TestWithParam<Bound> {};

TEST_P(Bounded, finds_exactly_what_so_many_preemptions_reach) {
    const shapes::Text text = shapes::parse(GetParam().program);
    const auto expect_counts = [&](Model model, const std::vector<std::uint64_t>& counts) {
        for (unsigned bound = 0; bound <= counts.size(); ++bound) {
            const Result result =
                check(shapes::body(text),
                      {.model = model, .strategy = Strategy::bounded, .bound = bound});
            EXPECT_EQ(result.verdict, Verdict::holds) << result.message;
            EXPECT_EQ(result.complete, bound < counts.size() ? counts[bound] : counts.back())
                << "bound " << bound;
        }
    };
    expect_counts(Model::sc, GetParam().sc);
    expect_counts(Model::tso, GetParam().tso);
}

INSTANTIATE_TEST_SUITE_P(Shapes, Bounded, testing::ValuesIn(kBounds),
                         [](const auto& row) { return std::string(row.param.name); });

TEST(BoundedTable, has_every_row) { expect_every_row('B', 6, kBounds); }

TEST(Bounded, with_a_large_bound_counts_as_the_exhaustive_search) {
    const Body bodies[] = {fib_bench(2),
                           gup_against_collapse({.recheck_pmd = true}),
                           casw(3),
                           locked_increments<Mutex>(4),
                           locked_increments<Spinlock>(3),
                           ticket_lock(3),
                           seqlock()};
    for (const Model model : kModels) {
        for (const Body& body : bodies) {
            const Result all = check(body, {.model = model, .stop_at_error = false});
            const Result bounded = check(body, {.model = model,
                                                .strategy = Strategy::bounded,
                                                .bound = 100,
                                                .stop_at_error = false});
            EXPECT_EQ(bounded.complete, all.complete);
            EXPECT_EQ(bounded.violations, all.violations);
        }
    }
}

// --- beyond the first violation
// -------------------------------------------------------------------

TEST(BeyondAViolation, what_others_do_later_could_have_come_first) {
    for (const Model model : {Model::sc, Model::tso, Model::weak}) {
        const Result result = check(
            [](Program& program) {
                auto& x = program.make<Int>();
                program.spawn([&x] { require(x.load() != 0, "first"); });
                program.spawn([&x] { x.store(1); });
            },
            {.model = model, .stop_at_error = false});
        EXPECT_EQ(result.complete, 1U);
        EXPECT_EQ(result.violations, 1U);
        EXPECT_EQ(result.message, "first");
    }
}

/// A program that fails under a lock, after a data race and, if it has them, in an interrupt.
Body fails_everywhere(bool has_interrupt) {
    return [has_interrupt](Program& program) {
        auto& x = program.make<Ints>();
        auto& data = program.make<Data<int>>();
        auto& lock = program.make<Mutex>();
        program.spawn([&] {
            lock.lock();
            require(x.at[0].load() == 0, "under the lock");
            data.set(1);
            lock.unlock();
        });
        program.spawn([&] {
            x.at[0].store(1);
            if (lock.try_lock()) {
                x.at[1].store(1);
                lock.unlock();
            }
            if (x.at[1].load() == 0) data.get();
        });
        if (!has_interrupt) return;
        const auto handler = [](void* at) {
            require(static_cast<Int*>(at)->load() == 1, "in the interrupt");
        };
        program.spawn([&x, handler] { sfc_ipi(2, handler, &x.at[1], nullptr); });
    };
}

TEST(BeyondAViolation, the_exhaustive_search_finds_what_the_bounded_one_finds) {
    for (const Model model : kModels) {
        const Body body = fails_everywhere(model == Model::sc);
        const Result all = check(body, {.model = model, .stop_at_error = false});
        const Result bounded = check(
            body,
            {.model = model, .strategy = Strategy::bounded, .bound = 100, .stop_at_error = false});
        EXPECT_GT(all.complete, 0U);
        EXPECT_GT(all.violations, all.complete);
        EXPECT_EQ(all.complete, bounded.complete);
        EXPECT_EQ(all.violations, bounded.violations);
        const Result several = check(
            body,
            {.model = model, .jobs = 3, .executions_between_parts = 1, .stop_at_error = false});
        EXPECT_EQ(several.complete, all.complete);
        EXPECT_EQ(several.violations, all.violations);
    }
}

// --- spawns while others run
// -----------------------------------------------------------------------

TEST(Spawns, of_two_tasks_are_explored_in_both_orders) {
    for (const Model model : kModels) {
        const Result result = check(
            [](Program& program) {
                auto& first = program.make<Int>();
                const auto spawner = [&first](bool is_first) {
                    return [&first, is_first] {
                        const unsigned number =
                            sfc_spawn([](void*) {}, nullptr, SFC_ANY_CPU, nullptr);
                        if (is_first) first.store(static_cast<int>(number));
                    };
                };
                program.spawn(spawner(true));
                program.spawn(spawner(false));
                program.finish([&first] { outcome(std::to_string(first.get())); });
            },
            {.model = model});
        EXPECT_EQ(result.complete, 2U);
        EXPECT_EQ(result.outcomes.count("2"), 1U);
        EXPECT_EQ(result.outcomes.count("3"), 1U);
    }
}

TEST(Spawns, come_before_and_after_an_interrupt_to_their_cpu) {
    for (const Model model : kModels) {
        const Result result = check(
            [](Program& program) {
                auto& handled = program.make<Int>();
                program.spawn([&handled] {
                    const auto handler = [](void* at) { static_cast<Int*>(at)->store(1); };
                    sfc_ipi_wait(sfc_ipi(4, handler, &handled, nullptr), nullptr);
                });
                program.spawn([] { sfc_spawn([](void*) {}, nullptr, 2, nullptr); });
                program.finish([&handled] { outcome(std::to_string(handled.get())); });
            },
            {.model = model});
        EXPECT_EQ(result.outcomes.count("0"), 1U);
        EXPECT_EQ(result.outcomes.count("1"), 1U);
    }
}

// --- by chance
// ------------------------------------------------------------------------------------

constexpr Strategy kRandom[] = {Strategy::random, Strategy::pct, Strategy::pos};

TEST(Random, finds_a_race_and_claims_nothing_when_it_does_not) {
    for (const Strategy strategy : kRandom) {
        for (const Model model : kModels) {
            Options options{.model = model, .strategy = strategy, .runs = 2000};
            EXPECT_EQ(check(gup_against_collapse({}), options).verdict, Verdict::violated);
            const Result holds =
                check(gup_against_collapse({.recheck_pmd = true, .fence = true}), options);
            EXPECT_EQ(holds.verdict, Verdict::incomplete) << holds.message;
            EXPECT_EQ(holds.complete, 2000U);
        }
    }
}

TEST(Random, is_the_same_for_the_same_seed_only) {
    const auto hash = [](Strategy strategy, std::uint64_t seed) {
        return check(fib_bench(3),
                     {.strategy = strategy, .runs = 50, .seed = seed, .hash_traces = true})
            .trace_hash;
    };
    for (const Strategy strategy : kRandom) {
        EXPECT_EQ(hash(strategy, 7), hash(strategy, 7));
        EXPECT_NE(hash(strategy, 7), hash(strategy, 8));
    }
}

TEST(Random, meets_every_outcome_of_a_small_program) {
    const shapes::Text text = shapes::parse("Wx1 Ry | Wy1 Rx");
    for (const Strategy strategy : kRandom) {
        std::set<std::string> seen;
        check(shapes::body(text, &seen),
              {.model = Model::tso, .strategy = strategy, .bound = 3, .runs = 1000});
        EXPECT_EQ(seen.size(), 4U);
    }
}

TEST(Jobs, share_the_runs_and_add_up) {
    for (const unsigned jobs : {2u, 3u}) {
        const Result holds = check(gup_against_collapse({.recheck_pmd = true, .fence = true}),
                                   {.strategy = Strategy::random, .runs = 100, .jobs = jobs});
        EXPECT_EQ(holds.verdict, Verdict::incomplete) << holds.message;
        EXPECT_EQ(holds.complete, 100U);
    }
}

TEST(Jobs, tell_of_a_violation_and_its_schedule) {
    const Body body = gup_against_collapse({});
    const Result found = check(body, {.strategy = Strategy::random, .runs = 400, .jobs = 2});
    EXPECT_EQ(found.verdict, Verdict::violated);
    EXPECT_FALSE(found.schedule.empty());
    EXPECT_EQ(check(body, {.replay = found.replay}).message, found.message);
}

TEST(Jobs, explore_every_execution_once) {
    for (const Model model : {Model::sc, Model::tso, Model::weak}) {
        const Result one = check(fib_bench(3), {.model = model, .hash_traces = true});
        for (const unsigned jobs : {2u, 5u}) {
            const Result several = check(fib_bench(3), {.model = model,
                                                        .jobs = jobs,
                                                        .executions_between_parts = 50,
                                                        .hash_traces = true});
            EXPECT_EQ(several.verdict, Verdict::holds) << several.message;
            EXPECT_EQ(several.complete, one.complete);
            EXPECT_EQ(several.trace_hash, one.trace_hash);
        }
    }
}

TEST(Jobs, find_what_one_finds) {
    for (const Model model : {Model::sc, Model::tso, Model::weak}) {
        const Result found = check(gup_against_collapse({.readers = 2}),
                                   {.model = model, .jobs = 3, .executions_between_parts = 1});
        EXPECT_EQ(found.verdict, Verdict::violated);
        EXPECT_FALSE(found.message.empty());
    }
}

TEST(Jobs, that_die_are_told_of) {
    const Result result = check(
        [first = getpid()](Program& program) {
            auto& x = program.make<Ints>();
            for (int i = 0; i < 3; ++i)
                program.spawn([&x] { x.at[0].fetch_add(1); });
            program.finish([first] {
                if (getpid() != first) _exit(7);
            });
        },
        {.model = Model::weak, .jobs = 2, .executions_between_parts = 1});
    EXPECT_EQ(result.verdict, Verdict::wrong);
    EXPECT_EQ(result.message, "a job died");
}

// --- how much is left
// --------------------------------------------------------------------------------

TEST(Estimate, is_the_count_when_the_search_is_over) {
    for (const unsigned jobs : {1u, 3u}) {
        const Result all = check(increments(4, 1), {.jobs = jobs});
        EXPECT_EQ(all.estimate, static_cast<double>(all.complete));
    }
}

TEST(Estimate, of_a_search_that_was_cut_is_near) {
    const auto estimate = [](const Body& body, Model model, std::uint64_t executions) {
        const Result cut = check(body, {.model = model, .max_executions = executions});
        EXPECT_EQ(cut.verdict, Verdict::incomplete);
        return cut.estimate;
    };
    EXPECT_NEAR(estimate(increments(7, 1), Model::sc, 1260), 5040, 500);
    EXPECT_NEAR(estimate(readers(13), Model::weak, 819), 8192, 100);
    EXPECT_NEAR(estimate(casrot(9), Model::sc, 4298), 8597, 1500);
}

TEST(Estimate, is_told_while_the_search_runs) {
    // A search without end in sight: it ends when it has told.
    struct Told {
        sfc_progress progress{};
        unsigned number = 0;
    } told;
    const sfc_program program{
        "increments",
        [](void*) {
            void* const word = sfc_alloc(8, 8, nullptr);
            for (int i = 0; i < 14; ++i)
                sfc_spawn([](void* at) { sfc_rmw(at, 8, SFC_ADD, 1, SFC_RELAXED, nullptr); }, word,
                          SFC_ANY_CPU, nullptr);
        },
        [](void* at) {
            if (static_cast<Told*>(at)->number != 0) sfc_fail("told", nullptr);
        },
        &told};
    sfc_options options = sfc_default_options();
    options.progress = [](const sfc_progress* progress, void* at) {
        static_cast<Told*>(at)->progress = *progress;
        ++static_cast<Told*>(at)->number;
    };
    options.progress_context = &told;
    sfc_result result;
    sfc_run(&program, &options, &result);
    EXPECT_EQ(result.verdict, SFC_VIOLATED);
    EXPECT_GT(told.progress.executions, 0U);
    EXPECT_GT(told.progress.estimate, static_cast<double>(told.progress.executions));
    EXPECT_GT(told.progress.seconds_left, 0);
    sfc_result_free(&result);
}

// --- replays
// --------------------------------------------------------------------------------------

TEST(Replay, of_a_violation_violates_again) {
    for (const Model model : kModels) {
        const Body body = gup_against_collapse({.readers = 2});
        const Result found = check(body, {.model = model});
        ASSERT_EQ(found.verdict, Verdict::violated);
        ASSERT_FALSE(found.replay.empty());
        const Result again = check(body, {.model = model, .replay = found.replay});
        EXPECT_EQ(again.verdict, Verdict::violated);
        EXPECT_EQ(again.message, found.message);
        EXPECT_EQ(again.schedule, found.schedule);
    }
}

TEST(Replay, keeps_the_outcome_of_a_choice) {
    const Body body = [](Program& program) {
        program.spawn([] { require(sfc_choose(5, nullptr) != 3, "three"); });
    };
    const Result found = check(body);
    EXPECT_EQ(check(body, {.replay = found.replay}).message, "three");
}

TEST(Replay, of_another_program_is_refused) {
    const Body body = increments(2, 1);
    EXPECT_EQ(check(body, {.replay = "0*7"}).verdict, Verdict::wrong);
    EXPECT_EQ(check(body, {.replay = "9"}).verdict, Verdict::wrong);
    EXPECT_EQ(check(body, {.replay = "zero"}).verdict, Verdict::wrong);
}

// --- what is refused
// ------------------------------------------------------------------------------

void expect_wrong(const Body& body, const std::string& words, const Options& options = {}) {
    const Result result = check(body, options);
    EXPECT_EQ(result.verdict, Verdict::wrong);
    EXPECT_NE(result.message.find(words), std::string::npos) << result.message;
}

TEST(Wrong, a_task_that_steps_without_end) {
    expect_wrong(
        [](Program& program) {
            auto& x = program.make<Int>();
            program.spawn([&x] {
                while (x.fetch_add(1) >= 0)
                    continue;
            });
        },
        "more than 500 steps", {.max_steps = 500});
}

TEST(Wrong, allocation_without_end) {
    expect_wrong(
        [](Program& program) {
            program.spawn([] {
                while (sfc_alloc(4096, 16, nullptr) != nullptr)
                    continue;
            });
        },
        "arena is full");
}

TEST(Wrong, an_allocation_of_nearly_all_addresses) {
    struct Size {
        std::size_t bytes, align;
    };
    for (const Model model : {Model::sc, Model::weak})
        for (const Size size : {Size{SIZE_MAX, 16}, Size{16, SIZE_MAX}})
            expect_wrong(
                [size](Program& program) {
                    program.spawn([size] { sfc_alloc(size.bytes, size.align, nullptr); });
                },
                "arena is full", {.model = model});
}

TEST(Wrong, a_failure_without_words_is_one) {
    const Result result =
        check([](Program& program) { program.spawn([] { sfc_fail(nullptr, nullptr); }); });
    EXPECT_EQ(result.verdict, Verdict::violated);
    EXPECT_EQ(result.message, "sfc_fail()");
}

TEST(Wrong, more_cpus_than_there_are) { expect_wrong(increments(17, 1), "more CPUs than 16"); }

TEST(Wrong, more_tasks_than_there_are) {
    const auto tasks = [](unsigned count) {
        return [count](Program& program) {
            for (unsigned i = 0; i < count; ++i)
                program.spawn([] {}, nullptr, static_cast<int>(i % SFC_MAX_CPUS));
        };
    };
    for (const Model model : {Model::sc, Model::tso, Model::weak}) {
        EXPECT_EQ(check(tasks(32), {.model = model}).verdict, Verdict::holds);
        expect_wrong(tasks(33), "more tasks than 32", {.model = model});
        expect_wrong(tasks(100), "more tasks than 32", {.model = model});
    }
}

TEST(Wrong, more_processes_than_there_are) {
    // Under tso each callback of RCU has a store buffer of its own.
    expect_wrong(
        [](Program& program) {
            auto& x = program.make<Ints>();
            for (int i = 0; i < 16; ++i)
                program.spawn([&x, i] {
                    sfc_call_rcu(nullptr, [](void*) {}, &x, nullptr);
                    if (i == 0) sfc_ipi(0xffff, [](void*) {}, nullptr, nullptr);
                });
        },
        "more than 63 tasks, store buffers", {.model = Model::tso, .max_executions = 1000});
}

TEST(Wrong, a_program_that_depends_on_earlier_executions) {
    int executions = 0;
    expect_wrong(
        [&executions](Program& program) {
            auto& x = program.make<Int>();
            ++executions;
            for (int i = 0; i < 2; ++i)
                program.spawn([&x, &executions] { x.store(executions); });
        },
        "not deterministic");
}

TEST(Wrong, a_single_execution_that_does_not_repeat) {
    int executions = 0;
    expect_wrong(
        [&executions](Program& program) {
            auto& x = program.make<Int>();
            program.spawn([&x, &executions] {
                for (int i = 0; i < executions; ++i)
                    x.store(1);
                ++executions;
            });
        },
        "not deterministic");
}

TEST(Wrong, a_single_execution_that_gets_stuck_when_repeated) {
    int executions = 0;
    expect_wrong(
        [&executions](Program& program) {
            auto& x = program.make<Int>();
            program.spawn([&x, &executions] {
                if (executions++ != 0) x.await(1);
            });
        },
        "not deterministic: run again, it gets stuck");
}

}  // namespace
}  // namespace surefoot::checker
