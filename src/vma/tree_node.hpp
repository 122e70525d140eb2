#pragma once

// A node of VmaTree. Included by the folder, and by space.hpp for the cache's sake.

#include <array>
#include <cstdint>

#include "base/base.hpp"
#include "sync/sync.hpp"
#include "vma/tree.hpp"

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

    // Of a leaf.

    /// Acquire: pairs with the release of `TreeEditor::publish_order`; the slots are written.
    Order load_order() const { return Order(order.load(sync::Order::acquire)); }
    TreeEntry entry(unsigned slot) const {
        const std::uint64_t start = sums[slot].get().start;
        auto* vma = static_cast<Vma*>(child[slot].load(sync::Order::relaxed));
        return {{VirtAddr(start), VirtAddr(key[slot].get())}, vma};
    }
    /// How many entries end at or below `va`; kMaxKeys for an address of all ones. A binary search
    /// in four steps without branches: what is past the last entry counts as the highest key.
    unsigned rank(Order o, std::uint64_t va) const {
        static_assert(VmaTree::kMaxKeys == 15);
        // The steps load one after the other: fetch the lines of keys at once.
        __builtin_prefetch(&key[kSlots / 2]);
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
        const unsigned last = nr_nodes.get() - 1;
        return n < last ? n : last;
    }

    // For the writer.

    unsigned count() const { return is_leaf() ? load_order().count() : nr_nodes.get(); }
    /// Where child or entry `k` is.
    unsigned place(unsigned k) const { return is_leaf() ? load_order().slot(k) : k; }
    const Summary& sum(unsigned k) const { return sums[place(k)].get(); }
    /// Not empty.
    Summary summary() const;

    sync::Shared<std::uint32_t> level;     // 0: leaf
    sync::Shared<std::uint32_t> nr_nodes;  // of a branch
    sync::Atomic<std::uint64_t> order{0};  // of a leaf
    /// Leaf: key[slot] is the entry's end. Branch: child i holds what lies in
    /// [key[i - 1], key[i]); the last one is unbounded, and unused keys are kNoKey, so that a
    /// search needs no count.
    std::array<sync::Shared<std::uint64_t>, kSlots> key{};
    std::array<sync::Atomic<void*>, kSlots> child{};
    /// Leaf: as constant as the slot. Branch: for the writer only, changed in place.
    std::array<sync::Shared<Summary>, kSlots> sums{};
    sync::Shared<std::uint32_t> used;  // slots of a leaf written so far; for the writer
    /// Links the stock and the retired nodes.
    sync::Shared<TreeNode*> link;
    sync::RcuHead rcu;
    sync::Shared<TreeNodeCache*> cache;
};

}  // namespace surefoot::inline SF_BUILD::vma
