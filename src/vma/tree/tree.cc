// Look-ups, the stock of nodes, and the structure check of VmaTree.

#include "vma/tree/tree.hpp"

#include <algorithm>

#include "vma/tree/tree_editor.hpp"
#include "vma/tree/tree_node.hpp"

namespace surefoot::inline SF_BUILD::vma {
namespace {

TreeEntry first_entry(const TreeNode* node) {
    while (!node->is_leaf())
        node = node->node(0);
    return node->entry(node->load_order().slot(0));
}

TreeEntry last_entry(const TreeNode* node) {
    while (!node->is_leaf())
        node = node->node(node->nr_nodes.get() - 1);
    const TreeNode::Order order = node->load_order();
    return node->entry(order.slot(order.count() - 1));
}

/// Hands a chain of unreachable nodes back; runs after a grace period.
void free_chain(sync::RcuHead& head) {
    auto* node =
        reinterpret_cast<TreeNode*>(reinterpret_cast<char*>(&head) - offsetof(TreeNode, rcu));
    TreeNodeCache& cache = *node->cache.get();
    while (node != nullptr) {
        TreeNode* next = node->link.get();
        cache.free(node);
        node = next;
    }
}

}  // namespace

Summary TreeNode::summary() const {
    if (is_leaf()) {
        const Order entries = load_order();
        const unsigned lowest = entries.slot(0);
        Summary all{start[lowest].get(), key[lowest].get(), 0};
        for (unsigned k = 1; k < entries.count(); ++k) {
            const unsigned slot = entries.slot(k);
            all.gap = std::max(all.gap, start[slot].get() - all.last);
            all.last = key[slot].get();
        }
        return all;
    }
    Summary all = sum(0);
    for (unsigned i = 1; i < nr_nodes.get(); ++i) {
        all.gap = std::max({all.gap, gap[i].get(), start[i].get() - all.last});
        all.last = last[i].get();
    }
    return all;
}

VmaTree::VmaTree(TreeNodeCache& nodes, TreeOptions options) : nodes_(nodes), options_(options) {
    SF_ASSERT(options.node_keys >= 3);
    SF_ASSERT(options.node_keys <= kMaxKeys);
}

VmaTree::~VmaTree() {
    clear();
    retire_chain(true);
    while (TreeNode* node = stock_.get()) {
        stock_.set(node->link.get());
        nodes_.free(node);
    }
}

// The root's acquire pairs with the release in `set_root`.

TreeEntry VmaTree::lookup(VirtAddr va) const {
    const TreeNode* node = root_.load(sync::Order::acquire);
    if (node == nullptr) return {};
    while (!node->is_leaf()) {
        node = node->node(node->route(va.raw()));
        node->prefetch();
    }
    const TreeNode::Order order = node->load_order();
    const unsigned k = node->rank(order, va.raw());
    if (k >= order.count()) return {};
    const TreeEntry entry = node->entry(order.slot(k));
    return entry.range.start <= va ? entry : TreeEntry{};
}

void VmaTree::descend(TreePath& path, VirtAddr va) const {
    path.low = 0;
    path.high = TreeNode::kNoKey;
    path.height = 0;
    TreeNode* node = root_.load(sync::Order::acquire);
    while (node != nullptr && !node->is_leaf()) {
        const unsigned i = node->route(va.raw());
        if (i > 0) path.low = node->key[i - 1].get();
        path.high = std::min(path.high, node->key[i].get());
        path.branch[path.height] = node;
        path.child[path.height] = i;
        ++path.height;
        node = node->node(i);
        node->prefetch();
    }
    path.leaf = node;
    if (node == nullptr) path.forget();
}

namespace {

/// The last entry of the leaves before the path's; none if it is the first one.
TreeEntry entry_before(const TreePath& path) {
    for (unsigned h = path.height; h-- > 0;) {
        if (path.child[h] > 0) return last_entry(path.branch[h]->node(path.child[h] - 1));
    }
    return {};
}

/// The first entry of the leaves after it.
TreeEntry entry_after(const TreePath& path) {
    for (unsigned h = path.height; h-- > 0;) {
        const TreeNode* branch = path.branch[h];
        const unsigned next = path.child[h] + 1;
        if (next < branch->nr_nodes.get()) return first_entry(branch->node(next));
    }
    return {};
}

TreeEntry find_in(const TreePath& path, VirtAddr va) {
    if (path.leaf == nullptr) return {};
    const TreeNode::Order order = path.leaf->load_order();
    const unsigned k = path.leaf->rank(order, va.raw());
    return k < order.count() ? path.leaf->entry(order.slot(k)) : entry_after(path);
}

}  // namespace

void VmaTree::look_around(const TreePath& path, VaRange range, Around& found) const {
    if (path.leaf == nullptr) {
        found = {};
        return;
    }
    const TreeNode& leaf = *path.leaf;
    const TreeNode::Order order = leaf.load_order();
    unsigned k = std::min(leaf.rank(order, range.start.raw()), order.count());
    found.below = k > 0 ? leaf.entry(order.slot(k - 1)) : entry_before(path);
    TreeEntry entry = k < order.count() ? leaf.entry(order.slot(k)) : entry_after(path);
    found.first = entry;
    while (entry.vma != nullptr && entry.range.end <= range.end) {
        if (++k > order.count()) {
            entry = find(range.end);
            break;
        }
        entry = k < order.count() ? leaf.entry(order.slot(k)) : entry_after(path);
    }
    found.above = entry;
}

TreeEntry VmaTree::find(VirtAddr va) const {
    TreePath path;
    descend(path, va);
    return find_in(path, va);
}

VmaTree::Around VmaTree::find_around(VaRange range) const {
    TreePath path;
    descend(path, range.start);
    Around found;
    look_around(path, range, found);
    return found;
}

TreeEntry VmaTree::find_prev(VirtAddr va) const { return find_around({va, va}).below; }

const VmaTree::Around& VmaTree::seek(VaRange range) {
    if (sought_.generation == generation_.get() && sought_.range == range) return sought_.around;
    if (!path_.leads_to(range.start)) descend(path_, range.start);
    look_around(path_, range, sought_.around);
    sought_.range.start = range.start;
    sought_.range.end = range.end;
    sought_.generation = generation_.get();
    return sought_.around;
}

unsigned VmaTree::height() const {
    const TreeNode* root = root_.load(sync::Order::relaxed);
    return root == nullptr ? 0 : root->level.get() + 1;
}

Result<void> VmaTree::prepare(VaRange span, unsigned nr_fresh) {
    SF_ASSERT(nr_fresh <= kMaxFresh);
    const unsigned need = TreeEditor(*this).nodes_for(span, nr_fresh);
    while (stock_size_.get() < need) {
        TreeNode* node = nodes_.alloc();
        if (node == nullptr) return Errno::nomem;
        node->cache.set(&nodes_);
        node->link.set(stock_.get());
        stock_.set(node);
        stock_size_.set(stock_size_.get() + 1);
    }
    return {};
}

void VmaTree::replace(VaRange span, std::span<const TreeEntry> fresh) noexcept {
    SF_ASSERT(fresh.size() <= kMaxFresh);
    TreeEditor(*this).replace(span, fresh);
    generation_.set(generation_.get() + 1);
    retire_chain(false);
}

void VmaTree::clear() noexcept {
    TreeNode* root = root_.load(sync::Order::relaxed);
    if (root == nullptr) return;
    set_root(nullptr);
    TreeEditor(*this).retire_below(*root);
    path_.forget();
    generation_.set(generation_.get() + 1);
    retire_chain(false);
}

void VmaTree::set_root(TreeNode* root) {
    // Release: pairs with the acquire of a look-up, which follows it to the nodes built before.
    root_.store(root, sync::Order::release);
}

/// Only after the change is published: a grace period that begins earlier could end too early.
void VmaTree::retire_chain(bool all) {
    if (retired_.get() == nullptr) return;
    if (!all && retired_size_.get() < options_.retire_batch) return;
    TreeNode* first = retired_.get();
    retired_.set(nullptr);
    retired_size_.set(0);
    sync::rcu_defer<free_chain>(first->rcu);
}

namespace {

struct Check {
    std::string& error;
    std::uint64_t entries = 0;

    void fail(const char* what, const TreeNode& node, unsigned i) {
        if (!error.empty()) return;
        error = std::string(what) + " at level " + std::to_string(node.level.get()) + ", index " +
                std::to_string(i);
    }

    /// Everything in `node` lies in [low, high).
    void walk(const TreeNode& node, std::uint64_t low, std::uint64_t high, unsigned max_keys) {
        const unsigned count = node.count();
        if (count == 0 || count > max_keys) fail("count", node, count);
        for (unsigned i = 0; i < count; ++i) {
            const Summary sum = node.sum(i);
            if (sum.start < low) fail("below its left neighbour's end", node, i);
            if (sum.start >= sum.last) fail("empty", node, i);
            if (node.is_leaf()) {
                leaf_entry(node, i);
                low = sum.last;
            } else {
                const bool unbounded = i + 1 == count;
                if (unbounded != (node.key[i].get() == TreeNode::kNoKey)) fail("key", node, i);
                const std::uint64_t top = unbounded ? high : node.key[i].get();
                child(node, i, low, top, max_keys);
                low = top;
            }
            if (sum.last > high || low > high) fail("above its key", node, i);
        }
    }

    void leaf_entry(const TreeNode& node, unsigned k) {
        ++entries;
        const unsigned slot = node.place(k);
        if (slot == 0 || slot > node.used.get()) fail("slot", node, k);
        if (node.entry(slot).vma == nullptr) fail("no VMA", node, k);
        if (node.sum(k).last != node.key[slot].get()) fail("end", node, k);
        if (node.key[0].get() != TreeNode::kNoKey) fail("slot 0", node, k);
    }

    void child(const TreeNode& node, unsigned i, std::uint64_t low, std::uint64_t top,
               unsigned max_keys) {
        const TreeNode& below = *node.node(i);
        if (below.level.get() + 1 != node.level.get()) fail("level", node, i);
        walk(below, low, top, max_keys);
        if (!error.empty()) return;
        const Summary real = below.summary();
        const Summary seen = node.sum(i);
        if (real.start != seen.start || real.last != seen.last) fail("summary", node, i);
        if (real.gap != seen.gap) fail("largest gap", node, i);
    }
};

}  // namespace

std::string VmaTree::check() const {
    std::string error;
    const TreeNode* root = root_.load(sync::Order::acquire);
    Check check{error};
    // A root that is a leaf may be empty.
    if (root != nullptr && (!root->is_leaf() || root->count() > 0)) {
        if (!root->is_leaf() && root->count() < 2) error = "a root with one child";
        check.walk(*root, 0, TreeNode::kNoKey, options_.node_keys);
    }
    if (error.empty() && check.entries != size()) error = "size";
    return error;
}

}  // namespace surefoot::inline SF_BUILD::vma
