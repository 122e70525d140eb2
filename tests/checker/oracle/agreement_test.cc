// Random programs, explored by the engine and by an enumerator that shares nothing with it: equal
// counts of complete and of stuck executions, equal outcomes, and none explored twice.
//
// usage: oracle_agreement_test
// [--model=sc|tso|weak|sc-0|sc-1|sc-2|tso-1|sc-announced|tso-announced|irq|all]
// [--seed=N] [--count=N] [--index=N] [--jobs=N] [--snapshots=1] [--order=N]
//
// sc-1 is sc with at most one preemption; sc-announced is sc, with loads, stores and most
// read-modify-writes by the program's own instructions, announced to the engine; irq is sc
// with interrupts, RCU and locks. A difference is
// printed as the least program that shows it. --index runs that one program of the seed named
// before it, and may be given again. --order: the search goes by chance, with that seed.

#include <charconv>
#include <iostream>
#include <string_view>

#include "oracle/axiomatic.hpp"
#include "oracle/engine_side.hpp"
#include "oracle/interrupts.hpp"
#include "oracle/operational.hpp"
#include "oracle/random_program.hpp"

namespace surefoot::oracle {
namespace {

struct Model {
    const char* name;
    sfc_model model;
    Enumeration (*enumerate)(std::vector<Cpu>);  // null: with interrupts
    unsigned most_operations;                    // so that the enumerator can finish
    int bound = EngineSide::kUnbounded;
    bool announced = false;

    bool interrupts() const { return enumerate == nullptr; }
    bool bounded() const { return bound != EngineSide::kUnbounded; }
};
constexpr Model kModels[] = {
    {"sc", SFC_SC, enumerate_sc, 11},
    {"tso", SFC_TSO, enumerate_tso, 10},
    {"weak", SFC_WEAK, enumerate_weak, 8},
    {"sc-0", SFC_SC, enumerate_bounded<false, 0>, 10, 0},
    {"sc-1", SFC_SC, enumerate_bounded<false, 1>, 10, 1},
    {"sc-2", SFC_SC, enumerate_bounded<false, 2>, 10, 2},
    {"tso-1", SFC_TSO, enumerate_bounded<true, 1>, 9, 1},
    {"sc-announced", SFC_SC, enumerate_sc, 11, EngineSide::kUnbounded, true},
    {"tso-announced", SFC_TSO, enumerate_tso, 10, EngineSide::kUnbounded, true},
    {"irq", SFC_SC, nullptr, 6},
};

struct Comparison {
    bool operational;
    bool may_repeat;
    Enumeration wanted;
    Explored found;

    bool equal() const {
        return found.verdict == SFC_HOLDS && wanted.graphs == found.graphs &&
               (may_repeat || found.redundant == 0) &&
               (!operational || wanted.blocked == found.blocked) &&
               wanted.outcomes == found.outcomes;
    }
};

Program draw(const Model& model, std::uint64_t seed, std::uint64_t index) {
    if (model.interrupts()) return InterruptGenerator(seed, index, model.most_operations).draw();
    return Generator(seed, index, model.most_operations).draw();
}

Enumeration enumerate(const Program& program, const Model& model) {
    if (model.interrupts()) return Interrupts(program).enumerate();
    std::vector<Cpu> cpus;
    for (const List& list : program)
        cpus.push_back(run_list(list));
    return model.enumerate(std::move(cpus));
}

/// How the engine is to search.
struct How {
    unsigned jobs = 1;
    bool snapshots = false;
    std::uint64_t order = 0;
};

Comparison compare(const Program& program, const Model& model, const How& how) {
    const bool weak = model.model == SFC_WEAK;
    return {!weak, weak || model.bounded() || model.interrupts() || how.jobs > 1,
            enumerate(program, model),
            EngineSide(program, model.model, model.bound, model.announced, how.jobs, how.snapshots,
                       model.interrupts(), how.order)
                .explore()};
}

void print_missing(const char* title, const std::set<Outcome>& all, const std::set<Outcome>& of) {
    for (const Outcome& outcome : all)
        if (!of.contains(outcome)) print(std::cout << title, outcome);
}

struct Request {
    std::string_view model = "all";
    std::uint64_t seed = 1;
    std::uint64_t count = 1000;
    How how;
    std::vector<std::pair<std::uint64_t, std::uint64_t>> programs;  // seed and index
};

void report(const Program& program, const Model& model, const How& how, std::uint64_t seed,
            std::uint64_t index) {
    const Program least = minimise(
        program, [&](const Program& candidate) { return !compare(candidate, model, how).equal(); });
    const Comparison comparison = compare(least, model, how);
    const Enumeration& wanted = comparison.wanted;
    const Explored& found = comparison.found;
    std::cout << "\ndifference under " << model.name << "; replay with --model=" << model.name
              << " --seed=" << seed << " --index=" << index << "\n\n";
    print(std::cout, least);
    std::cout << "\nenumerator: " << wanted.graphs << " complete, " << wanted.blocked
              << " stuck\nengine:     " << found.graphs << " complete, " << found.blocked
              << " stuck, " << found.redundant << " redundant";
    if (found.verdict != SFC_HOLDS) std::cout << ", " << found.message;
    std::cout << '\n';
    print_missing("the engine misses", wanted.outcomes, found.outcomes);
    print_missing("the engine invents", found.outcomes, wanted.outcomes);
}

/// @return how many programs differ; it gives up after a few
unsigned run(const Model& model, const Request& request) {
    constexpr unsigned kEnough = 3;
    unsigned differences = 0;
    std::uint64_t graphs = 0, redundant = 0;
    for (const auto& [seed, index] : request.programs) {
        const Program program = draw(model, seed, index);
        const Comparison comparison = compare(program, model, request.how);
        graphs += comparison.wanted.graphs;
        redundant += comparison.found.redundant;
        if (comparison.equal()) continue;
        report(program, model, request.how, seed, index);
        if (++differences == kEnough) break;
    }
    if (model.model == SFC_WEAK && 2 * redundant > graphs) ++differences;  // dead ends
    std::cout << model.name << ": " << request.programs.size() << " programs, " << graphs
              << " complete executions, " << redundant << " redundant ones, " << differences
              << " differences\n";
    return differences;
}

bool parse(std::string_view argument, Request& request) {
    const auto equals = argument.find('=');
    if (equals == argument.npos) return false;
    const std::string_view name = argument.substr(0, equals), value = argument.substr(equals + 1);
    if (name == "--model") {
        request.model = value;
        return true;
    }
    std::uint64_t number = 0;
    const auto end = value.data() + value.size();
    if (std::from_chars(value.data(), end, number).ptr != end) return false;
    if (name == "--seed")
        request.seed = number;
    else if (name == "--jobs")
        request.how.jobs = static_cast<unsigned>(number);
    else if (name == "--snapshots")
        request.how.snapshots = number != 0;
    else if (name == "--order")
        request.how.order = number;
    else if (name == "--count")
        request.count = number;
    else if (name == "--index")
        request.programs.emplace_back(request.seed, number);
    else
        return false;
    return true;
}

int main_of(int count, char** arguments) {
    Request request;
    for (int i = 1; i < count; ++i) {
        if (parse(arguments[i], request)) continue;
        std::cerr << "unknown argument: " << arguments[i] << '\n';
        return 2;
    }
    if (request.programs.empty())
        for (std::uint64_t index = 0; index < request.count; ++index)
            request.programs.emplace_back(request.seed, index);
    unsigned differences = 0, models = 0;
    for (const Model& model : kModels) {
        if (request.model != "all" && request.model != model.name) continue;
        ++models;
        differences += run(model, request);
    }
    if (models == 0) std::cerr << "no such model: " << request.model << '\n';
    return models == 0 ? 2 : differences == 0 ? 0 : 1;
}

}  // namespace
}  // namespace surefoot::oracle

int main(int count, char** arguments) { return surefoot::oracle::main_of(count, arguments); }
