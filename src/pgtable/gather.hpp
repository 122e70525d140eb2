#pragma once

// The gather (Linux: mmu_gather): what an operation has unlinked, until it is safe to free it.
// Order: unlink, invalidate everywhere, free (rule TLB1); pages at once after the invalidation,
// tables after a grace period on top of it (rule C13).

#include "pgtable/pte_map.hpp"

namespace surefoot::inline SF_BUILD::pgtable {

class Gather {
  public:
    /// Begin before the first entry is changed.
    explicit Gather(PageTables& tables);
    ~Gather() { SF_ASSERT(finished_); }
    Gather(const Gather&) = delete;
    Gather& operator=(const Gather&) = delete;

    /// Leaf entries of `range` were cleared, or permit less than before.
    void entries_changed(VaRange range);

    /// Takes over one reference to `page`, whose mapping was cleared and un-counted.
    /// @return true when the batch is full: flush as soon as no more entries of this hold are to
    /// be cleared
    bool queue_page(Pfn page);

    /// Takes over a table that was unlinked and holds no entry. May flush.
    void queue_table(Pfn table);

    bool full() const { return pages_.full(); }

    /// Invalidates, then frees what was queued.
    /// Locks: page-table locks may be held.
    void flush();

    /// The last flush. If another gather is in flight on these tables, everything is
    /// invalidated: two batches may have seen each other's half-done entries.
    void finish();

  private:
    void invalidate();
    void release();

    PageTables& tables_;
    bool finished_ = false;
    FixedVector<VaRange, 16> ranges_;
    FixedVector<Pfn, 32> unlinked_;
    FixedVector<std::uint32_t, 512> pages_;  // frame numbers
};

/// Unlinks the PTE table under `pmd` if it holds no entry (rule C12e). The whole span of the
/// entry was zapped by the caller. Takes the PML, then the PTL, and looks again.
/// @return whether a table was unlinked and queued
bool unlink_empty_pte_table(PageTables& tables, const PmdSlot& pmd, Gather& gather, VmaStable);

/// The same for a caller that holds the PTL ever since it cleared the last entry: no second look
/// is needed. Tries the PML against the lock order (T9).
/// @return false when the PML was not to be had: drop the map and use the function above
bool try_unlink_empty_pte_table(PageTables& tables, const PmdSlot& pmd, PteMapLocked& map,
                                Gather& gather, VmaStable);

/// Unlinks and queues the tables that only serve `range` (Linux: free_pgtables). A table goes
/// when the whole span it covers lies between `floor`, the end of the mapping below, and
/// `ceiling`, the start of the one above; a ceiling of 0 is the top of the address space.
/// The leaf entries of `range` were zapped.
void free_tables(PageTables& tables, Gather& gather, VaRange range, VirtAddr floor,
                 VirtAddr ceiling, MayFreeTables);

}  // namespace surefoot::inline SF_BUILD::pgtable
