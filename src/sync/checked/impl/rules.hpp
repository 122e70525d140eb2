#pragma once

#include <array>
#include <bitset>
#include <string_view>

#include "sync/rules.hpp"

namespace surefoot::inline SF_BUILD::sync {

using RuleSet = std::bitset<kRules>;

/// Which rules a search leaves out, and which it came to, on or off.
struct RuleSwitches {
    RuleSet off;
    RuleSet reached;
};
RuleSwitches& rule_switches();

/// Whether the step is taken. Asked only where that makes a difference.
template <Rule R>
bool holds() {
    RuleSwitches& rules = rule_switches();
    constexpr auto kIndex = static_cast<std::size_t>(R);
    rules.reached.set(kIndex);
    return !rules.off.test(kIndex);
}

struct RuleText {
    std::string_view name;
    /// What holds because of the step.
    std::string_view text;
};
/// By the rule's number.
const std::array<RuleText, kRules>& rule_texts();

}  // namespace surefoot::inline SF_BUILD::sync
