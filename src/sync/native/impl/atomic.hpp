#pragma once

#include <atomic>
#include <concepts>
#include <cstring>
#include <utility>

#include "sync/order.hpp"

namespace surefoot::inline SF_BUILD::sync {

constexpr std::memory_order to_std(Order order) { return static_cast<std::memory_order>(order); }
static_assert(to_std(Order::relaxed) == std::memory_order_relaxed);
static_assert(to_std(Order::acquire) == std::memory_order_acquire);
static_assert(to_std(Order::release) == std::memory_order_release);
static_assert(to_std(Order::acq_rel) == std::memory_order_acq_rel);
static_assert(to_std(Order::seq_cst) == std::memory_order_seq_cst);

/// A word that threads race on.
template <class T>
class Atomic {
  public:
    constexpr Atomic() = default;
    constexpr explicit Atomic(T initial) : cell_(initial) {}
    Atomic(const Atomic&) = delete;
    Atomic& operator=(const Atomic&) = delete;

    T load(Order order) const { return cell_.load(to_std(order)); }
    void store(T value, Order order) { cell_.store(value, to_std(order)); }
    T exchange(T value, Order order) { return cell_.exchange(value, to_std(order)); }

    /// Strong. On failure `expected` holds the value that was found.
    bool compare_exchange(T& expected, T desired, Order success, Order failure) {
        return cell_.compare_exchange_strong(expected, desired, to_std(success), to_std(failure));
    }

    /// These return the value before.
    T fetch_add(T n, Order order)
        requires std::integral<T>
    {
        return cell_.fetch_add(n, to_std(order));
    }
    T fetch_sub(T n, Order order)
        requires std::integral<T>
    {
        return cell_.fetch_sub(n, to_std(order));
    }
    T fetch_or(T bits, Order order)
        requires std::integral<T>
    {
        return cell_.fetch_or(bits, to_std(order));
    }
    T fetch_and(T bits, Order order)
        requires std::integral<T>
    {
        return cell_.fetch_and(bits, to_std(order));
    }

    /// Blocks while the value is `old`; returns when it was seen to be another one.
    void wait(T old, Order order) const { cell_.wait(old, to_std(order)); }
    void notify_one() { cell_.notify_one(); }
    void notify_all() { cell_.notify_all(); }

  private:
    std::atomic<T> cell_{};
    static_assert(std::atomic<T>::is_always_lock_free);
};

inline void cpu_relax() { __builtin_ia32_pause(); }

/// A full barrier (seq_cst) or a weaker one.
#if defined(__SANITIZE_THREAD__)
// ThreadSanitizer knows no fences: a read-modify-write of one word orders at least as much.
inline std::atomic<int> tsan_fence_word{0};
inline void fence(Order) { tsan_fence_word.fetch_add(0, std::memory_order_seq_cst); }
#else
inline void fence(Order order) { std::atomic_thread_fence(to_std(order)); }
#endif

/// Copies bytes that a guest may be writing at the same time: whole words arrive whole, and the
/// race is the guest's own, not ours.
#if defined(__SANITIZE_THREAD__)
// Byte by byte, so that ThreadSanitizer sees that the race is meant.
inline void copy_racy(void* to, const void* from, std::size_t bytes) {
    auto* out = static_cast<std::atomic<unsigned char>*>(to);
    auto* in = static_cast<const std::atomic<unsigned char>*>(from);
    for (std::size_t i = 0; i < bytes; ++i) {
        out[i].store(in[i].load(std::memory_order_relaxed), std::memory_order_relaxed);
    }
}
#else
inline void copy_racy(void* to, const void* from, std::size_t bytes) {
    std::memcpy(to, from, bytes);
}
#endif

/// Plain data that a lock, RCU or exclusive ownership protects. The checked build sees each
/// access and reports a race; natively it is the value itself.
template <class T>
class Shared {
  public:
    constexpr Shared() = default;
    constexpr explicit Shared(T initial) : value_(std::move(initial)) {}
    Shared(const Shared&) = delete;
    Shared& operator=(const Shared&) = delete;

    const T& get() const { return value_; }
    void set(T value) { value_ = std::move(value); }

  private:
    T value_{};
};

}  // namespace surefoot::inline SF_BUILD::sync
