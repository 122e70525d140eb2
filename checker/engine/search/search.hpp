#pragma once

// A search strategy: it drives executions, and says after each whether there is another.

#include <cstdint>
#include <memory>
#include <optional>

#include "engine/jobs.hpp"
#include "engine/machine/machine.hpp"

namespace surefoot::checker::engine {

class Search : public Driver {
  public:
    /// After an execution that ended as `end` says.
    /// @return false when the search is over; else `fixed` steps of the next execution are as now
    virtual bool backtrack(const Machine& machine, int end, std::uint32_t& fixed) = 0;
    /// Whether a search that is over has seen all that its bound admits.
    virtual bool covers() const { return true; }

    /// How much of what this process is to explore it has explored, from 0 to 1.
    virtual double explored() const { return 0; }

    // --- several processes: between backtrack() and the next execution ---------------------------

    /// A branch of the current execution that another process could explore.
    struct Part {
        std::uint32_t depth;
        double share;  // of what this process is to explore
    };
    /// The one of least depth. It has to be given then.
    virtual std::optional<Part> part_to_give(const Machine& /*machine*/) {
        return std::nullopt;
    }
    /// Another process explores it.
    virtual void give(const Machine& /*machine*/, const Part& /*part*/) {}
    /// In that process: nothing else is to be explored. The next execution is as this one up to
    /// the part's depth.
    virtual void keep(const Machine& /*machine*/, const Part& /*part*/) {}

    // What only some strategies look at.
    void added(Machine& /*machine*/, std::uint32_t /*position*/) override {}
    void race(Machine& /*machine*/, std::uint32_t /*earlier*/, std::uint32_t /*later*/,
              const Effect& /*reversed*/) override {}
};

/// As the options say. Throws std::invalid_argument if they ask for what there is not.
std::unique_ptr<Search> make_search(const sfc_options& options, Jobs& jobs);

}  // namespace surefoot::checker::engine
