#pragma once

#include <cstdint>

namespace surefoot::checker::engine {

/// Every bit of the result hangs on every bit of `h`.
inline std::uint64_t mix(std::uint64_t h) {
    h = (h ^ (h >> 31)) * 0x7fb5d329728ea185ULL;
    h = (h ^ (h >> 27)) * 0x81dadef4bc2dd44dULL;
    return h ^ (h >> 33);
}

}  // namespace surefoot::checker::engine
