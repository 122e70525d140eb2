#pragma once

#include <array>
#include <concepts>

#include "impl/atomic.hpp"
#include "impl/thread.hpp"

namespace surefoot::inline SF_BUILD::sync {

/// One T a slot, each on cache lines of its own.
template <class T>
class PerSlot {
  public:
    T& mine() { return at(this_thread_slot()); }
    T& at(ThreadSlot slot) { return slots_[slot.index].value; }
    /// Every slot, for sums and drains.
    template <class F>
    void for_each(F&& f) {
        for (Padded& slot : slots_)
            f(slot.value);
    }
    template <class F>
    void for_each(F&& f) const {
        for (const Padded& slot : slots_)
            f(slot.value);
    }

  private:
    struct alignas(64) Padded {
        T value;
    };
    std::array<Padded, kThreadSlots> slots_;
};

/// Counters split by slot: adding writes no line of another thread, and needs no locked
/// instruction as long as the slot is the thread's own. A sum is exact once the adders are done.
template <std::integral T, std::size_t N>
class SlotCounters {
  public:
    void add(std::size_t which, T n) {
        const ThreadSlot slot = this_thread_slot();
        Atomic<T>& counter = slots_.at(slot)[which];
        if (slot.exclusive) [[likely]] {
            counter.store(static_cast<T>(counter.load(Order::relaxed) + n), Order::relaxed);
        } else {
            counter.fetch_add(n, Order::relaxed);
        }
    }
    T read(std::size_t which) const {
        T sum = 0;
        slots_.for_each([&](const auto& slot) { sum += slot[which].load(Order::relaxed); });
        return sum;
    }

  private:
    PerSlot<std::array<Atomic<T>, N>> slots_;
};

}  // namespace surefoot::inline SF_BUILD::sync
