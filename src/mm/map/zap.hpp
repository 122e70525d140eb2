#pragma once

// Clearing leaf entries of a range, tables left in place unless asked: internal to this folder.

#include "mm/mm_struct.hpp"

namespace surefoot::inline SF_BUILD::mm {

enum class TableReclaim : bool { no, yes };

/// Unmaps every page of `range`, which lies in `vma`; pages and emptied tables go to the gather.
/// With reclaim, a PTE table whose whole span was zapped is unlinked if it is empty (C12e).
/// Locks: those of the right; PTL (and PML) are taken. May flush; the caller finishes the gather.
/// (Linux: zap_page_range_single, unmap_single_vma)
void zap_range(Mm& mm, pgtable::Gather& gather, const Vma& vma, VaRange range,
               TableReclaim reclaim, VmaStable right);

/// Zaps all of these VMAs and frees the tables that served only them, then flushes, un-accounts
/// and frees the VMAs. Locks: mmap any, kept since they were detached.
void unmap_detached(Mm& mm, vma::DetachedVmas&& detached, VmaStable right);

}  // namespace surefoot::inline SF_BUILD::mm
