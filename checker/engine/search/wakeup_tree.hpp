#pragma once

// Wakeup trees: beginnings of executions that are still to be explored. A tree's siblings are in
// the order in which they are to be explored; the trees of a search share one pool of nodes.

#include <cstdint>
#include <deque>

#include "engine/search/reversal.hpp"

namespace surefoot::checker::engine {

class WakeupTrees {
  public:
    using Index = std::uint32_t;  // 0: none

    struct Node {
        Effect effect;
        std::uint8_t proc = 0;
        bool chooses = false;
        std::uint16_t choice = 0;  // the outcome of an sfc_choose()
        Index child = 0;
        Index sibling = 0;
    };

    Node& operator[](Index index) { return nodes_[index]; }
    const Node& operator[](Index index) const { return nodes_[index]; }

    Index make(const Node& node) {
        const Index made = free_ != 0 ? free_ : static_cast<Index>(nodes_.size());
        if (free_ != 0)
            free_ = nodes_[made].sibling;
        else
            nodes_.emplace_back();
        nodes_[made] = node;
        return made;
    }

    void free_one(Index node) {
        nodes_[node].sibling = free_;
        free_ = node;
    }

    /// Frees the node, its siblings after it and all that is below them.
    void free(Index node) {
        while (node != 0) {
            const Index next = nodes_[node].sibling;
            free(nodes_[node].child);
            free_one(node);
            node = next;
        }
    }

    /// How many siblings there are, from this one on.
    unsigned count(Index node) const {
        unsigned count = 0;
        for (; node != 0; node = nodes_[node].sibling)
            ++count;
        return count;
    }

    /// The steps as one branch.
    Index chain(const Reversal& reversal) {
        Index below = 0;
        for (std::size_t i = reversal.steps().size(); i-- > 0;) {
            const Reversal::Step& step = reversal.steps()[i];
            below = make({step.effect, step.proc, step.chooses, step.choice, below, 0});
        }
        return below;
    }

  private:
    std::deque<Node> nodes_{Node{}};  // stable addresses; the one of index 0 is not used
    Index free_ = 0;
};

}  // namespace surefoot::checker::engine
