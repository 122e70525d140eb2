#pragma once

// The ways in which an execution can go on: where a load reads from, where a store comes in its
// word's order, and which earlier loads a new store could have answered.
//
// After TruSt (Kokologiannakis, Marmanis, Gladstein, Vafeiadis: Truly stateless, optimal dynamic
// partial order reduction, POPL 2022). A store revisits an earlier load by dropping what was added
// after that load and is not in the store's own past. Of all graphs that lead to the same one, only
// that in which everything dropped had been added in the standard way (a load reads the latest
// store, a store comes last) does so; hence each graph is found once.

#include <optional>
#include <vector>

#include "engine/weak/graph.hpp"

namespace surefoot::checker::engine::weak {

/// Every consistent graph with the event added; the standard way comes first. What `event` reads
/// and writes is filled in from its op.
std::vector<Graph> extensions(const Graph& graph, const Event& event);

/// Every consistent graph in which the event, a write, answers an earlier read.
std::vector<Graph> revisits(const Graph& graph, const Event& event);

/// Whether the event, which may have to wait, finds something that lets it go on. One that does not
/// is not added: its task comes back to it when there is more.
bool goes_on(const Graph& graph, const Event& event);

/// What the op writes over `before`, if it writes.
std::optional<std::uint64_t> written(const Op& op, std::uint64_t before);
/// Whether the op, an await or the taking of a lock, has to wait while its word is `value`.
bool has_to_wait(const Op& op, std::uint64_t value);

inline bool takes_lock(Kind kind) { return kind == Kind::lock || kind == Kind::lock_shared; }

/// What a lock's word holds.
inline constexpr std::uint64_t kFree = 0, kWriter = std::uint64_t{1} << 32;

}  // namespace surefoot::checker::engine::weak
