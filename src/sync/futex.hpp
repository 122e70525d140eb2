#pragma once

// A host futex, for the waits that Atomic::wait does not offer: with a deadline, or on a word that
// another process shares. Natively only: the checked build has no clock and no processes.

#include <cstdint>
#include <ctime>
#include <optional>

#include "impl/atomic.hpp"

namespace surefoot::inline SF_BUILD::sync {

/// An absolute time of one of the two clocks that a futex knows.
struct Deadline {
    timespec when{};
    /// false: CLOCK_MONOTONIC
    bool realtime = false;
};

/// Whose threads meet at the word.
enum class FutexScope : std::uint8_t { this_process, any_process };

/// Sleeps while `word` is `seen`, until a wake-up or the deadline. May return without reason.
/// @return false: the deadline has passed
bool futex_wait(const Atomic<std::uint32_t>& word, std::uint32_t seen, FutexScope scope,
                const std::optional<Deadline>& deadline = {}) noexcept;

/// Wakes all sleepers. Goes by the address alone: what lay there may be gone.
void futex_wake_all(const void* word, FutexScope scope) noexcept;

}  // namespace surefoot::inline SF_BUILD::sync
