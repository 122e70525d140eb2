#pragma once

// What the core asks of a page-table entry format. A format is a small value: its bits are static,
// its number of levels may be chosen when an address space is made (as Linux folds the fifth
// level at run time), so one build serves 4 and 5 levels, and a scenario chooses a toy geometry.

#include <concepts>

#include "arch/entry.hpp"

namespace surefoot::inline SF_BUILD::arch {

template <class F>
concept PageTableGeometry = requires(const F f, VirtAddr va, PtLevel level) {
    // Bytes of a page, as a shift; a table is exactly one page.
    { F::kPageShift } -> std::convertible_to<unsigned>;
    { F::kPageSize } -> std::convertible_to<std::uint64_t>;
    // The level of the root table.
    { f.top() } -> std::same_as<PtLevel>;
    // Entries of a table.
    { f.entries() } -> std::same_as<unsigned>;
    // log2 of the bytes that one entry of this level spans.
    { f.shift(level) } -> std::same_as<unsigned>;
    { f.span(level) } -> std::same_as<std::uint64_t>;
    { f.index(va, level) } -> std::same_as<unsigned>;
    // First address past what user tables can map.
    { f.end() } -> std::same_as<VirtAddr>;
};

template <class F, PtLevel L>
concept EntryBits = requires(Entry<L> e, Pfn pfn, LeafBits bits) {
    { F::is_none(e) } -> std::same_as<bool>;
    // Present to software: a leaf (prot-none ones too) or a table.
    { F::is_present(e) } -> std::same_as<bool>;
    { F::is_leaf(e) } -> std::same_as<bool>;
    { F::is_table(e) } -> std::same_as<bool>;
    { F::pfn(e) } -> std::same_as<Pfn>;
    // The same as an address.
    { F::phys(e) } -> std::same_as<PhysAddr>;
    // The address of the table that an entry names; `is_table` holds.
    { F::table_phys(e) } -> std::same_as<PhysAddr>;
    { F::leaf_bits(e) } -> std::same_as<LeafBits>;
    // Getters return what was set.
    { F::template make_leaf<L>(pfn, bits) } -> std::same_as<Entry<L>>;
    // Accessed (and dirty) already set, so that hardware never changes a value that pmd_same
    // compares.
    { F::template make_table<L>(pfn) } -> std::same_as<Entry<L>>;
    // What the processor allows through this entry.
    { F::hardware_present(e) } -> std::same_as<bool>;
    { F::is_writable(e) } -> std::same_as<bool>;
    { F::is_executable(e) } -> std::same_as<bool>;
    { F::is_young(e) } -> std::same_as<bool>;
    { F::is_dirty(e) } -> std::same_as<bool>;
    { F::is_special(e) } -> std::same_as<bool>;
    { F::is_prot_none(e) } -> std::same_as<bool>;
};

template <class F>
concept PageTableFormat = PageTableGeometry<F> && EntryBits<F, PtLevel::pte> &&
                          EntryBits<F, PtLevel::pmd> && EntryBits<F, PtLevel::pud> &&
                          EntryBits<F, PtLevel::p4d> && EntryBits<F, PtLevel::pgd> &&
                          std::copyable<F>;

/// Bits and getters that follow from a format's masks; a format derives from it and gives `M`.
/// M: kPresent, kWrite, kUser, kAccessed, kDirty, kHuge, kProtNone, kSpecial, kNoExec,
/// kFrameMask, kPageShift; kTableMask: the bits by which an entry is known as a table's.
template <class M>
struct MaskedEntryBits {
    template <PtLevel L>
    static constexpr bool is_none(Entry<L> e) {
        return e.raw == 0;
    }
    template <PtLevel L>
    static constexpr bool hardware_present(Entry<L> e) {
        return (e.raw & M::kPresent) != 0;
    }
    template <PtLevel L>
    static constexpr bool is_prot_none(Entry<L> e) {
        return (e.raw & (M::kPresent | M::kProtNone)) == M::kProtNone;
    }
    template <PtLevel L>
    static constexpr bool is_present(Entry<L> e) {
        return (e.raw & (M::kPresent | M::kProtNone)) != 0;
    }
    template <PtLevel L>
    static constexpr bool is_leaf(Entry<L> e) {
        if constexpr (L == PtLevel::pte) {
            return is_present(e);
        } else {
            return is_present(e) && (e.raw & M::kHuge) != 0;
        }
    }
    template <PtLevel L>
    static constexpr bool is_table(Entry<L> e) {
        if constexpr (L == PtLevel::pte) {
            return false;
        } else {
            return (e.raw & M::kTableMask) == (kTableBits & M::kTableMask);
        }
    }
    template <PtLevel L>
    static constexpr Pfn pfn(Entry<L> e) {
        return Pfn(static_cast<std::uint32_t>((e.raw & M::kFrameMask) >> M::kPageShift));
    }
    template <PtLevel L>
    static constexpr PhysAddr phys(Entry<L> e) {
        return PhysAddr(e.raw & M::kFrameMask);
    }
    /// All tables' entries are alike but for the frame, so a constant takes the other bits off,
    /// which an addressing mode does in the load of the next level; a mask would be a step more.
    template <PtLevel L>
    static constexpr PhysAddr table_phys(Entry<L> e) {
        SF_DEBUG_ASSERT((e.raw & ~M::kFrameMask) == kTableBits);
        return PhysAddr(e.raw - kTableBits);
    }
    template <PtLevel L>
    static constexpr bool is_writable(Entry<L> e) {
        return (e.raw & M::kWrite) != 0;
    }
    template <PtLevel L>
    static constexpr bool is_executable(Entry<L> e) {
        return (e.raw & M::kNoExec) == 0;
    }
    template <PtLevel L>
    static constexpr bool is_young(Entry<L> e) {
        return (e.raw & M::kAccessed) != 0;
    }
    template <PtLevel L>
    static constexpr bool is_dirty(Entry<L> e) {
        return (e.raw & M::kDirty) != 0;
    }
    template <PtLevel L>
    static constexpr bool is_special(Entry<L> e) {
        return (e.raw & M::kSpecial) != 0;
    }
    template <PtLevel L>
    static constexpr LeafBits leaf_bits(Entry<L> e) {
        return {.write = is_writable(e),
                .exec = is_executable(e),
                .young = is_young(e),
                .dirty = is_dirty(e),
                .special = is_special(e),
                .prot_none = is_prot_none(e)};
    }
    template <PtLevel L>
    static constexpr Entry<L> make_leaf(Pfn frame, LeafBits b) {
        std::uint64_t raw = frame_bits(frame) | M::kUser;
        raw |= b.prot_none ? M::kProtNone : M::kPresent;
        raw |= b.write ? M::kWrite : 0;
        raw |= b.exec ? 0 : M::kNoExec;
        raw |= b.young ? M::kAccessed : 0;
        raw |= b.dirty ? M::kDirty : 0;
        raw |= b.special ? M::kSpecial : 0;
        if constexpr (L != PtLevel::pte) raw |= M::kHuge;
        return {raw};
    }
    template <PtLevel L>
    static constexpr Entry<L> make_table(Pfn frame) {
        static_assert(L != PtLevel::pte);
        return {frame_bits(frame) | kTableBits};
    }

private:
    static constexpr std::uint64_t kTableBits =
        M::kPresent | M::kWrite | M::kUser | M::kAccessed | M::kDirty;
    static constexpr std::uint64_t frame_bits(Pfn frame) {
        return static_cast<std::uint64_t>(frame.raw()) << M::kPageShift;
    }
};

}  // namespace surefoot::inline SF_BUILD::arch
