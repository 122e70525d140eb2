#pragma once

// Where mappings go: internal to this folder.

#include "mm/mm_struct.hpp"

namespace surefoot::inline SF_BUILD::mm {

/// Where top-down searches start: below the stack's room. (Linux: mmap_base)
VirtAddr mmap_base_for(const MmOptions& options);

struct AreaRequest {
    VirtAddr addr;  // 0, or a hint, or with MAP_FIXED the place
    std::uint64_t length = 0;
    std::uint32_t flags = 0;  // MAP_*
    bool private_anonymous = false;
};

/// Finds room as x86-64 Linux lays it out: top-down from mmap_base, then bottom-up; MAP_32BIT
/// within the second gigabyte. Private anonymous memory in multiples of a huge page starts at one.
/// Checks a fixed place. Fails: nomem, inval, perm.
/// Locks: mmap W. (__get_unmapped_area)
Result<VirtAddr> get_unmapped_area(const Mm& mm, const vma::MmapWriteGuard& mmap,
                                   const AreaRequest& request);

/// Nothing is mapped in the range, nor does a stack's guard gap reach into it.
bool is_free(const Mm& mm, const vma::MmapWriteGuard& mmap, VirtAddr addr, std::uint64_t length);

}  // namespace surefoot::inline SF_BUILD::mm
