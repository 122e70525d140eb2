#pragma once

// The lock order, written once. A class is an empty capability object, so that clang's analysis
// checks "is one of this class held" and (with -Wthread-safety-beta) the order; the run-time
// validator checks the same order by `LockId` in every build but `release`.

#include <cstdint>

#include "base/base.hpp"

namespace surefoot::inline SF_BUILD::sync {

/// Outer to inner: while a lock is held, only locks with a larger id may be acquired (trylocks
/// excepted). Ids from `kFirstSpin` on never sleep while held, but for a TLB invalidation.
enum class LockId : std::uint8_t {
    process,          // Linux personality: thread list, signal actions, descriptor table
    mmap_lock,        // mm->mmap_lock
    vma_lock,         // the per-VMA lock, read and write; many W under mmap W, a second R by try
    invalidate_lock,  // mapping->invalidate_lock
    folio_lock,
    hugetlb_i_mmap,  // i_mmap_rwsem as PMD sharing uses it
    i_mmap,          // mapping->i_mmap_rwsem
    anon_vma,        // anon_vma->root->rwsem
    futex_bucket,    // the value is compared under it, while the entry is stable
    page_table,      // mm->page_table_lock: tables above the PMD level
    pml,             // lock of one PMD table
    ptl,             // lock of one PTE table
    ptl_nested,      // the second one when entries move between two tables
    i_pages,         // index to frame of one backing object
    leaf,            // per-slot caches of allocators, and lists
    depot,           // what per-slot caches refill from: nothing of ours is acquired under it
    backend,         // mirror and KVM: space and fill locks, under anything
};
inline constexpr LockId kFirstSpin = LockId::futex_bucket;
inline constexpr std::size_t kLockIds = static_cast<std::size_t>(LockId::backend) + 1;

constexpr const char* name_of(LockId id) {
    constexpr const char* kNames[kLockIds] = {"process",         "mmap_lock",  "vma_lock",
                                              "invalidate_lock", "folio_lock", "hugetlb_i_mmap",
                                              "i_mmap",          "anon_vma",   "futex_bucket",
                                              "page_table",      "pml",        "ptl",
                                              "ptl_nested",      "i_pages",    "leaf",
                                              "depot",           "backend"};
    return kNames[static_cast<std::size_t>(id)];
}

/// Lock classes as capabilities. They hold nothing; only their names matter.
namespace lc {
class SF_CAPABILITY("lock class") Class {};

inline constexpr Class process;
inline constexpr Class mmap_lock SF_ACQUIRED_AFTER(process);
inline constexpr Class vma_lock SF_ACQUIRED_AFTER(mmap_lock);
inline constexpr Class folio_lock SF_ACQUIRED_AFTER(vma_lock);
inline constexpr Class i_mmap SF_ACQUIRED_AFTER(folio_lock);
inline constexpr Class anon_vma SF_ACQUIRED_AFTER(i_mmap);
inline constexpr Class page_table SF_ACQUIRED_AFTER(anon_vma);
inline constexpr Class pml SF_ACQUIRED_AFTER(page_table);
inline constexpr Class ptl SF_ACQUIRED_AFTER(pml);
inline constexpr Class i_pages SF_ACQUIRED_AFTER(ptl);
/// Read-side sections of RCU: shared, nests anywhere.
inline constexpr Class rcu;
}  // namespace lc

}  // namespace surefoot::inline SF_BUILD::sync
