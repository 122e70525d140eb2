#pragma once

// The axioms of full fences and of grace periods, which look at the whole graph.

#include "engine/weak/graph.hpp"

namespace surefoot::checker::engine::weak {

/// Whether full fences can be put in one order, and no read-side section spans a grace period.
bool is_ordered(const Graph& graph);

/// Whether a grace period puts what a task did in front of its event number `place` before whatever
/// knows `later`, beyond happens-before.
bool grace_orders(const Graph& graph, unsigned task, unsigned place, const View& later);

}  // namespace surefoot::checker::engine::weak
