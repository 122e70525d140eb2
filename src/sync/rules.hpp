#pragma once

// The protocol's rules by name. The code that takes a rule's step asks for it where the step
// decides:
//
//   if (now == seen() || !holds<Rule::map_lock_rechecks_pmd>()) return;
//
// Natively the answer is a constant; a scenario of the checked build may switch a rule off.

#include <cstddef>
#include <cstdint>

#include "impl/build.hpp"

namespace surefoot::inline SF_BUILD::sync {

enum class Rule : std::uint8_t {
#define SF_RULE(name, text) name,
#include "base/rules.def"
#undef SF_RULE
    kCount
};
inline constexpr std::size_t kRules = static_cast<std::size_t>(Rule::kCount);

}  // namespace surefoot::inline SF_BUILD::sync
