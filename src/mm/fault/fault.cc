#include "mm/fault/fault.hpp"

#include <algorithm>
#include <bit>

namespace surefoot::inline SF_BUILD::mm {
namespace {

using arch::Format;
using arch::pte_t;
using pgtable::PmdSlot;
using pgtable::PteMap;
using pgtable::PteMapLocked;
using pgtable::PteMapRcu;
using pgtable::PteMapRw;
using phys::Frame;
using phys::FrameFlags;
using sync::holds;
using sync::Rule;
using vma::VmaFlag;

pte_t make_pte(Pfn frame, arch::LeafBits bits) {
    return Format::make_leaf<arch::PtLevel::pte>(frame, bits);
}

/// Dirty as soon as it is writable: the back end maps a page writable only once it is dirty.
arch::LeafBits written_bits(VmaFlags flags) {
    arch::LeafBits bits = read_only_bits(flags);
    bits.write = true;
    bits.dirty = true;
    return bits;
}

pte_t make_written_pte(Pfn frame, VmaFlags flags) { return make_pte(frame, written_bits(flags)); }

arch::LeafBits first_bits(const Fault& f) {
    const VmaFlags flags = f.vma.flags();
    return f.access == Access::write ? written_bits(flags) : read_only_bits(flags);
}

FaultOutcome lost(const Fault& f, Event event) {
    f.mm.count(event);
    return FaultOutcome::handled;
}

FaultOutcome prepare_anon_vma(const Fault& f) {
    if (f.vma.anon_vma() != nullptr) return FaultOutcome::handled;
    if (f.mmap != nullptr) return mm::prepare_anon_vma(f.mm, f.vma, *f.mmap);
    // Looking at neighbours needs the mmap lock, for which a holder of a VMA lock must not wait.
    vma::MmapTryReadGuard mmap(f.mm.vmas);
    if (!mmap) return FaultOutcome::retry;
    return mm::prepare_anon_vma(f.mm, f.vma, mmap);
}

/// A page to be installed, or several in a row; dropped again unless they were.
class PendingPage {
public:
    /// Whether others can know the frame already.
    enum class Known : std::uint8_t { to_us, to_others };
    PendingPage(Mm& mm, Pfn pfn, Known known = Known::to_us) : mm_(mm), pfn_(pfn), known_(known) {}
    /// `pages` frames from `first` on, known to us alone.
    PendingPage(Mm& mm, Pfn first, std::uint32_t pages) : mm_(mm), pfn_(first), pages_(pages) {}
    ~PendingPage() {
        if (!pfn_) return;
        for (std::uint32_t i = 0; i < pages_; ++i) mm_.system.frames.put(pfn_ + i);
    }
    PendingPage(const PendingPage&) = delete;
    PendingPage& operator=(const PendingPage&) = delete;

    explicit operator bool() const { return static_cast<bool>(pfn_); }
    Pfn pfn() const { return pfn_; }
    std::uint32_t pages() const { return pages_; }
    Frame& frame() const { return mm_.tables.frame(pfn_); }

    /// Its reference becomes the mapping's. Locks: PTL. The reference is older than the count of
    /// mappings, so that refcount >= mapcount always (M25).
    void mapped() {
        if (known_ == Known::to_us) {
            for (std::uint32_t i = 0; i < pages_; ++i) {
                mm_.tables.frame(pfn_ + i).mapcount.store(1, Order::relaxed);
            }
        } else {
            frame().mapcount.fetch_add(1, Order::relaxed);
        }
        mm_.rss.add(rss_kind(frame()), pages_);
        pfn_ = Pfn::none();
    }

private:
    Mm& mm_;
    Pfn pfn_;
    std::uint32_t pages_ = 1;
    Known known_ = Known::to_us;
};

/// How many entries from `va` on are none, up to `most`; all of them lie in the map's table.
std::uint32_t count_none(const PteMap& map, VirtAddr va, std::uint32_t most) {
    std::uint32_t n = 0;
    while (n < most && Format::is_none(map.load(va + n * arch::kPageSize))) ++n;
    return n;
}

/// Maps `page`, from the fault's address on, where nothing is mapped yet.
FaultOutcome install_page(const Fault& f, const PmdSlot& pmd, PendingPage& page, Event event) {
    if (!pgtable::pte_alloc(f.mm.tables, pmd, f.right)) return FaultOutcome::oom;
    const arch::LeafBits bits = first_bits(f);
    PteMapLocked map(f.mm.tables, pmd, f.right);
    if (!map) return lost(f, Event::fault_lost_table);
    const std::uint32_t pages = page.pages();
    if (count_none(map, f.va, pages) < pages && holds<Rule::fault_rechecks_none>()) {
        return lost(f, Event::fault_lost_entry);
    }
    const Pfn first = page.pfn();
    page.mapped();
    for (std::uint32_t i = 0; i < pages; ++i) {
        map.install(f.va + i * arch::kPageSize, make_pte(first + i, bits), f.right);
    }
    f.mm.count(event);
    if (pages > 1) f.mm.count(Event::fault_around, pages - 1);
    return FaultOutcome::handled;
}

/// How many pages were populated directly in front of `f.va`, up to `most`, from `start` on.
std::uint32_t count_populated_before(const Fault& f, const PteMap& map, VirtAddr start,
                                     std::uint32_t most) {
    std::uint32_t n = 0;
    for (VirtAddr va = f.va; n < most && va > start; ++n) {
        va = va - arch::kPageSize;
        const pte_t entry = map.load(va);
        if (!Format::is_present(entry) || Format::is_special(entry)) break;
    }
    return n;
}

/// The order of the block of pages that a first write at `f.va` populates. It is aligned to its
/// size, and therefore lies in one table; and it is no larger than the run of pages in front of it,
/// so that memory at most doubles however sparse its use. What was seen without the table's lock is
/// checked under it. (alloc_anon_folio)
unsigned fault_around_order(const Fault& f, const PmdSlot& pmd) {
    const std::uint32_t most = f.mm.options.fault_around;
    if (most == 1 || f.vma.has(VmaFlag::nohugepage)) return 0;
    const PteMapRcu map(f.mm.tables, pmd, f.right);
    if (!map) return 0;
    const VirtAddr table = f.va.align_down(f.mm.tables.format().span(arch::PtLevel::pmd));
    const std::uint32_t before =
        count_populated_before(f, map, std::max(f.vma.range().start, table), most);
    const std::uint64_t left = (f.vma.range().end - f.va) >> arch::kPageShift;
    const std::uint64_t page = f.va.raw() >> arch::kPageShift;
    const std::uint64_t alignment = page & -page;
    const std::uint32_t room = count_none(
        map, f.va, static_cast<std::uint32_t>(std::min({std::uint64_t{before}, left, alignment})));
    return room == 0 ? 0 : static_cast<unsigned>(std::bit_width(room)) - 1;
}

FaultOutcome map_zero_page(const Fault& f, const PmdSlot& pmd) {
    if (!pgtable::pte_alloc(f.mm.tables, pmd, f.right)) return FaultOutcome::oom;
    arch::LeafBits bits = read_only_bits(f.vma.flags());
    bits.special = true;
    PteMapLocked map(f.mm.tables, pmd, f.right);
    if (!map) return lost(f, Event::fault_lost_table);
    if (!Format::is_none(map.load(f.va)) && holds<Rule::fault_rechecks_none>()) {
        return lost(f, Event::fault_lost_entry);
    }
    map.install(f.va, make_pte(f.mm.system.zero_page(), bits), f.right);
    f.mm.count(Event::fault_zero_page);
    return FaultOutcome::handled;
}

/// First touch of private anonymous memory (protocol 4.3).
FaultOutcome do_anonymous_page(const Fault& f, const PmdSlot& pmd) {
    if (f.access != Access::write) return map_zero_page(f, pmd);
    if (const auto ready = prepare_anon_vma(f); ready != FaultOutcome::handled) return ready;
    phys::FrameAllocator& frames = f.mm.system.frames;
    if (const unsigned order = fault_around_order(f, pmd); order > 0) {
        PendingPage block(f.mm, frames.alloc_run(order, phys::Fill::zero), 1U << order);
        if (block) return install_page(f, pmd, block, Event::fault_anon);
    }
    PendingPage page(f.mm, frames.alloc(phys::Fill::zero));
    if (!page) return FaultOutcome::oom;
    return install_page(f, pmd, page, Event::fault_anon);
}

FaultOutcome outcome_of(Errno error) {
    return error == Errno::nomem ? FaultOutcome::oom : FaultOutcome::bus;
}

/// First touch of a private file mapping: reads the page in. There is no page cache yet, so each
/// mapping has a copy of its own, which a write turns into an anonymous page.
FaultOutcome do_private_file_page(const Fault& f, const PmdSlot& pmd) {
    const bool write = f.access == Access::write;
    if (write) {
        if (const auto ready = prepare_anon_vma(f); ready != FaultOutcome::handled) return ready;
    }
    PendingPage page(f.mm, f.mm.system.frames.alloc(phys::Fill::none));
    if (!page) return FaultOutcome::oom;
    const auto read = f.vma.backing()->read_page(f.vma.page_index(f.va),
                                                 f.mm.system.arena().page(page.pfn()));
    if (!read) return outcome_of(read.error());
    f.mm.count(Event::pgmajfault);
    if (!write) page.frame().set_kind(FrameFlags::kFileCopy, 0);
    return install_page(f, pmd, page, Event::fault_file);
}

FaultOutcome do_shared_page(const Fault& f, const PmdSlot& pmd) {
    const Result<Pfn> frame = f.vma.backing()->shared_frame(f.vma.page_index(f.va));
    if (!frame) return outcome_of(frame.error());
    PendingPage page(f.mm, *frame, PendingPage::Known::to_others);
    return install_page(f, pmd, page, Event::fault_shmem);
}

FaultOutcome do_missing_page(const Fault& f, const PmdSlot& pmd) {
    if (f.vma.is_anonymous()) return do_anonymous_page(f, pmd);
    if (f.vma.has(VmaFlag::shared)) return do_shared_page(f, pmd);
    return do_private_file_page(f, pmd);
}

/// A write to the zero page: a fresh page takes its place.
FaultOutcome replace_zero_page(const Fault& f, const PmdSlot& pmd, pte_t seen) {
    if (const auto ready = prepare_anon_vma(f); ready != FaultOutcome::handled) return ready;
    PendingPage page(f.mm, f.mm.system.frames.alloc(phys::Fill::zero));
    if (!page) return FaultOutcome::oom;
    pgtable::Gather gather(f.mm.tables);
    PteMapLocked map(f.mm.tables, pmd, f.right);
    if (!map || map.load(f.va) != seen) {
        gather.finish();
        return lost(f, map ? Event::fault_lost_entry : Event::fault_lost_table);
    }
    // Another frame takes the place of a present one: clear, flush, then set (rule G4).
    map.get_and_clear(f.va, f.right);
    gather.entries_changed({f.va, f.va + arch::kPageSize});
    gather.finish();
    const pte_t entry = make_written_pte(page.pfn(), f.vma.flags());
    page.mapped();
    map.install(f.va, entry, f.right);
    f.mm.count(Event::fault_anon);
    return FaultOutcome::handled;
}

/// A write to a present page that is not writable: the page is ours alone (there is no fork yet)
/// or shared by intent, so the entry becomes writable in place (protocol 4.8).
FaultOutcome do_wp_page(const Fault& f, const PmdSlot& pmd, PteMapRw&& rw, pte_t seen) {
    if (Format::is_special(seen)) {
        { const PteMapRw dropped = std::move(rw); }
        return replace_zero_page(f, pmd, seen);
    }
    if (!f.vma.has(VmaFlag::shared) && f.vma.anon_vma() == nullptr) {
        { const PteMapRw dropped = std::move(rw); }
        if (const auto ready = prepare_anon_vma(f); ready != FaultOutcome::handled) return ready;
        return lost(f, Event::fault_spurious);
    }
    PteMapLocked map = std::move(rw).lock_and_recheck();
    if (!map) return lost(f, Event::fault_lost_table);
    if (map.load(f.va) != seen) return lost(f, Event::fault_lost_entry);
    Frame& frame = f.mm.tables.frame(Format::pfn(seen));
    if (frame.has(FrameFlags::kFileCopy)) {
        frame.flags.fetch_and(~FrameFlags::kFileCopy, Order::relaxed);
        f.mm.rss.add(RssKind::file, -1);
        f.mm.rss.add(RssKind::anon, 1);
    }
    map.modify(f.va, [&](pte_t) {
        return make_written_pte(Format::pfn(seen), f.vma.flags());
    });
    f.mm.count(Event::pgreuse);
    return FaultOutcome::handled;
}

/// Marks a present entry accessed, and dirty for a write.
FaultOutcome touch_entry(const Fault& f, PteMapRw& map, pte_t seen) {
    arch::LeafBits bits = Format::leaf_bits(seen);
    bits.young = true;
    bits.dirty |= f.access == Access::write;
    const pte_t touched = make_pte(Format::pfn(seen), bits);
    if (touched == seen) return lost(f, Event::fault_spurious);
    // The entry is not none, so its value proves that the table is linked (rule C6 c).
    if (!map.store_if_same(f.va, seen, touched)) return lost(f, Event::fault_lost_entry);
    return FaultOutcome::handled;
}

}  // namespace

RssKind rss_kind(const Frame& frame) {
    if (frame.has(FrameFlags::kShmem)) return RssKind::shmem;
    return frame.has(FrameFlags::kFileCopy) ? RssKind::file : RssKind::anon;
}

bool entry_permits(pte_t entry, Access access) {
    if (!Format::hardware_present(entry)) return false;
    if (access == Access::write) return Format::is_writable(entry);
    return access != Access::exec || Format::is_executable(entry);
}

FaultOutcome prepare_anon_vma(Mm& mm, Vma& vma, const vma::MmapHeld& mmap) {
    if (vma.anon_vma() != nullptr) return FaultOutcome::handled;
    vma::VmaCaches& caches = mm.vmas.caches();
    vma::AnonVma* anon_vma = mmap.find_mergeable_anon_vma(vma);
    vma::AnonVma* fresh = nullptr;
    if (anon_vma == nullptr) {
        fresh = anon_vma = caches.anon_vmas.alloc();
        if (fresh == nullptr) return FaultOutcome::oom;
        fresh->init(nullptr, nullptr);
    }
    bool used = false;
    {
        vma::RmapWriteGuard rmap(*anon_vma);
        // Two faults in one VMA: the first sets it.
        sync::Guard lock(mm.tables.page_table_lock);
        if (vma.anon_vma() == nullptr || !holds<Rule::anon_vma_set_once>()) {
            if (fresh == nullptr) anon_vma->get();
            vma.set_anon_vma(anon_vma, 1);
            used = true;
        }
    }
    if (!used && fresh != nullptr) {
        fresh->put();
        caches.anon_vmas.free(fresh);
    }
    return FaultOutcome::handled;
}

FaultOutcome fault_in_vma(const Fault& f) {
    const Result<PmdSlot> pmd = pgtable::pmd_alloc(f.mm.tables, f.va, f.right);
    if (!pmd) return FaultOutcome::oom;
    {
        PteMapRw map(f.mm.tables, *pmd, f.right);
        const pte_t seen = map ? map.load(f.va) : pte_t{};
        if (!Format::is_none(seen)) {
            if (f.access == Access::write && !Format::is_writable(seen)) {
                return do_wp_page(f, *pmd, std::move(map), seen);
            }
            return touch_entry(f, map, seen);
        }
    }
    return do_missing_page(f, *pmd);
}

}  // namespace surefoot::inline SF_BUILD::mm
