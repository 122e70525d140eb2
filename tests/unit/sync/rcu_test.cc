// RCU between threads of the native build.

#include <gtest/gtest.h>
#include <sched.h>

#include <memory>

#include "support/threads.hpp"

namespace {

using namespace surefoot;
using namespace surefoot::sync;

struct Object : RcuHead {
    explicit Object(Atomic<unsigned>& count) : freed(count) {}
    Atomic<unsigned> alive{1};
    Atomic<unsigned>& freed;
};

void free_object(RcuHead& head) {
    auto* const object = static_cast<Object*>(&head);
    object->alive.store(0, Order::relaxed);
    object->freed.fetch_add(1, Order::release);
    delete object;
}

TEST(Rcu, callback_runs_only_after_the_readers_left) {
    Atomic<unsigned> freed{0};
    auto* const object = new Object(freed);
    Event inside;
    Event leave;
    Atomic<unsigned> early{0};
    Threads reader;
    reader.add([&] {
        RcuReadGuard guard;
        inside.raise();
        leave.wait();
        early.store(1 - object->alive.load(Order::relaxed), Order::relaxed);
    });
    inside.wait();
    rcu_defer<free_object>(*object);
    EXPECT_EQ(freed.load(Order::acquire), 0U);
    leave.raise();
    rcu_barrier();
    EXPECT_EQ(freed.load(Order::acquire), 1U);
    reader.join();
    EXPECT_EQ(early.load(Order::relaxed), 0U);
}

TEST(Rcu, synchronize_waits_for_the_reader_that_was_there) {
    Event inside;
    Event waiting;
    Atomic<unsigned> left{0};
    Threads reader;
    reader.add([&] {
        RcuReadGuard guard;
        inside.raise();
        waiting.wait();
        left.store(1, Order::relaxed);
    });
    inside.wait();
    waiting.raise();
    rcu_synchronize();
    EXPECT_EQ(left.load(Order::relaxed), 1U);
}

TEST(Rcu, sections_nest) {
    Event inside;
    Event leave;
    Atomic<unsigned> freed{0};
    auto* const object = new Object(freed);
    Threads reader;
    reader.add([&] {
        RcuReadGuard outer;
        {
            RcuReadGuard inner;
        }
        inside.raise();
        leave.wait();
    });
    inside.wait();
    rcu_defer<free_object>(*object);
    EXPECT_EQ(freed.load(Order::acquire), 0U);
    leave.raise();
    rcu_barrier();
    EXPECT_EQ(freed.load(Order::acquire), 1U);
}

TEST(Rcu, readers_never_see_a_freed_object) {
    Atomic<unsigned> freed{0};
    Atomic<Object*> published{new Object(freed)};
    Event done;
    Atomic<unsigned> dead{0};
    Threads readers(3, [&](unsigned) {
        while (!done.raised()) {
            RcuReadGuard guard;
            // Acquire: pairs with the exchange that published it.
            Object* const object = published.load(Order::acquire);
            if (object->alive.load(Order::relaxed) == 0) dead.fetch_add(1, Order::relaxed);
        }
    });
    constexpr unsigned kReplaced = 2000;
    for (unsigned i = 0; i < kReplaced; ++i) {
        rcu_defer<free_object>(*published.exchange(new Object(freed), Order::acq_rel));
    }
    done.raise();
    readers.join();
    rcu_barrier();
    EXPECT_EQ(dead.load(Order::relaxed), 0U);
    EXPECT_EQ(freed.load(Order::acquire), kReplaced);
    delete published.load(Order::relaxed);
}

struct Raising : RcuHead {
    Event ran;
};

TEST(Rcu, callbacks_run_without_a_barrier) {
    // The second is deferred after the first batch: liburcu has to be called again.
    for (int round = 0; round < 2; ++round) {
        Raising object;
        rcu_defer<[](RcuHead& head) { static_cast<Raising&>(head).ran.raise(); }>(object);
        object.ran.wait();
        EXPECT_TRUE(object.ran.raised());
        rcu_barrier();  // the callback may still be inside `raise`
        EXPECT_TRUE(object.ran.raised());
    }
}

struct Lingering : RcuHead {
    Event inside;
    Event barrier_returned;
    bool waited_for = true;
};

TEST(Rcu, barrier_waits_for_a_callback_that_another_thread_runs) {
    Lingering object;
    Threads threads;
    threads.add([&] {
        rcu_defer<[](RcuHead& head) {
            auto& self = static_cast<Lingering&>(head);
            self.inside.raise();
            for (int i = 0; i < 1000 && !self.barrier_returned.raised(); ++i)
                sched_yield();
            self.waited_for = !self.barrier_returned.raised();
        }>(object);
        rcu_barrier();
    });
    object.inside.wait();
    threads.add([&] {
        rcu_barrier();
        object.barrier_returned.raise();
    });
    threads.join();
    EXPECT_TRUE(object.waited_for);
}

}  // namespace
