#pragma once

// What a row of the table is. A row is made when it is chosen, so that listing costs nothing.

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace surefoot::bench {

enum class Column : std::uint8_t {
    surefoot,
    /// What the machine can't do faster, by a micro-loop in the same run.
    limit,
    /// The host kernel by system calls, exceptions included.
    host,
    /// The same without the exception, e.g. MAP_POPULATE.
    host_bare,
    /// Surefoot with one lock around every operation.
    global_lock,
    /// A plain table of pointers under one mutex: the floor of the data structure.
    radix,
    /// Another program, measured elsewhere (docs/performance.md says which and where).
    published,
};
inline constexpr std::size_t kColumns = 7;

/// One operation's cost in one round. Rows that count bytes or instructions use both fields alike.
struct Reading {
    double wall = 0;
    double cpu = 0;
};

struct Case {
    Column column;
    std::function<Reading()> round;
};

struct Target {
    enum class Kind : std::uint8_t { ratio, at_most, at_least };
    Kind kind = Kind::ratio;
    double value = 0;
};

/// How much a round does: a smoke test wants to see each row work, once.
struct Scale {
    bool smoke = false;
    std::uint64_t operations(std::uint64_t full) const { return smoke ? 16 : full; }
};

struct Row {
    std::string name;
    std::string unit;
    std::string what;
    std::optional<Target> target;
    /// Thread-CPU time leaves out what neighbours on a shared machine take; work of several
    /// processes only wall time sees.
    enum class Clock : std::uint8_t { cpu, wall } clock = Clock::cpu;
    unsigned rounds = 60;
    std::function<std::vector<Case>(const Scale&)> make{};
};

}  // namespace surefoot::bench
