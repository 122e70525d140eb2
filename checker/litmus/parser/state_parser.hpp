#pragma once

// The parts of a test that speak of states: the initial one, and the condition on the final ones.

#include <vector>

#include "litmus/parser/cursor.hpp"

namespace surefoot::litmus {

/// `1:r0=x` of the initial state, until the processes are known.
struct InitialRegister {
    unsigned process;
    Token name;
    Constant value;
};

/// What follows the opening brace, up to the closing one.
std::vector<InitialRegister> parse_initial_state(Cursor& cursor, Variables& variables);

/// What follows the processes: locations, filter, condition. Fills in `test`, whose processes are
/// complete.
void parse_final_state(Cursor& cursor, Variables& variables, Test& test);

/// Every location that the proposition names.
void collect_locations(const Proposition& proposition, std::vector<Location>& into);

}  // namespace surefoot::litmus
