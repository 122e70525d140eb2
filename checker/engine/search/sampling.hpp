#pragma once

// Schedules by chance: the executions are independent of each other.
//
// random: each step is picked uniformly from those that can run.
// PCT: every process has a random priority, the highest that can run goes, and at `bound` - 1
// random places of the schedule that one becomes the lowest (Burckhardt, Kothari, Musuvathi,
// Nagarakatte, ASPLOS 2010). An error of depth d in k steps of n processes is met with probability
// at least 1 / (n k^(d-1)). POS: every step has a random priority, drawn anew when a step that it
// races with has run (Yuan, Yang, Gu, CAV 2018).

#include <cstdint>
#include <random>
#include <vector>

#include "engine/search/search.hpp"

namespace surefoot::checker::engine {

class Sampling final : public Search {
  public:
    Sampling(sfc_strategy strategy, unsigned depth, std::uint64_t runs, std::uint64_t seed);

    int next(Machine& machine) override;
    void added(Machine& machine, std::uint32_t position) override;
    unsigned choose(Machine& machine, unsigned count) override;
    bool backtrack(const Machine& machine, int end, std::uint32_t& fixed) override;
    bool covers() const override { return false; }
    double explored() const override {
        return static_cast<double>(run_) / static_cast<double>(runs_);
    }

  private:
    std::uint64_t draw() { return random_() | kDrawn; }
    void begin_run();
    int highest(const Machine& machine);

    static constexpr std::uint64_t kDrawn = std::uint64_t{1} << 63;  // above every lowered one

    sfc_strategy strategy_;
    unsigned depth_;
    std::uint64_t runs_;
    std::mt19937_64 random_;
    std::uint64_t run_ = 0;
    std::uint32_t longest_ = 1;  // execution so far, in steps
    std::uint64_t priority_[kMaxProcs] = {};
    std::vector<std::uint32_t> changes_;  // where PCT lowers a priority, the last one first
};

}  // namespace surefoot::checker::engine
