#pragma once

// The Linux kernel's C litmus tests: read one, explore it, print what herd7 prints.
// docs/litmus.md describes the language and how outcomes are counted.

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include <tl/expected.hpp>

#include "litmus/program.hpp"
#include "surefoot/checker/checker.hpp"

namespace surefoot::litmus {

/// @return the test, or the first thing in the text that is wrong
tl::expected<Test, Error> parse(std::string_view text);

/// A number, or the address of a variable. Numbers come first in order, as herd7 has it.
struct Value {
    std::string address_of;  // empty: a number
    std::int64_t number = 0;

    auto operator<=>(const Value&) const = default;
};
/// The values of Test::shown.
using State = std::vector<Value>;

struct Outcome {
    checker::Model model = checker::Model::sc;
    std::map<State, std::uint64_t> states;  // and how many executions ended in each
    std::uint64_t positive = 0;             // executions in which the condition's proposition holds
    std::uint64_t negative = 0;
    std::uint64_t complete = 0;  // those that the filter dropped included
    std::uint64_t blocked = 0;
    bool data_race = false;
    bool exhausted = true;  // false: not every execution was seen
    double estimate = 0;    // of all executions
    double seconds = 0;

    /// What the test's quantifier asks.
    bool holds(const Test& test) const;
    std::string_view observation() const;
};

/// What a search may use, and whom it tells how far it is.
struct Effort {
    unsigned jobs = 1;
    void (*progress)(const sfc_progress* progress, void* context) = nullptr;
};

/// Explores every execution. @return what the program does that no litmus test may do
tl::expected<Outcome, Error> run(const Test& test, checker::Model model, const Effort& effort = {});

/// Lines, the last one with no newline at its end.
std::string to_text(const Test& test, const Outcome& outcome);
/// The last line of to_text().
std::string observation_line(const Test& test, const Outcome& outcome);
/// One object on one line. `file` is where the test came from.
std::string to_json(std::string_view file, const Test& test, const Outcome& outcome);

}  // namespace surefoot::litmus
