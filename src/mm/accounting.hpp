#pragma once

// Limits and page accounting of an address space: internal to this folder. Under mmap W.

#include "mm/mm_struct.hpp"

namespace surefoot::inline SF_BUILD::mm {

/// RLIMIT_AS and RLIMIT_DATA allow `pages` more with these flags. (Linux: may_expand_vm)
bool may_expand(const Mm& mm, VmaFlags flags, std::uint64_t pages);

/// RLIMIT_MEMLOCK allows `pages` more locked ones. (mlock_future_ok)
bool may_lock(const Mm& mm, std::uint64_t pages);
/// Some locking is allowed at all. (can_do_mlock)
bool may_lock_any(const Mm& mm);

/// Private writable memory that was not exempted (VM_ACCOUNT is due). (accountable_mapping)
bool is_accountable(VmaFlags flags);

/// One request must not exceed what the machine has (Linux's heuristic overcommit).
/// (security_vm_enough_memory_mm)
bool may_charge(const Mm& mm, std::uint64_t pages);

/// `may_charge`, if these flags are charged for: private writable or shared anonymous memory.
bool may_commit(const Mm& mm, VmaFlags flags, std::uint64_t pages);

/// `pages` (negative: fewer) with these flags exist now. (vm_stat_account)
void account(Mm& mm, VmaFlags flags, std::int64_t pages);

/// VMAs left the tree: un-accounts them.
void unaccount(Mm& mm, const vma::DetachedVmas& detached);

constexpr std::uint64_t page_align(std::uint64_t bytes) {
    return align_up(bytes, arch::kPageSize);
}

}  // namespace surefoot::inline SF_BUILD::mm
