#pragma once

// A node of VmaTree. Included by the folder, and by space.hpp for the cache's sake.

#include <array>
#include <cstdint>

#include "base/base.hpp"
#include "sync/sync.hpp"
#include "vma/tree/tree.hpp"

namespace surefoot::inline SF_BUILD::vma {

/// Of an entry, or of all entries below a child.
struct Summary {
    std::uint64_t start;  // of the first
    std::uint64_t last;   // end of the last
    std::uint64_t gap;    // the largest space between two of them

    friend constexpr bool operator==(const Summary&, const Summary&) = default;
};

/// A leaf holds entries, a branch holds nodes.
///
/// A leaf changes by the store of one word, `order`, which names the slots of its entries from the
/// lowest up. A slot is written once, before the order first names it; so whoever has loaded an
/// order finds its slots unchanged, and a change within one leaf costs no new node until the slots
/// run out. A branch is constant, but for the node pointers, which the writer replaces in place.
class alignas(64) TreeNode {
  public:
    static constexpr std::uint64_t kNoKey = ~std::uint64_t{0};
    /// Slot 0 of a leaf is never used: its end is kNoKey, so that the unused digits of an order
    /// (zeroes) name something that no address is above.
    static constexpr unsigned kSlots = VmaTree::kMaxKeys + 1;

    /// The slots of a leaf's entries. Digit 0 counts them, digit k + 1 is the slot of entry k.
    class Order {
      public:
        explicit constexpr Order(std::uint64_t word) : word_(word) {}
        constexpr std::uint64_t word() const { return word_; }
        constexpr unsigned count() const { return word_ & 15; }
        constexpr unsigned slot(unsigned k) const { return (word_ >> (4 * k + 4)) & 15; }
        constexpr void push(unsigned slot) {
            word_ += 1 + (static_cast<std::uint64_t>(slot) << (4 * count() + 4));
        }
        /// n entries in the slots 1 to n.
        static constexpr Order ascending(unsigned n) {
            const std::uint64_t all = 0xfedc'ba98'7654'3210;
            return Order((n == 15 ? all : all & ((std::uint64_t{16} << (4 * n)) - 1)) | n);
        }
        /// The entries [from, to) give way to slots.
        constexpr Order replaced(unsigned from, unsigned to, Order slots) const {
            const unsigned n = slots.count();
            const std::uint64_t digits = word_ >> 4;
            const std::uint64_t below = digits & ((std::uint64_t{1} << (4 * from)) - 1);
            const std::uint64_t above = (digits >> (4 * to)) << (4 * (from + n));
            const std::uint64_t all = below | (slots.word_ >> 4 << (4 * from)) | above;
            return Order(all << 4 | (count() - (to - from) + n));
        }

      private:
        std::uint64_t word_;
    };

    bool is_leaf() const { return level.get() == 0; }
    /// Fetches the lines of keys and children at once: a search loads them one after the other.
    void prefetch() const {
        for (std::size_t i = 0; i < kSlots; i += 64 / sizeof(key[0])) {
            __builtin_prefetch(&key[i]);
            __builtin_prefetch(&child[i]);
        }
        __builtin_prefetch(&child[kSlots - 1]);
    }

    // Of a leaf.

    /// Acquire: pairs with the release of `TreeEditor::publish_order`; the slots are written.
    Order load_order() const { return Order(order.load(sync::Order::acquire)); }
    TreeEntry entry(unsigned slot) const {
        auto* vma = static_cast<Vma*>(child[slot].load(sync::Order::relaxed));
        return {{VirtAddr(start[slot].get()), VirtAddr(key[slot].get())}, vma};
    }
    /// How many entries end at or below `va`; kMaxKeys for an address of all ones. A binary search
    /// in four steps without branches: what is past the last entry counts as the highest key.
    unsigned rank(Order o, std::uint64_t va) const {
        static_assert(VmaTree::kMaxKeys == 15);
        unsigned n = 0;
        for (unsigned step = 8; step > 0; step /= 2)
            n += key[o.slot(n + step - 1)].get() <= va ? step : 0U;
        return n;
    }

    // Of a branch.

    /// Acquire: pairs with the release of `TreeEditor::publish_in_place`, or with the root's.
    TreeNode* node(unsigned i) const {
        return static_cast<TreeNode*>(child[i].load(sync::Order::acquire));
    }
    /// The child to look in for `va`. Only an address of all ones could go past the last.
    unsigned route(std::uint64_t va) const {
        unsigned n = 0;
        for (unsigned i = 0; i < VmaTree::kMaxKeys; ++i)
            n += key[i].get() <= va ? 1U : 0U;
        const unsigned highest = nr_nodes.get() - 1;
        return n < highest ? n : highest;
    }

    // For the writer.

    unsigned count() const { return is_leaf() ? load_order().count() : nr_nodes.get(); }
    /// Where child or entry `k` is.
    unsigned place(unsigned k) const { return is_leaf() ? load_order().slot(k) : k; }
    Summary sum(unsigned k) const {
        if (is_leaf()) {
            const unsigned slot = load_order().slot(k);
            return {start[slot].get(), key[slot].get(), 0};
        }
        return {start[k].get(), last[k].get(), gap[k].get()};
    }
    void set_sum(unsigned i, const Summary& sum) {
        start[i].set(sum.start);
        last[i].set(sum.last);
        gap[i].set(sum.gap);
    }
    /// Of all of it. Not empty.
    Summary summary() const;

    sync::Shared<std::uint32_t> level;     // 0: leaf
    sync::Shared<std::uint32_t> nr_nodes;  // of a branch
    sync::Atomic<std::uint64_t> order{0};  // of a leaf
    /// Leaf: key[slot] is the entry's end. Branch: child i holds what lies in
    /// [key[i - 1], key[i]); the last one is unbounded, and unused keys are kNoKey, so that a
    /// search needs no count.
    std::array<sync::Shared<std::uint64_t>, kSlots> key{};
    std::array<sync::Atomic<void*>, kSlots> child{};
    /// Leaf: of the entry, as constant as the slot. Branch: child's summary, for the writer only,
    /// changed in place.
    std::array<sync::Shared<std::uint64_t>, kSlots> start{};
    std::array<sync::Shared<std::uint64_t>, kSlots> last{};  // of a branch
    std::array<sync::Shared<std::uint64_t>, kSlots> gap{};   // of a branch
    sync::Shared<std::uint32_t> used;  // slots of a leaf written so far; for the writer
    /// Links the stock and the retired nodes.
    sync::Shared<TreeNode*> link;
    sync::RcuHead rcu;
    sync::Shared<TreeNodeCache*> cache;
};

}  // namespace surefoot::inline SF_BUILD::vma
