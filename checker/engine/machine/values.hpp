#pragma once

// What an operation makes of a value, in every model; and words in memory.

#include <cstring>
#include <optional>

#include "engine/machine/step.hpp"

namespace surefoot::checker::engine {

inline std::uint64_t read_memory(Address address, unsigned size) {
    switch (size) {
        case 1:
            return *reinterpret_cast<const std::uint8_t*>(address);
        case 2:
            return *reinterpret_cast<const std::uint16_t*>(address);
        case 4:
            return *reinterpret_cast<const std::uint32_t*>(address);
        case 8:
            return *reinterpret_cast<const std::uint64_t*>(address);
        default: {
            std::uint64_t value = 0;
            std::memcpy(&value, reinterpret_cast<const void*>(address), size);
            return value;
        }
    }
}

inline void write_memory(Address address, unsigned size, std::uint64_t value) {
    switch (size) {
        case 1:
            *reinterpret_cast<std::uint8_t*>(address) = static_cast<std::uint8_t>(value);
            break;
        case 2:
            *reinterpret_cast<std::uint16_t*>(address) = static_cast<std::uint16_t>(value);
            break;
        case 4:
            *reinterpret_cast<std::uint32_t*>(address) = static_cast<std::uint32_t>(value);
            break;
        case 8:
            *reinterpret_cast<std::uint64_t*>(address) = value;
            break;
        default:
            std::memcpy(reinterpret_cast<void*>(address), &value, size);
    }
}

/// What a word of that size keeps of the value; a lock has no size.
inline std::uint64_t cut(std::uint64_t value, unsigned size) {
    return size >= 8 || size == 0 ? value : value & ((std::uint64_t{1} << (8 * size)) - 1);
}

/// Whether an sfc_await() goes on when its word is `value`.
inline bool answers(const Op& op, std::uint64_t value) {
    value &= op.a;
    switch (op.sub) {
        case SFC_EQ:
            return value == op.b;
        case SFC_NE:
            return value != op.b;
        case SFC_LT:
            return value < op.b;
        case SFC_LE:
            return value <= op.b;
        case SFC_GT:
            return value > op.b;
        default:
            return value >= op.b;
    }
}

/// What sfc_rmw() makes of the value before.
inline std::uint64_t operated(const Op& op, std::uint64_t before) {
    switch (op.sub) {
        case SFC_ADD:
            return before + op.a;
        case SFC_SUB:
            return before - op.a;
        case SFC_AND:
            return before & op.a;
        case SFC_OR:
            return before | op.a;
        case SFC_XOR:
            return before ^ op.a;
        default:
            return op.a;
    }
}

/// What a store or read-modify-write puts in the place of `before`; nothing if it leaves it alone.
inline std::optional<std::uint64_t> stored(const Op& op, std::uint64_t before) {
    switch (op.kind) {
        case Kind::store:
            return cut(op.a, op.size);
        case Kind::rmw:
            return cut(operated(op, before), op.size);
        case Kind::cas:
            return before == op.a ? std::optional(cut(op.b, op.size)) : std::nullopt;
        case Kind::rmw_call: {
            const std::uint64_t value = cut(op.change(before, op.context), op.size);
            return value != before ? std::optional(value) : std::nullopt;
        }
        default:
            return std::nullopt;
    }
}

}  // namespace surefoot::checker::engine
