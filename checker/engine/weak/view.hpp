#pragma once

// What is known of each task's past: a number of events, in program order.

#include <array>
#include <cstdint>

#include "surefoot/checker/engine.h"

namespace surefoot::checker::engine::weak {

struct View {
    std::array<std::uint16_t, SFC_MAX_TASKS> at{};

    bool has(unsigned task, unsigned place) const { return at[task] > place; }
    void add(unsigned task, unsigned place) {
        if (at[task] <= place) at[task] = static_cast<std::uint16_t>(place + 1);
    }
    View& operator|=(const View& other) {
        for (unsigned i = 0; i < at.size(); ++i)
            at[i] = at[i] < other.at[i] ? other.at[i] : at[i];
        return *this;
    }
    friend View operator|(View left, const View& right) { return left |= right; }
};

}  // namespace surefoot::checker::engine::weak
