// Locks between threads of the native build.

#include <gtest/gtest.h>

#include <algorithm>

#include "support/threads.hpp"

namespace {

using namespace surefoot;
using namespace surefoot::sync;

constexpr unsigned kThreads = 8;
constexpr unsigned kRounds = 5000;

template <class Lock, class Acquire, class Release>
void expect_exclusion(Lock& lock, Acquire acquire, Release release) {
    std::uint64_t count = 0;
    Threads(kThreads, [&](unsigned) {
        for (unsigned i = 0; i < kRounds; ++i) {
            acquire(lock);
            ++count;
            release(lock);
        }
    }).join();
    EXPECT_EQ(count, std::uint64_t{kThreads} * kRounds);
}

TEST(SpinLock, excludes_under_contention) {
    SpinLock<LockId::leaf> lock;
    expect_exclusion(lock, [](auto& l) { l.lock(); }, [](auto& l) { l.unlock(); });
}

TEST(SpinLock, try_lock_excludes_under_contention) {
    SpinLock<LockId::leaf> lock;
    const auto spin = [](auto& l) {
        while (!l.try_lock())
            cpu_relax();
    };
    expect_exclusion(lock, spin, [](auto& l) { l.unlock(); });
}

TEST(ClasslessLock, excludes_under_contention) {
    ClasslessLock lock;
    expect_exclusion(
        lock, [](auto& l) { l.lock(LockId::ptl); }, [](auto& l) { l.unlock(LockId::ptl); });
}

TEST(RwSem, writers_exclude_under_contention) {
    RwSem<LockId::mmap_lock> lock;
    expect_exclusion(lock, [](auto& l) { l.lock(); }, [](auto& l) { l.unlock(); });
}

TEST(RwSem, readers_see_no_half_done_write) {
    RwSem<LockId::mmap_lock> lock;
    std::uint64_t left = 0;
    std::uint64_t right = 0;
    Atomic<unsigned> torn{0};
    Threads(kThreads, [&](unsigned self) {
        for (unsigned i = 0; i < kRounds; ++i) {
            if (self < 2) {
                Guard guard(lock);
                ++left;
                ++right;
            } else {
                SharedGuard guard(lock);
                if (left != right) torn.fetch_add(1, Order::relaxed);
            }
        }
    }).join();
    EXPECT_EQ(torn.load(Order::relaxed), 0U);
    EXPECT_EQ(left, 2 * kRounds);
}

TEST(RwSem, readers_share) {
    RwSem<LockId::mmap_lock> lock;
    Atomic<unsigned> inside{0};
    // Each waits inside until all are: passes only if they share.
    Threads(4, [&](unsigned) {
        SharedGuard guard(lock);
        inside.fetch_add(1, Order::acq_rel);
        while (inside.load(Order::acquire) != 4)
            cpu_relax();
    }).join();
    EXPECT_EQ(inside.load(Order::relaxed), 4U);
}

TEST(RwSem, downgrade_lets_readers_in_and_no_writer) {
    for (unsigned round = 0; round < 200; ++round) {
        RwSem<LockId::mmap_lock> lock;
        unsigned value = 0;
        lock.lock();
        Event reader_inside;
        Threads others;
        others.add([&] {
            Guard guard(lock);
            value = 2;
        });
        others.add([&] {
            SharedGuard guard(lock);
            reader_inside.raise();
        });
        value = 1;
        lock.downgrade();
        EXPECT_EQ(value, 1U) << "a writer got in between";
        EXPECT_FALSE(lock.try_lock());
        EXPECT_EQ(value, 1U);
        lock.unlock_shared();
        reader_inside.wait();
        others.join();
        EXPECT_EQ(value, 2U);
    }
}

TEST(RwSem, waiting_writer_holds_new_readers_back) {
    RwSem<LockId::mmap_lock> lock;
    lock.lock_shared();
    Event written;
    Threads writer;
    writer.add([&] {
        Guard guard(lock);
        written.raise();
    });
    // The writer comes, sooner or later; from then on no reader gets in.
    while (lock.try_lock_shared()) {
        lock.unlock_shared();
        cpu_relax();
    }
    EXPECT_FALSE(written.raised());
    lock.unlock_shared();
    written.wait();
    EXPECT_TRUE(written.raised());
}

TEST(RwSem, writer_is_not_starved_by_readers_that_overlap) {
    RwSem<LockId::mmap_lock> lock;
    Event done;
    Atomic<std::uint64_t> reads{0};
    Threads readers(4, [&](unsigned) {
        while (!done.raised()) {
            SharedGuard guard(lock);
            reads.fetch_add(1, Order::relaxed);
        }
    });
    for (unsigned i = 0; i < 200; ++i) {
        Guard guard(lock);
    }
    done.raise();
    readers.join();
    EXPECT_TRUE(lock.try_lock());
    lock.unlock();
}

TEST(Condition, wakes_every_waiter) {
    Mutex<LockId::process> lock;
    Condition condition;
    unsigned turn = 0;
    // Each waits for its turn and passes it on.
    Threads(kThreads, [&](unsigned self) {
        Guard guard(lock);
        while (turn != self)
            condition.wait(lock);
        ++turn;
        condition.notify_all();
    }).join();
    EXPECT_EQ(turn, kThreads);
}

TEST(RefCount, last_drop_is_one) {
    for (unsigned round = 0; round < 100; ++round) {
        RefCount count(kThreads);
        Atomic<unsigned> last{0};
        Threads(kThreads, [&](unsigned) {
            if (count.inc_not_zero()) {
                if (count.dec_and_test()) last.fetch_add(1, Order::relaxed);
            }
            if (count.dec_and_test()) last.fetch_add(1, Order::relaxed);
        }).join();
        EXPECT_EQ(last.load(Order::relaxed), 1U);
        EXPECT_EQ(count.read(), 0U);
        EXPECT_FALSE(count.inc_not_zero());
    }
}

TEST(PerSlot, threads_up_to_the_number_of_slots_get_their_own) {
    Atomic<unsigned> shared{0};
    PerSlot<Atomic<unsigned>> users;
    Atomic<unsigned> arrived{0};
    Threads(kThreads, [&](unsigned) {
        if (users.mine().fetch_add(1, Order::relaxed) != 0) shared.fetch_add(1, Order::relaxed);
        arrived.fetch_add(1, Order::acq_rel);
        while (arrived.load(Order::acquire) != kThreads)
            cpu_relax();
    }).join();
    unsigned sum = 0;
    users.for_each([&](const Atomic<unsigned>& n) { sum += n.load(Order::relaxed); });
    EXPECT_EQ(sum, kThreads);
    EXPECT_EQ(shared.load(Order::relaxed), 0U);
}

TEST(ObjectCache, gives_no_object_to_two_threads) {
    struct Object {
        Atomic<unsigned> owners{0};
    };
    ObjectCache<Object> cache;
    Atomic<unsigned> clashes{0};
    Threads(kThreads, [&](unsigned) {
        std::vector<Object*> mine;
        for (unsigned i = 0; i < 2000; ++i) {
            if (mine.size() < 100 && i % 3 != 2) {
                Object* const object = cache.alloc();
                if (object->owners.exchange(1, Order::acq_rel) != 0) {
                    clashes.fetch_add(1, Order::relaxed);
                }
                mine.push_back(object);
            } else if (!mine.empty()) {
                mine.back()->owners.store(0, Order::release);
                cache.free(mine.back());
                mine.pop_back();
            }
        }
        for (Object* object : mine) {
            object->owners.store(0, Order::release);
            cache.free(object);
        }
    }).join();
    EXPECT_EQ(clashes.load(Order::relaxed), 0U);
    EXPECT_EQ(cache.in_use(), 0);
}

}  // namespace
