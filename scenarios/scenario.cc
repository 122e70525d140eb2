#include "scenario.hpp"

#include <algorithm>
#include <utility>
#include <vector>

#include "impl/engine.hpp"
#include "scenarios.hpp"

namespace surefoot::scenarios {

std::span<const Scenario> all() {
    static const std::vector<Scenario> every = [] {
        std::vector<Scenario> found;
        for (const auto file : {mm_scenarios(), shootdown_scenarios()})
            found.insert(found.end(), file.begin(), file.end());
        return found;
    }();
    return every;
}

const Scenario* find(std::string_view name) {
    const auto found = std::ranges::find(all(), name, &Scenario::name);
    return found != all().end() ? &*found : nullptr;
}

Outcome run(const Scenario& scenario, const checker::Options& options, sync::RuleSet off) {
    sync::rule_switches() = {.off = off, .reached = {}};
    checker::Result result = checker::check(
        [&](checker::Program& program) {
            sync::engine::begin_execution();
            scenario.setup(program);
        },
        options);
    sync::engine::end_search();
    const sync::RuleSet reached = sync::rule_switches().reached;
    sync::rule_switches() = {};
    return {std::move(result), reached};
}

}  // namespace surefoot::scenarios
