#pragma once

// The standard format of XSAVE, as far as both back ends read and write it (Intel SDM volume 1,
// 13.4).

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include "base/base.hpp"

namespace surefoot::inline SF_BUILD::cpu {

inline constexpr std::size_t kMxcsrOffset = 24;
inline constexpr std::uint64_t kLegacyFeatures = 3;  // x87 and SSE
inline constexpr std::uint16_t kInitialControlWord = 0x37f;
inline constexpr std::uint32_t kInitialMxcsr = 0x1f80;

template <class T>
T load_at(std::span<const std::byte> bytes, std::size_t offset) {
    T value;
    std::memcpy(&value, bytes.data() + offset, sizeof value);
    return value;
}

template <class T>
void store_at(std::span<std::byte> bytes, std::size_t offset, T value) {
    std::memcpy(bytes.data() + offset, &value, sizeof value);
}

}  // namespace surefoot::inline SF_BUILD::cpu
