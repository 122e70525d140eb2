#pragma once

// Walking from the root. Every level is loaded once, and the next table's place is computed from
// the loaded value, never from a second load.

#include <optional>

#include "pgtable/page_tables.hpp"
#include "pgtable/rights.hpp"

namespace surefoot::inline SF_BUILD::pgtable {

/// The slot of a PMD entry, with the table it lies in (whose lock is the PML). Stays usable as
/// long as the lock under which it was found: tables above the PTE level are not freed under it.
class PmdSlot : public Slot<PtLevel::pmd> {
  public:
    PmdSlot(Arena& arena, PhysAddr table, unsigned index)
        : Slot(arena.entry_word(table, index)), table_(&arena.frame(arch::to_pfn(table))) {}

    Frame& table_frame() const { return *table_; }

  private:
    friend class PmdLock;
    SlotRw<PtLevel::pmd> writable() const { return SlotRw<PtLevel::pmd>(*word_); }

    Frame* table_;
};

/// Holds the PML: the lock of the PMD table that a slot lies in.
class [[nodiscard]] PmdLock {
  public:
    [[nodiscard]] explicit PmdLock(const PmdSlot& pmd)
        : slot_(pmd.writable()), frame_(pmd.table_frame()) {
        frame_.lock.lock(sync::LockId::pml);
    }
    ~PmdLock() {
        if (held_) frame_.lock.unlock(sync::LockId::pml);
    }
    PmdLock(const PmdLock&) = delete;
    PmdLock& operator=(const PmdLock&) = delete;

    /// For a holder of the PTL, against the lock order: may fail (T9).
    struct Try {};
    [[nodiscard]] PmdLock(const PmdSlot& pmd, Try)
        : slot_(pmd.writable()), frame_(pmd.table_frame()) {
        held_ = frame_.lock.try_lock(sync::LockId::pml);
    }
    explicit operator bool() const { return held_; }

    SlotRw<PtLevel::pmd>& slot() {
        SF_DEBUG_ASSERT(held_);
        return slot_;
    }

  private:
    SlotRw<PtLevel::pmd> slot_;
    Frame& frame_;
    bool held_ = true;
};

/// Finds the PMD slot of `va`; nothing if a table above is missing.
std::optional<PmdSlot> find_pmd(const PageTables& tables, VirtAddr va, VmaStable);

/// Finds the PMD slot of `va`, making the tables above it. Fails with nomem; tables made on the
/// way stay.
Result<PmdSlot> pmd_alloc(PageTables& tables, VirtAddr va, MayInstall);

/// Makes sure that the PMD entry is not none: links an empty PTE table (Linux: pte_alloc). Fails
/// with nomem. The table may vanish at any time, or the entry may be huge: follow with a map
/// that can fail.
Result<void> pte_alloc_missing(PageTables& tables, const PmdSlot& pmd, MayInstall);
inline Result<void> pte_alloc(PageTables& tables, const PmdSlot& pmd, MayInstall right) {
    if (!Format::is_none(pmd.load())) [[likely]] return {};
    return pte_alloc_missing(tables, pmd, right);
}

/// Links `table` if the entry is still none (Linux: pmd_install).
/// @return whether it was linked; otherwise it stays the caller's
bool pmd_install(PageTables& tables, const PmdSlot& pmd, Pfn table, MayInstall);

/// Calls `visit(PmdSlot, VaRange)` for each PMD entry whose span overlaps `range` and that lies
/// in an existing PMD table, lowest first; the range is what of `range` the entry spans. Entries
/// may be none.
template <class Visit>
void for_each_pmd(const PageTables& tables, VaRange range, VmaStable, Visit&& visit);

/// Where a virtual address leads.
struct Translation {
    PhysAddr address;
    arch::LeafBits bits;
    PtLevel level;
};

/// The software walk: what a processor with no cached translation would find.
/// Locks: an RCU read section; the result is a snapshot.
template <arch::PageTableFormat F>
std::optional<Translation> translate(const Arena& arena, Pfn root, F format, VirtAddr va);

}  // namespace surefoot::inline SF_BUILD::pgtable

#include "pgtable/walk.inl"
