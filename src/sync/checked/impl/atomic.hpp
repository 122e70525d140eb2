#pragma once

#include <concepts>
#include <cstring>
#include <utility>

#include "impl/engine.hpp"

namespace surefoot::inline SF_BUILD::sync {

/// A word that CPUs race on. Holds the value and nothing else: entries of tables in the arena
/// are accessed through it.
template <class T>
class Atomic {
  public:
    constexpr Atomic() = default;
    constexpr explicit Atomic(T initial) : cell_(initial) {}
    Atomic(const Atomic&) = delete;
    Atomic& operator=(const Atomic&) = delete;

    T load(Order order) const { return engine::load(cell_, order); }
    void store(T value, Order order) { engine::store(cell_, value, order); }
    T exchange(T value, Order order) {
        return engine::read_modify_write(cell_, SFC_XCHG, value, order);
    }

    /// Strong. On failure `expected` holds the value that was found.
    bool compare_exchange(T& expected, T desired, Order success, Order failure) {
        const T wanted = expected;
        expected = engine::compare_exchange(cell_, wanted, desired, success, failure);
        return engine::to_bits(expected) == engine::to_bits(wanted);
    }

    /// These return the value before.
    T fetch_add(T n, Order order)
        requires std::integral<T>
    {
        return engine::read_modify_write(cell_, SFC_ADD, n, order);
    }
    T fetch_sub(T n, Order order)
        requires std::integral<T>
    {
        return engine::read_modify_write(cell_, SFC_SUB, n, order);
    }
    T fetch_or(T bits, Order order)
        requires std::integral<T>
    {
        return engine::read_modify_write(cell_, SFC_OR, bits, order);
    }
    T fetch_and(T bits, Order order)
        requires std::integral<T>
    {
        return engine::read_modify_write(cell_, SFC_AND, bits, order);
    }

    /// Blocks while the value is `old`; returns when it was seen to be another one.
    void wait(T old, Order order) const { engine::wait_while(cell_, old, order); }
    // Whoever sleeps is woken by the store itself.
    void notify_one() {}
    void notify_all() {}

  private:
    T cell_{};
    static_assert(sizeof(T) <= 8);
};

inline void cpu_relax() {}

inline void fence(Order order) { engine::fence(order); }

/// Copies bytes that a guest may be writing at the same time: the race is the guest's own, and no
/// finding.
inline void copy_racy(void* to, const void* from, std::size_t bytes) {
    std::memcpy(to, from, bytes);
}

/// Plain data that a lock, RCU or exclusive ownership protects: each access is seen, so that a
/// race on it can be reported.
template <class T>
class Shared {
  public:
    constexpr Shared() = default;
    constexpr explicit Shared(T initial) : value_(std::move(initial)) {}
    Shared(const Shared&) = delete;
    Shared& operator=(const Shared&) = delete;

    const T& get() const {
        if (engine::in_task()) sfc_plain_read(&value_, sizeof value_, nullptr);
        return value_;
    }
    void set(T value) {
        if (engine::in_task()) sfc_plain_write(&value_, sizeof value_, nullptr);
        value_ = std::move(value);
    }

  private:
    T value_{};
};

}  // namespace surefoot::inline SF_BUILD::sync
