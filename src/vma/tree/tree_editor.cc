#include "vma/tree/tree_editor.hpp"

#include <algorithm>

namespace surefoot::inline SF_BUILD::vma {

using sync::Order;

// Parts.

/// The last child that may hold something below span's end.
unsigned TreeEditor::last_child(const TreeNode& branch, unsigned first) const {
    unsigned i = first;
    while (i + 1 < branch.nr_nodes.get() && branch.key[i].get() < span().end.raw())
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
    from = std::min(leaf.rank(order, span().start.raw()), order.count());
    to = from;
    while (to < order.count()) {
        const VaRange range = leaf.entry(order.slot(to)).range;
        if (range.start >= span().end) return;
        SF_ASSERT(span().contains(range));
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

void TreeEditor::write_slot(TreeNode& leaf, unsigned slot, const TreeEntry& entry) {
    leaf.start[slot].set(entry.range.start.raw());
    leaf.key[slot].set(entry.range.end.raw());
    leaf.child[slot].store(entry.vma, Order::relaxed);
}

void TreeEditor::count_change(std::size_t won, std::size_t lost) {
    tree_.size_.set(tree_.size_.get() + won - lost);
}

/// Slots 1 to n of a leaf that nobody knows yet are written.
void TreeEditor::fill_leaf(TreeNode& leaf, unsigned n) {
    leaf.key[0].set(TreeNode::kNoKey);
    leaf.used.set(n);
    leaf.order.store(TreeNode::Order::ascending(n).word(), Order::relaxed);
}

TreeNode* TreeEditor::make_node(unsigned level, std::span<const Child> children) {
    TreeNode* node = take_node(level);
    const unsigned count = static_cast<unsigned>(children.size());
    if (level == 0) {
        for (unsigned k = 0; k < count; ++k)
            write_slot(*node, k + 1, children[k].entry());
        fill_leaf(*node, count);
        return node;
    }
    for (unsigned i = 0; i < count; ++i) {
        node->child[i].store(children[i].ptr, Order::relaxed);
        node->set_sum(i, children[i].sum);
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

// Within one leaf.

void TreeEditor::locate(VaRange span, std::size_t nr_fresh) {
    const bool same = prepared_.span == span && prepared_.nr_fresh == nr_fresh;
    const bool leads = path_.leads_to(span.start);
    if (same && leads && prepared_.generation == tree_.generation()) return;
    if (!leads) tree_.descend(path_, span.start);
    prepared_.span.start = span.start;
    prepared_.span.end = span.end;
    prepared_.nr_fresh = nr_fresh;
    prepared_.generation = tree_.generation();
    prepared_.one_leaf = path_.leaf != nullptr && span.end.raw() <= path_.high;
    prepared_.reach = Reach::branches;
    if (!prepared_.one_leaf) return;
    find_doomed(*path_.leaf, prepared_.from, prepared_.to);
    prepared_.reach = reach_in_leaf();
}

TreeEditor::Reach TreeEditor::reach_in_leaf() const {
    const TreeNode& leaf = *path_.leaf;
    const unsigned doomed = prepared_.to - prepared_.from;
    const std::size_t after = leaf.load_order().count() - doomed + prepared_.nr_fresh;
    if (after > max_keys() || (after < min_keys() && path_.height > 0)) return Reach::branches;
    return leaf.used.get() + prepared_.nr_fresh <= max_keys() ? Reach::slots : Reach::leaf;
}

void TreeEditor::replace_in_place(std::span<const TreeEntry> fresh) {
    TreeNode& leaf = *path_.leaf;
    TreeNode::Order slots(0);
    unsigned slot = leaf.used.get();
    for (const TreeEntry& entry : fresh) {
        write_slot(leaf, ++slot, entry);
        slots.push(slot);
    }
    leaf.used.set(slot);
    publish_order(leaf, leaf.load_order().replaced(prepared_.from, prepared_.to, slots));
}

void TreeEditor::publish_order(TreeNode& leaf, TreeNode::Order order) {
    // Release: pairs with the acquire in TreeNode::load_order; new slots are complete.
    leaf.order.store(order.word(), Order::release);
}

void TreeEditor::replace_leaf(std::span<const TreeEntry> fresh) {
    TreeNode& old = *path_.leaf;
    TreeNode& leaf = *take_node(0);
    const TreeNode::Order order = old.load_order();
    unsigned slot = 0;
    for (unsigned k = 0; k < prepared_.from; ++k)
        write_slot(leaf, ++slot, old.entry(order.slot(k)));
    for (const TreeEntry& entry : fresh)
        write_slot(leaf, ++slot, entry);
    for (unsigned k = prepared_.to; k < order.count(); ++k)
        write_slot(leaf, ++slot, old.entry(order.slot(k)));
    fill_leaf(leaf, slot);
    if (path_.height == 0) {
        tree_.set_root(&leaf);
    } else {
        publish_child(*path_.branch[path_.height - 1], path_.child[path_.height - 1], leaf);
    }
    path_.leaf = &leaf;
    retire(old);
}

/// What path_'s branches say of the leaf and of one another.
void TreeEditor::update_summaries() {
    const TreeNode* below = path_.leaf;
    for (unsigned h = path_.height; h-- > 0;) {
        TreeNode& branch = *path_.branch[h];
        const unsigned i = path_.child[h];
        const Summary now = below->summary();
        if (now == branch.sum(i)) return;
        branch.set_sum(i, now);
        below = &branch;
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
        list.push(Child::of(e));
    }
    collect(node, to, count, list);
    count_change(fresh.size(), to - from);
    retire(node);
    pack(0, list, to == count ? Grew::right : from == 0 ? Grew::left : Grew::inside, nodes);
    return nodes;
}

void TreeEditor::publish_child(TreeNode& branch, unsigned i, TreeNode& child) {
    // Release: pairs with the acquire in TreeNode::node; the new nodes are complete.
    branch.child[i].store(&child, Order::release);
}

/// The child changed, its place did not: one store shows the change to every reader.
bool TreeEditor::publish_in_place(TreeNode& node, unsigned i, const List& sub) {
    const Child& child = sub.at[0];
    if (sub.size != 1) return false;
    SF_DEBUG_ASSERT(child.sum.last <= node.key[i].get());
    if (child.ptr != node.child[i].load(Order::relaxed)) {
        const auto* below = static_cast<const TreeNode*>(child.ptr);
        if (below->count() < min_keys() && node.nr_nodes.get() > 1) return false;
        publish_child(node, i, *static_cast<TreeNode*>(child.ptr));
    }
    node.set_sum(i, child.sum);
    return true;
}

TreeEditor::List TreeEditor::edit_branch(TreeNode& node, std::span<const TreeEntry> fresh,
                                         Publish publish) {
    const unsigned count = node.nr_nodes.get();
    const unsigned first = node.route(span().start.raw());
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
    locate(span, fresh.size());
    if (prepared_.reach == Reach::branches) {
        path_.forget();
        replace_branches(fresh);
        return;
    }
    count_change(fresh.size(), prepared_.to - prepared_.from);
    if (prepared_.reach == Reach::slots) {
        replace_in_place(fresh);
    } else {
        replace_leaf(fresh);
    }
    update_summaries();
}

void TreeEditor::replace_branches(std::span<const TreeEntry> fresh) {
    TreeNode* old_root = tree_.root_.load(Order::relaxed);
    TreeNode* root = nullptr;
    if (old_root != nullptr) {
        List list = edit(*old_root, fresh, Publish::allowed);
        root = build_root(list, old_root->level.get());
    } else {
        List entries;
        for (const TreeEntry& e : fresh)
            entries.push(Child::of(e));
        count_change(fresh.size(), 0);
        List list;
        pack(0, entries, Grew::inside, list);
        root = build_root(list, 0);
    }
    if (root != old_root) tree_.set_root(root);
}

unsigned TreeEditor::nodes_for(VaRange span, unsigned nr_fresh) {
    locate(span, nr_fresh);
    if (prepared_.reach != Reach::branches) return prepared_.reach == Reach::slots ? 0 : 1;
    const unsigned height = tree_.height();
    const bool one_path = prepared_.one_leaf || height == 0;
    // A level: up to three nodes where a full one takes kMaxFresh more (two above the leaves), or
    // one and the two of a merge. Two-sided: that, and one more node and two merges of two.
    return (one_path ? 3 : 8) * (height + 1) + 1;
}

}  // namespace surefoot::inline SF_BUILD::vma
