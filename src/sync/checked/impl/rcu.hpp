#pragma once

#include "impl/engine.hpp"
#include "sync/lockdep.hpp"

namespace surefoot::inline SF_BUILD::sync {

inline void rcu_read_lock() {
    lockdep::rcu_enter();
    engine::rcu_enter();
}

inline void rcu_read_unlock() {
    engine::rcu_exit();
    lockdep::rcu_exit();
}

/// Lives inside an object that is to be freed after a grace period. 16 bytes.
struct RcuHead {
    engine::Deferred deferred;
};

/// Calls `Callback(RcuHead&)` after a grace period that starts after this call; never from here.
template <auto Callback>
void rcu_defer(RcuHead& head) {
    head.deferred.call = [](engine::Deferred& raw) { Callback(*reinterpret_cast<RcuHead*>(&raw)); };
    engine::defer(head.deferred);
}

/// Waits for a grace period. Locks: none that a reader may wait for.
inline void rcu_synchronize() {
    lockdep::assert_may_sleep();
    engine::grace_period();
}

/// Waits until every callback that was deferred before has run.
inline void rcu_barrier() {
    lockdep::assert_may_sleep();
    engine::barrier();
}

}  // namespace surefoot::inline SF_BUILD::sync
