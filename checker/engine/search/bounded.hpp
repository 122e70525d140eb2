#pragma once

// Every execution that at most so many preemptions reach: depth-first over all schedules. A
// preemption is a step of another task or handler although the one that ran last could go on; store
// buffers drain for free. Schedules that equal an earlier one so far, up to the order of steps that
// commute, with the same task running and no more preemptions left, are not followed.

#include <cstdint>
#include <vector>

#include "engine/search/search.hpp"
#include "engine/search/shared_table.hpp"

namespace surefoot::checker::engine {

class Bounded final : public Search {
  public:
    explicit Bounded(unsigned bound) : bound_(bound) {}

    int next(Machine& machine) override;
    void added(Machine& machine, std::uint32_t position) override;
    unsigned choose(Machine& machine, unsigned count) override;
    bool backtrack(const Machine& machine, int end, std::uint32_t& fixed) override;

    double explored() const override;
    std::optional<Part> part_to_give(const Machine& machine) override;
    void give(const Machine& machine, const Part& part) override;
    void keep(const Machine& machine, const Part& part) override;

  private:
    static constexpr int kNobody = -1;

    /// A prefix of the current schedule, and who is still to go next after it.
    struct Level {
        std::vector<std::uint8_t> options;  // the last is the one taken
        int running = kNobody;              // whose step was the last one, drains apart
        std::size_t taken = 0;              // options, those given away and the last included
        unsigned spent = 0;                 // preemptions so far
        bool preempts = false;              // the option taken does
        unsigned choice = 0, choices = 1;   // of an sfc_choose()
        std::uint64_t hash = 0;             // of the prefix, whatever its order
    };

    static constexpr int kEnd = -2;  // in place of the running task

    static std::uint64_t key(std::uint64_t hash, int running) {
        return hash ^ (0x9e3779b97f4a7c15ULL * static_cast<std::uint64_t>(running + 3));
    }
    void fill(const Machine& machine, Level& level);
    bool preempts(const Machine& machine, const Level& level, unsigned proc) const;

    unsigned bound_;
    std::vector<Level> levels_{1};
    bool seen_before_ = false;
    SharedTable seen_;  // prefixes, with the running task: most preemptions left; executions
};

}  // namespace surefoot::checker::engine
