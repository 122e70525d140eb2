#pragma once

// A benchmark has nothing to go on with after an error: it says so and ends.

#include <cstdint>
#include <string_view>

namespace surefoot::bench {

inline constexpr std::uint64_t kPage = 4096;

/// Prints `surefoot: bench: WHAT: failed` and exits with status 1.
[[noreturn]] void give_up(std::string_view what);

inline void must(bool done, std::string_view what) {
    if (!done) give_up(what);
}

}  // namespace surefoot::bench
