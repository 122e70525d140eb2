#pragma once

// Changes of the set of VMAs, with Linux's rules of splitting and merging. Each is prepared (may
// fail with `nomem`; nothing has changed) and then committed (cannot fail). `commit` takes the VMA
// write locks and, through VmaHooks, the rmap locks, before it changes what their readers look at;
// each commit is one change for every observer of the tree.
//
//   Result<VmaChange> change = prepare_modify(mmap, vma, range, flags);
//   if (!change) return change.error();
//   Committed done = commit(mmap, std::move(*change));   // done.vma covers range now
//
// A prepared change is committed or dropped before the next one is prepared in the same space, and
// the mmap lock is not dropped between. All functions here need mmap W.

#include <cstdint>
#include <optional>

#include "base/base.hpp"
#include "vma/area.hpp"
#include "vma/space.hpp"

namespace surefoot::inline SF_BUILD::vma {

/// Which neighbours became one with the region.
enum class Merged : std::uint8_t { none, prev, next, both };

/// A region to be made.
struct NewMapping {
    VaRange range;
    VmaFlags flags;
    std::uint64_t pgoff = 0;
    /// The VMA takes a reference of its own.
    Backing* backing = nullptr;
    UserfaultCtx* uffd = nullptr;
    /// mremap: the region that is moved or grown. The new one shares its anon_vma.
    const Vma* source = nullptr;
    enum class Merge : std::uint8_t { allowed, never } merge = Merge::allowed;
};

/// pgoff of a new private anonymous region.
constexpr std::uint64_t anonymous_pgoff(VirtAddr start) { return start.raw() >> arch::kPageShift; }

/// A change that can no longer fail. Dropping it undoes the preparation.
class VmaChange {
    class Key {
        friend class ChangeBuilder;
    };

  public:
    /// For the functions below alone, which make it in their caller's Result.
    VmaChange(Key, VmaSpace& space) : space_(space) {}
    VmaChange(VmaChange&& other) noexcept : VmaChange(std::as_const(other)) { other.forget(); }
    VmaChange& operator=(VmaChange&&) = delete;
    ~VmaChange();

    Merged merged() const { return merged_; }

  private:
    friend class ChangeBuilder;
    friend class Committer;
    VmaChange(const VmaChange&) = default;

    /// Nothing is left to undo.
    void forget() {
        parts_.clear();
        anon_heir_ = nullptr;
    }

    /// A VMA of the outcome.
    struct Part {
        TreeEntry entry;
        std::uint64_t pgoff = 0;
        VmaFlags flags;
        bool fresh = false;
    };
    static constexpr unsigned kMaxParts = 3;
    /// Whole VMAs that leave the tree.
    struct Doomed {
        Vma* first = nullptr;  // null: there are none
        VaRange range;         // they lie in here,
        VirtAddr floor;        // and nothing else between these two
        VirtAddr ceiling;
    };

    VmaSpace& space_;
    VaRange span_;                       // what the tree replaces
    FixedVector<Part, kMaxParts> parts_;  // in address order
    unsigned result_ = 0;                // the part that covers what was asked for
    /// VMAs that were there before: parts of the outcome, and those that merge away.
    FixedVector<Vma*, kMaxParts + 2> existing_;
    FixedVector<Vma*, 2> absorbed_;
    /// A survivor that had no anon_vma and was given one for the merge.
    Vma* anon_heir_ = nullptr;
    Doomed doomed_;
    std::optional<UserfaultCtx*> new_uffd_;  // of the result
    Merged merged_ = Merged::none;
    std::uint64_t generation_ = 0;
};

struct Committed {
    /// Covers the range that was asked for; null after an erase.
    Vma* vma = nullptr;
    /// After a split: the other part.
    Vma* other = nullptr;
    Merged merged = Merged::none;
    /// What an insertion replaced or an erase removed.
    DetachedVmas detached;
};

/// Splits `vma` at `at`, strictly inside. `vma` itself stays the part below. Fails: `nomem` also
/// when map_count has reached its limit. (split_vma)
Result<VmaChange> prepare_split(const MmapWriteGuard& mmap, Vma& vma, VirtAddr at);
/// The same with the limit checked by the caller: one of the parts is about to go. (__split_vma)
Result<VmaChange> prepare_split_to_remove(const MmapWriteGuard& mmap, Vma& vma, VirtAddr at);

/// A new region; it merges with what lies directly below and above where it can. Whole VMAs inside
/// its range are replaced at the same instant; nothing may lie across its ends (split first). A
/// new VMA is write-locked before it can be found.
/// The caller has checked the limit of map_count. Fails: `nomem`. (vma_merge_new_range, mmap_region)
Result<VmaChange> prepare_insert(const MmapWriteGuard& mmap, const NewMapping& what);

/// Gives `range`, inside `vma`, other flags: splits and merges, or moves a boundary to the
/// neighbour. Fails: `nomem`, also by map_count. (vma_modify_flags)
Result<VmaChange> prepare_modify(const MmapWriteGuard& mmap, Vma& vma, VaRange range,
                                 VmaFlags flags);
/// As above for the userfaultfd context. (vma_modify_flags_uffd)
Result<VmaChange> prepare_modify(const MmapWriteGuard& mmap, Vma& vma, VaRange range,
                                 VmaFlags flags, UserfaultCtx* uffd);

/// Moves the ends of `vma` (into free space, or inwards) without merging: stack growth, shrinking
/// in place. Fails: `nomem`. (expand_downwards, vma_shrink)
Result<VmaChange> prepare_resize(const MmapWriteGuard& mmap, Vma& vma, VaRange range);

/// Removes the whole VMAs inside `range`; nothing may lie across its ends. (vms_gather_munmap_vmas)
Result<VmaChange> prepare_erase(const MmapWriteGuard& mmap, VaRange range);

/// `change` stays where it is: there is nothing left in it to undo.
Committed commit(const MmapWriteGuard& mmap, VmaChange&& change) noexcept;

/// exit_mmap and failed fork: every VMA leaves, without preparation.
DetachedVmas detach_all(const MmapWriteGuard& mmap) noexcept;

}  // namespace surefoot::inline SF_BUILD::vma
