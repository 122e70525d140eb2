// What /proc/PID/maps and smaps show (protocol 7.9).

#include "mm/operations.hpp"

namespace surefoot::inline SF_BUILD::mm {
namespace {

using arch::Format;
using phys::FrameFlags;

void add_page(VmaStats& stats, const phys::Frame& frame, arch::pte_t entry) {
    stats.rss += arch::kPageSize;
    if (!frame.has(FrameFlags::kShmem | FrameFlags::kFileCopy)) stats.anonymous += arch::kPageSize;
    if (Format::is_young(entry)) stats.referenced += arch::kPageSize;
    const bool dirty = Format::is_dirty(entry);
    if (frame.mapcount.load(Order::relaxed) > 1) {
        (dirty ? stats.shared_dirty : stats.shared_clean) += arch::kPageSize;
    } else {
        (dirty ? stats.private_dirty : stats.private_clean) += arch::kPageSize;
    }
}

void add_pages(const Mm& mm, VmaStats& stats, VmaStable right) {
    pgtable::for_each_pmd(mm.tables, stats.range, right, [&](const auto& pmd, VaRange part) {
        const pgtable::PteMapRcu map(mm.tables, pmd, right);
        if (!map) return;
        for (VirtAddr va = part.start; va < part.end; va += arch::kPageSize) {
            const arch::pte_t entry = map.load(va);
            if (!Format::is_present(entry) || Format::is_special(entry)) continue;
            add_page(stats, mm.tables.frame(Format::pfn(entry)), entry);
        }
    });
    if (stats.flags.has(vma::VmaFlag::locked)) stats.locked = stats.rss;
}

}  // namespace

void for_each_vma(Mm& mm, bool pages, const std::function<void(const VmaStats&)>& visit) {
    vma::MmapReadGuard mmap(mm.vmas);
    mmap.for_each({VirtAddr(0), mm.options.task_size}, [&](const Vma& vma) {
        VmaStats stats{.range = vma.range(),
                       .flags = vma.flags(),
                       .pgoff = vma.pgoff(),
                       .backing = vma.backing()};
        if (pages) add_pages(mm, stats, VmaStable(mmap));
        visit(stats);
    });
}

}  // namespace surefoot::inline SF_BUILD::mm
