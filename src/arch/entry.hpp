#pragma once

// Page-table levels and the values of entries. The level is part of the type, so that a pte_t and
// a pmd_t neither convert nor compare.

#include <cstdint>

#include "base/base.hpp"

namespace surefoot::inline SF_BUILD::arch {

/// Named by Linux's words. With four levels the root table is at `p4d`: Linux folds that level and
/// calls the same table the PGD.
enum class PtLevel : std::uint8_t { pte = 0, pmd = 1, pud = 2, p4d = 3, pgd = 4 };

constexpr unsigned kMaxLevels = 5;

constexpr PtLevel below(PtLevel level) {
    return static_cast<PtLevel>(static_cast<std::uint8_t>(level) - 1);
}
constexpr PtLevel above(PtLevel level) {
    return static_cast<PtLevel>(static_cast<std::uint8_t>(level) + 1);
}

template <PtLevel L>
struct Entry {
    std::uint64_t raw = 0;
    friend constexpr bool operator==(Entry, Entry) = default;
};

using pte_t = Entry<PtLevel::pte>;
using pmd_t = Entry<PtLevel::pmd>;
using pud_t = Entry<PtLevel::pud>;
using p4d_t = Entry<PtLevel::p4d>;
using pgd_t = Entry<PtLevel::pgd>;

/// What a leaf entry says besides its frame.
struct LeafBits {
    bool write = false;
    bool exec = false;
    bool young = false;
    bool dirty = false;
    /// No descriptor stands behind the frame's mapping (the shared zero page).
    bool special = false;
    /// Present to software, absent to the processor: PROT_NONE keeps its contents.
    bool prot_none = false;

    friend constexpr bool operator==(LeafBits, LeafBits) = default;
};

}  // namespace surefoot::inline SF_BUILD::arch
