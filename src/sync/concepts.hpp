#pragma once

// What both sync layers must offer, stated once and asserted for the layer that is included.

#include <concepts>

#include "impl/atomic.hpp"
#include "impl/object_cache.hpp"
#include "impl/thread.hpp"
#include "sync/locks.hpp"
#include "sync/rcu.hpp"

namespace surefoot::inline SF_BUILD::sync {

template <class A, class T>
concept AtomicCell = requires(A a, const A c, T v, T& expected, Order o) {
    { c.load(o) } -> std::same_as<T>;
    a.store(v, o);
    { a.exchange(v, o) } -> std::same_as<T>;
    { a.compare_exchange(expected, v, o, o) } -> std::same_as<bool>;
    a.wait(v, o);
    a.notify_one();
    a.notify_all();
} && !std::copyable<A>;

template <class L>
concept Lockable = requires(L l) {
    l.lock();
    { l.try_lock() } -> std::same_as<bool>;
    l.unlock();
};

template <class L>
concept SharedLockable = Lockable<L> && requires(L l) {
    l.lock_shared();
    { l.try_lock_shared() } -> std::same_as<bool>;
    l.unlock_shared();
    l.downgrade();
};

static_assert(AtomicCell<Atomic<std::uint32_t>, std::uint32_t>);
static_assert(AtomicCell<Atomic<std::uint64_t>, std::uint64_t>);
static_assert(AtomicCell<Atomic<void*>, void*>);
static_assert(Lockable<SpinLock<LockId::leaf>>);
static_assert(Lockable<Mutex<LockId::process>>);
static_assert(SharedLockable<RwSem<LockId::mmap_lock>>);
static_assert(!std::copyable<RcuReadGuard>);

}  // namespace surefoot::inline SF_BUILD::sync
