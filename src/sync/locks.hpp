#pragma once

// Locks as the core sees them: a word of this build (impl/lock_words.hpp) and the validator.

#include <cstdint>

#include "impl/atomic.hpp"
#include "impl/lock_words.hpp"
#include "sync/lockdep.hpp"

namespace surefoot::inline SF_BUILD::sync {

/// A lock word whose class is known only where it is used: a frame descriptor's, which is a PTE
/// table's lock or a PMD table's.
class ClasslessLock {
  public:
    ClasslessLock() = default;
    ClasslessLock(const ClasslessLock&) = delete;
    ClasslessLock& operator=(const ClasslessLock&) = delete;

    void lock(LockId id) {
        lockdep::acquire(id, this, lockdep::Mode::exclusive, false);
        word_.lock();
    }
    bool try_lock(LockId id) {
        if (!word_.try_lock()) return false;
        lockdep::acquire(id, this, lockdep::Mode::exclusive, true);
        return true;
    }
    void unlock(LockId id) {
        lockdep::release(id, this, lockdep::Mode::exclusive);
        word_.unlock();
    }
    void assert_held(LockId id) const { lockdep::assert_held(id, this); }

  private:
    WordLock word_;
};

/// A lock of the class `Id` that protects a few words for a short time. Four bytes, so that it
/// fits a frame descriptor. Use it through a guard only.
template <LockId Id>
class SF_CAPABILITY("lock") SpinLock {
  public:
    void lock() SF_ACQUIRES() SF_CONTEXT_UNSAFE("lock implementation") { lock_.lock(Id); }
    bool try_lock() SF_TRY_ACQUIRES(true) SF_CONTEXT_UNSAFE("lock implementation") {
        return lock_.try_lock(Id);
    }
    void unlock() SF_RELEASES() SF_CONTEXT_UNSAFE("lock implementation") { lock_.unlock(Id); }
    void assert_held() const SF_ASSERTS_HELD() { lock_.assert_held(Id); }

  private:
    ClasslessLock lock_;
};

/// As SpinLock, for long sections; the same blocking word natively.
template <LockId Id>
using Mutex = SpinLock<Id>;

/// A sleeping reader/writer lock of the class `Id`, with downgrade. Use it through a guard only.
template <LockId Id>
class SF_CAPABILITY("lock") RwSem {
  public:
    RwSem() = default;
    RwSem(const RwSem&) = delete;
    RwSem& operator=(const RwSem&) = delete;

    void lock() SF_ACQUIRES() SF_CONTEXT_UNSAFE("lock implementation") {
        lockdep::acquire(Id, this, lockdep::Mode::exclusive, false);
        word_.lock();
    }
    bool try_lock() SF_TRY_ACQUIRES(true) SF_CONTEXT_UNSAFE("lock implementation") {
        if (!word_.try_lock()) return false;
        lockdep::acquire(Id, this, lockdep::Mode::exclusive, true);
        return true;
    }
    void unlock() SF_RELEASES() SF_CONTEXT_UNSAFE("lock implementation") {
        lockdep::release(Id, this, lockdep::Mode::exclusive);
        word_.unlock();
    }
    void lock_shared() SF_ACQUIRES_SHARED() SF_CONTEXT_UNSAFE("lock implementation") {
        lockdep::acquire(Id, this, lockdep::Mode::shared, false);
        word_.lock_shared();
    }
    bool try_lock_shared() SF_TRY_ACQUIRES_SHARED(true) SF_CONTEXT_UNSAFE("lock implementation") {
        if (!word_.try_lock_shared()) return false;
        lockdep::acquire(Id, this, lockdep::Mode::shared, true);
        return true;
    }
    void unlock_shared() SF_RELEASES_SHARED() SF_CONTEXT_UNSAFE("lock implementation") {
        lockdep::release(Id, this, lockdep::Mode::shared);
        word_.unlock_shared();
    }
    /// Write to read without a gap.
    void downgrade() SF_CONTEXT_UNSAFE("lock implementation") {
        lockdep::downgrade(Id, this);
        word_.downgrade();
    }
    void assert_held() const { lockdep::assert_held(Id, this); }
    void assert_held_exclusive() const { lockdep::assert_held_exclusive(Id, this); }

  private:
    RwWord word_;
};

/// Holds an exclusive lock for a scope.
template <class L>
class [[nodiscard]] SF_SCOPED_GUARD Guard {
  public:
    [[nodiscard]] explicit Guard(L& lock) SF_ACQUIRES(lock) : lock_(lock) { lock_.lock(); }
    ~Guard() SF_RELEASES() { lock_.unlock(); }
    Guard(const Guard&) = delete;
    Guard& operator=(const Guard&) = delete;

  private:
    L& lock_;
};

/// Holds a lock in shared mode for a scope.
template <class L>
class [[nodiscard]] SF_SCOPED_GUARD SharedGuard {
  public:
    [[nodiscard]] explicit SharedGuard(L& lock) SF_ACQUIRES_SHARED(lock) : lock_(lock) {
        lock_.lock_shared();
    }
    ~SharedGuard() SF_RELEASES_ANY() { lock_.unlock_shared(); }
    SharedGuard(const SharedGuard&) = delete;
    SharedGuard& operator=(const SharedGuard&) = delete;

  private:
    L& lock_;
};

/// Waits on a condition that a lock protects. A thread that changes the condition under the lock
/// calls notify afterwards or before it unlocks.
class Condition {
  public:
    /// Leaves the lock while it sleeps. May return without reason: test the condition again.
    template <class L>
    void wait(L& lock) SF_CONTEXT_UNSAFE("drops and retakes its caller's lock") {
        const std::uint32_t seen = ticket_.load(Order::relaxed);
        lock.unlock();
        ticket_.wait(seen, Order::relaxed);
        lock.lock();
    }
    void notify_one() {
        ticket_.fetch_add(1, Order::relaxed);
        ticket_.notify_one();
    }
    void notify_all() {
        ticket_.fetch_add(1, Order::relaxed);
        ticket_.notify_all();
    }

  private:
    Atomic<std::uint32_t> ticket_{0};
};

}  // namespace surefoot::inline SF_BUILD::sync
