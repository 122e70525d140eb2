// Look-ups, the stock of nodes, and the structure check of VmaTree.

#include "vma/tree.hpp"

#include <algorithm>

#include "vma/tree_editor.hpp"
#include "vma/tree_node.hpp"

namespace surefoot::inline SF_BUILD::vma {
namespace {

/// The subtree beside the path of a descent, nearest to the leaf.
struct Beside {
    const TreeNode* branch = nullptr;
    unsigned child = 0;
};

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
    const Order entries = load_order();  // means nothing in a branch
    const bool leaf = is_leaf();
    const unsigned n = leaf ? entries.count() : nr_nodes.get();
    Summary all = sums[leaf ? entries.slot(0) : 0].get();
    for (unsigned k = 1; k < n; ++k) {
        const Summary& s = sums[leaf ? entries.slot(k) : k].get();
        all.gap = std::max({all.gap, s.gap, s.start - all.last});
        all.last = s.last;
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
    while (!node->is_leaf())
        node = node->node(node->route(va.raw()));
    const TreeNode::Order order = node->load_order();
    const unsigned k = node->rank(order, va.raw());
    if (k >= order.count()) return {};
    const TreeEntry entry = node->entry(order.slot(k));
    return entry.range.start <= va ? entry : TreeEntry{};
}

VmaTree::Around VmaTree::find_around(VaRange range) const {
    const TreeNode* node = root_.load(sync::Order::acquire);
    if (node == nullptr) return {};
    Beside before;
    Beside after;
    while (!node->is_leaf()) {
        const unsigned i = node->route(range.start.raw());
        if (i > 0) before = {node, i - 1};
        if (i + 1 < node->nr_nodes.get()) after = {node, i + 1};
        node = node->node(i);
    }
    const TreeNode::Order order = node->load_order();
    unsigned k = std::min(node->rank(order, range.start.raw()), order.count());
    Around found;
    if (k > 0) {
        found.below = node->entry(order.slot(k - 1));
    } else if (before.branch != nullptr) {
        found.below = last_entry(before.branch->node(before.child));
    }
    if (k < order.count()) {
        found.first = node->entry(order.slot(k));
    } else if (after.branch != nullptr) {
        found.first = first_entry(after.branch->node(after.child));
    }
    found.above = found.first;
    while (found.above.vma != nullptr && found.above.range.end <= range.end) {
        if (++k >= order.count()) {
            found.above = after.branch == nullptr ? TreeEntry{} : find(range.end);
            break;
        }
        found.above = node->entry(order.slot(k));
    }
    return found;
}

TreeEntry VmaTree::find(VirtAddr va) const {
    const TreeNode* node = root_.load(sync::Order::acquire);
    if (node == nullptr) return {};
    Beside after;
    while (!node->is_leaf()) {
        const unsigned i = node->route(va.raw());
        if (i + 1 < node->nr_nodes.get()) after = {node, i + 1};
        node = node->node(i);
    }
    const TreeNode::Order order = node->load_order();
    const unsigned k = node->rank(order, va.raw());
    if (k < order.count()) return node->entry(order.slot(k));
    return after.branch == nullptr ? TreeEntry{} : first_entry(after.branch->node(after.child));
}

TreeEntry VmaTree::find_prev(VirtAddr va) const { return find_around({va, va}).below; }

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
            const Summary& sum = node.sum(i);
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
        const Summary& seen = node.sum(i);
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
