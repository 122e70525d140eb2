#pragma once

// Vector clocks. The stamp of an event is its position in the trace plus one; a clock holds, for
// each process, the stamp of that process's latest event that happens before.

#include <cstdint>
#include <cstring>

namespace surefoot::checker::engine {

/// Tasks, interrupt handlers and store buffers are processes.
inline constexpr unsigned kMaxProcs = 64;

using Stamp = std::uint32_t;
using ProcSet = std::uint64_t;

inline constexpr ProcSet set_of(unsigned proc) { return ProcSet{1} << proc; }

struct Clock {
    Stamp at[kMaxProcs];

    /// `width` is the number of processes in use, rounded up to a multiple of 4; what lies beyond
    /// is zero and stays so.
    void copy(const Clock& other, unsigned width) {
        for (unsigned i = 0; i < width; i += 4)
            std::memcpy(at + i, other.at + i, 4 * sizeof(Stamp));
    }
    void join(const Clock& other, unsigned width) {
        for (unsigned i = 0; i < width; ++i)
            at[i] = at[i] < other.at[i] ? other.at[i] : at[i];
    }
};

/// A place in the run of a process, between two of its steps.
struct Point {
    std::uint8_t proc = 0;
    Stamp after = 0;           ///< Its latest step.
    std::uint32_t issued = 0;  ///< Stores that its CPU had put into its buffer.
    const void* pc = nullptr;
};

}  // namespace surefoot::checker::engine
