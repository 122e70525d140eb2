#pragma once

// x86-64 long-mode paging with 4 or 5 levels.
// Source: Intel SDM volume 3A, tables 5-15 to 5-20 (entry bits), figures 5-8 and 5-11.

#include "arch/format.hpp"

namespace surefoot::inline SF_BUILD::arch {

struct X86_64Masks {
    static constexpr unsigned kPageShift = 12;
    static constexpr std::uint64_t kPresent = 1ULL << 0;
    static constexpr std::uint64_t kWrite = 1ULL << 1;
    static constexpr std::uint64_t kUser = 1ULL << 2;
    static constexpr std::uint64_t kAccessed = 1ULL << 5;
    static constexpr std::uint64_t kDirty = 1ULL << 6;
    static constexpr std::uint64_t kHuge = 1ULL << 7;
    /// The global bit, ignored by the processor in an entry that is not present.
    static constexpr std::uint64_t kProtNone = 1ULL << 8;
    /// Bits 9 to 11 and 52 to 58 are left to software.
    static constexpr std::uint64_t kSpecial = 1ULL << 9;
    static constexpr std::uint64_t kNoExec = 1ULL << 63;
    /// All tables have the same lowest byte, which no leaf has: one comparison knows them, where
    /// "present and not huge" would take two instructions more on each level of a walk.
    static constexpr std::uint64_t kTableMask = 0xff;
    static constexpr std::uint64_t kFrameMask = 0x000f'ffff'ffff'f000ULL;
};

class X86_64 : public MaskedEntryBits<X86_64Masks>, public X86_64Masks {
public:
    static constexpr std::uint64_t kPageSize = 1ULL << kPageShift;
    static constexpr unsigned kIndexBits = 9;

    /// @param levels 4 or 5
    constexpr explicit X86_64(unsigned levels = 4)
        : top_(static_cast<PtLevel>(levels - 1)) {}

    constexpr PtLevel top() const { return top_; }
    static constexpr unsigned entries() { return 1U << kIndexBits; }
    static constexpr unsigned shift(PtLevel level) {
        return kPageShift + kIndexBits * static_cast<unsigned>(level);
    }
    static constexpr std::uint64_t span(PtLevel level) { return 1ULL << shift(level); }
    static constexpr unsigned index(VirtAddr va, PtLevel level) {
        return static_cast<unsigned>(va.raw() >> shift(level)) & (entries() - 1);
    }
    /// The lower canonical half; the last page stays unused, as in Linux.
    constexpr VirtAddr end() const {
        return VirtAddr((1ULL << (shift(top_) + kIndexBits - 1)) - kPageSize);
    }

private:
    PtLevel top_;
};

static_assert(PageTableFormat<X86_64>);

}  // namespace surefoot::inline SF_BUILD::arch
