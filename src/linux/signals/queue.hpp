#pragma once

// Pending signals of a thread or of a process.

#include <deque>
#include <optional>

#include "linux/abi.hpp"

namespace surefoot::inline SF_BUILD::linux_abi {

class SignalQueue {
  public:
    static constexpr int kFirstRealtime = 32;

    SigSet set() const { return set_; }

    /// A standard signal that is pending already is dropped; real-time signals queue up.
    void add(const Siginfo& info);

    /// The next one of `wanted`: synchronous ones first, then by number.
    std::optional<Siginfo> take(SigSet wanted);

    /// sigaction to "ignored" forgets what is pending.
    void discard(SigSet which);

  private:
    SigSet set_ = 0;
    std::deque<Siginfo> queue_;
};

}  // namespace surefoot::inline SF_BUILD::linux_abi
