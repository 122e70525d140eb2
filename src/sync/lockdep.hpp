#pragma once

// The run-time lock validator: what this thread holds, in which order it was taken. On in every
// build but `release`; clang's analysis cannot see through calls and pointers, this can.

#include <array>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "sync/lock_classes.hpp"

namespace surefoot::inline SF_BUILD::sync::lockdep {

enum class Mode : std::uint8_t { shared, exclusive };

#ifdef SF_RELEASE

inline void acquire(LockId, const void*, Mode, bool /*trylock*/) {}
inline void release(LockId, const void*, Mode) {}
inline void release(LockId, const void*) {}
inline void downgrade(LockId, const void*) {}
inline void rcu_enter() {}
inline void rcu_exit() {}
inline void assert_held(LockId, const void* /*lock, or null for any*/) {}
inline void assert_held_exclusive(LockId, const void*) {}
inline bool is_held(LockId, const void*) { return true; }
inline void assert_rcu() {}
inline void assert_none() {}
inline void assert_may_sleep() {}
template <class F>
void holding_none(F&& f) {
    f();
}

#else

/// What one thread (or checked CPU) holds, in the order it was taken.
struct ThreadLocks {
    struct Held {
        LockId id;
        Mode mode;
        const void* lock;
    };
    std::array<Held, 64> held;
    std::size_t count = 0;
    unsigned rcu_depth = 0;
};

/// The caller's own. The one part of the validator that each build implements for itself.
ThreadLocks& this_thread_locks();

/// Asserts the lock order (trylocks excepted), that no sleeping lock is taken inside RCU or under
/// a spin lock, and that the same lock is not taken twice.
void acquire(LockId id, const void* lock, Mode mode, bool trylock);
/// @param mode  as it is held now
void release(LockId id, const void* lock, Mode mode);
/// In whichever mode it is held.
void release(LockId id, const void* lock);
void downgrade(LockId id, const void* lock);
void rcu_enter();
void rcu_exit();
/// @param lock  null: any lock of the class
void assert_held(LockId id, const void* lock);
void assert_held_exclusive(LockId id, const void* lock);
/// For "any one of these locks suffices". Always true where the validator is off.
bool is_held(LockId id, const void* lock);
void assert_rcu();
/// Nothing is held: the thread goes to run guest code or ends.
void assert_none();
/// No spin lock is held and no RCU section is open.
void assert_may_sleep();
/// Calls `f`, which is no part of what this thread does: what the thread holds is not f's.
template <class F>
void holding_none(F&& f) {
    const ThreadLocks mine = std::exchange(this_thread_locks(), {});
    f();
    assert_none();
    this_thread_locks() = mine;
}

#endif

}  // namespace surefoot::inline SF_BUILD::sync::lockdep
