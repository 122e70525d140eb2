#pragma once

#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <random>

/// The seed of a random test: SUREFOOT_SEED, or a fresh one. Printed, so that it can be replayed.
inline std::uint64_t test_seed() {
    const char* const given = std::getenv("SUREFOOT_SEED");
    const std::uint64_t seed =
        given != nullptr ? std::strtoull(given, nullptr, 0) : std::random_device{}();
    std::cout << "replay with SUREFOOT_SEED=" << seed << std::endl;
    return seed;
}
