#pragma once

// Runs the columns of a row in turns (A B A B), so that a change of the machine's mood meets all
// of them, and boils the rounds down to median and p99.

#include <array>
#include <optional>

#include "harness/row.hpp"

namespace surefoot::bench {

struct Summary {
    double median = 0;
    double p99 = 0;
};

struct Figures {
    Summary wall;
    Summary cpu;
};

struct Measured {
    const Row* row = nullptr;
    std::array<std::optional<Figures>, kColumns> columns;

    const std::optional<Figures>& at(Column column) const {
        return columns[static_cast<std::size_t>(column)];
    }
    /// By the row's clock.
    std::optional<Summary> summary(Column column) const;
    std::optional<double> ratio_to_limit() const;
    /// Nothing where the row has no target.
    std::optional<bool> reached() const;
};

Measured measure(const Row& row, const Scale& scale, bool with_host);

}  // namespace surefoot::bench
