#pragma once

// The VMAs of one address space, the mmap lock and the per-VMA locks. `mm` embeds a VmaSpace. The
// guards are the only way to lock, and the only way to a Vma&.
//
// The per-VMA lock (Linux 6.15 and later): a reader raises the VMA's count and then compares the
// VMA's sequence with the space's; a writer (mmap W) drains the readers and stores the sequence;
// all VMA write locks end together when the mmap lock is unlocked or downgraded.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>

#include "base/base.hpp"
#include "sync/sync.hpp"
#include "vma/area.hpp"
#include "vma/tree/tree.hpp"
#include "vma/tree/tree_node.hpp"

namespace surefoot::inline SF_BUILD::vma {

/// Objects of all spaces of one owner, which must outlive them. Destroying it waits for RCU.
class VmaCaches {
  public:
    explicit VmaCaches(sync::FailPlan* plan = nullptr) : vmas(plan), anon_vmas(plan), nodes(plan) {}
    ~VmaCaches() { sync::rcu_barrier(); }

    sync::ObjectCache<Vma> vmas;
    sync::ObjectCache<AnonVma> anon_vmas;
    TreeNodeCache nodes;
};

/// How layers above take part when VMAs change. The defaults know no interval trees: a region's
/// `anon_vma` is one reference, shared by the parts of a split. `rmap` overrides all of them.
class VmaHooks {
  public:
    virtual ~VmaHooks() = default;

    /// Makes `to` share from's anon_vma: `to` is still unknown to anyone, or write-locked and
    /// never faulted. Called in `prepare_*`, only if `from` has one. (anon_vma_clone) Fails:
    /// `nomem`.
    virtual Result<void> clone_anon(VmaSpace& space, const Vma& from, Vma& to);
    /// Drops what `clone_anon` or the first private fault gave. `vma` is detached, merged away, or
    /// was never attached. (unlink_anon_vmas)
    virtual void unlink_anon(VmaSpace& space, Vma& vma) noexcept;
    /// Takes `vma`, detached or merged away, out of its backing's tree if it still is in there.
    /// (unlink_file_vma)
    virtual void unlink_file(VmaSpace& space, Vma& vma) noexcept;
    /// The bounds of these write-locked VMAs are about to change: takes the rmap locks W, unlinks
    /// them from interval trees. (vma_prepare)
    virtual void adjust_begin(std::span<Vma* const> vmas) noexcept;
    /// Between the two: `vma` will end or start at `at`; a huge page (or shared hugetlb table)
    /// across it is split. (vma_adjust_trans_huge, hugetlb_split)
    virtual void split_at(Vma& vma, VirtAddr at) noexcept;
    /// Bounds are as they shall be, in VMAs that survive or are new: links them, releases the
    /// locks. (vma_complete)
    virtual void adjust_end(std::span<Vma* const> vmas) noexcept;
};

struct VmaSpaceOptions {
    TreeOptions tree{};
    std::uint32_t max_map_count = 65530;
    std::uint64_t stack_guard_gap = 256 * arch::kPageSize;
    /// Null: the defaults of VmaHooks.
    VmaHooks* hooks = nullptr;
};

class VmaSpace {
  public:
    VmaSpace(VmaCaches& caches, const VmaSpaceOptions& options);
    VmaSpace(const VmaSpace&) = delete;
    VmaSpace& operator=(const VmaSpace&) = delete;
    /// No VMA is left (`detach_all`). A reader that found one of its VMAs under RCU may still
    /// compare this space's address: reuse the memory after a grace period only.
    ~VmaSpace();

    VmaCaches& caches() { return caches_; }
    VmaHooks& hooks() { return *hooks_; }
    const VmaSpaceOptions& options() const { return options_; }
    /// mm->map_count. Locks: mmap any; else a statistic.
    std::uint32_t map_count() const { return map_count_.load(sync::Order::relaxed); }
    /// Odd while a write section is open. (mm_lock_seq)
    std::uint32_t mm_lock_seq() const { return mm_lock_seq_.load(sync::Order::relaxed); }

    /// For look-ups under RCU alone; holders of the mmap lock ask their guard.
    const VmaTree& tree() const { return tree_; }

    /// Drops the rest of what a detached VMA holds, and the VMA. (remove_vma) Locks: none.
    void free_detached(DetachedVmas&& vmas) noexcept;

    void assert_mmap_locked() const SF_ASSERTS_HELD_SHARED(sync::lc::mmap_lock) {
        mmap_lock_.assert_held();
    }
    void assert_mmap_write_locked() const SF_ASSERTS_HELD(sync::lc::mmap_lock) {
        mmap_lock_.assert_held_exclusive();
    }

  private:
    friend class VmaAccess;

    sync::RwSem<sync::LockId::mmap_lock> mmap_lock_;
    sync::Atomic<std::uint32_t> mm_lock_seq_{0};
    sync::Atomic<std::uint32_t> map_count_{0};
    VmaTree tree_;
    VmaCaches& caches_;
    VmaHooks default_hooks_;
    VmaHooks* hooks_;
    VmaSpaceOptions options_;
};

/// Names a VMA across a dropped lock, with all that its user relied on; nothing in it may be
/// dereferenced.
struct VmaKey {
    const VmaSpace* space = nullptr;
    VaRange range;  // what the user needs covered
    VmaFlags flags;
    const Backing* backing = nullptr;
    const UserfaultCtx* uffd = nullptr;
    std::uint64_t pgoff = 0;  // of range.start
    const AnonVma* anon_vma = nullptr;
};

enum class Revalidation : std::uint8_t {
    same,
    gone,             // nothing at range.start
    shrunk,           // the VMA there no longer covers the range
    flags_changed,    // softdirty and maybe_guard are not compared
    backing_changed,  // another backing or offset
    anon_vma_changed  // there was one, or there was none
};

struct Revalidated {
    Revalidation outcome = Revalidation::gone;
    Vma* vma = nullptr;  // exactly with `same`
};

/// What any holder of the mmap lock may do. Functions that need "mmap any" take this.
class MmapHeld {
  public:
    VmaSpace& space() const { return space_; }

    /// First VMA that ends above `va`; it may start above it too. (find_vma)
    Vma* find(VirtAddr va) const { return space_.tree().find(va).vma; }
    /// The VMA that contains `va`. (vma_lookup)
    Vma* lookup(VirtAddr va) const { return space_.tree().lookup(va).vma; }
    /// Last VMA that ends at or below `va`.
    Vma* find_prev(VirtAddr va) const { return space_.tree().find_prev(va).vma; }
    Vma* next(const Vma& vma) const { return find(vma.end()); }
    Vma* prev(const Vma& vma) const { return find_prev(vma.start()); }
    /// First VMA that overlaps `range`. (find_vma_intersection)
    Vma* find_intersection(VaRange range) const;
    /// Calls `f(Vma&)` for each VMA that overlaps `range`, lowest first; `f` may change the tree
    /// at or below the VMA it was given. Stops when `f` returns false (if it returns bool).
    template <class F>
    void for_each(VaRange range, F&& f) const;

    /// To look the VMA up again after the lock was dropped. (mail 003)
    VmaKey key_of(const Vma& vma, VaRange needed) const;
    /// Looks up by address and repeats every check.
    Revalidated revalidate(const VmaKey& key) const;

    /// The neighbour's anon_vma that a first private fault in `vma` should reuse, so that the two
    /// can merge later; null: make one. (find_mergeable_anon_vma)
    AnonVma* find_mergeable_anon_vma(const Vma& vma) const;

    MmapHeld(const MmapHeld&) = delete;
    MmapHeld& operator=(const MmapHeld&) = delete;

  protected:
    explicit MmapHeld(VmaSpace& space) : space_(space) {}
    ~MmapHeld() = default;

    VmaSpace& space_;
};

/// Locks: takes mmap R. No VMA appears, disappears or changes its bounds.
class SF_SCOPED_GUARD MmapReadGuard : public MmapHeld {
  public:
    explicit MmapReadGuard(VmaSpace& space) SF_ACQUIRES_SHARED(sync::lc::mmap_lock);
    ~MmapReadGuard() SF_RELEASES_ANY();
    /// Unlocks early: every Vma& it gave out is void; keep a VmaKey instead.
    void drop() SF_RELEASES_ANY();

  private:
    bool held_ = true;
};

/// Locks: takes mmap R if that needs no waiting. The one way to it for a holder of a VMA lock.
/// The analysis can't follow a guard that may be empty: the type is the proof.
class MmapTryReadGuard : public MmapHeld {
  public:
    explicit MmapTryReadGuard(VmaSpace& space);
    ~MmapTryReadGuard();
    explicit operator bool() const { return held_; }

  private:
    bool held_;
};

/// For the child's lock in fork: nobody else can see that space yet.
struct NestedSpace {};

/// Locks: takes mmap W and opens a write section. Readers of single VMAs go on until
/// `vma_start_write`.
class SF_SCOPED_GUARD MmapWriteGuard : public MmapHeld {
  public:
    explicit MmapWriteGuard(VmaSpace& space) SF_ACQUIRES(sync::lc::mmap_lock);
    MmapWriteGuard(VmaSpace& space, NestedSpace);
    /// Ends all VMA write locks.
    ~MmapWriteGuard() SF_RELEASES_ANY();
    /// Unlocks early.
    void drop() SF_RELEASES_ANY();

    /// From W to R without a gap: ends all VMA write locks, keeps writers out, lets readers in.
    /// The analysis goes on to believe in W; `is_exclusive` and the validator know better.
    void downgrade();
    bool is_exclusive() const { return state_ == State::write; }

    /// What lies below, in and above `range`. Good until the next call or change; asking again is
    /// cheap. Locks: mmap W.
    const VmaTree::Around& around(VaRange range) const;
    /// As MmapHeld's.
    Vma* find_intersection(VaRange range) const {
        const TreeEntry& first = around(range).first;
        return first.vma != nullptr && first.range.start < range.end ? first.vma : nullptr;
    }

    std::optional<VirtAddr> find_gap_topdown(const GapRequest& request) const {
        return space_.tree().find_gap_topdown(request);
    }
    std::optional<VirtAddr> find_gap_bottomup(const GapRequest& request) const {
        return space_.tree().find_gap_bottomup(request);
    }

  private:
    enum class State : std::uint8_t { write, read, none };
    State state_ = State::write;
};

/// How an attempt to lock one VMA ended. All but `locked` mean: go on under mmap R.
enum class VmaReadOutcome : std::uint8_t {
    locked,
    none,          // no VMA contains the address
    write_locked,  // the sequences were equal at the first look
    excluded,      // a writer is draining the readers (or too many readers)
    raced_writer,  // the sequences were equal once the count was raised
    foreign,       // freed and reused by another space
    moved,         // reused or changed: the address is no longer inside
};
inline constexpr std::size_t kVmaReadOutcomes = 7;

/// Locks: takes VMA R of the VMA at `va`, without waiting and without the mmap lock. While it is
/// held, block neither for an mmap lock nor for a second VMA. (lock_vma_under_rcu)
class VmaReadGuard {
  public:
    VmaReadGuard(VmaSpace& space, VirtAddr va);
    /// mmap R to VMA R: the mmap lock may be dropped afterwards. Fails only with `excluded`, when
    /// there are too many readers. (vma_start_read_locked)
    VmaReadGuard(const MmapHeld& mmap, Vma& vma);
    ~VmaReadGuard();
    VmaReadGuard(const VmaReadGuard&) = delete;
    VmaReadGuard& operator=(const VmaReadGuard&) = delete;

    explicit operator bool() const { return vma_ != nullptr; }
    Vma& vma() const {
        SF_DEBUG_ASSERT(vma_ != nullptr);
        return *vma_;
    }
    VmaReadOutcome outcome() const { return outcome_; }
    /// How often a detached VMA was found and the look-up repeated (vma_lock_miss).
    std::uint32_t misses() const { return misses_; }
    /// Unlocks early; the Vma& is void.
    void drop();

  private:
    Vma* vma_ = nullptr;
    VmaReadOutcome outcome_ = VmaReadOutcome::none;
    std::uint32_t misses_ = 0;
};

/// Write-locks `vma` until the mmap lock is unlocked or downgraded; may sleep until its readers
/// have left. Does nothing if it is write-locked. Locks: mmap W.
void vma_start_write(const MmapWriteGuard& mmap, Vma& vma);

/// The VMA may be examined: mmap any, VMA any. Asserts it in debug builds. (vma_assert_locked)
void vma_assert_locked(const Vma& vma);

template <class F>
void MmapHeld::for_each(VaRange range, F&& f) const {
    VirtAddr at = range.start;
    while (at < range.end) {
        Vma* vma = find(at);
        if (vma == nullptr || vma->start() >= range.end) return;
        at = vma->end();
        if constexpr (requires { static_cast<bool>(f(*vma)); }) {
            if (!f(*vma)) return;
        } else {
            f(*vma);
        }
    }
}

}  // namespace surefoot::inline SF_BUILD::vma
