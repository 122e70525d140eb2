#pragma once

// The fault path below the choice of lock: internal to this folder.

#include "mm/operations.hpp"

namespace surefoot::inline SF_BUILD::mm {

/// How one attempt to resolve a fault ended.
enum class FaultOutcome : std::uint8_t {
    /// Done, or a race was lost and the access is to be repeated.
    handled,
    /// Needs the mmap lock: the caller holds a VMA lock alone and must start again (T1, T2).
    retry,
    bus,
    oom,
};

/// A fault at `va` (page-aligned), inside `vma`, which permits `access`.
struct Fault {
    Mm& mm;
    Vma& vma;
    VirtAddr va;
    Access access;
    MayInstall right;
    /// Null for the holder of a VMA lock.
    const vma::MmapHeld* mmap;
};

/// Locks: those of `fault.right`; PTL and, for the first private page, anon_vma are taken.
FaultOutcome fault_in_vma(const Fault& fault);

/// Gives `vma` its anon_vma if it has none. Neighbours that could merge share one. Locks: mmap any.
/// (__anon_vma_prepare; here without chains: rmap is not there yet)
FaultOutcome prepare_anon_vma(Mm& mm, Vma& vma, const vma::MmapHeld& mmap);

/// Whether the VMA's rights allow `access` (x86: any right makes a page readable).
inline bool permits(VmaFlags flags, Access access) {
    switch (access) {
        case Access::write:
            return flags.has(vma::VmaFlag::write);
        case Access::exec:
            return flags.has(vma::VmaFlag::exec);
        case Access::read:
            break;
    }
    return flags.has_any(vma::kVmaAccess);
}

/// Whether `entry` allows `access` as it is.
bool entry_permits(arch::pte_t entry, Access access);

/// A VMA's rights as those of a page-table entry, not writable.
inline arch::LeafBits read_only_bits(VmaFlags flags) {
    return {.exec = flags.has(vma::VmaFlag::exec),
            .young = true,
            .prot_none = !flags.has_any(vma::kVmaAccess)};
}

}  // namespace surefoot::inline SF_BUILD::mm
