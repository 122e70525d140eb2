#pragma once

// A schedule as text, and a search that runs that one schedule. A process is told by its place in
// the order in which the execution made its processes; "2" is a step of the third, "2*5" five,
// "2:1" an sfc_choose() of it that gave 1. An "s" in front: Machine::make_stores_steps().

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/search/search.hpp"

namespace surefoot::checker::engine {

std::string schedule_text(const Machine& machine);
bool needs_stores_as_steps(std::string_view text);

class Replay final : public Search {
  public:
    /// Throws std::invalid_argument if the text is no schedule.
    explicit Replay(const std::string& text);

    int next(Machine& machine) override;
    unsigned choose(Machine& machine, unsigned count) override;
    bool backtrack(const Machine& /*machine*/, int /*end*/, std::uint32_t& /*fixed*/) override {
        return false;
    }
    bool covers() const override { return false; }

  private:
    struct Step {
        unsigned process;
        unsigned choice;
    };
    std::vector<Step> steps_;
};

}  // namespace surefoot::checker::engine
