#include "mm/map/region.hpp"

#include "mm/accounting.hpp"
#include "mm/map/zap.hpp"

namespace surefoot::inline SF_BUILD::mm {
namespace {

using vma::MmapWriteGuard;
using vma::VmaFlag;

std::uint64_t mapped_pages(const MmapWriteGuard& mmap, VaRange range) {
    std::uint64_t pages = 0;
    mmap.for_each(range, [&](const Vma& vma) {
        pages += intersect(vma.range(), range).bytes() >> arch::kPageShift;
    });
    return pages;
}

}  // namespace

Result<void> split_at_ends(const MmapWriteGuard& mmap, VaRange range, Vma* vma) {
    const vma::VmaSpace& space = mmap.space();
    if (vma != nullptr && vma->start() < range.start && range.end < vma->end() &&
        space.map_count() >= space.options().max_map_count) {
        return Errno::nomem;
    }
    for (const VirtAddr at : {range.start, range.end}) {
        // Usually one VMA has both ends; what ends here does not lie across.
        if (vma != nullptr && vma->end() < at) vma = mmap.find(at);
        if (vma == nullptr || vma->start() >= at || vma->end() == at) continue;
        auto change = vma::prepare_split_to_remove(mmap, *vma, at);
        if (!change) return change.error();
        vma = vma::commit(mmap, std::move(*change)).other;
    }
    return {};
}

Result<void> map_region(Mm& mm, const MmapWriteGuard& mmap, vma::NewMapping& region) {
    const std::uint64_t pages = region.range.bytes() >> arch::kPageShift;
    Vma* first = mmap.find_intersection(region.range);
    const std::uint64_t replaced = first != nullptr ? mapped_pages(mmap, region.range) : 0;
    // A refusal leaves the splits behind, as in Linux.
    if (first != nullptr) {
        if (const auto split = split_at_ends(mmap, region.range, first); !split) return split;
    }
    if (!may_expand(mm, region.flags, pages - replaced)) return Errno::nomem;
    if (!may_commit(mm, region.flags, pages)) return Errno::nomem;
    if (is_accountable(region.flags)) region.flags = region.flags | VmaFlag::account;
    auto change = vma::prepare_insert(mmap, region);
    if (!change) return change.error();
    vma::Committed done = vma::commit(mmap, std::move(*change));
    account(mm, region.flags, static_cast<std::int64_t>(pages));
    if (done.detached.empty()) return {};
    unaccount(mm, done.detached);
    unmap_detached(mm, std::move(done.detached), VmaStable(mmap));
    return {};
}

Result<vma::DetachedVmas> detach_range(Mm& mm, const MmapWriteGuard& mmap, VaRange range,
                                       Vma* first) {
    if (const auto split = split_at_ends(mmap, range, first); !split) return split.error();
    auto change = vma::prepare_erase(mmap, range);
    if (!change) return change.error();
    vma::Committed done = vma::commit(mmap, std::move(*change));
    unaccount(mm, done.detached);
    return std::move(done.detached);
}

}  // namespace surefoot::inline SF_BUILD::mm
