#pragma once

// A search strategy: it drives executions, and says after each whether there is another.

#include <cstdint>
#include <memory>

#include "engine/machine/machine.hpp"

namespace surefoot::checker::engine {

class Search : public Driver {
  public:
    /// After an execution that ended as `end` says.
    /// @return false when the search is over; else `fixed` steps of the next execution are as now
    virtual bool backtrack(const Machine& machine, int end, std::uint32_t& fixed) = 0;
    /// Whether a search that is over has seen all that its bound admits.
    virtual bool covers() const { return true; }

    // What only some strategies look at.
    void added(Machine& /*machine*/, std::uint32_t /*position*/) override {}
    void race(Machine& /*machine*/, std::uint32_t /*earlier*/, std::uint32_t /*later*/,
              const Effect& /*reversed*/) override {}
};

/// As the options say. Throws std::invalid_argument if they ask for what there is not.
std::unique_ptr<Search> make_search(const sfc_options& options);

}  // namespace surefoot::checker::engine
