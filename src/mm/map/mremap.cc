// mremap(2) (protocol 4.19, 7.4).

#include <algorithm>
#include <array>

#include "mm/accounting.hpp"
#include "mm/map/layout.hpp"
#include "mm/operations.hpp"
#include "mm/fault/populate.hpp"
#include "mm/map/region.hpp"
#include "mm/map/zap.hpp"

namespace surefoot::inline SF_BUILD::mm {
namespace {

using namespace uapi;
using arch::Format;
using arch::pte_t;
using pgtable::PmdSlot;
using pgtable::PteMapLocked;
using vma::MmapWriteGuard;
using vma::VmaFlag;

bool is_set(const MremapRequest& request, std::uint32_t flag) {
    return (request.flags & flag) != 0;
}

/// The caller chooses the place, or with DONTUNMAP alone hints at it. (vrm_implies_new_addr)
bool has_new_addr(const MremapRequest& request) {
    return is_set(request, MREMAP_FIXED) || is_set(request, MREMAP_DONTUNMAP);
}

/// What can be said without looking at a VMA. Lengths are whole pages.
Result<void> check_request(const Mm& mm, const MremapRequest& r) {
    const std::uint64_t task_size = mm.options.task_size.raw();
    if ((r.flags & ~(MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP)) != 0) return Errno::inval;
    if (!r.addr.is_aligned(arch::kPageSize)) return Errno::inval;
    if (r.new_length == 0 || r.new_length > task_size) return Errno::inval;
    if (!has_new_addr(r)) return {};
    if (!is_set(r, MREMAP_MAYMOVE)) return Errno::inval;
    if (is_set(r, MREMAP_DONTUNMAP) && r.old_length != r.new_length) return Errno::inval;
    if (!r.new_addr.is_aligned(arch::kPageSize)) return Errno::inval;
    if (r.new_addr.raw() > task_size - r.new_length) return Errno::inval;
    const VaRange from{r.addr, r.addr + r.old_length};
    if (from.overlaps({r.new_addr, r.new_addr + r.new_length})) return Errno::inval;
    return {};
}

/// Whether the VMA allows the change. (check_prep_vma)
Result<void> check_vma(const Mm& mm, const Vma* vma, const MremapRequest& r) {
    if (vma == nullptr) return Errno::fault;
    const bool shared = vma->flags().has_any(VmaFlag::shared | VmaFlag::mayshare);
    if (r.old_length == 0 && !shared) return Errno::inval;
    const VmaFlags fixed_size = VmaFlag::dontexpand | VmaFlag::pfnmap;
    if (is_set(r, MREMAP_DONTUNMAP) && vma->flags().has_any(fixed_size)) return Errno::inval;
    const bool grows = r.new_length > r.old_length;
    // What stays where it is or is cut off may lie in several VMAs; what moves or grows may not.
    if (!grows && !has_new_addr(r)) return {};
    if (std::min(r.old_length, r.new_length) > vma->end() - r.addr) return Errno::fault;
    if (!grows) return {};
    if (vma->flags().has_any(fixed_size)) return Errno::fault;
    const std::uint64_t more = (r.new_length - r.old_length) >> arch::kPageShift;
    if (vma->has(VmaFlag::locked) && !may_lock(mm, more)) return Errno::again;
    if (!may_expand(mm, vma->flags(), more)) return Errno::nomem;
    return {};
}

/// Entries on their way from one table to another. Both VMAs are write-locked and nobody can
/// walk to either range meanwhile.
struct MovingEntries {
    static constexpr std::size_t kBatch = 64;
    struct One {
        VirtAddr va;
        pte_t entry;
    };
    std::array<One, kBatch> entries;
    std::size_t count = 0;
};

/// Moves the page tables' contents of `from` to `to`. Every destination table exists already, so
/// this cannot fail. (move_page_tables)
class EntryMover {
  public:
    EntryMover(Mm& mm, VaRange from, VirtAddr to, const MmapWriteGuard& mmap)
        : mm_(mm), from_(from), to_(to), install_(mmap), stable_(mmap) {}

    /// Makes the destination's tables wherever the source has one. Fails: nomem.
    Result<void> prepare() {
        Result<void> made;
        for_each_source([&](const PmdSlot& pmd, VaRange part) {
            if (Format::is_none(pmd.load())) return;
            // The part may straddle two tables of the destination.
            if (made) made = make_table(target(part.start));
            if (made) made = make_table(target(part.end - arch::kPageSize));
        });
        return made;
    }

    void move() {
        pgtable::Gather gather(mm_.tables);
        for_each_source([&](const PmdSlot& pmd, VaRange part) {
            while (!part.empty()) {
                MovingEntries moving;
                part.start = take_out(pmd, part, gather, moving);
                put_in(moving);
            }
        });
        gather.finish();
    }

  private:
    VirtAddr target(VirtAddr va) const { return to_ + (va - from_.start); }

    template <class Visit>
    void for_each_source(Visit&& visit) {
        // Empty when old memory is only mapped a second time.
        if (!from_.empty()) pgtable::for_each_pmd(mm_.tables, from_, stable_, visit);
    }

    Result<void> make_table(VirtAddr va) {
        const Result<PmdSlot> pmd = pgtable::pmd_alloc(mm_.tables, va, install_);
        if (!pmd) return pmd.error();
        return pgtable::pte_alloc(mm_.tables, *pmd, install_);
    }

    /// @return where to go on. The old range is flushed before its PTL is dropped.
    VirtAddr take_out(const PmdSlot& pmd, VaRange part, pgtable::Gather& gather,
                      MovingEntries& moving) {
        PteMapLocked map(mm_.tables, pmd, stable_);
        if (!map) return part.end;
        VirtAddr va = part.start;
        for (; va < part.end && moving.count < MovingEntries::kBatch; va += arch::kPageSize) {
            if (Format::is_none(map.load(va))) continue;
            moving.entries[moving.count++] = {target(va), map.get_and_clear(va, stable_)};
            gather.entries_changed({va, va + arch::kPageSize});
        }
        if (moving.count > 0) gather.flush();
        return va;
    }

    void put_in(const MovingEntries& moving) {
        std::size_t i = 0;
        while (i < moving.count) {
            const VirtAddr first = moving.entries[i].va;
            const auto pmd = pgtable::find_pmd(mm_.tables, first, stable_);
            SF_ASSERT(pmd);
            PteMapLocked map(mm_.tables, *pmd, stable_);
            SF_ASSERT(map);
            const std::uint64_t span = mm_.tables.format().span(arch::PtLevel::pmd);
            const VirtAddr table_end = first.align_down(span) + span;
            for (; i < moving.count && moving.entries[i].va < table_end; ++i) {
                map.install(moving.entries[i].va, moving.entries[i].entry, install_);
            }
        }
    }

    Mm& mm_;
    VaRange from_;
    VirtAddr to_;
    MayInstall install_;
    VmaStable stable_;
};

class Remapper {
  public:
    Remapper(Mm& mm, const MmapWriteGuard& mmap, const MremapRequest& request)
        : mm_(mm), mmap_(mmap), r_(request) {}

    Result<VirtAddr> run() {
        // Room for the splits to come, before anything is unmapped.
        if (has_new_addr(r_) && mm_.vmas.map_count() + 2 >= mm_.options.max_map_count - 3) {
            return Errno::nomem;
        }
        if (is_set(r_, MREMAP_FIXED) && r_.new_length == r_.old_length) return move_all();
        Vma* vma = mmap_.lookup(r_.addr);
        if (const auto allowed = check_vma(mm_, vma, r_); !allowed) return allowed.error();
        if (has_new_addr(r_)) return move_to();
        if (r_.new_length == r_.old_length) return r_.addr;
        if (r_.new_length < r_.old_length) {
            const auto cut = unmap({r_.addr + r_.new_length, r_.addr + r_.old_length});
            if (!cut) return cut.error();
            return r_.addr;
        }
        if (can_expand(*vma)) return expand(*vma);
        if (!is_set(r_, MREMAP_MAYMOVE)) return Errno::nomem;
        return move();
    }

    /// What is to be populated after the lock was dropped.
    VaRange grown() const { return grown_; }

  private:
    Result<void> unmap(VaRange range) {
        auto detached = detach_range(mm_, mmap_, range, mmap_.find_intersection(range));
        if (!detached) return detached.error();
        unmap_detached(mm_, std::move(*detached), VmaStable(mmap_));
        return {};
    }

    bool can_expand(const Vma& vma) const {
        if (r_.old_length == 0 || vma.end() != r_.addr + r_.old_length) return false;
        const std::uint64_t more = r_.new_length - r_.old_length;
        if (vma.end() + more < vma.end()) return false;
        if (mmap_.find_intersection({vma.end(), vma.end() + more}) != nullptr) return false;
        const AreaRequest area{.addr = vma.end(), .length = more, .flags = MAP_FIXED};
        return get_unmapped_area(mm_, mmap_, area).has_value();
    }

    static vma::NewMapping copy_of(const Vma& vma, VirtAddr first, VaRange range) {
        return {.range = range,
                .flags = vma.flags(),
                .pgoff = vma.page_index(first),
                .backing = vma.backing(),
                .uffd = vma.uffd(),
                .source = &vma};
    }

    /// Not faulted yet: its place decides its offset, so that it can merge there. (copy_vma)
    static vma::NewMapping moved(const Vma& vma, VirtAddr first, VaRange to) {
        vma::NewMapping region = copy_of(vma, first, to);
        if (vma.is_anonymous() && vma.anon_vma() == nullptr) {
            region.pgoff = vma::anonymous_pgoff(to.start);
        }
        return region;
    }

    Result<VirtAddr> expand(const Vma& vma) {
        const VaRange more{vma.end(), r_.addr + r_.new_length};
        const vma::NewMapping region = copy_of(vma, vma.end(), more);
        if (const auto added = add(region, more.bytes()); !added) return added.error();
        note_grown(region.flags, more);
        return r_.addr;
    }

    /// @param fresh  bytes that were not charged for at the old place
    Result<void> add(const vma::NewMapping& region, std::uint64_t fresh) {
        const std::uint64_t pages = region.range.bytes() >> arch::kPageShift;
        if (region.flags.has(VmaFlag::account) && !may_charge(mm_, fresh >> arch::kPageShift)) {
            return Errno::nomem;
        }
        auto change = vma::prepare_insert(mmap_, region);
        if (!change) return change.error();
        vma::Committed done = vma::commit(mmap_, std::move(*change));
        SF_ASSERT(done.detached.empty());
        account(mm_, region.flags, static_cast<std::int64_t>(pages));
        return {};
    }

    void note_grown(VmaFlags flags, VaRange range) {
        if (flags.has(VmaFlag::locked) && !flags.has(VmaFlag::lockonfault)) grown_ = range;
    }

    /// Every VMA of the range moves, and holes between them stay holes of the same size. What was
    /// moved before a failure stays moved. (remap_move)
    Result<VirtAddr> move_all() {
        const VaRange from{r_.addr, r_.addr + r_.old_length};
        const VirtAddr to = r_.new_addr;
        if (mmap_.lookup(from.start) == nullptr) return Errno::fault;
        for (VirtAddr at = from.start; at < from.end; at = r_.addr + r_.old_length) {
            const Vma* vma = mmap_.find_intersection({at, from.end});
            if (vma == nullptr) break;
            const VaRange part = intersect(vma->range(), from);
            // A userfaultfd is told of one range.
            if (vma->uffd() != nullptr && part != from) return Errno::fault;
            r_.addr = part.start;
            r_.old_length = r_.new_length = part.bytes();
            r_.new_addr = to + (part.start - from.start);
            if (const auto allowed = check_vma(mm_, vma, r_); !allowed) return allowed.error();
            if (const auto moved = move_to(); !moved) return moved;
        }
        return to;
    }

    /// MREMAP_FIXED and MREMAP_DONTUNMAP. (mremap_to)
    Result<VirtAddr> move_to() {
        if (is_set(r_, MREMAP_FIXED)) {
            const auto cleared = unmap({r_.new_addr, r_.new_addr + r_.new_length});
            if (!cleared) return cleared.error();
        }
        if (r_.new_length < r_.old_length) {
            const auto cut = unmap({r_.addr + r_.new_length, r_.addr + r_.old_length});
            if (!cut) return cut.error();
            r_.old_length = r_.new_length;
        }
        return move();
    }

    Result<VirtAddr> destination(const Vma& vma) const {
        std::uint32_t flags = vma.has(VmaFlag::mayshare) ? MAP_SHARED : 0;
        if (is_set(r_, MREMAP_FIXED)) flags |= MAP_FIXED;
        const VirtAddr hint = has_new_addr(r_) ? r_.new_addr : VirtAddr(0);
        return get_unmapped_area(mm_, mmap_,
                                 {.addr = hint,
                                  .length = r_.new_length,
                                  .flags = flags,
                                  .private_anonymous = vma.is_anonymous()});
    }

    /// The region appears at its new place, its pages follow, the old place goes. (move_vma)
    Result<VirtAddr> move() {
        Vma* vma = mmap_.lookup(r_.addr);
        if (vma == nullptr || r_.old_length > vma->end() - r_.addr) return Errno::fault;
        const std::uint64_t kept = is_set(r_, MREMAP_DONTUNMAP) ? r_.old_length : 0;
        if (kept != 0 && !may_expand(mm_, vma->flags(), kept >> arch::kPageShift)) {
            return Errno::nomem;
        }
        if (mm_.vmas.map_count() + 3 >= mm_.options.max_map_count) return Errno::nomem;
        const auto to = destination(*vma);
        if (!to) return to;
        vma::vma_start_write(mmap_, *vma);
        const VmaFlags flags = vma->flags();
        const VaRange place{*to, *to + r_.new_length};
        const std::uint64_t fresh = r_.new_length - r_.old_length + kept;
        const auto added = add(moved(*vma, r_.addr, place), fresh);
        if (!added) return added.error();

        const VaRange from{r_.addr, r_.addr + r_.old_length};
        EntryMover mover(mm_, from, *to, mmap_);
        if (const auto ready = mover.prepare(); !ready) {
            // Nothing has moved: the new region goes again.
            const auto undone = unmap(place);
            static_cast<void>(undone);
            return ready.error();
        }
        mover.move();
        note_grown(flags, {*to + r_.old_length, place.end});
        leave(from);
        return *to;
    }

    /// What becomes of the old place: unmapped, or with DONTUNMAP mapped, empty and not locked.
    void leave(VaRange from) {
        if (from.empty()) return;
        if (is_set(r_, MREMAP_DONTUNMAP)) return keep_empty(*mmap_.lookup(from.start), from);
        // If memory for the split runs out it stays mapped, and empty.
        const auto gone = unmap(from);
        static_cast<void>(gone);
    }

    /// As in Linux the whole VMA is no longer locked, and without its last page it forgets its
    /// anon_vma; neither makes it merge. (dontunmap_complete)
    void keep_empty(Vma& vma, VaRange from) {
        vma::vma_start_write(mmap_, vma);
        const VmaFlags old = vma.flags();
        vma.set_flags(old.without(vma::kVmaLockedMask));
        account(mm_, old, -static_cast<std::int64_t>(vma.nr_pages()));
        account(mm_, vma.flags(), static_cast<std::int64_t>(vma.nr_pages()));
        if (vma.range() == from) mm_.vmas.hooks().unlink_anon(mm_.vmas, vma);
    }

    Mm& mm_;
    const MmapWriteGuard& mmap_;
    MremapRequest r_;
    VaRange grown_;
};

}  // namespace

Result<VirtAddr> mremap(Mm& mm, const MremapRequest& request) {
    MremapRequest r = request;
    r.old_length = page_align(r.old_length);
    r.new_length = page_align(r.new_length);
    if (const auto checked = check_request(mm, r); !checked) return checked.error();
    Result<VirtAddr> result = Errno::nomem;
    VaRange grown;
    {
        MmapWriteGuard mmap(mm.vmas);
        Remapper remapper(mm, mmap, r);
        result = remapper.run();
        grown = remapper.grown();
    }
    if (result && !grown.empty()) populate_ignoring_errors(mm, grown);
    return result;
}

}  // namespace surefoot::inline SF_BUILD::mm
