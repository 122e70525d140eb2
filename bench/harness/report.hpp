#pragma once

#include <string>
#include <vector>

#include "harness/measure.hpp"

namespace surefoot::bench {

std::string table_head();
std::string table_line(const Measured& measured);

/// Everything that was measured, as JSON text.
std::string to_json(const std::vector<Measured>& all);

}  // namespace surefoot::bench
