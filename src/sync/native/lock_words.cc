#include "impl/lock_words.hpp"

namespace surefoot::inline SF_BUILD::sync {

void WordLock::lock_slow() {
    // Table locks are held for a few hundred nanoseconds: look a few times before sleeping.
    for (int spins = 0; spins < 100; ++spins) {
        if (try_lock()) return;
        cpu_relax();
    }
    while (word_.exchange(2, Order::acquire) != 0)
        word_.wait(2, Order::relaxed);
}

void RwWord::sleep_on(std::uint32_t seen) {
    // seq_cst: either the releaser sees this increment, or the futex sees the changed state.
    sleepers_.fetch_add(1, Order::seq_cst);
    state_.wait(seen, Order::seq_cst);
    sleepers_.fetch_sub(1, Order::relaxed);
}

bool RwWord::try_lock_shared() {
    std::uint32_t seen = state_.load(Order::relaxed);
    while ((seen & (kWriter | kWriterWaits)) == 0) {
        if (state_.compare_exchange(seen, seen + 1, Order::acquire, Order::relaxed)) return true;
    }
    return false;
}

void RwWord::lock_shared() {
    while (!try_lock_shared()) {
        const std::uint32_t seen = state_.load(Order::relaxed);
        if ((seen & (kWriter | kWriterWaits)) != 0) sleep_on(seen);
    }
}

bool RwWord::try_lock() {
    std::uint32_t seen = state_.load(Order::relaxed);
    while ((seen & (kWriter | kReaders)) == 0) {
        // Clears kWriterWaits: other waiting writers set it again.
        if (state_.compare_exchange(seen, kWriter, Order::acquire, Order::relaxed)) return true;
    }
    return false;
}

void RwWord::lock_slow() {
    while (!try_lock()) {
        std::uint32_t seen = state_.load(Order::relaxed);
        if ((seen & (kWriter | kReaders)) == 0) continue;
        if ((seen & kWriterWaits) == 0 &&
            !state_.compare_exchange(seen, seen | kWriterWaits, Order::relaxed, Order::relaxed)) {
            continue;
        }
        sleep_on(seen | kWriterWaits);
    }
}

}  // namespace surefoot::inline SF_BUILD::sync
