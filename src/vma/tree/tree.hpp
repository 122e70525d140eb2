#pragma once

// Range -> Vma*: a B+-tree that is read under RCU without a lock and written under mmap W. A
// change builds new nodes and becomes visible by one release store of a pointer, at the lowest
// node that covers it; what was replaced is freed after a grace period. So one look-up sees all of
// a change or nothing. Published keys never change; what only the writer needs (the largest gap
// below each child, for the search of free space) is kept apart and updated in place.
// Linux: the maple tree as mm uses it.

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "base/base.hpp"
#include "sync/sync.hpp"
#include "vma/area.hpp"

namespace surefoot::inline SF_BUILD::vma {

struct TreeEntry {
    VaRange range;
    Vma* vma = nullptr;
};

/// Where free space is wanted, in bytes. Linux: struct vm_unmapped_area_info.
struct GapRequest {
    std::uint64_t length = 0;
    /// The result lies in [low, high).
    VirtAddr low{};
    VirtAddr high{};
    /// The result is congruent to `align_offset` modulo `align`, a power of two.
    std::uint64_t align = 1;
    std::uint64_t align_offset = 0;
    /// Stays free below a GROWSDOWN region. Linux: stack_guard_gap, 256 pages.
    std::uint64_t stack_guard_gap = 0;
};

struct TreeOptions {
    /// Entries a node, 3 to kMaxKeys; a scenario takes few, so that few regions split a node.
    unsigned node_keys = 15;
    /// Replaced nodes are handed to RCU in batches of this size.
    unsigned retire_batch = 32;
};

class TreeNode;
/// A leaf, and the way to it.
struct TreePath {
    static constexpr unsigned kMaxHeight = 20;

    TreeNode* leaf = nullptr;
    // Addresses in [low, high) lead to it.
    std::uint64_t low = 0;
    std::uint64_t high = 0;
    unsigned height = 0;
    // From the root down. Only what lies below `height` means anything.
    std::array<TreeNode*, kMaxHeight> branch;
    std::array<unsigned, kMaxHeight> child;

    TreePath() {}  // leaves the arrays alone
    bool leads_to(VirtAddr va) const { return low <= va.raw() && va.raw() < high; }
    void forget() { high = 0; }
};
using TreeNodeCache = sync::ObjectCache<TreeNode>;

class VmaTree {
  public:
    static constexpr unsigned kMaxKeys = 15;
    /// Entries that one `replace` may add.
    static constexpr unsigned kMaxFresh = 4;

    VmaTree(TreeNodeCache& nodes, TreeOptions options);
    VmaTree(const VmaTree&) = delete;
    VmaTree& operator=(const VmaTree&) = delete;
    /// No reader can start any more; nodes are freed after a grace period.
    ~VmaTree();

    // Look-ups. Locks: RCU, or mmap any. Under RCU alone the Vma may be gone and reused already:
    // take its lock and check again. Each look-up sees one state of the tree, or for `find` and
    // `find_prev` past the end of a node, two states in order.

    /// The entry that contains `va`; `vma` null if none. (mas_walk)
    TreeEntry lookup(VirtAddr va) const;
    /// The first entry that ends above `va`. It may start above it too: test. (find_vma)
    TreeEntry find(VirtAddr va) const;
    /// The last entry that ends at or below `va`.
    TreeEntry find_prev(VirtAddr va) const;
    /// What lies below, in and above a range, by one descent if one leaf has it all.
    struct Around {
        TreeEntry below;  // find_prev of the start
        TreeEntry first;  // find of the start: in the range, or the same as `above`
        TreeEntry above;  // find of the end
    };
    Around find_around(VaRange range) const;

    /// The same for a writer, who asks more than once about a range and comes back to a leaf: no
    /// look-up if it is the last question again, no descent if the last one led to the leaf. Good
    /// until the next call or change. Locks: mmap W.
    const Around& seek(VaRange range);

    // Free space. Locks: mmap W. O(log n).

    /// The start of the highest fitting space. (unmapped_area_topdown)
    std::optional<VirtAddr> find_gap_topdown(const GapRequest& request) const;
    /// The start of the lowest fitting space. (unmapped_area)
    std::optional<VirtAddr> find_gap_bottomup(const GapRequest& request) const;

    // Changes. Locks: mmap W.

    /// Sets nodes aside so that a `replace` of `span` by `nr_fresh` entries, with no other change
    /// between, can't fail. Fails: `nomem`, nothing changed.
    Result<void> prepare(VaRange span, unsigned nr_fresh);
    /// All entries inside `span` vanish and `fresh` (sorted, inside `span`) appear, at once for
    /// every look-up. No entry may lie across an end of `span`.
    void replace(VaRange span, std::span<const TreeEntry> fresh) noexcept;
    /// Everything vanishes; needs no `prepare`.
    void clear() noexcept;

    std::size_t size() const { return size_.get(); }
    unsigned height() const;
    /// Moves on with every change; a cursor asks whether its place is still good.
    std::uint64_t generation() const { return generation_.get(); }

    /// Order, overlap, counts, separators, gap summaries. Locks: mmap any, no writer.
    /// @return an empty string, or the first inconsistency in words
    std::string check() const;

  private:
    friend class TreeEditor;

    void descend(TreePath& path, VirtAddr va) const;
    void look_around(const TreePath& path, VaRange range, Around& found) const;
    void set_root(TreeNode* root);
    void retire_chain(bool all);

    sync::Atomic<TreeNode*> root_{nullptr};
    sync::Shared<std::size_t> size_;
    sync::Shared<std::uint64_t> generation_;
    TreeNodeCache& nodes_;
    TreeOptions options_;
    // Set aside by `prepare`, and waiting for RCU; both linked through the nodes.
    sync::Shared<TreeNode*> stock_;
    sync::Shared<unsigned> stock_size_;
    sync::Shared<TreeNode*> retired_;
    sync::Shared<unsigned> retired_size_;
    // Locks: mmap W.
    /// Where the writer was last; it leads nowhere after a change above the leaves.
    TreePath path_;
    static constexpr std::uint64_t kNever = ~std::uint64_t{0};
    /// What `seek` found last.
    struct Sought {
        VaRange range;
        std::uint64_t generation = kNever;
        Around around;
    } sought_;
    /// How far up a change goes.
    enum class Reach : std::uint8_t {
        slots,    // the leaf has slots left for it: no node is made
        leaf,     // a copy of the leaf has room
        branches  // nodes above the leaves change too
    };
    /// What `prepare` found out for `replace`.
    struct Prepared {
        VaRange span;
        std::size_t nr_fresh = 0;
        std::uint64_t generation = kNever;
        bool one_leaf = false;
        Reach reach = Reach::branches;
        // The entries of path_'s leaf that vanish.
        unsigned from = 0;
        unsigned to = 0;
    } prepared_;
};

}  // namespace surefoot::inline SF_BUILD::vma
