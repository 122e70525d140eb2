#include "mm/map/layout.hpp"

#include <algorithm>

#include "mm/uapi.hpp"

namespace surefoot::inline SF_BUILD::mm {
namespace {

using namespace uapi;

constexpr std::uint64_t kMinStackRoom = 128ULL << 20;

/// First byte that must stay free below `next`: the guard gap of a stack counts.
VirtAddr start_with_gap(const Mm& mm, const Vma& next) {
    if (!next.has(vma::VmaFlag::growsdown)) return next.start();
    const std::uint64_t gap = mm.vmas.options().stack_guard_gap;
    return next.start().raw() > gap ? next.start() - gap : VirtAddr(0);
}

Result<VirtAddr> bottom_up(const Mm& mm, const vma::MmapWriteGuard& mmap,
                           const AreaRequest& request) {
    VirtAddr low = VirtAddr(mm.options.task_size.raw() / 3).align_up(arch::kPageSize);
    VirtAddr high = mm.options.task_size;
    if ((request.flags & MAP_32BIT) != 0) {
        low = VirtAddr(0x4000'0000);
        high = VirtAddr(0x8000'0000);
    }
    if (request.length > high.raw()) return Errno::nomem;
    if (request.addr.raw() != 0) {
        const VirtAddr hint = request.addr.align_up(arch::kPageSize);
        if (high - request.length >= hint && is_free(mm, mmap, hint, request.length)) return hint;
    }
    const auto found =
        mmap.find_gap_bottomup({.length = request.length,
                                .low = low,
                                .high = high,
                                .stack_guard_gap = mm.vmas.options().stack_guard_gap});
    if (!found) return Errno::nomem;
    return *found;
}

Result<VirtAddr> top_down(const Mm& mm, const vma::MmapWriteGuard& mmap,
                          const AreaRequest& request) {
    if ((request.flags & MAP_32BIT) != 0) return bottom_up(mm, mmap, request);
    if (request.addr.raw() != 0) {
        const VirtAddr hint = request.addr.align_down(arch::kPageSize);
        const bool fits =
            hint <= mm.options.task_size && request.length <= mm.options.task_size - hint;
        if (fits && is_free(mm, mmap, hint, request.length)) return hint;
    }
    const VirtAddr low(std::max(mm.options.mmap_min_addr, arch::kPageSize));
    const auto found =
        mmap.find_gap_topdown({.length = request.length,
                               .low = low,
                               .high = mm.mmap_base,
                               .stack_guard_gap = mm.vmas.options().stack_guard_gap});
    if (found) return *found;
    return bottom_up(mm, mmap,
                     {.addr = VirtAddr(0), .length = request.length, .flags = request.flags});
}

/// Room that starts at a huge page, if there is some. (thp_get_unmapped_area_vmflags)
Result<VirtAddr> huge_aligned(const Mm& mm, const vma::MmapWriteGuard& mmap,
                              const AreaRequest& request) {
    const std::uint64_t huge = mm.options.format.span(arch::PtLevel::pmd);
    AreaRequest padded = request;
    padded.length += huge;
    const auto found = top_down(mm, mmap, padded);
    if (!found) return top_down(mm, mmap, request);
    // Top-down: the padding is left below.
    return found->is_aligned(huge) ? *found + huge : found->align_up(huge);
}

bool wants_huge_alignment(const Mm& mm, const AreaRequest& request) {
    return request.private_anonymous && request.addr.raw() == 0 &&
           request.length % mm.options.format.span(arch::PtLevel::pmd) == 0;
}

}  // namespace

VirtAddr mmap_base_for(const MmOptions& options) {
    const std::uint64_t task_size = options.task_size.raw();
    const std::uint64_t gap = 256 * arch::kPageSize;
    const std::uint64_t most = task_size / 6 * 5;
    const std::uint64_t wanted = options.limits.stack > most ? most : options.limits.stack + gap;
    const std::uint64_t room = std::clamp(wanted, std::min(kMinStackRoom, most), most);
    return VirtAddr(align_up(task_size - room, arch::kPageSize));
}

bool is_free(const Mm& mm, const vma::MmapWriteGuard& mmap, VirtAddr addr, std::uint64_t length) {
    const Vma* next = mmap.find(addr);
    return next == nullptr || addr + length <= start_with_gap(mm, *next);
}

Result<VirtAddr> get_unmapped_area(const Mm& mm, const vma::MmapWriteGuard& mmap,
                                   const AreaRequest& request) {
    const std::uint64_t task_size = mm.options.task_size.raw();
    if (request.length > task_size) return Errno::nomem;
    Result<VirtAddr> addr = request.addr;
    if ((request.flags & MAP_FIXED) == 0) {
        addr = wants_huge_alignment(mm, request) ? huge_aligned(mm, mmap, request)
                                                 : top_down(mm, mmap, request);
        if (!addr) return addr;
    }
    if (addr->raw() > task_size - request.length) return Errno::nomem;
    if (!addr->is_aligned(arch::kPageSize)) return Errno::inval;
    if (addr->raw() < mm.options.mmap_min_addr) return Errno::perm;
    return addr;
}

}  // namespace surefoot::inline SF_BUILD::mm
