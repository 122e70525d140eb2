#pragma once

// Layer 1, and the project's only door to concurrency: atomics, locks, RCU, threads. The headers
// under impl/ exist twice, in native/ and in checked/; the include path chooses. Both offer:
//
//   impl/atomic.hpp        Atomic<T>, fence, cpu_relax, Shared<T>
//   impl/lock_words.hpp    WordLock, RwWord
//   impl/object_cache.hpp  ObjectCache<T>: type-stable objects
//   impl/memory.hpp        SharedObject; marks for memory that is in use, or free
//   impl/rules.hpp         holds<Rule>(): whether a step of the protocol is taken
//   impl/rcu.hpp           RcuHead, rcu_defer, rcu_synchronize, rcu_barrier
//   impl/thread.hpp        Thread, thread slots
//
// What both builds have in common stands here once, on top of those: locks and their guards, the
// lock validator, reference counts, per-slot data, the plan of allocation failures.
// Native alone is sync/futex.hpp.
// Natively the "spin" locks block: they are small futex locks. The names keep Linux's classes.

#include "impl/atomic.hpp"
#include "impl/memory.hpp"
#include "impl/object_cache.hpp"
#include "impl/rules.hpp"
#include "impl/thread.hpp"
#include "sync/concepts.hpp"
#include "sync/fail_plan.hpp"
#include "sync/futex.hpp"
#include "sync/lock_classes.hpp"
#include "sync/lockdep.hpp"
#include "sync/locks.hpp"
#include "sync/order.hpp"
#include "sync/per_slot.hpp"
#include "sync/rcu.hpp"
#include "sync/ref_count.hpp"
#include "sync/rules.hpp"
