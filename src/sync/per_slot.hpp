#pragma once

#include <array>
#include <concepts>

#include "impl/atomic.hpp"
#include "impl/thread.hpp"
#include "sync/locks.hpp"

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

/// This thread's T, which nobody else touches for a scope. Its lock is taken only if other threads
/// have the slot, too: a slot of one's own needs no locked instruction.
template <class T>
class [[nodiscard]] SlotHolder {
  public:
    [[nodiscard]] explicit SlotHolder(PerSlot<T>& slots) : SlotHolder(slots, this_thread_slot()) {}
    ~SlotHolder() SF_CONTEXT_UNSAFE("locks only a shared slot") {
        if (shared_) [[unlikely]] mine_.lock.unlock();
    }
    SlotHolder(const SlotHolder&) = delete;
    SlotHolder& operator=(const SlotHolder&) = delete;

    T* operator->() const { return &mine_; }
    T& operator*() const { return mine_; }

  private:
    SlotHolder(PerSlot<T>& slots, ThreadSlot slot) SF_CONTEXT_UNSAFE("locks only a shared slot")
        : mine_(slots.at(slot)), shared_(!slot.exclusive()) {
        if (shared_) [[unlikely]] mine_.lock.lock();
    }

    T& mine_;
    const bool shared_;
};

/// Counters split by slot: adding writes no line of another thread, and needs no locked
/// instruction as long as the slot is the thread's own. A sum is exact once the adders are done.
template <std::integral T, std::size_t N>
class SlotCounters {
  public:
    void add(std::size_t which, T n) {
        const ThreadSlot slot = this_thread_slot();
        Atomic<T>& counter = slots_.at(slot)[which];
        if (slot.exclusive()) [[likely]] {
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
