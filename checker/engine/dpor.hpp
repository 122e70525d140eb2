#pragma once

// Exhaustive search without redundancy: dynamic partial-order reduction with source sets, sleep
// sets and wakeup trees (Abdulla, Aronis, Jonsson, Sagonas, JACM 2017). Every execution is
// explored once up to the order of steps that commute. Sleep sets alone make that "once"; the
// wakeup trees keep the search from walking into executions that it must then cut.

#include <cstdint>
#include <vector>

#include "engine/machine.hpp"

namespace surefoot::checker::engine {

class Dpor final : public Driver {
  public:
    Dpor();

    int next(Machine& machine) override;
    void added(Machine& machine, std::uint32_t position) override;
    void race(Machine& machine, std::uint32_t earlier, std::uint32_t later,
              const Effect& reversed) override;
    unsigned choose(Machine& machine, unsigned count) override;

    /// After an execution: finds the deepest step that has an alternative.
    /// @return false when there is none; else `fixed` steps stay as they are
    bool backtrack(const Machine& machine, std::uint32_t& fixed);

    /// Leaves in all if every open branch were as bushy as those explored so far.
    double estimate(std::uint64_t explored) const;

  private:
    using NodeIndex = std::uint32_t;  // 0: none

    /// A step of a wakeup tree. Siblings are in the order in which they are to be explored.
    struct Node {
        Effect effect;
        std::uint8_t proc;
        bool chooses;
        std::uint16_t choice;
        NodeIndex child;
        NodeIndex sibling;
    };
    struct Sleeper {
        Effect effect;
        std::uint8_t proc;
    };
    /// A prefix of the current execution, and what is left to do after it.
    struct Level {
        NodeIndex branches = 0;  // alternatives for the next step, not yet explored
        NodeIndex children = 0;  // what is to follow the step taken
        std::uint32_t sleep_begin = 0, sleep_end = 0;
        ProcSet asleep = 0;
        std::uint64_t choices_done = 0;
        std::uint16_t choice = 0;
        bool guided = false;  // the step came from a branch
    };

    NodeIndex make_node(const Effect& effect, unsigned proc, bool chooses, unsigned choice);
    void free_tree(NodeIndex node);
    int pick_freely(const Machine& machine, const Level& level) const;
    bool covered_by_sleepers(const Machine& machine, const Level& level);
    bool sleeper_comes_first(const Machine& machine, const Sleeper& sleeper);
    void insert(const Machine& machine, Level& level);
    bool is_initial(const Machine& machine, std::size_t index) const;
    bool independent_of_sequence(const Machine& machine, const Effect& effect) const;
    const Effect& effect_of(const Machine& machine, std::uint32_t position) const {
        return position == later_ ? reversed_ : machine.event(position).effect;
    }
    NodeIndex chain(const Machine& machine);
    void add_choices(Level& level, const Event& event);

    std::vector<Level> levels_;
    std::vector<Sleeper> sleepers_;
    std::vector<Node> nodes_;
    NodeIndex free_nodes_ = 0;
    // the race at hand
    std::vector<std::uint32_t> sequence_;  // events to be inserted, in order
    std::uint32_t later_ = 0;              // the last of them
    Effect reversed_;                      // what that one touches when it comes first
    bool changed_ = false;                 // which differs from what it touched
};

}  // namespace surefoot::checker::engine
