#pragma once

// Rights tokens: which locks allow what on page tables, as empty types that only the right guards
// can build (protocol rules G1, G6, G8). This folder knows no VMA: `mm` says which guards prove
// which right by specialising the constants below.

#include "base/base.hpp"
#include "sync/sync.hpp"

namespace surefoot::inline SF_BUILD::pgtable {

template <class Guard>
inline constexpr bool kProvesVmaStable = false;
template <class Guard>
inline constexpr bool kProvesMayInstall = false;
template <class Guard>
inline constexpr bool kProvesMayFreeTables = false;

/// Any one of mmap, VMA or rmap lock, read or write: tables above the PTE level stay; the holder
/// may traverse and zap.
class VmaStable {
  public:
    template <class Guard>
        requires kProvesVmaStable<Guard>
    VmaStable(const Guard&) {}

  private:
    friend class MayInstall;
    VmaStable() = default;
};

/// mmap or VMA lock, never an rmap lock alone: the holder may populate an empty entry.
class MayInstall {
  public:
    template <class Guard>
        requires kProvesMayInstall<Guard>
    MayInstall(const Guard&) {}
    operator VmaStable() const { return VmaStable{}; }
};

/// The VMAs of the range are detached from the tree and from rmap, or the address space is
/// ending: the holder may unlink and free tables of every level.
class MayFreeTables {
  public:
    template <class Guard>
        requires kProvesMayFreeTables<Guard>
    MayFreeTables(const Guard&) {}
};

// A token can outlive its guard: the validator asserts at each use that the lock is held.

/// Rule G1: any lock that keeps a VMA stable.
inline void assert_vma_stable() {
    using sync::LockId;
    SF_DEBUG_ASSERT(sync::lockdep::is_held(LockId::mmap_lock, nullptr) ||
                    sync::lockdep::is_held(LockId::vma_lock, nullptr) ||
                    sync::lockdep::is_held(LockId::i_mmap, nullptr) ||
                    sync::lockdep::is_held(LockId::anon_vma, nullptr));
}

/// Rule G6: the mmap lock or a VMA lock.
inline void assert_may_install() {
    using sync::LockId;
    SF_DEBUG_ASSERT(sync::lockdep::is_held(LockId::mmap_lock, nullptr) ||
                    sync::lockdep::is_held(LockId::vma_lock, nullptr));
}

/// Rule G8: the mmap lock, kept since the VMAs left the tree.
inline void assert_may_free_tables() {
    sync::lockdep::assert_held(sync::LockId::mmap_lock, nullptr);
}

}  // namespace surefoot::inline SF_BUILD::pgtable
