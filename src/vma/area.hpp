#pragma once

// One region of an address space. Invariants: an object is type-stable, so a look-up under RCU may
// find it freed and reused; every field that such a look-up or a VMA reader reads is atomic, and
// changes only while the VMA is write-locked (`vma_start_write`) or detached.

#include <cstdint>

#include "arch/arch.hpp"
#include "base/base.hpp"
#include "sync/sync.hpp"
#include "vma/backing.hpp"
#include "vma/vma_flags.hpp"

namespace surefoot::inline SF_BUILD::vma {

class VmaSpace;
class UserfaultCtx;  // made by `uffd`; compared here, never used

/// What a VMA says besides its lock. Linux: vm_start, vm_end, vm_pgoff, vm_flags.
struct VmaBounds {
    VaRange range;
    std::uint64_t pgoff = 0;
    friend constexpr bool operator==(const VmaBounds&, const VmaBounds&) = default;
};

/// Linux: struct vm_area_struct.
class alignas(64) Vma {
  public:
    VirtAddr start() const { return VirtAddr(start_.load(sync::Order::relaxed)); }
    VirtAddr end() const { return VirtAddr(end_.load(sync::Order::relaxed)); }
    VaRange range() const { return {start(), end()}; }
    bool contains(VirtAddr va) const { return range().contains(va); }
    /// Index of the first page: in the backing, or start >> kPageShift of where an anonymous
    /// region was born (it keeps it when mremap moves it).
    std::uint64_t pgoff() const { return pgoff_.load(sync::Order::relaxed); }
    std::uint64_t nr_pages() const { return range().bytes() >> arch::kPageShift; }
    VmaBounds bounds() const { return {range(), pgoff()}; }
    /// linear_page_index
    std::uint64_t page_index(VirtAddr va) const {
        return pgoff() + ((va - start()) >> arch::kPageShift);
    }

    VmaFlags flags() const { return VmaFlags::from_raw(flags_.load(sync::Order::relaxed)); }
    bool has(VmaFlags all) const { return flags().has(all); }
    /// No backing: private anonymous. (vma_is_anonymous)
    bool is_anonymous() const { return backing() == nullptr; }
    Backing* backing() const { return backing_.load(sync::Order::relaxed); }
    UserfaultCtx* uffd() const { return uffd_.load(sync::Order::relaxed); }
    /// Null until the first private page. Acquire: pairs with the release in `set_anon_vma`; it is
    /// read without a lock.
    AnonVma* anon_vma() const { return anon_vma_.load(sync::Order::acquire); }
    /// AnonVmas this one is linked to: more than one after a fork (the parent's too).
    std::uint32_t anon_vma_links() const { return anon_links_.load(sync::Order::relaxed); }
    /// vma_is_fork_child: a faulted one of these takes no unfaulted neighbour.
    bool is_fork_child() const { return anon_vma() != nullptr && anon_vma_links() > 1; }
    /// The space it is in; another one than expected after reuse.
    VmaSpace* space() const { return space_.load(sync::Order::relaxed); }

    // Writers. Locks: mmap W and VMA W, or the VMA is detached.
    void set_bounds(VmaBounds b);
    void set_flags(VmaFlags flags);
    void set_uffd(UserfaultCtx* ctx);

    /// Under any lock that keeps the VMA: VM_MAYBE_GUARD alone. (vma_set_atomic_flag)
    void set_maybe_guard() {
        flags_.fetch_or(VmaFlags(VmaFlag::maybe_guard).raw(), sync::Order::relaxed);
    }
    /// Locks: mmap R + anon_vma W + page_table_lock for null to set; VMA W or detached to clear.
    /// The reference that comes with it is dropped by VmaHooks::unlink_anon.
    void set_anon_vma(AnonVma* anon_vma, std::uint32_t links) {
        anon_links_.store(links, sync::Order::relaxed);
        anon_vma_.store(anon_vma, sync::Order::release);  // pairs with the acquire in anon_vma()
    }

    /// Attached (or a reader is just about to find out that it no longer is). (vma_is_attached)
    bool is_attached() const { return refcnt_.load(sync::Order::relaxed) != 0; }
    /// Locks: mmap W, else the answer is stale at once. (vma_assert_write_locked)
    bool is_write_locked() const;

  private:
    friend class VmaAccess;  // internals of this folder
    friend class DetachedVmas;

    // First line, and so the first members: all that a fault reads.
    sync::Atomic<std::uint64_t> start_{0};
    sync::Atomic<std::uint64_t> end_{0};
    sync::Atomic<std::uint64_t> flags_{0};
    sync::Atomic<std::uint64_t> pgoff_{0};
    sync::Atomic<VmaSpace*> space_{nullptr};
    /// 0 detached; 1 attached, idle or write-locked; n + 1 for n readers; kExcludeReaders on top
    /// while a writer waits. (vm_refcnt)
    sync::Atomic<std::uint32_t> refcnt_{0};
    /// Equal to the space's mm_lock_seq: write-locked. (vm_lock_seq)
    sync::Atomic<std::uint32_t> lock_seq_{~std::uint32_t{0}};
    sync::Atomic<AnonVma*> anon_vma_{nullptr};
    sync::Atomic<Backing*> backing_{nullptr};  // written once an attachment

    sync::Atomic<std::uint32_t> anon_links_{0};
    sync::Atomic<UserfaultCtx*> uffd_{nullptr};
    sync::Shared<Vma*> next_detached_;

  public:
    /// For `rmap`: the links into interval trees. Under rmap W.
    sync::Shared<void*> rmap_links;
};

/// VMAs that left the tree, lowest first; nobody else can reach them but rmap walkers. They stay
/// until `VmaSpace::free_detached`. Linux: the detached tree of vms_gather_munmap_vmas.
class DetachedVmas {
  public:
    DetachedVmas() = default;
    DetachedVmas(DetachedVmas&& other) noexcept;
    DetachedVmas& operator=(DetachedVmas&&) = delete;
    ~DetachedVmas() { SF_DEBUG_ASSERT(empty()); }

    bool empty() const { return head_ == nullptr; }
    std::size_t size() const { return size_; }
    Vma* first() const { return head_; }
    Vma* next(const Vma& vma) const;
    template <class F>
    void for_each(F&& f) const {
        for (Vma* vma = head_; vma != nullptr; vma = next(*vma))
            f(*vma);
    }

    /// No VMA overlapping the gathered ones exists between these two: tables wholly inside
    /// [floor, ceiling) may be freed; ceiling 0 is the top. Valid as long as the mmap lock is
    /// held, downgraded or not.
    VirtAddr floor;
    VirtAddr ceiling;

  private:
    friend class VmaAccess;
    Vma* head_ = nullptr;
    Vma* tail_ = nullptr;
    std::size_t size_ = 0;
};

}  // namespace surefoot::inline SF_BUILD::vma
