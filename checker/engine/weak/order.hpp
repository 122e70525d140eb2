#pragma once

// The axioms of full fences and of grace periods, which look at the whole graph.

#include "engine/weak/graph.hpp"

namespace surefoot::checker::engine::weak {

/// Whether full fences can be put in one order, and no read-side section spans a grace period.
bool is_ordered(const Graph& graph);

}  // namespace surefoot::checker::engine::weak
