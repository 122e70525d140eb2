#pragma once

// Where a guest thread sleeps inside a system call: a host futex with a deadline, which `sync` does
// not offer. One a thread; a token is kept if it comes before the sleep.

#include <cstdint>
#include <ctime>
#include <optional>

#include "base/base.hpp"
#include "sync/sync.hpp"

namespace surefoot::inline SF_BUILD::linux_abi {

/// An absolute time of one of the two clocks that a host futex knows.
struct Deadline {
    timespec when{};
    /// false: CLOCK_MONOTONIC
    bool realtime = false;
};

/// Not negative.
timespec time_left(const Deadline& deadline);
/// Now plus `interval`.
Deadline deadline_after(const timespec& interval);

class Parker {
  public:
    /// Wakes the sleeper after its lock was dropped; touches no Parker, which may be gone.
    class Wake {
      public:
        void now() const noexcept;

      private:
        friend class Parker;
        explicit Wake(void* word) : word_(word) {}
        void* word_;
    };

    /// Sleeps until there is a token (and takes it) or the deadline has passed. May return without
    /// reason. @return false: the deadline has passed
    bool park(const std::optional<Deadline>& deadline) noexcept;

    /// Leaves a token; `now` of the result wakes.
    [[nodiscard]] Wake post() noexcept;
    void unpark() noexcept { post().now(); }

  private:
    sync::Atomic<std::uint32_t> token_{0};
};

}  // namespace surefoot::inline SF_BUILD::linux_abi
