#pragma once

// What would run if the later step of a race came before the earlier one.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/machine/machine.hpp"

namespace surefoot::checker::engine {

struct Race {
    std::uint32_t earlier, later;
    Effect reversed;           // what `later` touches when it comes first
    std::uint16_t choice = 0;  // of an sfc_choose() that is both: another outcome
};

/// Whether some order of the steps, which keeps dependent ones in theirs, begins with a given step.
enum class Initial : std::uint8_t {
    no,
    weak,  // as this execution went on after the race; another might put something before it
    yes,
};

/// The steps that do not depend on the race's earlier one, with the later one: they can run from
/// where the earlier one began.
class Reversal {
  public:
    struct Step {
        std::uint32_t position;  // of the event that this is
        Effect effect;           // what it touches here
        std::uint8_t proc;
        bool chooses;
        std::uint16_t choice;  // the outcome of an sfc_choose()
    };

    /// The execution is known up to `end`.
    void build(const Machine& machine, const Race& race, std::uint32_t end);

    const std::vector<Step>& steps() const { return steps_; }
    /// The step of that process that comes first; one past the end if there is none.
    std::size_t find(unsigned proc) const;

    /// Of the step at `index`, or of one with this effect that is not among them.
    Initial initial(std::size_t index, const Effect& effect) const;
    /// That step was taken: what is left follows it.
    void take(std::size_t index, const Effect& effect);

    /// As bytes, for a process that has other executions.
    std::string told() const;
    void hear(std::string_view told);

  private:
    static Step step(std::uint32_t position, const Event& event, const Effect& effect) {
        return {position, effect, event.proc, event.kind == Kind::choose,
                static_cast<std::uint16_t>(event.value)};
    }
    bool waited(std::size_t before, std::size_t index) const;
    bool follows(std::size_t before, std::size_t index, const Effect& effect) const;

    struct Wait {
        std::uint32_t before, position;
    };

    const Machine* machine_ = nullptr;  // that has the execution; null: waits_ tells
    std::vector<Wait> waits_;
    std::uint32_t later_ = 0;
    std::vector<Step> steps_;
    std::vector<Effect> left_out_;  // drains that depend on the earlier step
};

/// A load that its own store buffer answers is out of others' reach until its stores have left that
/// buffer: `passed` may be one of them.
void drain_forwarding(Effect& load, const Effect& passed);

}  // namespace surefoot::checker::engine
