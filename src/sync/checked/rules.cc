#include "impl/rules.hpp"

namespace surefoot::inline SF_BUILD::sync {

RuleSwitches& rule_switches() {
    static RuleSwitches only;
    return only;
}

const std::array<RuleText, kRules>& rule_texts() {
    static constexpr std::array<RuleText, kRules> kTexts = {{
#define SF_RULE(name, text) {#name, text},
#include "base/rules.def"
#undef SF_RULE
    }};
    return kTexts;
}

}  // namespace surefoot::inline SF_BUILD::sync
