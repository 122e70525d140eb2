#include "mm/map/zap.hpp"

#include "mm/accounting.hpp"

namespace surefoot::inline SF_BUILD::mm {
namespace {

using arch::Format;
using arch::PtLevel;
using pgtable::Gather;
using pgtable::PmdSlot;
using pgtable::PteMapLocked;

/// Counts of one hold of the PTL, added up once.
struct ZappedPages {
    std::array<std::int64_t, static_cast<std::size_t>(RssKind::kCount)> by_kind{};

    void add(RssKind kind) { ++by_kind[static_cast<std::size_t>(kind)]; }
    void subtract_from(RssCounters& rss) const {
        for (std::size_t i = 0; i < by_kind.size(); ++i) {
            if (by_kind[i] != 0) rss.add(static_cast<RssKind>(i), -by_kind[i]);
        }
    }
};

class Zapper {
public:
    Zapper(Mm& mm, Gather& gather, TableReclaim reclaim, VmaStable right)
        : mm_(mm), gather_(gather), reclaim_(reclaim), right_(right) {}

    void pmd_span(const PmdSlot& pmd, VaRange range) {
        const VaRange whole = range;
        while (!range.empty()) {
            {
                // The holder may reclaim the table with the PTL kept throughout.
                PteMapLocked map(mm_.tables, pmd, right_);
                if (!map) return lost_table(pmd);
                const bool unbroken = range == whole;
                range.start = zap_entries(map, range);
                const bool done = range.empty();
                if (done && unbroken && covers_table(whole) && reclaim_fast(pmd, map)) return;
            }
            if (!range.empty()) gather_.flush();
        }
        if (covers_table(whole)) reclaim_slow(pmd);
    }

private:
    /// @return the first address that was not done: the batch is full
    VirtAddr zap_entries(PteMapLocked& map, VaRange range) {
        ZappedPages zapped;
        VirtAddr va = range.start;
        while (va < range.end && !gather_.full()) {
            if (!Format::is_none(map.load(va))) zap_entry(map, va, zapped);
            va += arch::kPageSize;
        }
        zapped.subtract_from(mm_.rss);
        return va;
    }

    void zap_entry(PteMapLocked& map, VirtAddr va, ZappedPages& zapped) {
        const arch::pte_t old = map.get_and_clear(va, right_);
        gather_.entries_changed({va, va + arch::kPageSize});
        if (Format::is_special(old)) return;
        const Pfn pfn = Format::pfn(old);
        phys::Frame& frame = mm_.tables.frame(pfn);
        zapped.add(rss_kind(frame));
        // Before the reference goes (M25).
        frame.mapcount.fetch_sub(1, Order::relaxed);
        gather_.queue_page(pfn);
    }

    /// The map came back empty: only none is done with; what is there must be looked at again
    /// (C1). There are no huge entries yet.
    void lost_table(const PmdSlot& pmd) {
        SF_ASSERT(!Format::is_leaf(pmd.load()));
        mm_.count(Event::zap_lost_table);
    }

    bool covers_table(VaRange range) const {
        return reclaim_ == TableReclaim::yes &&
               range.bytes() == mm_.tables.format().span(PtLevel::pmd);
    }

    bool reclaim_fast(const PmdSlot& pmd, PteMapLocked& map) {
        if (!pgtable::try_unlink_empty_pte_table(mm_.tables, pmd, map, gather_, right_)) {
            return false;
        }
        mm_.count(Event::table_reclaimed);
        return true;
    }

    void reclaim_slow(const PmdSlot& pmd) {
        mm_.count(Event::table_reclaim_slow);
        if (pgtable::unlink_empty_pte_table(mm_.tables, pmd, gather_, right_)) {
            mm_.count(Event::table_reclaimed);
        }
    }

    Mm& mm_;
    Gather& gather_;
    TableReclaim reclaim_;
    VmaStable right_;
};

}  // namespace

void zap_range(Mm& mm, Gather& gather, const Vma& vma, VaRange range, TableReclaim reclaim,
               VmaStable right) {
    SF_DEBUG_ASSERT(vma.range().contains(range));
    Zapper zapper(mm, gather, reclaim, right);
    pgtable::for_each_pmd(mm.tables, range, right, [&](const PmdSlot& pmd, VaRange part) {
        if (!Format::is_none(pmd.load())) zapper.pmd_span(pmd, part);
    });
}

void unmap_detached(Mm& mm, vma::DetachedVmas&& detached, VmaStable right) {
    if (detached.empty()) return;
    Gather gather(mm.tables);
    VaRange hull{detached.first()->start(), detached.first()->end()};
    detached.for_each([&](const Vma& vma) {
        zap_range(mm, gather, vma, vma.range(), TableReclaim::no, right);
        hull.end = vma.end();
    });
    pgtable::free_tables(mm.tables, gather, hull, detached.floor, detached.ceiling, detached);
    gather.finish();
    mm.vmas.free_detached(std::move(detached));
}

}  // namespace surefoot::inline SF_BUILD::mm
