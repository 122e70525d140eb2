#pragma once

// Prefaulting: internal to this folder.

#include "mm/operations.hpp"

namespace surefoot::inline SF_BUILD::mm {

/// As populate, for MAP_POPULATE, which reports no failure. (mm_populate)
void populate_ignoring_errors(Mm& mm, VaRange range);

/// Faults in every page of the locked (or just made) VMAs in `range`, for writing where a write
/// would copy. Fails: nomem for a hole or when memory runs out, fault. Locks: takes mmap R, page
/// by page. (__mm_populate)
Result<void> populate(Mm& mm, VaRange range);

/// Every locked VMA in `range` that is not lock-on-fault; errors are not reported. (mlockall)
void populate_locked(Mm& mm, VaRange range);

/// Breaks copy-on-write in `range`, inside `vma`, which is locked and was made writable; errors are
/// not reported. Locks: mmap W. (mprotect_fixup)
void populate_writable(Mm& mm, const vma::MmapWriteGuard& mmap, Vma& vma, VaRange range);

/// MADV_POPULATE_READ and _WRITE: as above with the access given. Fails also with inval when a
/// VMA forbids it. (madvise_populate)
Result<void> populate_for(Mm& mm, VaRange range, Access access);

}  // namespace surefoot::inline SF_BUILD::mm
