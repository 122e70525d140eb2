#pragma once

// A format for exhaustive checks: 2 to 5 levels of 2 or 4 entries, frames of four words. Its bits
// lie elsewhere than x86-64's, so that code which knows a literal bit or a literal 512 fails.

#include "arch/format.hpp"

namespace surefoot::inline SF_BUILD::arch {

struct ToyMasks {
    static constexpr unsigned kPageShift = 5;
    static constexpr std::uint64_t kFrameMask = 0x0000'ffff'ffff'ffe0ULL;
    static constexpr std::uint64_t kPresent = 1ULL << 0;
    static constexpr std::uint64_t kHuge = 1ULL << 1;
    static constexpr std::uint64_t kProtNone = 1ULL << 2;
    static constexpr std::uint64_t kTableMask = kPresent | kHuge;
    static constexpr std::uint64_t kUser = 1ULL << 48;
    static constexpr std::uint64_t kWrite = 1ULL << 49;
    static constexpr std::uint64_t kNoExec = 1ULL << 50;
    static constexpr std::uint64_t kAccessed = 1ULL << 51;
    static constexpr std::uint64_t kDirty = 1ULL << 52;
    static constexpr std::uint64_t kSpecial = 1ULL << 53;
};

class Toy : public MaskedEntryBits<ToyMasks>, public ToyMasks {
public:
    static constexpr std::uint64_t kPageSize = 1ULL << kPageShift;

    /// @param levels      2 to 5
    /// @param index_bits  1 or 2: a table holds 2 or 4 entries
    constexpr explicit Toy(unsigned levels = 2, unsigned index_bits = 1)
        : top_(static_cast<PtLevel>(levels - 1)), index_bits_(static_cast<std::uint8_t>(index_bits)) {}

    constexpr PtLevel top() const { return top_; }
    constexpr unsigned entries() const { return 1U << index_bits_; }
    constexpr unsigned shift(PtLevel level) const {
        return kPageShift + index_bits_ * static_cast<unsigned>(level);
    }
    constexpr std::uint64_t span(PtLevel level) const { return 1ULL << shift(level); }
    constexpr unsigned index(VirtAddr va, PtLevel level) const {
        return static_cast<unsigned>(va.raw() >> shift(level)) & (entries() - 1);
    }
    constexpr VirtAddr end() const { return VirtAddr(1ULL << (shift(top_) + index_bits_)); }

private:
    PtLevel top_;
    std::uint8_t index_bits_;
};

static_assert(PageTableFormat<Toy>);

}  // namespace surefoot::inline SF_BUILD::arch
