#pragma once

// The words that locks are made of: what waits, and how.

#include <cstdint>

#include "impl/atomic.hpp"

namespace surefoot::inline SF_BUILD::sync {

/// Four bytes that block: 0 free, 1 held, 2 held and somebody waits.
class WordLock {
  public:
    void lock() {
        std::uint32_t seen = 0;
        if (!word_.compare_exchange(seen, 1, Order::acquire, Order::relaxed)) lock_slow();
    }
    bool try_lock() {
        std::uint32_t seen = 0;
        return word_.compare_exchange(seen, 1, Order::acquire, Order::relaxed);
    }
    void unlock() {
        if (word_.exchange(0, Order::release) == 2) word_.notify_one();
    }

  private:
    void lock_slow();
    Atomic<std::uint32_t> word_{0};
};

/// Reader/writer lock word. A waiting writer holds new readers back, so that it cannot starve.
class RwWord {
  public:
    bool try_lock_shared();
    void lock_shared();
    void unlock_shared() {
        const std::uint32_t before = state_.fetch_sub(1, Order::seq_cst);
        if ((before & kReaders) == 1) wake_waiters();
    }
    bool try_lock();
    void lock() {
        std::uint32_t seen = 0;
        if (!state_.compare_exchange(seen, kWriter, Order::acquire, Order::relaxed)) lock_slow();
    }
    void unlock() {
        // Whoever waits tries again: readers and writers alike.
        state_.exchange(0, Order::seq_cst);
        wake_waiters();
    }
    void downgrade() {
        state_.exchange(1, Order::seq_cst);
        wake_waiters();
    }

  private:
    static constexpr std::uint32_t kWriter = 1U << 31;
    static constexpr std::uint32_t kWriterWaits = 1U << 30;
    static constexpr std::uint32_t kReaders = kWriterWaits - 1;

    void wake_waiters() {
        // seq_cst: pairs with the increment of `sleepers_` before a sleeper looks at the state.
        if (sleepers_.load(Order::seq_cst) != 0) state_.notify_all();
    }
    void lock_slow();
    void sleep_on(std::uint32_t seen);

    Atomic<std::uint32_t> state_{0};
    Atomic<std::uint32_t> sleepers_{0};
};

}  // namespace surefoot::inline SF_BUILD::sync
