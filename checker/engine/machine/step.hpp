#pragma once

// What a step is: an operation that a process announces, its footprint (what it depends on), and
// the event that it becomes when it runs.

#include <cstdint>

#include "engine/machine/clock.hpp"
#include "surefoot/checker/engine.h"

namespace surefoot::checker::engine {

using Address = std::uintptr_t;

enum class Kind : std::uint8_t {
    none,
    load,
    store,
    rmw,
    cas,
    rmw_call,
    await,
    fence,
    choose,
    stop,  // sfc_assume() that failed: never enabled
    lock,
    try_lock,
    unlock,
    lock_shared,
    try_lock_shared,
    unlock_shared,
    downgrade,
    probe_lock,
    sleep,
    wake_up,  // the sleeper's second half
    wake,
    rcu_lock,
    rcu_unlock,
    grace_start,
    grace_end,
    callback_done,
    barrier_start,
    rcu_barrier,
    spawn,
    join,
    irq_off,
    irq_send,
    irq_enter,
    irq_exit,
    irq_wait,
    translate,
    invalidate,
    allocate,
    generation,
    free_memory,
    boundary,  // of plain accesses, where what comes next is no step
    issue,     // what comes next goes into the store buffer, and an interrupt could come before
    drain,
};

const char* name_of(Kind kind);

/// How a step touches an object. Steps of equal mode R or S commute; R and S do not.
enum class Mode : std::uint8_t {
    none,
    read,     // R
    write,    // conflicts with everything
    scan,     // S: a grace period against sections, an invalidation against entry stores
    entry,    // an interrupt: conflicts with every step of the task on that CPU
    section,  // without interrupts begins: conflicts with every step of other tasks on that CPU
};

/// The object that a step touches: equal footprints or disjoint objects decide whether two steps
/// commute.
struct Footprint {
    std::uint32_t object = 0;
    std::uint8_t bytes = 0;  // which bytes of an 8-byte granule; all of any other object
    Mode mode = Mode::none;
    std::uint8_t cpu = 0;
    bool drain : 1 = false;
    /// A translation: others reach it whatever its own store buffer holds, since memory might be
    /// what the TLB still has.
    bool walk : 1 = false;
    /// The step is a load that its own store buffer answers: steps of others do not reach it
    /// before that many stores of this word have left the buffer.
    std::uint8_t forwarded : 6 = 0;
};
static_assert(sizeof(Footprint) == 8);

inline bool conflict(const Footprint& a, const Footprint& b) {
    if (a.mode >= Mode::entry || b.mode >= Mode::entry)
        return a.cpu == b.cpu && !a.drain && !b.drain;
    if (a.object != b.object || (a.bytes & b.bytes) == 0) return false;
    if (a.mode == Mode::none || b.mode == Mode::none) return false;
    if (a.mode == b.mode) return a.mode == Mode::write;
    if (a.forwarded != 0 || b.forwarded != 0) return false;
    // A CPU reads its own store whether it has left the buffer or not.
    return a.cpu != b.cpu || a.drain == b.drain;
}

/// What a step has to do with the tasks that there are: a spawn takes the next number and CPU, an
/// interrupt goes to the CPUs that have tasks.
enum class Roster : std::uint8_t { none, looks, adds };

/// All that a step touches. Few steps touch a second object.
struct Effect {
    Footprint first, second;
    bool has_second = false;
    Roster roster = Roster::none;
};

inline bool dependent(const Effect& a, const Effect& b) {
    if (conflict(a.first, b.first)) return true;
    if (a.roster != Roster::none && b.roster != Roster::none &&
        (a.roster == Roster::adds || b.roster == Roster::adds))
        return true;
    if (!a.has_second && !b.has_second) return false;
    return (b.has_second && conflict(a.first, b.second)) ||
           (a.has_second && conflict(a.second, b.first)) ||
           (a.has_second && b.has_second && conflict(a.second, b.second));
}

/// An announced operation. It lives on the stack of the task that announces it.
struct Op {
    Kind kind = Kind::none;
    std::uint8_t order = SFC_RELAXED;
    std::uint8_t size = 0;
    std::uint8_t sub =
        0;  // sfc_rmw_op, sfc_compare, sfc_fence_kind, sfc_lock_kind, order of a failed cas
    bool announced = false;  // the program itself writes
    Address address = 0;
    std::uint64_t a = 0, b = 0;
    const void* pc = nullptr;
    std::uint64_t (*change)(std::uint64_t, void*) = nullptr;
    void* context = nullptr;
    void (*handler)(void*) = nullptr;  // of an interrupt
    std::uint64_t result = 0;
};

/// A step that was taken.
struct Event {
    Effect effect;
    std::uint8_t proc = 0;
    Kind kind = Kind::none;
    std::uint8_t size = 0;
    std::uint8_t sub = 0;
    bool irqs_off = false;
    Stamp previous = 0;        // of the same process
    Stamp previous_write = 0;  // of the same word
    Stamp from = 0;            // the write whose value was read
    std::uint32_t place = 0;   // among the events of its process, from 1
    std::uint32_t edges_begin = 0, edges_end = 0;
    std::uint32_t issue = 0;  // of a drain or fence: how many stores had been issued before
    Address address = 0;
    std::uint64_t before = 0;    // the value read, or overwritten
    std::uint64_t value = 0;     // the value written
    std::uint64_t expected = 0;  // of a compare-and-exchange
    const void* pc = nullptr;
};

}  // namespace surefoot::checker::engine
