#pragma once

// The per-VMA lock's steps and a VMA's birth and death. Internal to the folder.

#include "vma/area.hpp"
#include "vma/space.hpp"

namespace surefoot::inline SF_BUILD::vma {

class VmaAccess {
  public:
    static constexpr std::uint32_t kExcludeReaders = 1U << 30;
    static constexpr std::uint32_t kReaderLimit = kExcludeReaders - 1;

    enum class Raised : std::uint8_t { yes, detached, excluded };
    /// Raises the reader count. (refcount_inc_not_zero_limited_acquire)
    static Raised raise(Vma& vma);
    /// Lowers it, and wakes a writer that waits for it. (vma_refcount_put)
    static void lower(Vma& vma);
    /// Waits until only `rest` holders are left and keeps new ones out. False if the count is 0
    /// already. (__vma_enter_locked)
    static bool exclude(Vma& vma, std::uint32_t rest);
    /// Ends what `exclude` has begun.
    static void readmit(Vma& vma, std::uint32_t rest);

    static std::uint32_t lock_seq(const Vma& vma) {
        return vma.lock_seq_.load(sync::Order::relaxed);
    }
    static void set_lock_seq(Vma& vma, std::uint32_t seq) {
        vma.lock_seq_.store(seq, sync::Order::relaxed);
    }
    /// Acquire: pairs with the release in `end_write_section`.
    static std::uint32_t mm_lock_seq_acquire(const VmaSpace& space) {
        return space.mm_lock_seq_.load(sync::Order::acquire);
    }

    static void begin_write_section(VmaSpace& space);
    static void end_write_section(VmaSpace& space);
    static sync::RwSem<sync::LockId::mmap_lock>& mmap_lock(VmaSpace& space) {
        return space.mmap_lock_;
    }
    static VmaTree& tree(VmaSpace& space) { return space.tree_; }
    static void add_map_count(VmaSpace& space, std::int64_t delta) {
        space.map_count_.store(space.map_count() + static_cast<std::uint32_t>(delta),
                               sync::Order::relaxed);
    }

    /// A detached VMA with these fields, or null. Takes a reference of `backing`.
    static Vma* make(VmaSpace& space, VmaBounds bounds, VmaFlags flags, Backing* backing,
                     UserfaultCtx* uffd);
    /// Gives a detached VMA back: drops its anon_vma and its backing.
    static void free(VmaSpace& space, Vma& vma);
    /// Locks: mmap W. Write-locks it in this epoch first, as it becomes reachable next.
    static void attach(VmaSpace& space, Vma& vma);
    /// It is write-locked and no longer in the tree. May sleep until the last reader that is
    /// about to find this out has left. (vma_mark_detached)
    static void detach(Vma& vma);

    static void push(DetachedVmas& list, Vma& vma);
    static Vma* pop(DetachedVmas& list);
};

}  // namespace surefoot::inline SF_BUILD::vma
