// Scenarios, one line each, and the table of rules.

#include <fmt/format.h>
#include <fnmatch.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstdio>
#include <optional>

#include "commands.hpp"

namespace surefoot::tools {
namespace {

using checker::Model;
using checker::Verdict;
using scenarios::Outcome;
using scenarios::Scenario;

std::string_view name_of(Model model) { return model == Model::sc ? "sc" : "tso"; }

std::string_view name_of(Verdict verdict) {
    switch (verdict) {
        case Verdict::holds:
            return "holds";
        case Verdict::violated:
            return "violated";
        case Verdict::incomplete:
            return "incomplete";
        case Verdict::wrong:
            break;
    }
    return "wrong";
}

std::vector<std::string> names_of(const sync::RuleSet& rules) {
    std::vector<std::string> names;
    for (std::size_t i = 0; i < rules.size(); ++i) {
        if (rules.test(i)) names.emplace_back(sync::rule_texts()[i].name);
    }
    return names;
}

/// @return nothing if one of the names is no rule's; that one is then in `unknown`
std::optional<sync::RuleSet> rules_named(const std::vector<std::string>& names,
                                         std::string& unknown) {
    sync::RuleSet rules;
    const auto& texts = sync::rule_texts();
    for (const std::string& name : names) {
        const auto found = std::ranges::find(texts, name, &sync::RuleText::name);
        if (found == texts.end()) {
            unknown = name;
            return std::nullopt;
        }
        rules.set(static_cast<std::size_t>(found - texts.begin()));
    }
    return rules;
}

std::vector<const Scenario*> scenarios_matching(const std::string& glob) {
    std::vector<const Scenario*> found;
    for (const Scenario& scenario : scenarios::all()) {
        if (fnmatch(glob.c_str(), std::string(scenario.name).c_str(), 0) == 0) {
            found.push_back(&scenario);
        }
    }
    return found;
}

ExitStatus status_of(Verdict verdict) {
    switch (verdict) {
        case Verdict::holds:
            return kHolds;
        case Verdict::violated:
            return kViolation;
        case Verdict::incomplete:
            return kIncomplete;
        case Verdict::wrong:
            break;
    }
    return kRefused;
}

/// What outweighs: a refusal, then a violation, then a search that did not end.
int worse(int a, int b) {
    constexpr int kWeight[] = {0, 2, 3, 1};
    return kWeight[a] >= kWeight[b] ? a : b;
}

void print_text(const Scenario& scenario, Model model, const checker::Result& result) {
    fmt::print("{:<20} {:<4} {:<10} {} complete, {} blocked, {} pruned, depth {}, {:.2f} s\n",
               scenario.name, name_of(model), name_of(result.verdict), result.complete,
               result.blocked, result.redundant, result.max_depth, result.seconds);
    if (result.verdict != Verdict::violated && result.verdict != Verdict::wrong) return;
    fmt::print("\n{}\n", result.message);
    if (!result.place.empty()) fmt::print("at {}\n", result.place);
    fmt::print("\n{}\n", result.schedule);
    if (!result.replay.empty()) fmt::print("--replay={}\n\n", result.replay);
}

void print_json(const Scenario& scenario, Model model, const sync::RuleSet& off,
                const Outcome& outcome) {
    const checker::Result& result = outcome.result;
    const nlohmann::ordered_json object = {{"scenario", scenario.name},
                                           {"model", name_of(model)},
                                           {"off", names_of(off)},
                                           {"verdict", name_of(result.verdict)},
                                           {"invariant", result.message},
                                           {"executions",
                                            {{"complete", result.complete},
                                             {"blocked", result.blocked},
                                             {"pruned", result.redundant}}},
                                           {"reached", names_of(outcome.reached)},
                                           {"seconds", result.seconds},
                                           {"replay", result.replay}};
    fmt::print("{}\n", object.dump());
}

/// Without a rule, the declared invariant breaks.
bool breaks_as_declared(const scenarios::Case& one, const Outcome& outcome) {
    return outcome.result.verdict == Verdict::violated &&
           outcome.result.message.find(one.breaks) != std::string::npos &&
           (outcome.reached & one.off) == one.off;
}

}  // namespace

int refuse(const std::string& what, const std::string& why) {
    fmt::print(stderr, "surefoot: {}: {}\n", what, why);
    return kRefused;
}

int check_scenarios(const CheckArguments& arguments) {
    std::string unknown;
    const auto off = rules_named(arguments.off, unknown);
    if (!off) return refuse("--off=" + unknown, "no such rule (surefoot list rules)");
    std::vector<Model> models{Model::sc, Model::tso};
    if (!arguments.model.empty()) models = {arguments.model == "sc" ? Model::sc : Model::tso};
    std::vector<std::string> globs = arguments.scenarios;
    if (globs.empty()) globs.emplace_back("*");
    int status = kHolds;
    for (const std::string& glob : globs) {
        const auto chosen = scenarios_matching(glob);
        if (chosen.empty()) return refuse(glob, "no such scenario (surefoot list scenarios)");
        for (const Scenario* const scenario : chosen) {
            for (const Model model : models) {
                checker::Options options = arguments.options;
                options.model = model;
                const Outcome outcome = scenarios::run(*scenario, options, *off);
                if (arguments.json) {
                    print_json(*scenario, model, *off, outcome);
                } else {
                    print_text(*scenario, model, outcome.result);
                }
                status = worse(status, status_of(outcome.result.verdict));
            }
        }
    }
    return status;
}

int check_all_rules(const CheckArguments& arguments) {
    int status = kHolds;
    for (const scenarios::Case& one : scenarios::cases()) {
        checker::Options options = arguments.options;
        options.model = one.model;
        const Scenario& scenario = *scenarios::find(one.scenario);
        const Outcome on = scenarios::run(scenario, options);
        const Outcome off = scenarios::run(scenario, options, one.off);
        const bool good = on.result.verdict == Verdict::holds && breaks_as_declared(one, off);
        if (!good) status = kViolation;
        fmt::print("{:<30} {:<18} {:<4} on: {}, {} executions; off: {}: {}{}\n",
                   fmt::join(names_of(one.off), "+"), one.scenario, name_of(one.model),
                   name_of(on.result.verdict), on.result.complete, name_of(off.result.verdict),
                   off.result.message, good ? "" : "  NOT AS DECLARED");
    }
    return status;
}

int list(const std::string& what) {
    if (what == "scenarios") {
        for (const Scenario& one : scenarios::all())
            fmt::print("{:<20} {}\n", one.name, one.summary);
    } else if (what == "rules") {
        for (const sync::RuleText& one : sync::rule_texts())
            fmt::print("{:<30} {}\n", one.name, one.text);
    } else {
        fmt::print(
            "sc     steps of all CPUs in one order\n"
            "tso    x86: stores wait in a buffer\n");
    }
    return kHolds;
}

int explain(const std::string& name) {
    if (const Scenario* const scenario = scenarios::find(name)) {
        fmt::print("{}: {}\n", scenario->name, scenario->summary);
        return kHolds;
    }
    std::string unknown;
    const auto rules = rules_named({name}, unknown);
    if (!rules) return refuse(name, "no such rule or scenario");
    const auto& texts = sync::rule_texts();
    fmt::print("{}: {}\n", name, std::ranges::find(texts, name, &sync::RuleText::name)->text);
    for (const scenarios::Case& one : scenarios::cases()) {
        if ((one.off & *rules).none()) continue;
        fmt::print("Off: {} breaks: {}\n", one.scenario, one.breaks);
        fmt::print("    surefoot check {} --model={} --off={}\n", one.scenario, name_of(one.model),
                   fmt::join(names_of(one.off), " --off="));
    }
    return kHolds;
}

}  // namespace surefoot::tools
