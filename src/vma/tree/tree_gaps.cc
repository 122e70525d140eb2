// The search for free space: subtrees whose largest inner gap is too small are never entered.

#include <algorithm>

#include "vma/tree/tree.hpp"
#include "vma/tree/tree_node.hpp"

namespace surefoot::inline SF_BUILD::vma {
namespace {

using MaybeAddr = std::optional<VirtAddr>;

/// Free space between two neighbours; `above` finds the region that ends it.
struct Gap {
    std::uint64_t low;
    std::uint64_t high;
    const TreeNode* node_above = nullptr;  // subtree or leaf whose child `index` lies above
    unsigned index = 0;
};

const Vma* vma_above(const Gap& gap) {
    const TreeNode* node = gap.node_above;
    if (node == nullptr) return nullptr;
    unsigned i = gap.index;
    while (!node->is_leaf()) {
        node = node->node(i);
        i = 0;
    }
    return node->entry(node->place(i)).vma;
}

class GapSearch {
  public:
    explicit GapSearch(const GapRequest& request) : request_(request), high_(request.high.raw()) {}

    bool too_small(std::uint64_t low, std::uint64_t high) const {
        low = std::max(low, request_.low.raw());
        high = std::min(high, high_);
        return high < low || high - low < request_.length;
    }

    /// What stays free at the gap's upper end: below a stack.
    std::uint64_t guard_of(const Gap& gap) const {
        const Vma* above = vma_above(gap);
        if (above == nullptr || !above->has(VmaFlag::growsdown)) return 0;
        return std::min(gap.high, request_.stack_guard_gap);
    }

    /// Cuts the gap to what may be used; false if the length does not fit.
    bool trim(Gap& gap) const {
        gap.low = std::max(gap.low, request_.low.raw());
        gap.high = std::min(gap.high, high_);
        return gap.high >= gap.low && gap.high - gap.low >= request_.length;
    }

    MaybeAddr highest_in(Gap gap) {
        if (too_small(gap.low, gap.high)) return std::nullopt;
        if (const std::uint64_t guard = guard_of(gap); guard > 0) {
            gap.high -= guard;
            // Where Linux finds room but for a stack's guard gap, it goes on below that gap,
            // whatever other room there is inside it. (unmapped_area_topdown)
            high_ = std::min(high_, gap.high);
        }
        if (!trim(gap)) return std::nullopt;
        const std::uint64_t at = gap.high - request_.length;
        const std::uint64_t down = (at - request_.align_offset) & (request_.align - 1);
        if (at < gap.low || at - gap.low < down) return std::nullopt;
        return VirtAddr(at - down);
    }

    MaybeAddr lowest_in(Gap gap) const {
        if (too_small(gap.low, gap.high)) return std::nullopt;
        gap.high -= guard_of(gap);
        if (!trim(gap)) return std::nullopt;
        const std::uint64_t up = (request_.align_offset - gap.low) & (request_.align - 1);
        if (gap.high - gap.low - request_.length < up) return std::nullopt;
        return VirtAddr(gap.low + up);
    }

    MaybeAddr topdown(const TreeNode& node) {
        for (unsigned i = node.count(); i-- > 0;) {
            const Summary sum = node.sum(i);
            if (i + 1 < node.count()) {
                const Gap gap{sum.last, node.sum(i + 1).start, &node, i + 1};
                if (MaybeAddr found = highest_in(gap)) return found;
            }
            if (worth_entering(node, sum)) {
                if (MaybeAddr found = topdown(*node.node(i))) return found;
            }
            if (sum.start <= request_.low.raw()) break;
        }
        return std::nullopt;
    }

    MaybeAddr bottomup(const TreeNode& node) const {
        for (unsigned i = 0; i < node.count(); ++i) {
            const Summary sum = node.sum(i);
            if (i > 0) {
                const Gap gap{node.sum(i - 1).last, sum.start, &node, i};
                if (MaybeAddr found = lowest_in(gap)) return found;
            }
            if (worth_entering(node, sum)) {
                if (MaybeAddr found = bottomup(*node.node(i))) return found;
            }
            if (sum.last >= request_.high.raw()) break;
        }
        return std::nullopt;
    }

  private:
    bool worth_entering(const TreeNode& node, const Summary& sum) const {
        return !node.is_leaf() && sum.gap >= request_.length && !too_small(sum.start, sum.last);
    }

    const GapRequest& request_;
    std::uint64_t high_;
};

}  // namespace

MaybeAddr VmaTree::find_gap_topdown(const GapRequest& request) const {
    GapSearch search(request);
    const TreeNode* root = root_.load(sync::Order::relaxed);
    if (root == nullptr || root->count() == 0) return search.highest_in({0, TreeNode::kNoKey});
    const std::uint64_t last = root->sum(root->count() - 1).last;
    if (MaybeAddr found = search.highest_in({last, TreeNode::kNoKey})) return found;
    if (MaybeAddr found = search.topdown(*root)) return found;
    return search.highest_in({0, root->sum(0).start, root, 0});
}

MaybeAddr VmaTree::find_gap_bottomup(const GapRequest& request) const {
    const GapSearch search(request);
    const TreeNode* root = root_.load(sync::Order::relaxed);
    if (root == nullptr || root->count() == 0) return search.lowest_in({0, TreeNode::kNoKey});
    if (MaybeAddr found = search.lowest_in({0, root->sum(0).start, root, 0})) return found;
    if (MaybeAddr found = search.bottomup(*root)) return found;
    return search.lowest_in({root->sum(root->count() - 1).last, TreeNode::kNoKey});
}

}  // namespace surefoot::inline SF_BUILD::vma
