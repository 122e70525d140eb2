#pragma once

// Where a guest thread sleeps inside a system call. One a thread; a token is kept if it comes
// before the sleep.

#include <cstdint>
#include <optional>

#include "linux/process/deadline.hpp"
#include "sync/sync.hpp"

namespace surefoot::inline SF_BUILD::linux_abi {

class Parker {
  public:
    /// Wakes the sleeper after its lock was dropped; touches no Parker, which may be gone.
    class Wake {
      public:
        void now() const noexcept {
            sync::futex_wake_all(word_, sync::FutexScope::this_process);
        }

      private:
        friend class Parker;
        explicit Wake(const void* word) : word_(word) {}
        const void* word_;
    };

    /// Sleeps until there is a token (and takes it) or the deadline has passed. May return without
    /// reason. @return false: the deadline has passed
    bool park(const std::optional<Deadline>& deadline) noexcept {
        if (take()) return true;
        const bool in_time =
            sync::futex_wait(token_, 0, sync::FutexScope::this_process, deadline);
        return take() || in_time;
    }

    /// Leaves a token; `now` of the result wakes.
    [[nodiscard]] Wake post() noexcept {
        // Release: what the waker did is visible to the sleeper that takes the token.
        token_.store(1, sync::Order::release);
        return Wake(&token_);
    }
    void unpark() noexcept { post().now(); }

  private:
    // Acquire: pairs with the release in `post`.
    bool take() noexcept { return token_.exchange(0, sync::Order::acquire) != 0; }

    sync::Atomic<std::uint32_t> token_{0};
};

}  // namespace surefoot::inline SF_BUILD::linux_abi
