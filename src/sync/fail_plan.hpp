#pragma once

#include <cstdint>

#include "impl/atomic.hpp"

namespace surefoot::inline SF_BUILD::sync {

/// Makes the n-th allocation fail: owned by the caller, handed to every allocator and host port.
/// Allocators without a plan (a null pointer) pay one predictable branch.
class FailPlan {
  public:
    /// From now on, the n-th request (1 is the next one) fails, once.
    void arm(std::uint64_t n) {
        hit_.store(false, Order::relaxed);
        left_.store(static_cast<std::int64_t>(n), Order::relaxed);
    }
    void disarm() { left_.store(0, Order::relaxed); }
    /// Whether the armed request came and failed.
    bool hit() const { return hit_.load(Order::relaxed); }

    bool should_fail() {
        if (left_.load(Order::relaxed) <= 0) return false;
        if (left_.fetch_sub(1, Order::relaxed) != 1) return false;
        hit_.store(true, Order::relaxed);
        return true;
    }

  private:
    Atomic<std::int64_t> left_{0};
    Atomic<bool> hit_{false};
};

inline bool should_fail(FailPlan* plan) { return plan != nullptr && plan->should_fail(); }

}  // namespace surefoot::inline SF_BUILD::sync
