#pragma once

// A scenario: a closed program of a few CPUs over the core's own code, which the checker explores
// in every order. docs/scenarios.md is the guide.

#include <span>
#include <string_view>

#include "surefoot/checker/checker.hpp"
#include "sync/sync.hpp"

namespace surefoot::scenarios {

struct Scenario {
    std::string_view name;
    std::string_view summary;
    /// Runs alone at the start of each execution: makes the objects and spawns the tasks.
    void (*setup)(checker::Program& program);
};

/// Every scenario, by name.
std::span<const Scenario> all();
/// Null if there is none of that name.
const Scenario* find(std::string_view name);

struct Outcome {
    checker::Result result;
    /// Rules whose step some execution came to, where it makes a difference.
    sync::RuleSet reached;
};

/// Explores `scenario` without the rules in `off`.
Outcome run(const Scenario& scenario, const checker::Options& options, sync::RuleSet off = {});

/// A rule, or several that can stand in for each other, and what shows that they are needed.
struct Case {
    sync::RuleSet off;
    std::string_view scenario;
    checker::Model model;
    /// Part of the message that tells of the broken invariant.
    std::string_view breaks;
};
std::span<const Case> cases();

}  // namespace surefoot::scenarios
