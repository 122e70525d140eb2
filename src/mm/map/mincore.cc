// mincore(2) (protocol 7.6).

#include "mm/accounting.hpp"
#include "mm/operations.hpp"

namespace surefoot::inline SF_BUILD::mm {
namespace {

using arch::Format;

/// Residency of the pages of `range`, which lies in `vma`.
void fill(const Mm& mm, const Vma& vma, VaRange range, std::byte* out, VmaStable right) {
    const auto at = [&](VirtAddr va) -> std::byte& {
        return out[(va - range.start) >> arch::kPageShift];
    };
    for (VirtAddr va = range.start; va < range.end; va += arch::kPageSize) {
        const bool cached =
            !vma.is_anonymous() && vma.backing()->is_cached(vma.page_index(va));
        at(va) = std::byte{cached};
    }
    pgtable::for_each_pmd(mm.tables, range, right, [&](const auto& pmd, VaRange part) {
        const pgtable::PteMapRcu map(mm.tables, pmd, right);
        if (!map) return;
        for (VirtAddr va = part.start; va < part.end; va += arch::kPageSize) {
            if (Format::is_present(map.load(va))) at(va) = std::byte{1};
        }
    });
}

}  // namespace

Result<void> mincore(Mm& mm, VirtAddr start, std::uint64_t length, std::span<std::byte> vec) {
    if (!start.is_aligned(arch::kPageSize)) return Errno::inval;
    const std::uint64_t bytes = page_align(length);
    if (length != 0 && bytes == 0) return Errno::nomem;
    if (start > mm.options.task_size || bytes > mm.options.task_size - start) return Errno::nomem;
    SF_ASSERT(vec.size() >= bytes >> arch::kPageShift);
    const VaRange range{start, start + bytes};
    vma::MmapReadGuard mmap(mm.vmas);
    VirtAddr at = range.start;
    while (at < range.end) {
        const Vma* vma = mmap.lookup(at);
        if (vma == nullptr) return Errno::nomem;
        const VaRange part = intersect({at, vma->end()}, range);
        fill(mm, *vma, part, vec.data() + ((at - start) >> arch::kPageShift), VmaStable(mmap));
        at = part.end;
    }
    return {};
}

}  // namespace surefoot::inline SF_BUILD::mm
