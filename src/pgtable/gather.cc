#include "pgtable/gather.hpp"

#include <algorithm>

namespace surefoot::inline SF_BUILD::pgtable {

using sync::holds;
using sync::Rule;

namespace {

bool holds_no_entry(const PageTables& tables, Pfn table) {
    for (unsigned i = 0; i < tables.format().entries(); ++i) {
        if (tables.arena().entry_word(table, i).load(Order::relaxed) != 0) return false;
    }
    return true;
}

}  // namespace

Gather::Gather(PageTables& tables) : tables_(tables) {
    // Before any PTL is taken for a change: whoever sees a changed entry under that PTL sees
    // this increment (M17).
    tables_.tlb_flush_pending.fetch_add(1, Order::relaxed);
}

void Gather::entries_changed(VaRange range) {
    if (!ranges_.empty()) {
        VaRange& last = ranges_.back();
        if (last.end >= range.start && range.end >= last.start) {
            last = {std::min(last.start, range.start), std::max(last.end, range.end)};
            return;
        }
    }
    if (!ranges_.full()) {
        ranges_.push_back(range);
        return;
    }
    VaRange hull = range;
    for (const VaRange& r : ranges_) {
        hull = {std::min(hull.start, r.start), std::max(hull.end, r.end)};
    }
    ranges_.clear();
    ranges_.push_back(hull);
}

bool Gather::queue_page(Pfn page) {
    SF_DEBUG_ASSERT(!full());
    pages_.push_back(page.raw());
    return full();
}

void Gather::queue_table(Pfn table) {
    SF_DEBUG_ASSERT(holds_no_entry(tables_, table));
    if (unlinked_.full()) flush();
    unlinked_.push_back(table);
    tables_.count_unlinked();
}

void Gather::invalidate() {
    // A page whose entries no range names would be freed under its stale translations.
    if (!pages_.empty()) SF_DEBUG_ASSERT(!ranges_.empty());
    if (ranges_.empty() && unlinked_.empty()) return;
    if (!holds<Rule::flush_before_free>()) return;
    tables_.invalidate({.ranges = ranges_, .unlinked_tables = unlinked_});
}

void Gather::release() {
    if (!pages_.empty()) tables_.frames().put_all(pages_);
    if (!unlinked_.empty()) {
        for (std::size_t i = 0; i + 1 < unlinked_.size(); ++i)
            tables_.frame(unlinked_[i]).next.set(unlinked_[i + 1]);
        tables_.frame(unlinked_.back()).next.set(Pfn::none());
        tables_.deferred().retire(unlinked_[0], unlinked_.back());
    }
    ranges_.clear();
    unlinked_.clear();
    pages_.clear();
}

void Gather::flush() {
    invalidate();
    release();
}

void Gather::finish() {
    SF_ASSERT(!finished_);
    finished_ = true;
    // Even if this one found nothing to change: entries that the other one has cleared, and not
    // yet invalidated, looked gone to it. Acquire: pairs with the release below.
    if (tables_.tlb_flush_pending.load(Order::acquire) > 1 &&
        holds<Rule::concurrent_gathers_flush_all>()) {
        tables_.invalidate_all();
        // Named in any case: a hypervisor keeps shadows of tables, linked or not.
        if (!unlinked_.empty()) tables_.invalidate({.ranges = {}, .unlinked_tables = unlinked_});
    } else {
        invalidate();
    }
    release();
    // Release: after the acknowledgement (M17).
    tables_.tlb_flush_pending.fetch_sub(1, Order::release);
}

bool try_unlink_empty_pte_table(PageTables& tables, const PmdSlot& pmd, PteMapLocked& map,
                                Gather& gather, VmaStable) {
    if (!holds_no_entry(tables, Format::pfn(map.seen()))) return true;
    PmdLock lock(pmd, PmdLock::Try{});
    if (!lock) return false;
    SF_DEBUG_ASSERT(lock.slot().load() == map.seen());
    lock.slot().exchange({});
    gather.queue_table(Format::pfn(map.seen()));
    return true;
}

bool unlink_empty_pte_table(PageTables& tables, const PmdSlot& pmd, Gather& gather, VmaStable) {
    PmdLock lock(pmd);
    const pmd_t seen = lock.slot().load();
    if (!Format::is_table(seen)) return false;
    const Pfn table = Format::pfn(seen);
    {
        // The link is stable under the PML; the PTL keeps entries from being filled (C12e).
        sync::ClasslessLock& ptl = tables.frame(table).lock;
        ptl.lock(sync::LockId::ptl);
        const bool empty = holds_no_entry(tables, table);
        if (empty) lock.slot().exchange({});
        ptl.unlock(sync::LockId::ptl);
        if (!empty) return false;
    }
    gather.queue_table(table);
    return true;
}

namespace {

/// Frees the tables below entries of one table.
class TableFreer {
  public:
    TableFreer(PageTables& tables, Gather& gather, VirtAddr floor, VirtAddr ceiling)
        : tables_(tables), gather_(gather), floor_(floor), ceiling_(ceiling) {}

    template <PtLevel L>
    void visit(Pfn table, VaRange range) {
        const std::uint64_t span = tables_.format().span(L);
        VirtAddr at = range.start.align_down(span);
        for (; at < range.end; at += span) {
            auto& word = tables_.arena().entry_word(table, tables_.format().index(at, L));
            const auto entry = Slot<L>(word).load();
            if (!Format::is_table(entry)) continue;
            const VaRange covered{at, at + span};
            if constexpr (L != PtLevel::pmd) {
                visit<arch::below(L)>(Format::pfn(entry), intersect(covered, range));
            }
            if (!only_serves_range(covered)) continue;
            // No lock: the range is isolated, nobody walks here but hardware (rule G8).
            SlotRw<L>(word).set({});
            gather_.queue_table(Format::pfn(entry));
        }
    }

  private:
    bool only_serves_range(VaRange covered) const {
        return covered.start >= floor_ && (ceiling_.raw() == 0 || covered.end <= ceiling_);
    }

    PageTables& tables_;
    Gather& gather_;
    VirtAddr floor_;
    VirtAddr ceiling_;
};

}  // namespace

void free_tables(PageTables& tables, Gather& gather, VaRange range, VirtAddr floor,
                 VirtAddr ceiling, MayFreeTables) {
    assert_may_free_tables();
    TableFreer freer(tables, gather, floor, ceiling);
    switch (tables.format().top()) {
        case PtLevel::pgd:
            return freer.visit<PtLevel::pgd>(tables.root(), range);
        case PtLevel::p4d:
            return freer.visit<PtLevel::p4d>(tables.root(), range);
        case PtLevel::pud:
            return freer.visit<PtLevel::pud>(tables.root(), range);
        default:
            return freer.visit<PtLevel::pmd>(tables.root(), range);
    }
}

}  // namespace surefoot::inline SF_BUILD::pgtable
