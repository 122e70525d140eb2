#pragma once

// Exhaustive search without redundancy: optimal dynamic partial-order reduction with sleep sets and
// wakeup trees (Abdulla, Aronis, Jonsson, Sagonas, JACM 2017). Every execution is explored once up
// to the order of steps that commute.
//
// Two dependent steps of an execution, neither of which waited for the other, are a race. Each race
// asks for the executions in which the later step comes first: they begin where the earlier one
// began. That beginning becomes a branch there, unless a branch or an explored step leads to an
// equivalent one. Steps explored from a place sleep: until something that depends on one of them
// has run, taking it would only repeat what was explored.
//
// What leads where may hang on the rest of the execution. So a race is judged when it is found, by
// what is certain then; if that does not suffice, it is judged again at the end of this execution
// and of each later one that has both steps.

#include <cstdint>
#include <vector>

#include "engine/search/reversal.hpp"
#include "engine/search/search.hpp"
#include "engine/search/wakeup_tree.hpp"

namespace surefoot::checker::engine {

class Dpor final : public Search {
  public:
    int next(Machine& machine) override;
    void added(Machine& machine, std::uint32_t position) override;
    void race(Machine& machine, std::uint32_t earlier, std::uint32_t later,
              const Effect& reversed) override;
    unsigned choose(Machine& machine, unsigned count) override;

    /// Finds the deepest step that has an alternative.
    bool backtrack(const Machine& machine, int end, std::uint32_t& fixed) override;

  private:
    struct Sleeper {
        Effect effect;
        std::uint8_t proc;
    };
    /// A prefix of the current execution, and what is left to do after it.
    struct Level {
        WakeupTrees::Index branches = 0;  // alternatives for the next step, not yet explored
        WakeupTrees::Index children = 0;  // what is to follow the step taken
        std::uint32_t sleep_begin = 0, sleep_end = 0;
        ProcSet asleep = 0;
        std::uint64_t choices_done = 0;
        std::uint16_t choice = 0;
        bool guided = false;     // the step came from a branch
        bool redundant = false;  // all that follows was explored
    };
    /// How much of the execution is known when a race is judged.
    enum class Known : std::uint8_t {
        prefix,  // up to the race
        all,
        cut,  // it failed, and will never be known further
    };

    bool settle(const Machine& machine, const Race& race, std::uint32_t end, Known known);
    Initial best_sleeper(const Level& level) const;
    bool insert(Level& level, Known known);
    Initial leads_there(const WakeupTrees::Node& node, std::size_t index) const;
    int pick_freely(const Machine& machine, Level& level) const;
    void add_choices(Level& level, const Event& event);
    void put_to_sleep(Level& level, const Event& event);

    std::vector<Level> levels_{1};
    std::vector<Sleeper> sleepers_;
    WakeupTrees trees_;
    std::vector<Race> unsettled_;  // in the order of `later`
    Reversal reversal_;            // of the race at hand
};

}  // namespace surefoot::checker::engine
