#pragma once

// Strong types for addresses, frames and sizes. Only the arithmetic that makes sense compiles.

#include <bit>
#include <compare>
#include <cstddef>
#include <cstdint>

#include "base/macros.hpp"

namespace surefoot::inline SF_BUILD {

constexpr bool is_power_of_two(std::uint64_t n) { return std::has_single_bit(n); }

/// @param size a power of two, in bytes
constexpr std::uint64_t align_down(std::uint64_t value, std::uint64_t size) {
    return value & ~(size - 1);
}

/// @param size a power of two, in bytes. Wraps to 0 past the top of the address space.
constexpr std::uint64_t align_up(std::uint64_t value, std::uint64_t size) {
    return align_down(value + size - 1, size);
}

/// An address of the kind that `Tag` names; distances are in bytes.
template <class Tag>
class Address {
public:
    constexpr Address() = default;
    constexpr explicit Address(std::uint64_t raw) : raw_(raw) {}

    constexpr std::uint64_t raw() const { return raw_; }
    constexpr bool is_aligned(std::uint64_t size) const { return (raw_ & (size - 1)) == 0; }
    constexpr Address align_down(std::uint64_t size) const {
        return Address(surefoot::align_down(raw_, size));
    }
    constexpr Address align_up(std::uint64_t size) const {
        return Address(surefoot::align_up(raw_, size));
    }

    friend constexpr auto operator<=>(Address, Address) = default;
    friend constexpr Address operator+(Address a, std::uint64_t bytes) {
        return Address(a.raw_ + bytes);
    }
    friend constexpr Address operator-(Address a, std::uint64_t bytes) {
        return Address(a.raw_ - bytes);
    }
    friend constexpr std::uint64_t operator-(Address a, Address b) { return a.raw_ - b.raw_; }
    constexpr Address& operator+=(std::uint64_t bytes) {
        raw_ += bytes;
        return *this;
    }

private:
    std::uint64_t raw_ = 0;
};

/// An address that a guest program uses.
using VirtAddr = Address<struct VirtTag>;
/// A byte offset into the arena of frames: what a page-table entry holds.
using PhysAddr = Address<struct PhysTag>;

/// The number of a frame in the arena. 32 bits reach 16 TiB of 4 KiB frames.
class Pfn {
public:
    constexpr Pfn() = default;
    constexpr explicit Pfn(std::uint32_t raw) : raw_(raw) {}
    static constexpr Pfn none() { return Pfn(~std::uint32_t{0}); }

    constexpr std::uint32_t raw() const { return raw_; }
    constexpr explicit operator bool() const { return *this != none(); }

    friend constexpr auto operator<=>(Pfn, Pfn) = default;
    friend constexpr Pfn operator+(Pfn p, std::uint32_t n) { return Pfn(p.raw_ + n); }
    friend constexpr std::uint32_t operator-(Pfn a, Pfn b) { return a.raw_ - b.raw_; }

private:
    std::uint32_t raw_ = ~std::uint32_t{0};
};

/// Half-open: [start, end).
struct VaRange {
    VirtAddr start;
    VirtAddr end;

    constexpr std::uint64_t bytes() const { return end - start; }
    constexpr bool empty() const { return end <= start; }
    constexpr bool contains(VirtAddr va) const { return start <= va && va < end; }
    constexpr bool contains(VaRange r) const { return start <= r.start && r.end <= end; }
    constexpr bool overlaps(VaRange r) const { return start < r.end && r.start < end; }
    friend constexpr bool operator==(VaRange, VaRange) = default;
};

constexpr VaRange intersect(VaRange a, VaRange b) {
    return {a.start > b.start ? a.start : b.start, a.end < b.end ? a.end : b.end};
}

}  // namespace surefoot::inline SF_BUILD
