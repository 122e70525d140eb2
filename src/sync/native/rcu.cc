// Callbacks after a grace period. liburcu's thread for them sleeps ten milliseconds between two
// batches, and a barrier sleeps with it; so the queue is ours, and a barrier runs what is queued.

#include "impl/rcu.hpp"

#include "impl/lock_words.hpp"

namespace surefoot::inline SF_BUILD::sync {

namespace {

/// RCU's readers are those of the process, and so are its callbacks.
struct Callbacks {
    Atomic<RcuHead*> queue{nullptr};  // the latest first
    WordLock running;                 // whoever runs a batch
    Atomic<bool> called{false};       // liburcu has `call`
    rcu_head call;
} callbacks;

void run_batch() {
    // A barrier returns only after the batch that another thread runs.
    callbacks.running.lock();
    // Acquire: pairs with `rcu_enqueue`.
    RcuHead* head = callbacks.queue.exchange(nullptr, Order::acquire);
    if (head != nullptr) {
        urcu_bp_synchronize_rcu();
        rcu_annotate_grace_period();
    }
    while (head != nullptr) {
        RcuHead* const next = head->rcu_next;
        lockdep::holding_none([&] { head->rcu_call(*head); });
        head = next;
    }
    callbacks.running.unlock();
}

void on_liburcu_thread(rcu_head*) {
    // First: whoever enqueues from here on finds it false and calls again. acq_rel: pairs with the
    // exchange of one who found it true, and whose callback this batch therefore sees.
    callbacks.called.exchange(false, Order::acq_rel);
    run_batch();
}

}  // namespace

void rcu_enqueue(RcuHead& head) {
    head.rcu_next = callbacks.queue.load(Order::relaxed);
    // Release: what was done to the object before is visible to the callback.
    while (
        !callbacks.queue.compare_exchange(head.rcu_next, &head, Order::release, Order::relaxed)) {
    }
    if (!callbacks.called.exchange(true, Order::acq_rel))
        urcu_bp_call_rcu(&callbacks.call, on_liburcu_thread);
}

void rcu_barrier() {
    lockdep::assert_may_sleep();
    run_batch();
}

}  // namespace surefoot::inline SF_BUILD::sync
