#pragma once

#include <cstddef>
#include <cstdint>

#include "sync/sync.hpp"

/// Guest memory, which several processors may access at once.
inline std::uint8_t load_racy(const std::byte* at) {
    return reinterpret_cast<const surefoot::sync::Atomic<std::uint8_t>*>(at)->load(
        surefoot::sync::Order::relaxed);
}
inline void store_racy(std::byte* at, std::uint8_t value) {
    reinterpret_cast<surefoot::sync::Atomic<std::uint8_t>*>(at)->store(
        value, surefoot::sync::Order::relaxed);
}
