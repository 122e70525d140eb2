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
#include <optional>
#include <random>
#include <vector>

#include "engine/search/reversal.hpp"
#include "engine/search/search.hpp"
#include "engine/search/wakeup_tree.hpp"

namespace surefoot::checker::engine {

//
// Several processes: a branch that is given to another one sleeps here when the next one is taken,
// and what this process is about to explore sleeps there. What leads to a sleeper hangs on races
// that the other process may yet find, and nobody waits for them. So below such a place a sleeper
// stands for nothing but reversals that begin with its own step, and some executions are met in
// vain. A race whose earlier step lies in front of the branch is told to the process that gave it;
// that one does not leave the place before the branch is done.

class Dpor final : public Search {
  public:
    /// @param seed  of an order by chance; none: the process that ran last goes on
    Dpor(Jobs& jobs, std::optional<std::uint64_t> seed);

    int next(Machine& machine) override;
    void added(Machine& machine, std::uint32_t position) override;
    void race(Machine& machine, std::uint32_t earlier, std::uint32_t later,
              const Effect& reversed) override;
    unsigned choose(Machine& machine, unsigned count) override;

    /// Finds the deepest step that has an alternative.
    bool backtrack(const Machine& machine, int end, std::uint32_t& fixed) override;

    double explored() const override;
    std::optional<Part> part_to_give(const Machine& machine) override;
    void give(const Machine& machine, const Part& part) override;
    void keep(const Machine& machine, const Part& part) override;

  private:
    struct Sleeper {
        Effect effect;
        std::uint8_t proc;
        bool alone = false;         // it stands for reversals that begin with its own step alone
        std::uint64_t choices = 0;  // of an sfc_choose(): those that were explored
    };
    /// A branch that another process explores, to sleep when the next one is taken.
    struct Given {
        std::uint32_t depth;
        Sleeper sleeper;
    };
    /// A prefix of the current execution, and what is left to do after it.
    struct Level {
        WakeupTrees::Index branches = 0;  // alternatives for the next step, not yet explored
        WakeupTrees::Index children = 0;  // what is to follow the step taken
        std::uint32_t sleep_begin = 0, sleep_end = 0;
        ProcSet asleep = 0;       // with every choice
        std::uint32_t taken = 0;  // branches, those given away included
        std::uint16_t choice = 0;
        bool guided = false;     // the choice came from a branch
        bool redundant = false;  // all that follows was explored
        bool shared = false;     // some sleeper is explored by another process at the same time
    };
    /// How much of the execution is known when a race is judged.
    enum class Known : std::uint8_t {
        prefix,  // up to the race
        all,
        cut,  // it failed, and will never be known further
    };

    bool settle(const Machine& machine, const Race& race, std::uint32_t end, Known known);
    void hear(std::string_view message);
    void tell(std::uint32_t depth) const;
    void guess_branch(const Machine& machine, std::uint32_t depth);
    Initial best_sleeper(std::uint32_t depth) const;
    Initial initial(const Sleeper& sleeper) const;
    double share(const Level& level) const {
        return 1.0 / (level.taken + trees_.count(level.branches));
    }
    bool insert(Level& level, Known known);
    Initial leads_there(const WakeupTrees::Node& node, std::size_t index) const;
    int pick_freely(const Machine& machine, Level& level);
    int any_of(ProcSet procs);
    std::uint64_t choices_asleep(const Level& level, unsigned proc) const;
    void race_with_other_choices(const Machine& machine, std::uint32_t position);
    void put_to_sleep(Level& level, const Event& event);
    void put_to_sleep(Level& level, const Sleeper& sleeper);
    void put_given_to_sleep(std::uint32_t depth);

    Jobs& jobs_;
    std::optional<std::mt19937_64> random_;
    std::uint32_t base_ = 0;  // levels above belong to the process that gave this one its part
    std::uint32_t next_ = 0;  // level whose branch comes next
    bool grown_ = false;      // the latest insert() made a branch
    std::vector<Given> given_;
    std::vector<Level> levels_{1};
    std::vector<Sleeper> sleepers_;
    WakeupTrees trees_;
    std::vector<Race> unsettled_;  // in the order of `later`
    Reversal reversal_;            // of the race at hand
};

}  // namespace surefoot::checker::engine
