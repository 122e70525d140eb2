// What both sync layers promise to one thread.

#include <gtest/gtest.h>

#include <set>
#include <vector>

#include "support/checks.hpp"
#include "sync/sync.hpp"

namespace {

using namespace surefoot;
using namespace surefoot::sync;

TEST(Atomic, read_modify_writes_return_the_value_before) {
    Atomic<std::uint64_t> word{0b1100};
    EXPECT_EQ(word.fetch_add(1, Order::relaxed), 0b1100U);
    EXPECT_EQ(word.fetch_sub(1, Order::relaxed), 0b1101U);
    EXPECT_EQ(word.fetch_or(0b0011, Order::relaxed), 0b1100U);
    EXPECT_EQ(word.fetch_and(0b1010, Order::relaxed), 0b1111U);
    EXPECT_EQ(word.exchange(7, Order::seq_cst), 0b1010U);
    EXPECT_EQ(word.load(Order::acquire), 7U);
}

TEST(Atomic, failed_compare_exchange_tells_what_was_there) {
    Atomic<std::uint32_t> word{5};
    std::uint32_t expected = 4;
    EXPECT_FALSE(word.compare_exchange(expected, 9, Order::seq_cst, Order::relaxed));
    EXPECT_EQ(expected, 5U);
    EXPECT_EQ(word.load(Order::relaxed), 5U);
    EXPECT_TRUE(word.compare_exchange(expected, 9, Order::seq_cst, Order::relaxed));
    EXPECT_EQ(expected, 5U);
    EXPECT_EQ(word.load(Order::relaxed), 9U);
}

TEST(Atomic, wait_returns_at_once_when_the_value_differs) {
    Atomic<std::uint32_t> word{1};
    word.wait(0, Order::acquire);
    EXPECT_EQ(word.load(Order::relaxed), 1U);
}

// A word lies in a frame: it is its value and nothing else.
static_assert(sizeof(Atomic<std::uint64_t>) == sizeof(std::uint64_t));
static_assert(sizeof(RcuHead) == 16);
static_assert(sizeof(ClasslessLock) == 4);

TEST(RwSem, modes_exclude_as_they_should) {
    RwSem<LockId::mmap_lock> lock;
    EXPECT_TRUE(lock.try_lock_shared());
    EXPECT_TRUE(lock.try_lock_shared());
    EXPECT_FALSE(lock.try_lock());
    lock.unlock_shared();
    lock.unlock_shared();
    EXPECT_TRUE(lock.try_lock());
    EXPECT_FALSE(lock.try_lock());
    EXPECT_FALSE(lock.try_lock_shared());
    lock.downgrade();
    EXPECT_FALSE(lock.try_lock());
    EXPECT_TRUE(lock.try_lock_shared());
    lock.unlock_shared();
    lock.unlock_shared();
    EXPECT_TRUE(lock.try_lock());
    lock.unlock();
}

struct Deferred : RcuHead {
    unsigned runs = 0;
    Deferred* then = nullptr;
};

void run_deferred(RcuHead& head) {
    auto& self = static_cast<Deferred&>(head);
    ++self.runs;
    if (self.then != nullptr) rcu_defer<run_deferred>(*std::exchange(self.then, nullptr));
}

TEST(Rcu, barrier_runs_every_callback_once) {
    Deferred callbacks[3];
    for (Deferred& d : callbacks)
        rcu_defer<run_deferred>(d);
    rcu_barrier();
    for (const Deferred& d : callbacks)
        EXPECT_EQ(d.runs, 1U);
    rcu_barrier();
    for (const Deferred& d : callbacks)
        EXPECT_EQ(d.runs, 1U);
}

TEST(Rcu, callback_may_defer_another_one) {
    Deferred second;
    Deferred first;
    first.then = &second;
    rcu_defer<run_deferred>(first);
    rcu_barrier();
    EXPECT_EQ(first.runs, 1U);
    rcu_barrier();
    EXPECT_EQ(second.runs, 1U);
}

TEST(Rcu, callback_does_not_run_inside_a_section) {
    Deferred callback;
    {
        RcuReadGuard guard;
        rcu_defer<run_deferred>(callback);
        EXPECT_EQ(callback.runs, 0U);
    }
    rcu_barrier();
    EXPECT_EQ(callback.runs, 1U);
}

TEST(Rcu, callback_holds_none_of_the_callers_locks) {
    RwSem<LockId::mmap_lock> lock;
    struct TakesLock : RcuHead {
        Mutex<LockId::process> outer;
        bool done = false;
    } object;
    rcu_defer<[](RcuHead& head) {
        auto& self = static_cast<TakesLock&>(head);
        // Outside mmap_lock in the order: a false alarm if the caller's hold counted.
        Guard guard(self.outer);
        self.done = true;
    }>(object);
    {
        Guard guard(lock);
        rcu_barrier();
    }
    EXPECT_TRUE(object.done);
}

TEST(FailPlan, fails_exactly_the_nth_request) {
    for (std::uint64_t n = 1; n <= 4; ++n) {
        FailPlan plan;
        plan.arm(n);
        for (std::uint64_t request = 1; request <= 6; ++request) {
            EXPECT_EQ(should_fail(&plan), request == n);
            EXPECT_EQ(plan.hit(), request >= n);
        }
    }
}

TEST(FailPlan, lets_everything_pass_when_it_is_not_armed) {
    FailPlan plan;
    EXPECT_FALSE(should_fail(&plan));
    EXPECT_FALSE(should_fail(nullptr));
    plan.arm(1);
    plan.disarm();
    EXPECT_FALSE(should_fail(&plan));
    EXPECT_FALSE(plan.hit());
}

struct Stable {
    unsigned constructed = 0x5afe;
    unsigned generation = 0;
};

TEST(ObjectCache, objects_stay_objects_of_their_type) {
    ObjectCache<Stable> cache;
    std::set<Stable*> seen;
    std::vector<Stable*> given;
    for (unsigned round = 1; round <= 3; ++round) {
        for (unsigned i = 0; i < 200; ++i) {
            Stable* const object = cache.alloc();
            ASSERT_NE(object, nullptr);
            if (!seen.insert(object).second) {
                EXPECT_GT(object->generation, 0U) << "constructed a second time";
            }
            object->generation = round;
            given.push_back(object);
        }
        EXPECT_EQ(cache.in_use(), 200);
        for (Stable* object : given)
            cache.free(object);
        given.clear();
        // A late reader finds what the owner left, not garbage.
        for (const Stable* object : seen) {
            EXPECT_EQ(object->constructed, 0x5afeU);
            EXPECT_LE(object->generation, round);
        }
    }
    EXPECT_EQ(cache.in_use(), 0);
}

TEST(ObjectCache, fails_when_the_plan_says_so_and_recovers) {
    FailPlan plan;
    ObjectCache<Stable> cache(&plan);
    plan.arm(2);
    Stable* const first = cache.alloc();
    EXPECT_NE(first, nullptr);
    EXPECT_EQ(cache.alloc(), nullptr);
    Stable* const third = cache.alloc();
    EXPECT_NE(third, nullptr);
    EXPECT_NE(third, first);
    EXPECT_EQ(cache.in_use(), 2);
    cache.free(first);
    cache.free(third);
}

TEST(ObjectCacheDeathTest, destruction_wants_every_object_back) {
    EXPECT_DEATH(
        {
            ObjectCache<Stable> cache;
            cache.alloc();
        },
        "in_use\\(\\) == 0");
}

TEST(RefCount, counts_down_to_the_last) {
    RefCount count(1);
    count.inc(2);
    EXPECT_FALSE(count.dec_and_test());
    EXPECT_TRUE(count.inc_not_zero());
    EXPECT_FALSE(count.dec_and_test(2));
    EXPECT_TRUE(count.dec_and_test());
    EXPECT_FALSE(count.inc_not_zero());
    count.set(1);
    EXPECT_EQ(count.read(), 1U);
}

TEST(RefCountDeathTest, finds_a_raise_from_zero_and_a_drop_below_it) {
    SKIP_WITHOUT_DEBUG_CHECKS();
    RefCount count(0);
    EXPECT_DEATH(count.inc(), "before != 0");
    EXPECT_DEATH(count.dec_and_test(), "before >= n");
}

TEST(Thread, runs_its_body) {
    unsigned ran = 0;
    auto thread = Thread::start([&] { ++ran; });
    ASSERT_TRUE(thread);
    thread->join();
    EXPECT_EQ(ran, 1U);
}

TEST(PerSlot, another_thread_has_a_slot_of_its_own) {
    PerSlot<unsigned> values;
    values.for_each([](unsigned& v) { v = 0; });
    values.mine() = 1;
    auto thread = Thread::start([&] { values.mine() += 10; });
    ASSERT_TRUE(thread);
    thread->join();
    EXPECT_EQ(values.mine(), 1U);
    unsigned sum = 0;
    values.for_each([&](unsigned v) { sum += v; });
    EXPECT_EQ(sum, 11U);
}

}  // namespace
