// Explores a test with the engine, and books each execution's final state.

#include <algorithm>
#include <cstring>
#include <utility>

#include "litmus/cpu.hpp"
#include "litmus/litmus.hpp"

namespace surefoot::litmus {
namespace {

class Exploration {
  public:
    Exploration(const Test& test, checker::Model model, const Effort& effort, bool announces_plain)
        : test_(test), effort_(effort) {
        world_.test = &test;
        world_.announces_plain = announces_plain;
        outcome_.model = model;
    }

    checker::Result run();
    const std::optional<Error>& refused() const { return world_.refused; }
    Outcome take() { return std::move(outcome_); }

  private:
    void setup();
    void finish();
    std::int64_t value(const Location& location) const;
    bool holds(const Proposition& proposition) const;
    void add(const sfc_outcome_count& told);
    Value shown(std::int64_t raw) const;

    const Test& test_;
    const Effort& effort_;
    World world_;
    Outcome outcome_;
    std::vector<Cpu*> cpus_;
};

void Exploration::setup() {
    const std::size_t count = test_.variables.size();
    world_.words = static_cast<std::int64_t*>(
        sfc_alloc(sizeof(std::int64_t) * (count + 1), alignof(std::int64_t), nullptr));
    for (unsigned i = 0; i < count; ++i) {
        world_.words[i] = world_.value(test_.variables[i].initial);
    }
    cpus_.clear();
    for (unsigned i = 0; i < test_.processes.size(); ++i) {
        cpus_.push_back(&Cpu::make(world_, i));
        sfc_spawn([](void* cpu) { static_cast<Cpu*>(cpu)->run(); }, cpus_.back(),
                  static_cast<int>(i), nullptr);
    }
}

std::int64_t Exploration::value(const Location& location) const {
    return location.process ? cpus_[*location.process]->slot(location.index)
                            : world_.words[location.index];
}

Value Exploration::shown(std::int64_t raw) const {
    if (const auto variable = world_.variable_at(raw)) return {test_.variables[*variable].name, 0};
    return {{}, raw};
}

bool Exploration::holds(const Proposition& proposition) const {
    using Kind = Proposition::Kind;
    const auto& parts = proposition.parts;
    const auto holds_part = [&](const Proposition& part) { return holds(part); };
    switch (proposition.kind) {
        case Kind::always:
            return true;
        case Kind::negation:
            return !holds(parts[0]);
        case Kind::conjunction:
            return std::all_of(parts.begin(), parts.end(), holds_part);
        case Kind::disjunction:
            return std::any_of(parts.begin(), parts.end(), holds_part);
        case Kind::implication:
            return !holds(parts[0]) || holds(parts[1]);
        default:
            break;
    }
    const auto* location = std::get_if<Location>(&proposition.right);
    const std::int64_t right = location != nullptr
                                   ? value(*location)
                                   : world_.value(std::get<Constant>(proposition.right));
    return value(proposition.left) == right;
}

/// Tells whether the proposition holds, and the state: executions may run in other processes, and a
/// search may begin anew.
void Exploration::finish() {
    if (test_.filter && !holds(*test_.filter)) return;
    std::vector<std::int64_t> told{holds(test_.condition)};
    for (const Location& location : test_.shown)
        told.push_back(value(location));
    sfc_outcome(told.data(), told.size() * sizeof told[0]);
}

void Exploration::add(const sfc_outcome_count& told) {
    std::vector<std::int64_t> values(told.size / sizeof(std::int64_t));
    std::memcpy(values.data(), told.bytes, told.size);
    State state;
    for (std::size_t i = 1; i < values.size(); ++i)
        state.push_back(shown(values[i]));
    outcome_.states[std::move(state)] += told.executions;
    (values[0] != 0 ? outcome_.positive : outcome_.negative) += told.executions;
}

checker::Result Exploration::run() {
    const sfc_program program{
        .name = test_.name.c_str(),
        .setup = [](void* self) { static_cast<Exploration*>(self)->setup(); },
        .finish = [](void* self) { static_cast<Exploration*>(self)->finish(); },
        .context = this};
    sfc_options options = sfc_default_options();
    options.model = static_cast<sfc_model>(outcome_.model);
    options.deadlock_is_error = false;
    options.jobs = effort_.jobs;
    options.progress = effort_.progress;
    sfc_result raw{};
    sfc_run(&program, &options, &raw);
    outcome_.complete = raw.complete;
    outcome_.blocked = raw.blocked;
    outcome_.exhausted = raw.verdict != SFC_INCOMPLETE;
    outcome_.estimate = raw.estimate;
    outcome_.seconds = raw.seconds;
    for (std::size_t i = 0; i < raw.outcome_count; ++i)
        add(raw.outcomes[i]);
    checker::Result result;
    result.verdict = static_cast<checker::Verdict>(raw.verdict);
    result.message = raw.message;
    sfc_result_free(&raw);
    return result;
}

bool is_plain(const Instruction& instruction) {
    return instruction.op == Op::plain_load || instruction.op == Op::plain_store;
}

bool has_plain_accesses(const Test& test) {
    return std::any_of(test.processes.begin(), test.processes.end(), [](const Process& process) {
        return std::any_of(process.code.begin(), process.code.end(), is_plain);
    });
}

}  // namespace

tl::expected<Outcome, Error> run(const Test& test, checker::Model model, const Effort& effort) {
    // Plain accesses are announced, and the first race ends the search: then the states are found
    // by a second one, in which plain accesses race as marked ones do.
    bool announces = has_plain_accesses(test);
    bool races = false;
    for (;;) {
        Exploration exploration(test, model, effort, announces);
        const checker::Result result = exploration.run();
        if (exploration.refused()) return tl::unexpected(*exploration.refused());
        if (result.verdict == checker::Verdict::violated && announces) {
            races = true;
            announces = false;
            continue;
        }
        if (result.verdict == checker::Verdict::violated ||
            result.verdict == checker::Verdict::wrong) {
            return tl::unexpected(Error{{0, 0}, result.message});
        }
        Outcome outcome = exploration.take();
        outcome.data_race = races;
        return outcome;
    }
}

}  // namespace surefoot::litmus
