#pragma once

// RCU by liburcu's bulletproof flavour: any thread of an embedder may call in and is attached on
// its first read section. The inlined read side costs 1.3 ns, the called one 9.7 ns.
// LGPL inlining: liburcu allows LGPL-compatible code, MIT included, to define _LGPL_SOURCE.

// Not under AddressSanitizer, which comes with the alignment check of the undefined-behaviour one:
// liburcu places its reader records at addresses below their declared alignment.
#if !defined(_LGPL_SOURCE) && !defined(__SANITIZE_ADDRESS__)
#define _LGPL_SOURCE
#endif
#include <urcu/urcu-bp.h>

#include "impl/atomic.hpp"
#include "sync/lockdep.hpp"

#if defined(__SANITIZE_THREAD__)
#include <sanitizer/tsan_interface.h>
#endif

namespace surefoot::inline SF_BUILD::sync {

#if defined(__SANITIZE_THREAD__)
// ThreadSanitizer does not see inside liburcu: the end of each read section is ordered before
// what follows a grace period. One address for all.
inline char tsan_rcu;
inline void rcu_annotate_reader_end() { __tsan_release(&tsan_rcu); }
inline void rcu_annotate_grace_period() { __tsan_acquire(&tsan_rcu); }
#else
inline void rcu_annotate_reader_end() {}
inline void rcu_annotate_grace_period() {}
#endif

inline void rcu_read_lock() {
    lockdep::rcu_enter();
    urcu_bp_read_lock();
}

inline void rcu_read_unlock() {
    rcu_annotate_reader_end();
    urcu_bp_read_unlock();
    lockdep::rcu_exit();
}

/// Lives inside an object that is to be freed after a grace period. 16 bytes.
struct RcuHead {
    RcuHead* rcu_next;
    void (*rcu_call)(RcuHead&);
};

/// Queues `head`, whose callback is set. Never blocks.
void rcu_enqueue(RcuHead& head);

/// Calls `Callback(RcuHead&)` after a grace period that starts after this call: within some
/// milliseconds on liburcu's thread, or on that of whoever calls `rcu_barrier` earlier.
template <auto Callback>
void rcu_defer(RcuHead& head) {
    head.rcu_call = [](RcuHead& h) { Callback(h); };
    rcu_enqueue(head);
}

/// Waits for a grace period. Locks: none that a reader may wait for.
inline void rcu_synchronize() {
    lockdep::assert_may_sleep();
    urcu_bp_synchronize_rcu();
    rcu_annotate_grace_period();
}

/// Returns when every callback that was deferred before has run. Locks: none that a reader or a
/// callback may wait for.
void rcu_barrier();

}  // namespace surefoot::inline SF_BUILD::sync
