#include "vma/tree_editor.hpp"

#include <algorithm>

namespace surefoot::inline SF_BUILD::vma {

using sync::Order;

// Parts.

/// The last child that may hold something below span's end.
unsigned TreeEditor::last_child(const TreeNode& branch, unsigned first) const {
    unsigned i = first;
    while (i + 1 < branch.nr_nodes.get() && branch.key[i].get() < span_.end.raw())
        ++i;
    return i;
}

void TreeEditor::collect(const TreeNode& node, unsigned from, unsigned to, List& out) const {
    for (unsigned k = from; k < to; ++k) {
        out.push({node.child[node.place(k)].load(Order::relaxed), node.sum(k)});
    }
}

void TreeEditor::find_doomed(const TreeNode& leaf, unsigned& from, unsigned& to) const {
    const TreeNode::Order order = leaf.load_order();
    from = std::min(leaf.rank(order, span_.start.raw()), order.count());
    to = from;
    while (to < order.count()) {
        const VaRange range = leaf.entry(order.slot(to)).range;
        if (range.start >= span_.end) return;
        SF_ASSERT(span_.contains(range));
        ++to;
    }
}

void TreeEditor::retire(TreeNode& node) {
    node.link.set(tree_.retired_.get());
    tree_.retired_.set(&node);
    tree_.retired_size_.set(tree_.retired_size_.get() + 1);
}

void TreeEditor::retire_below(TreeNode& node) {
    if (node.is_leaf()) {
        tree_.size_.set(tree_.size_.get() - node.count());
    } else {
        for (unsigned i = 0; i < node.nr_nodes.get(); ++i)
            retire_below(*node.node(i));
    }
    retire(node);
}

TreeNode* TreeEditor::take_node(unsigned level) {
    TreeNode* node = tree_.stock_.get();
    SF_ASSERT(node != nullptr);
    tree_.stock_.set(node->link.get());
    tree_.stock_size_.set(tree_.stock_size_.get() - 1);
    node->level.set(level);
    return node;
}

void TreeEditor::write_slot(TreeNode& leaf, unsigned slot, const Summary& sum, void* vma) {
    leaf.key[slot].set(sum.last);
    leaf.child[slot].store(vma, Order::relaxed);
    leaf.sums[slot].set(sum);
    leaf.used.set(slot);
}

TreeNode* TreeEditor::make_node(unsigned level, std::span<const Child> children) {
    TreeNode* node = take_node(level);
    const unsigned count = static_cast<unsigned>(children.size());
    if (level == 0) {
        TreeNode::Order order(0);
        node->key[0].set(TreeNode::kNoKey);
        for (unsigned k = 0; k < count; ++k) {
            write_slot(*node, k + 1, children[k].sum, children[k].ptr);
            order.push(k + 1);
        }
        node->order.store(order.word(), Order::relaxed);
        return node;
    }
    for (unsigned i = 0; i < count; ++i) {
        node->child[i].store(children[i].ptr, Order::relaxed);
        node->sums[i].set(children[i].sum);
        if (i + 1 == count) break;
        // In the middle of the space between the two, so that either may grow without this key
        // having to move.
        const std::uint64_t low = children[i].sum.last;
        node->key[i].set(low + (children[i + 1].sum.start - low) / 2);
    }
    for (unsigned i = count - 1; i < VmaTree::kMaxKeys; ++i)
        node->key[i].set(TreeNode::kNoKey);
    node->nr_nodes.set(count);
    return node;
}

/// Distributes the children over as few nodes as they need.
void TreeEditor::pack(unsigned level, const List& list, Grew grew, List& nodes) {
    const unsigned nr_nodes = (list.size + max_keys() - 1) / max_keys();
    unsigned done = 0;
    for (unsigned i = 0; i < nr_nodes; ++i) {
        unsigned take = (list.size - done) / (nr_nodes - i);
        if (nr_nodes == 2 && i == 0 && grew != Grew::inside) {
            const unsigned few = std::max({list.size / 4, min_keys(), list.size - max_keys()});
            take = grew == Grew::left ? few : list.size - few;
        }
        TreeNode* node = make_node(level, std::span(list.at).subspan(done, take));
        nodes.push({node, node->summary()});
        done += take;
    }
}

// Within one leaf that has slots left: no node is made.

void TreeEditor::find_path() {
    if (path_.generation == tree_.generation() && path_.span == span_) return;
    path_.span = span_;
    path_.generation = tree_.generation();
    path_.leaf = nullptr;
    path_.height = 0;
    TreeNode* node = tree_.root_.load(Order::relaxed);
    while (node != nullptr && !node->is_leaf()) {
        const unsigned first = node->route(span_.start.raw());
        if (last_child(*node, first) != first) return;
        path_.branch[path_.height] = node;
        path_.child[path_.height] = first;
        ++path_.height;
        node = node->node(first);
    }
    if (node != nullptr) find_doomed(*node, path_.from, path_.to);
    path_.leaf = node;
}

unsigned TreeEditor::count_after(unsigned nr_fresh) const {
    return path_.leaf->load_order().count() - (path_.to - path_.from) + nr_fresh;
}

bool TreeEditor::fits_in_place(unsigned nr_fresh) const {
    if (path_.leaf == nullptr) return false;
    if (path_.leaf->used.get() + nr_fresh > max_keys()) return false;
    return count_after(nr_fresh) >= min_keys() || path_.height == 0;
}

void TreeEditor::replace_in_place(std::span<const TreeEntry> fresh) {
    TreeNode& leaf = *path_.leaf;
    TreeNode::Order slots(0);
    for (const TreeEntry& e : fresh) {
        const unsigned slot = leaf.used.get() + 1;
        write_slot(leaf, slot, {e.range.start.raw(), e.range.end.raw(), 0}, e.vma);
        slots.push(slot);
    }
    tree_.size_.set(tree_.size_.get() + fresh.size() - (path_.to - path_.from));
    publish_order(leaf, leaf.load_order().replaced(path_.from, path_.to, slots));
    update_summaries();
}

void TreeEditor::publish_order(TreeNode& leaf, TreeNode::Order order) {
    // Release: pairs with the acquire in TreeNode::load_order; new slots are complete.
    leaf.order.store(order.word(), Order::release);
}

void TreeEditor::update_summaries() {
    const TreeNode* below = path_.leaf;
    for (unsigned i = path_.height; i-- > 0;) {
        sync::Shared<Summary>& seen = path_.branch[i]->sums[path_.child[i]];
        const Summary now = below->summary();
        if (now == seen.get()) return;
        seen.set(now);
        below = path_.branch[i];
    }
}

// With new nodes.

TreeEditor::List TreeEditor::edit(TreeNode& node, std::span<const TreeEntry> fresh,
                                  Publish publish) {
    return node.is_leaf() ? edit_leaf(node, fresh) : edit_branch(node, fresh, publish);
}

TreeEditor::List TreeEditor::edit_leaf(TreeNode& node, std::span<const TreeEntry> fresh) {
    const unsigned count = node.count();
    unsigned from = 0;
    unsigned to = 0;
    find_doomed(node, from, to);
    List nodes;
    if (from == to && fresh.empty()) {
        nodes.push({&node, node.summary()});
        return nodes;
    }
    List list;
    collect(node, 0, from, list);
    for (const TreeEntry& e : fresh) {
        list.push({e.vma, {e.range.start.raw(), e.range.end.raw(), 0}});
    }
    collect(node, to, count, list);
    tree_.size_.set(tree_.size_.get() + fresh.size() - (to - from));
    retire(node);
    pack(0, list, to == count ? Grew::right : from == 0 ? Grew::left : Grew::inside, nodes);
    return nodes;
}

/// The child changed, its place did not: one store shows the change to every reader.
bool TreeEditor::publish_in_place(TreeNode& node, unsigned i, const List& sub) {
    const Child& child = sub.at[0];
    if (sub.size != 1) return false;
    SF_DEBUG_ASSERT(child.sum.last <= node.key[i].get());
    if (child.ptr != node.child[i].load(Order::relaxed)) {
        const auto* below = static_cast<const TreeNode*>(child.ptr);
        if (below->count() < min_keys() && node.nr_nodes.get() > 1) return false;
        // Release: pairs with the acquire in TreeNode::node; the new nodes are complete.
        node.child[i].store(child.ptr, Order::release);
    }
    node.sums[i].set(child.sum);
    return true;
}

TreeEditor::List TreeEditor::edit_branch(TreeNode& node, std::span<const TreeEntry> fresh,
                                         Publish publish) {
    const unsigned count = node.nr_nodes.get();
    const unsigned first = node.route(span_.start.raw());
    const unsigned last = last_child(node, first);
    const Publish below = first == last ? publish : Publish::no;

    List sub = edit(*node.node(first), fresh, below);
    for (unsigned i = first + 1; i < last; ++i)
        retire_below(*node.node(i));
    if (last > first) sub.append(edit(*node.node(last), {}, below));

    List nodes;
    if (below == Publish::allowed && publish_in_place(node, first, sub)) {
        nodes.push({&node, node.summary()});
        return nodes;
    }
    List list;
    collect(node, 0, first, list);
    list.append(sub);
    collect(node, last + 1, count, list);
    fill_up(list, first, first + sub.size);
    retire(node);
    const bool at_end = last + 1 == count;
    pack(node.level.get(), list,
         at_end       ? Grew::right
         : first == 0 ? Grew::left
                      : Grew::inside,
         nodes);
    return nodes;
}

/// The changed nodes list[from, to): those with too few children join a neighbour.
void TreeEditor::fill_up(List& list, unsigned from, unsigned to) {
    for (unsigned i = from; i < to && i < list.size; ++i) {
        const auto* node = static_cast<const TreeNode*>(list.at[i].ptr);
        if (node->count() < min_keys() && list.size > 1) {
            const unsigned before = list.size;
            merge_with_neighbour(list, i);
            to -= before - list.size;
        }
    }
}

void TreeEditor::merge_with_neighbour(List& list, unsigned i) {
    const unsigned left = i > 0 ? i - 1 : i;
    auto* a = static_cast<TreeNode*>(list.at[left].ptr);
    auto* b = static_cast<TreeNode*>(list.at[left + 1].ptr);
    List both;
    collect(*a, 0, a->count(), both);
    collect(*b, 0, b->count(), both);
    List packed;
    pack(a->level.get(), both, Grew::inside, packed);
    retire(*a);
    retire(*b);
    list.at[left] = packed.at[0];
    if (packed.size == 2) {
        list.at[left + 1] = packed.at[1];
        return;
    }
    for (unsigned k = left + 1; k + 1 < list.size; ++k)
        list.at[k] = list.at[k + 1];
    --list.size;
}

/// One root above the nodes of `level`, as low as possible; null for none.
TreeNode* TreeEditor::build_root(List& list, unsigned level) {
    while (list.size > 1) {
        List above;
        pack(++level, list, Grew::inside, above);
        list.size = 0;
        list.append(above);
    }
    if (list.size == 0) return nullptr;
    auto* root = static_cast<TreeNode*>(list.at[0].ptr);
    while (!root->is_leaf() && root->nr_nodes.get() == 1) {
        retire(*root);
        root = root->node(0);
    }
    return root;
}

void TreeEditor::replace(VaRange span, std::span<const TreeEntry> fresh) {
    span_ = span;
    find_path();
    if (fits_in_place(static_cast<unsigned>(fresh.size()))) {
        replace_in_place(fresh);
        return;
    }
    TreeNode* old_root = tree_.root_.load(Order::relaxed);
    TreeNode* root = nullptr;
    if (old_root != nullptr) {
        List list = edit(*old_root, fresh, Publish::allowed);
        root = build_root(list, old_root->level.get());
    } else {
        List entries;
        for (const TreeEntry& e : fresh) {
            entries.push({e.vma, {e.range.start.raw(), e.range.end.raw(), 0}});
        }
        tree_.size_.set(fresh.size());
        List list;
        pack(0, entries, Grew::inside, list);
        root = build_root(list, 0);
    }
    if (root != old_root) tree_.set_root(root);
}

unsigned TreeEditor::nodes_for(VaRange span, unsigned nr_fresh) {
    span_ = span;
    find_path();
    if (fits_in_place(nr_fresh)) return 0;
    if (path_.leaf != nullptr) {
        const unsigned left = count_after(nr_fresh);
        if (left <= max_keys() && (left >= min_keys() || path_.height == 0)) return 1;
    }
    const unsigned height = tree_.height();
    const bool one_path = path_.leaf != nullptr || height == 0;
    // A level: up to three nodes where a full one takes kMaxFresh more (two above the leaves), or
    // one and the two of a merge. Two-sided: that, and one more node and two merges of two.
    return (one_path ? 3 : 8) * (height + 1) + 1;
}

}  // namespace surefoot::inline SF_BUILD::vma
