#pragma once

#include "impl/rcu.hpp"

namespace surefoot::inline SF_BUILD::sync {

/// A read-side section: memory that was reachable at its start stays valid until its end.
class [[nodiscard]] SF_SCOPED_GUARD RcuReadGuard {
  public:
    [[nodiscard]] RcuReadGuard() SF_ACQUIRES_SHARED(lc::rcu) { rcu_read_lock(); }
    ~RcuReadGuard() SF_RELEASES_ANY() { rcu_read_unlock(); }
    RcuReadGuard(const RcuReadGuard&) = delete;
    RcuReadGuard& operator=(const RcuReadGuard&) = delete;
};

}  // namespace surefoot::inline SF_BUILD::sync
