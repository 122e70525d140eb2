#pragma once

// One change of a VmaTree, from the leaves up. Internal to the folder.

#include <array>
#include <cstdint>
#include <span>

#include "vma/tree/tree.hpp"
#include "vma/tree/tree_node.hpp"

namespace surefoot::inline SF_BUILD::vma {

class TreeEditor {
  public:
    explicit TreeEditor(VmaTree& tree)
        : tree_(tree), path_(tree.path_), prepared_(tree.prepared_) {}

    /// An upper bound of the nodes that `replace` makes.
    unsigned nodes_for(VaRange span, unsigned nr_fresh);
    void replace(VaRange span, std::span<const TreeEntry> fresh);
    /// Retires the node and everything below it, and counts its entries out.
    void retire_below(TreeNode& node);

  private:
    struct Child {
        void* ptr;
        Summary sum;

        static Child of(const TreeEntry& e) {
            return {e.vma, {e.range.start.raw(), e.range.end.raw(), 0}};
        }
        TreeEntry entry() const {
            return {{VirtAddr(sum.start), VirtAddr(sum.last)}, static_cast<Vma*>(ptr)};
        }
    };
    /// Children of one level in order, before they are packed into nodes.
    struct List {
        // Only at[0, size) means anything: clearing it would cost as much as the change.
        std::array<Child, VmaTree::kMaxKeys + 2 * VmaTree::kMaxFresh + 1> at;
        unsigned size = 0;

        List() {}  // leaves `at` alone

        void push(const Child& child) {
            SF_ASSERT(size < at.size());
            at[size++] = child;
        }
        void append(const List& list) {
            for (unsigned i = 0; i < list.size; ++i)
                push(list.at[i]);
        }
    };
    /// Where a full node grew: a run of insertions at one side leaves fuller nodes behind.
    enum class Grew : std::uint8_t { inside, left, right };
    /// Whether a pointer may be replaced in a reachable node: not below a node where the change
    /// has two sides, since both must appear at once.
    enum class Publish : std::uint8_t { allowed, no };

    using Reach = VmaTree::Reach;
    /// Fills path_ and prepared_, unless `prepare` has.
    void locate(VaRange span, std::size_t nr_fresh);
    Reach reach_in_leaf() const;
    void replace_in_place(std::span<const TreeEntry> fresh);
    void replace_leaf(std::span<const TreeEntry> fresh);
    void replace_branches(std::span<const TreeEntry> fresh);
    void write_slot(TreeNode& leaf, unsigned slot, const TreeEntry& entry);
    void publish_order(TreeNode& leaf, TreeNode::Order order);
    void publish_child(TreeNode& branch, unsigned i, TreeNode& child);
    void fill_leaf(TreeNode& leaf, unsigned n);
    void count_change(std::size_t won, std::size_t lost);
    void update_summaries();

    List edit(TreeNode& node, std::span<const TreeEntry> fresh, Publish publish);
    List edit_leaf(TreeNode& node, std::span<const TreeEntry> fresh);
    List edit_branch(TreeNode& node, std::span<const TreeEntry> fresh, Publish publish);
    bool publish_in_place(TreeNode& node, unsigned i, const List& sub);
    void fill_up(List& list, unsigned from, unsigned to);
    void merge_with_neighbour(List& list, unsigned i);
    TreeNode* build_root(List& list, unsigned level);

    TreeNode* take_node(unsigned level);
    TreeNode* make_node(unsigned level, std::span<const Child> children);
    void pack(unsigned level, const List& list, Grew grew, List& nodes);
    void retire(TreeNode& node);
    void collect(const TreeNode& node, unsigned from, unsigned to, List& out) const;
    unsigned last_child(const TreeNode& branch, unsigned first) const;
    /// The entries [from, to) of a leaf that lie in the span; asserts that none lies across.
    void find_doomed(const TreeNode& leaf, unsigned& from, unsigned& to) const;

    const VaRange& span() const { return prepared_.span; }
    unsigned max_keys() const { return tree_.options_.node_keys; }
    /// Fewer is merged with a neighbour when the node is changed.
    unsigned min_keys() const { return max_keys() < 8 ? 2 : max_keys() / 4; }

    VmaTree& tree_;
    TreePath& path_;
    VmaTree::Prepared& prepared_;
};

}  // namespace surefoot::inline SF_BUILD::vma
