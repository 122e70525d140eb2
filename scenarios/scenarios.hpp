#pragma once

#include "scenario.hpp"

namespace surefoot::scenarios {

std::span<const Scenario> mm_scenarios();
std::span<const Scenario> shootdown_scenarios();

}  // namespace surefoot::scenarios
