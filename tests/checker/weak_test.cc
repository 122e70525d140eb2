// The model weak: what waits, what fails, what is refused, and what its graphs do not show.

#include <gtest/gtest.h>

#include <functional>
#include <random>
#include <string>
#include <vector>

#include "surefoot/checker/checker.hpp"

namespace surefoot::checker {
namespace {

struct Words {
    Word<int> x, y, z;
    Mutex mutex;
};

Result run(const std::function<void(Program&, Words&)>& body, Options options = {}) {
    options.model = Model::weak;
    return check([&](Program& program) { body(program, program.make<Words>()); }, options);
}

void publish(Program& program, Words& words, sfc_order order) {
    program.spawn([&words, order] {
        words.x.store(1);
        words.y.store(1, order);
    });
    program.spawn([&words] {
        words.y.await(1, SFC_ACQUIRE);
        require(words.x.load() == 1, "y without x");
    });
}

TEST(Weak, an_await_that_acquires_sees_what_was_published) {
    const Result released =
        run([](Program& program, Words& words) { publish(program, words, SFC_RELEASE); });
    EXPECT_EQ(released.verdict, Verdict::holds) << released.message;
    EXPECT_EQ(released.complete, 1U);
    EXPECT_EQ(released.blocked, 0U);
}

TEST(Weak, a_violation_ends_the_search_or_is_counted) {
    const auto relaxed = [](Program& program, Words& words) {
        publish(program, words, SFC_RELAXED);
    };
    const Result first = run(relaxed);
    EXPECT_EQ(first.verdict, Verdict::violated);
    EXPECT_EQ(first.message, "y without x");
    const Result all = run(relaxed, {.stop_at_error = false});
    EXPECT_EQ(all.violations, 1U);
    EXPECT_EQ(all.complete, 1U);
}

TEST(Weak, two_locks_in_both_orders_deadlock) {
    struct Locks {
        Mutex a, b;
    };
    const auto body = [](Program& program) {
        auto& locks = program.make<Locks>();
        sfc_name(&locks.a, sizeof locks.a, "a");
        sfc_name(&locks.b, sizeof locks.b, "b");
        const auto both = [](Mutex& first, Mutex& second) {
            first.lock();
            second.lock();
            second.unlock();
            first.unlock();
        };
        program.spawn([&locks, both] { both(locks.a, locks.b); }, "one");
        program.spawn([&locks, both] { both(locks.b, locks.a); }, "other");
    };
    const Result error = check(body, {.model = Model::weak});
    EXPECT_EQ(error.verdict, Verdict::violated);
    EXPECT_EQ(
        error.message,
        "deadlock: one waits for lock b (held by other), other waits for lock a (held by one)");
    const Result counted = check(body, {.model = Model::weak, .deadlock_is_error = false});
    EXPECT_EQ(counted.complete, 2U);
    EXPECT_EQ(counted.blocked, 1U);
}

TEST(Weak, an_await_that_nobody_answers_deadlocks_once) {
    const auto body = [](Program& program, Words& words) {
        program.spawn([&words] { words.x.await(3); }, "waiter");
        program.spawn([&words] { words.x.store(1); });
        program.spawn([&words] { words.x.store(2); });
    };
    EXPECT_EQ(run(body).message, "deadlock: waiter waits for a value of 0x550000000000");
    // The last store is the one or the other.
    EXPECT_EQ(run(body, {.deadlock_is_error = false}).blocked, 2U);
}

TEST(Weak, an_await_may_miss_its_value) {
    for (const bool writer_first : {false, true}) {
        const Result result = run(
            [writer_first](Program& program, Words& words) {
                const auto writer = [&words] { words.x.store(1), words.x.store(2); };
                if (writer_first) program.spawn(writer);
                program.spawn([&words] { words.x.await(0); });
                if (!writer_first) program.spawn(writer);
            },
            {.deadlock_is_error = false});
        EXPECT_EQ(result.complete, 1U);
        EXPECT_EQ(result.blocked, 1U);
        EXPECT_LE(result.redundant, 1U);
    }
}

TEST(Weak, an_assumption_that_fails_blocks_that_execution_alone) {
    const Result result = run([](Program& program, Words& words) {
        program.spawn([&words] { words.x.store(1); });
        program.spawn([&words] { assume(words.x.load() == 1); });
    });
    EXPECT_EQ(result.verdict, Verdict::holds) << result.message;
    EXPECT_EQ(result.complete, 1U);
    EXPECT_EQ(result.blocked, 1U);
}

TEST(Weak, choices_are_each_taken_once_with_everything_else) {
    const Result result = run([](Program& program, Words& words) {
        program.spawn([&words] { words.x.store(static_cast<int>(sfc_choose(3, nullptr))); });
        program.spawn([&words] { words.x.load(); });
    });
    EXPECT_EQ(result.complete, 6U);
}

TEST(Weak, spawning_and_joining_are_ordered) {
    const Result result = run([](Program& program, Words& words) {
        program.spawn([&words] {
            words.x.store(1);
            const unsigned child = sfc_spawn(
                [](void* own) {
                    auto& mine = *static_cast<Words*>(own);
                    require(mine.x.load() == 1, "the child missed its parent's store");
                    mine.y.store(1);
                },
                &words, SFC_ANY_CPU, "child");
            sfc_join(child, nullptr);
            require(words.y.load() == 1, "the parent missed its child's store");
        });
    });
    EXPECT_EQ(result.verdict, Verdict::holds) << result.message;
    EXPECT_EQ(result.complete, 1U);
}

TEST(Weak, plain_data_follows_the_lock_that_protects_it) {
    struct Counter {
        Mutex mutex;
        int value = 0;
    };
    const Result result = check(
        [](Program& program) {
            auto& counter = program.make<Counter>();
            for (int i = 0; i < 3; ++i)
                program.spawn([&counter] {
                    counter.mutex.lock();
                    ++counter.value;
                    counter.mutex.unlock();
                });
            program.finish([&counter] { require(counter.value == 3, "lost"); });
        },
        {.model = Model::weak});
    EXPECT_EQ(result.verdict, Verdict::holds) << result.message;
    EXPECT_EQ(result.complete, 6U);
}

TEST(Weak, a_callback_runs_after_the_sections_that_were_there) {
    const Result result = run([](Program& program, Words& words) {
        program.spawn([&words] {
            sfc_rcu_read_lock(nullptr, nullptr);
            const int before = words.x.load(), after = words.y.load();
            require(before == 1 || after == 0, "the callback did not wait");
            sfc_rcu_read_unlock(nullptr, nullptr);
        });
        program.spawn([&words] {
            words.x.store(1);
            sfc_call_rcu(
                nullptr, [](void* own) { static_cast<Words*>(own)->y.store(1); }, &words, nullptr);
            sfc_rcu_barrier(nullptr, nullptr);
            require(words.y.load() == 1, "the barrier did not wait");
        });
    });
    EXPECT_EQ(result.verdict, Verdict::holds) << result.message;
    EXPECT_EQ(result.complete, 3U);
}

TEST(Weak, a_grace_period_inside_its_own_section_deadlocks) {
    const Result result = run([](Program& program, Words&) {
        program.spawn(
            [] {
                sfc_rcu_read_lock(nullptr, nullptr);
                sfc_synchronize_rcu(nullptr, nullptr);
            },
            "reader");
    });
    EXPECT_EQ(result.message, "deadlock: reader waits for a grace period");
}

/// A section that waits for what comes after a grace period, and may have begun before it.
struct SectionThatWaits {
    bool looks_first;  // and so knows that it began before
    bool holds_lock;   // waits for a lock that the updater holds
    bool updater_first;
};

std::function<void(Program&)> body(SectionThatWaits of) {
    return [of](Program& program) {
        auto& words = program.make<Words>();
        const auto reader = [&words, of] {
            sfc_rcu_read_lock(nullptr, nullptr);
            if (of.looks_first) words.x.load();
            if (of.holds_lock)
                words.mutex.lock(), words.mutex.unlock();
            else
                words.y.await(1);
            sfc_rcu_read_unlock(nullptr, nullptr);
        };
        const auto updater = [&words, of] {
            if (of.holds_lock) words.mutex.lock();
            words.x.store(1);
            sfc_synchronize_rcu(nullptr, nullptr);
            words.y.store(1);
            if (of.holds_lock) words.mutex.unlock();
        };
        if (of.updater_first) program.spawn(updater, "updater");
        program.spawn(reader, "reader");
        if (!of.updater_first) program.spawn(updater, "updater");
    };
}

TEST(Weak, a_section_and_a_grace_period_that_wait_for_each_other_deadlock) {
    for (const bool looks_first : {false, true})
        for (const bool holds_lock : {false, true})
            for (const bool updater_first : {false, true}) {
                const auto program = body({looks_first, holds_lock, updater_first});
                const Result error = check(program, {.model = Model::weak});
                EXPECT_EQ(error.verdict, Verdict::violated);
                EXPECT_NE(error.message.find("updater waits for a grace period"), std::string::npos)
                    << error.message;
                // As under sc, with the same order of lock and look.
                const Result weak =
                    check(program, {.model = Model::weak, .deadlock_is_error = false});
                const Result sc = check(program, {.model = Model::sc, .deadlock_is_error = false});
                EXPECT_EQ(weak.blocked, sc.blocked);
                EXPECT_EQ(weak.complete, sc.complete);
            }
}

TEST(Weak, a_grace_period_ends_when_the_section_does) {
    // The section waits, but not for the updater.
    const Result result = run([](Program& program, Words& words) {
        program.spawn([&words] {
            sfc_rcu_read_lock(nullptr, nullptr);
            words.x.await(1);
            sfc_rcu_read_unlock(nullptr, nullptr);
        });
        program.spawn([&words] {
            sfc_synchronize_rcu(nullptr, nullptr);
            words.y.store(1);
        });
        program.spawn([&words] { words.x.store(1); });
    });
    EXPECT_EQ(result.verdict, Verdict::holds) << result.message;
    EXPECT_EQ(result.complete, 1U);
    EXPECT_EQ(result.blocked, 0U);
    EXPECT_EQ(result.restarts, 1U);
}

/// Locks, one inside the other, in some order, and increments of a word.
struct LockProgram {
    struct Step {
        unsigned first, second;  // of three locks; the same one: no second
    };
    std::vector<std::vector<Step>> tasks;
};

LockProgram draw(unsigned seed) {
    std::mt19937 random(seed);
    LockProgram program;
    for (auto tasks = 2 + random() % 2; tasks > 0; --tasks) {
        auto& steps = program.tasks.emplace_back();
        for (auto left = 1 + random() % 2; left > 0; --left)
            steps.push_back(
                {static_cast<unsigned>(random() % 3), static_cast<unsigned>(random() % 3)});
    }
    return program;
}

void run(const LockProgram::Step& step, Mutex* locks, Word<int>& word) {
    locks[step.first].lock();
    word.fetch_add(1);
    if (step.second != step.first) locks[step.second].lock(), locks[step.second].unlock();
    locks[step.first].unlock();
}

TEST(Weak, locks_and_their_deadlocks_count_as_under_sc) {
    std::uint64_t deadlocks = 0;
    for (unsigned seed = 0; seed < 200; ++seed) {
        const LockProgram drawn = draw(seed);
        const auto explore = [&drawn](Model model) {
            return check(
                [&drawn](Program& program) {
                    struct State {
                        Mutex locks[3];
                        Word<int> word;
                    };
                    auto& state = program.make<State>();
                    for (const auto& steps : drawn.tasks)
                        program.spawn([&state, &steps] {
                            for (const auto& step : steps)
                                run(step, state.locks, state.word);
                        });
                },
                {.model = model, .deadlock_is_error = false});
        };
        const Result sc = explore(Model::sc), weak = explore(Model::weak);
        EXPECT_EQ(weak.complete, sc.complete) << "seed " << seed;
        EXPECT_EQ(weak.blocked, sc.blocked) << "seed " << seed;
        EXPECT_EQ(weak.redundant, 0U) << "seed " << seed;
        deadlocks += weak.blocked;
    }
    EXPECT_GT(deadlocks, 100U);
}

TEST(Weak, what_it_does_not_have_is_refused) {
    const Result sleeps = run([](Program& program, Words& words) {
        program.spawn([&words] { sfc_wait(&words.x, nullptr, nullptr); });
    });
    EXPECT_EQ(sleeps.verdict, Verdict::wrong);
    EXPECT_EQ(sleeps.message, "a sleep, wake or interrupt: not under the model weak");
    const Result sizes = run([](Program& program, Words& words) {
        program.spawn([&words] {
            words.x.store(1);
            sfc_load(&words.x, 1, SFC_RELAXED, nullptr);
        });
    });
    EXPECT_EQ(sizes.message,
              "accesses of different sizes to the same bytes: not under the model weak");
    const Result random = run([](Program&, Words&) {}, {.strategy = Strategy::random});
    EXPECT_EQ(random.verdict, Verdict::wrong);
}

TEST(Weak, a_release_of_a_lock_that_is_not_held_is_a_violation) {
    const Result result = run(
        [](Program& program, Words& words) { program.spawn([&words] { words.mutex.unlock(); }); });
    EXPECT_EQ(result.message, "a lock is released by a task that does not hold it");
}

TEST(Weak, a_loop_that_spins_is_refused) {
    const Result result = run([](Program& program, Words& words) {
        program.spawn([&words] {
            while (words.x.load() == 0)
                continue;
        });
    });
    EXPECT_EQ(result.verdict, Verdict::wrong);
    EXPECT_NE(result.message.find("sfc_await()"), std::string::npos) << result.message;
}

TEST(Weak, traces_hash_alike_in_every_search) {
    const auto body = [](Program& program, Words& words) {
        program.spawn([&words] { words.x.store(words.y.load() + 1); });
        program.spawn([&words] { words.y.store(words.x.load() + 1); });
    };
    const Result one = run(body, {.hash_traces = true}), two = run(body, {.hash_traces = true});
    EXPECT_EQ(one.complete, 3U);
    EXPECT_NE(one.trace_hash, 0U);
    EXPECT_EQ(one.trace_hash, two.trace_hash);
}

}  // namespace
}  // namespace surefoot::checker
