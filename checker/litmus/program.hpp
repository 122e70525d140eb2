#pragma once

// A litmus test as the parser leaves it: processes as straight code over numbered slots, so that
// running one needs neither recursion nor memory. Everything that can fail later has its place.

#include <compare>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "surefoot/checker/engine.h"

namespace surefoot::litmus {

/// Lines and columns count from 1; line 0 is no place.
struct Place {
    unsigned line = 1;
    unsigned column = 1;
};

struct Error {
    Place place;
    std::string what;
};

/// What a word can hold: a number, or the address of a shared variable (its number counts from 1).
struct Constant {
    std::int64_t number = 0;
    unsigned address_of = 0;
};

enum class VariableKind : std::uint8_t { word, spinlock, srcu };

struct Variable {
    std::string name;
    std::optional<VariableKind> kind;  // none: used without a type, hence a word
    Constant initial;
};

using Slot = std::uint16_t;

/// Address dependencies are sets of loads, a bit each.
constexpr unsigned kMostLoads = 64;

/// Of a process, and of a test: finding names and exploring takes time by their square.
constexpr std::size_t kMostInstructions = 1024, kMostSlots = 4096, kMostVariables = 1024;

enum class Op : std::uint8_t {
    // slot = function of slots
    copy,
    negate,
    complement,
    logical_not,
    add,
    subtract,
    multiply,
    divide,
    remainder,
    bit_and,
    bit_or,
    bit_xor,
    shift_left,
    shift_right,
    equal,
    not_equal,
    less,
    less_equal,
    greater,
    greater_equal,
    // control: to `target`, if slot a is zero
    jump,
    jump_if_zero,
    // memory: slot a is the address
    load,
    store,
    plain_load,
    plain_store,
    rmw,
    compare_exchange,
    add_unless,
    // fences; the last four count only beside the operation that they name
    fence,
    before_atomic,
    after_atomic,
    after_spinlock,
    after_unlock_lock,
    compiler_barrier,
    lock,
    unlock,
    try_lock,
    is_locked,
    rcu_read_lock,
    rcu_read_unlock,
    synchronize_rcu,
    srcu_read_lock,
    srcu_read_unlock,
    synchronize_srcu,
};

struct Instruction {
    Op op;
    sfc_order order = SFC_RELAXED;
    sfc_rmw_op rmw = SFC_XCHG;
    sfc_fence_kind fence = SFC_MB;
    Slot result = 0;
    Slot a = 0, b = 0, c = 0;
    std::uint32_t target = 0;
    Place place = {};
};

struct Register {
    std::string name;
    Slot slot;
};

struct Process {
    std::vector<Instruction> code;
    std::vector<Constant> slots;      // with their initial values
    std::vector<Register> registers;  // the slots that have names
};

/// What a condition speaks of: a register at the end of its process, or a variable at the very end.
struct Location {
    std::optional<unsigned> process;
    std::string name;
    unsigned index = 0;  // of the slot, or of the variable
};

struct Proposition {
    enum class Kind : std::uint8_t {
        always,
        equal,
        negation,
        conjunction,
        disjunction,
        implication
    };
    Kind kind = Kind::always;  // `false` is the negation of `true`
    Location left = {};
    std::variant<Constant, Location> right = Constant{};
    std::vector<Proposition> parts = {};
};

enum class Quantifier : std::uint8_t { exists, not_exists, forall };

struct Test {
    std::string name;
    std::vector<Variable> variables;
    std::vector<Process> processes;
    Quantifier quantifier = Quantifier::forall;
    Proposition condition;
    std::optional<Proposition> filter;
    std::vector<Location> shown;  // what a state lists, in order
};

}  // namespace surefoot::litmus
