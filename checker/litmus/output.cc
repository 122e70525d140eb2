// What herd7 prints, but for its Time and Hash lines; and the same as JSON.

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "litmus/litmus.hpp"

namespace surefoot::litmus {
namespace {

std::string to_string(const Location& location) {
    return location.process ? fmt::format("{}:{}", *location.process, location.name)
                            : fmt::format("[{}]", location.name);
}

std::string to_string(const Value& value) {
    return value.address_of.empty() ? std::to_string(value.number) : value.address_of;
}

class PropositionText {
    using Kind = Proposition::Kind;

  public:
    explicit PropositionText(const Test& test) : test_(test) {}

    /// `above`: the operator that this is an operand of.
    std::string text(const Proposition& proposition, Kind above) const {
        const auto& parts = proposition.parts;
        switch (proposition.kind) {
            case Kind::always:
                return "true";
            case Kind::equal:
                return equality(proposition);
            case Kind::negation:
                if (parts[0].kind == Kind::always) return "false";
                return "not (" + text(parts[0], Kind::always) + ")";
            case Kind::conjunction:
                return joined(proposition, " /\\ ", above);
            case Kind::disjunction:
                return joined(proposition, " \\/ ", above);
            default:
                return joined(proposition, " => ", above);
        }
    }

  private:
    std::string equality(const Proposition& proposition) const {
        std::string right;
        if (const auto* location = std::get_if<Location>(&proposition.right)) {
            right = to_string(*location);
        } else {
            const auto [number, address_of] = std::get<Constant>(proposition.right);
            right = address_of == 0 ? std::to_string(number) : test_.variables[address_of - 1].name;
        }
        return to_string(proposition.left) + "=" + right;
    }

    std::string joined(const Proposition& proposition, std::string_view sign, Kind above) const {
        std::string result;
        for (const Proposition& part : proposition.parts) {
            if (!result.empty()) result += sign;
            result += text(part, proposition.kind);
        }
        return needs_parentheses(proposition.kind, above) ? "(" + result + ")" : result;
    }

    static bool needs_parentheses(Kind here, Kind above) {
        if (above == Kind::always || above == here) return false;
        return !(above == Kind::disjunction && here == Kind::conjunction);
    }

    const Test& test_;
};

std::string condition_text(const Test& test) {
    const std::string inner = PropositionText(test).text(test.condition, Proposition::Kind::always);
    switch (test.quantifier) {
        case Quantifier::exists:
            return "exists (" + inner + ")";
        case Quantifier::not_exists:
            return "~exists (" + inner + ")";
        default:
            return "forall (" + inner + ")";
    }
}

std::string_view kind_text(Quantifier quantifier) {
    switch (quantifier) {
        case Quantifier::exists:
            return "Allowed";
        case Quantifier::not_exists:
            return "Forbidden";
        default:
            return "Required";
    }
}

std::string state_text(const Test& test, const State& state) {
    std::string line;
    for (std::size_t i = 0; i < state.size(); ++i)
        line += fmt::format("{}{}={};", i == 0 ? "" : " ", to_string(test.shown[i]),
                            to_string(state[i]));
    return line;
}

std::string_view model_name(checker::Model model) {
    switch (model) {
        case checker::Model::sc:
            return "sc";
        case checker::Model::tso:
            return "tso";
        default:
            return "weak";
    }
}

}  // namespace

bool Outcome::holds(const Test& test) const {
    switch (test.quantifier) {
        case Quantifier::exists:
            return positive > 0;
        case Quantifier::not_exists:
            return positive == 0;
        default:
            return negative == 0;
    }
}

std::string_view Outcome::observation() const {
    if (positive == 0) return "Never";
    return negative == 0 ? "Always" : "Sometimes";
}

std::string to_text(const Test& test, const Outcome& outcome) {
    std::string text = fmt::format("Test {} {}\nStates {}\n", test.name, kind_text(test.quantifier),
                                   outcome.states.size());
    for (const auto& [state, executions] : outcome.states)
        text += state_text(test, state) + "\n";
    // Witnesses are for or against what the quantifier asks.
    const bool inverted = test.quantifier == Quantifier::not_exists;
    text +=
        fmt::format("{}\nWitnesses\nPositive: {} Negative: {}\n", outcome.holds(test) ? "Ok" : "No",
                    inverted ? outcome.negative : outcome.positive,
                    inverted ? outcome.positive : outcome.negative);
    if (outcome.data_race) text += "Flag data-race\n";
    return text + "Condition " + condition_text(test) + "\n" + observation_line(test, outcome);
}

std::string observation_line(const Test& test, const Outcome& outcome) {
    return fmt::format("Observation {} {} {} {}", test.name, outcome.observation(),
                       outcome.positive, outcome.negative);
}

std::string to_json(std::string_view file, const Test& test, const Outcome& outcome) {
    auto states = nlohmann::ordered_json::array();
    for (const auto& [state, executions] : outcome.states) {
        nlohmann::ordered_json object;
        for (std::size_t i = 0; i < state.size(); ++i) {
            auto& member = object[to_string(test.shown[i])];
            if (state[i].address_of.empty()) {
                member = state[i].number;
            } else {
                member = state[i].address_of;
            }
        }
        states.push_back(std::move(object));
    }
    const nlohmann::ordered_json all{
        {"file", file},
        {"name", test.name},
        {"model", model_name(outcome.model)},
        {"condition", condition_text(test)},
        {"ok", outcome.holds(test)},
        {"observation", outcome.observation()},
        {"positive", outcome.positive},
        {"negative", outcome.negative},
        {"states", std::move(states)},
        {"data_race", outcome.data_race},
        {"executions", {{"complete", outcome.complete}, {"blocked", outcome.blocked}}},
        {"exhausted", outcome.exhausted},
        {"estimate", outcome.estimate},
        {"seconds", outcome.seconds}};
    return all.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace surefoot::litmus
