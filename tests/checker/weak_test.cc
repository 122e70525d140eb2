// The model weak: what waits, what fails, what is refused, and what its graphs do not show.

#include <gtest/gtest.h>

#include <string>

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
    EXPECT_EQ(error.message, "deadlock: one waits for a lock, other waits for a lock");
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
    EXPECT_EQ(run(body).message, "deadlock: waiter waits for a value");
    // The last store is the one or the other.
    EXPECT_EQ(run(body, {.deadlock_is_error = false}).blocked, 2U);
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
