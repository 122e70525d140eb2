#pragma once

#include <cstdint>

#include "impl/atomic.hpp"

namespace surefoot::inline SF_BUILD::sync {

/// A reference count that may be raised only from a non-zero value once objects are looked up
/// without a lock.
class RefCount {
  public:
    constexpr explicit RefCount(std::uint32_t initial = 0) : count_(initial) {}

    std::uint32_t read() const { return count_.load(Order::relaxed); }
    /// The object is exclusively owned. Release: pairs with the acquire of `inc_not_zero`, whose
    /// caller reads the fields that were set before.
    void set(std::uint32_t n) { count_.store(n, Order::release); }

    /// The caller owns a reference already.
    void inc(std::uint32_t n = 1) {
        [[maybe_unused]] const std::uint32_t before = count_.fetch_add(n, Order::relaxed);
        SF_DEBUG_ASSERT(before != 0);
    }
    bool inc_not_zero(std::uint32_t n = 1) {
        std::uint32_t seen = count_.load(Order::relaxed);
        while (seen != 0) {
            if (count_.compare_exchange(seen, seen + n, Order::acq_rel, Order::relaxed)) {
                return true;
            }
        }
        return false;
    }
    /// @return true for the last reference. acq_rel: everything that any holder did before its
    /// drop is visible to the one who frees.
    bool dec_and_test(std::uint32_t n = 1) {
        const std::uint32_t before = count_.fetch_sub(n, Order::acq_rel);
        SF_DEBUG_ASSERT(before >= n);
        return before == n;
    }

  private:
    Atomic<std::uint32_t> count_;
};

}  // namespace surefoot::inline SF_BUILD::sync
