#pragma once

// The tree of tables of one address space, and the frames of tables that wait for their grace
// period.

#include "host/host.hpp"
#include "pgtable/slot.hpp"

namespace surefoot::inline SF_BUILD::pgtable {

/// Unlinked tables, freed together after an RCU grace period that starts after they came in
/// (rule C13). One callback is in flight at a time, so retiring a table allocates nothing and
/// cannot fail; Linux's tlb_remove_table needs a batch page and a fallback.
class DeferredTables : private sync::RcuHead {
  public:
    explicit DeferredTables(phys::FrameAllocator& frames) : frames_(frames) {}
    /// Call `drain` before.
    ~DeferredTables();
    DeferredTables(const DeferredTables&) = delete;
    DeferredTables& operator=(const DeferredTables&) = delete;

    /// @param first  head of a list linked by Frame::next, ended by Pfn::none(); every table is
    ///               unlinked, holds no entry, and its translations were invalidated
    void retire(Pfn first, Pfn last);

    /// How many tables came free so far.
    std::uint64_t freed() const { return freed_.load(Order::relaxed); }

    /// For an allocation that failed: waits until the tables retired so far are free. Locks: none.
    /// @param before  what `freed` told before the allocation
    /// @return false if none came free since then, so that trying again is of no use
    bool reclaim(std::uint64_t before);

    /// Waits until every retired table is free; nobody retires any more. Locks: none.
    void drain();

  private:
    static constexpr std::size_t kQuarantine = 64;

    static void grace_period_over(sync::RcuHead& head);
    void free_list(Pfn first);
    void free_table(Pfn table);
    void quarantine(Pfn table);
    void release_quarantine();
    bool pending();

    phys::FrameAllocator& frames_;
    sync::Atomic<std::uint64_t> freed_{0};
    sync::SpinLock<sync::LockId::leaf> lock_;
    /// Waits for the callback in flight.
    Pfn sealed_ SF_GUARDED_BY(lock_);
    /// Came in since; sealed by the callback when it starts the next one.
    Pfn arriving_ SF_GUARDED_BY(lock_);
    bool in_flight_ SF_GUARDED_BY(lock_) = false;
    // Debug builds keep freed tables poisoned for a while, so that a late access is found.
    std::array<Pfn, kQuarantine> quarantine_ SF_GUARDED_BY(lock_){};
    std::size_t quarantined_ SF_GUARDED_BY(lock_) = 0;
};

class PageTables {
  public:
    PageTables(phys::FrameAllocator& frames, DeferredTables& deferred, Format format)
        : frames_(frames), deferred_(deferred), format_(format) {}
    /// Every table but the root was freed.
    ~PageTables();
    PageTables(const PageTables&) = delete;
    PageTables& operator=(const PageTables&) = delete;

    /// Allocates the root. Fails with nomem.
    Result<void> init();

    Format format() const { return format_; }
    Pfn root() const { return root_; }
    Arena& arena() const { return frames_.arena(); }
    phys::FrameAllocator& frames() const { return frames_; }
    DeferredTables& deferred() const { return deferred_; }
    Frame& frame(Pfn pfn) const { return arena().frame(pfn); }

    /// Bytes of all tables, the root included.
    std::uint64_t bytes() const { return nr_tables_.load(Order::relaxed) * arch::kPageSize; }

    /// Where translations of these tables are cached; null: nowhere. Set before the first guest
    /// instruction, cleared after the last.
    void attach(host::TlbShootdown* tlb) { tlb_.store(tlb, Order::release); }
    void invalidate(const host::Invalidation& what) {
        // Acquire: pairs with attach.
        if (host::TlbShootdown* tlb = tlb_.load(Order::acquire)) tlb->invalidate(what);
    }
    void invalidate_all() {
        if (host::TlbShootdown* tlb = tlb_.load(Order::acquire)) tlb->invalidate_all();
    }

    /// An empty table, not linked anywhere. Pfn::none() when there is no frame.
    Pfn alloc_table();
    /// A table that was never linked, so nobody can have seen it.
    void free_unseen_table(Pfn table);
    /// It is linked now / no longer (it goes to the gather).
    void count_linked() { nr_tables_.fetch_add(1, Order::relaxed); }
    void count_unlinked() { nr_tables_.fetch_sub(1, Order::relaxed); }

    /// Lock of the tables above the PMD level (Linux: mm->page_table_lock).
    sync::SpinLock<sync::LockId::page_table> page_table_lock;
    /// Gathers in flight (protocol 5.3): raised before the first entry is changed, lowered after
    /// the flush, release (M17).
    sync::Atomic<std::uint32_t> tlb_flush_pending{0};

  private:
    phys::FrameAllocator& frames_;
    DeferredTables& deferred_;
    Format format_;
    Pfn root_ = Pfn::none();
    sync::Atomic<host::TlbShootdown*> tlb_{nullptr};
    sync::Atomic<std::uint64_t> nr_tables_{0};
};

}  // namespace surefoot::inline SF_BUILD::pgtable
