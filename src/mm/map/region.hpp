#pragma once

// Making and removing whole regions, for mmap, munmap, brk and mremap: internal to this folder.
// Locks: mmap W.

#include "mm/mm_struct.hpp"

namespace surefoot::inline SF_BUILD::mm {

/// Splits the VMAs that lie across the ends of `range`, so that whole VMAs can be replaced; `first`
/// is the first one that overlaps the range, null for none. The number of mappings may exceed its
/// limit, unless it would stay there: a hole in one of them. Fails: nomem. (vms_gather_munmap_vmas)
Result<void> split_at_ends(const vma::MmapWriteGuard& mmap, VaRange range, Vma* first);

/// Makes the region, with VM_ACCOUNT where it is due; what it replaces is zapped before the lock is
/// dropped. Fails: nomem. (mmap_region)
Result<void> map_region(Mm& mm, const vma::MmapWriteGuard& mmap, vma::NewMapping& region);

/// Takes the VMAs inside `range` out of the tree and un-accounts them; the caller zaps them with
/// `unmap_detached`. `first` as above. Fails: nomem.
Result<vma::DetachedVmas> detach_range(Mm& mm, const vma::MmapWriteGuard& mmap, VaRange range,
                                       Vma* first);

}  // namespace surefoot::inline SF_BUILD::mm
