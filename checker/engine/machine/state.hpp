#pragma once

// What an execution changes in the machine, apart from its trace, memory and tables. It is one
// value, so that an execution can go back to where it was.

#include <cstdint>
#include <string>
#include <vector>

#include "engine/machine/clock.hpp"
#include "engine/machine/fibers.hpp"
#include "engine/machine/step.hpp"
#include "engine/machine/tables.hpp"
#include "engine/memory/names.hpp"

namespace surefoot::checker::engine {

class Machine;

/// Why an execution failed.
struct Failure {
    bool happened = false;
    bool mistake = false;  // of the program or its use of the checker, not a violation
    std::string message;
    const void* pc = nullptr;
    std::uint32_t depth = 0;  // steps before it
};

/// The machine is derived from it: its own value is the present one.
struct ExecutionState {
    static constexpr unsigned kMaxCpuSlots = SFC_MAX_CPUS + SFC_MAX_TASKS;
    static constexpr unsigned kMaxTasks = SFC_MAX_TASKS + SFC_MAX_CPUS;  // interrupt sides too

    enum class Life : std::uint8_t { unborn, alive, ended };

    struct Task {
        Life life = Life::unborn;
        std::uint8_t proc = 0;
        std::uint8_t cpu = 0;
        std::uint8_t number = 0;
        bool handler = false;   // the interrupt side of its CPU
        bool touched = false;   // plain data, since its latest step
        Stamp parent = 0;       // event that it begins after
        Stamp irq_section = 0;  // event that switched interrupts off
        std::uint16_t irqs_off = 0;
        std::uint16_t children = 0;
        std::uint32_t grace = 0;  // of a callback
        Op* op = nullptr;
        Machine* machine = nullptr;
        Fiber fiber;
        Fiber* starter = nullptr;  // waits for this task to announce its first step
        unsigned starter_proc = 0;
        void (*body)(void*) = nullptr;
        void* argument = nullptr;
        const char* name = nullptr;
        // spin detection
        const void* spin_pc = nullptr;
        Stamp spin_from = 0;
        std::uint32_t spins = 0;
        Stamp woken = 0;  // the wake that ended its sleep
        // address dependency
        sfc_token last_load = 0;
    };

    struct Buffered {
        Kind kind = Kind::store;
        std::uint8_t size = 0;
        std::uint8_t proc = 0;
        std::uint8_t sub = 0;
        std::uint32_t object = 0;
        Address address = 0;
        std::uint64_t value = 0;
        Stamp issued_after = 0;
        Stamp issued_at = 0;  // the latest event of all
        std::uint32_t issue = 0;
        Stamp forwarded[2] = {0, 0};  // latest load that it answered: of its task, of the handler
        const void* pc = nullptr;
    };

    struct Pending {
        void (*handler)(void*) = nullptr;
        void* argument = nullptr;
        unsigned ticket = 0;
        Stamp sent = 0;
    };

    /// What sfc_tlb_invalidate() or a fault dropped.
    struct Invalidation {
        std::uint32_t asid;
        std::uint64_t va, end;
        Stamp at;
        std::uint32_t issued;  // stores of that CPU so far
    };

    struct Cpu {
        bool used = false;
        std::uint8_t drain = 0;     // process of its store buffer
        std::uint8_t owner = 0;     // task that ran there last
        std::uint8_t irq_task = 0;  // index of its handler side, valid if has_irq
        bool has_irq = false;
        bool in_irq = false;
        std::uint32_t issued = 0;  // stores so far
        std::uint32_t head = 0, tail = 0;
        std::vector<Buffered> buffer;
        std::vector<Pending> pending;
        Pending handling;
        std::vector<Invalidation> invalidations;
        Stamp last_irq = 0;   // latest delivery
        Stamp last_section = 0;  // without interrupts, that began
        Stamp last_send = 0;  // of an interrupt to this CPU
        bool empty() const { return head == tail; }
    };

    struct ProcInfo {
        bool drain = false;
        std::uint8_t index = 0;  // task or CPU
    };

    struct Ticket {
        unsigned waiting = 0;
        std::vector<Stamp> acks;
    };

    struct Note {
        std::uint32_t depth;
        unsigned proc;
        const char* text;
    };

    /// Bytes that the running task touches by itself until its next call.
    struct Window {
        Address address = 0;
        std::uint8_t size = 0;
        bool stores = false;      // into the store buffer, even what is there already
        Stamp step = 0;           // that announced it; 0: what was there comes back
        std::uint64_t under = 0;  // what was there
        std::uint64_t shown = 0;  // what its CPU sees there
        const void* pc = nullptr;
    };

    ExecutionState() = default;
    ~ExecutionState() = default;
    ExecutionState(const ExecutionState&) = delete;
    /// Copies what is in use, and keeps the memory that is there already: executions are many.
    ExecutionState& operator=(const ExecutionState& other);

    std::uint32_t depth_ = 0;

    // processes
    Stamp last_[kMaxProcs] = {};
    ProcInfo proc_info_[kMaxProcs];
    ProcSet active_ = 0;
    std::vector<unsigned> made_;  // processes, in order
    unsigned current_ = 0;
    Fiber root_;                // asks for the first step
    Fiber* resumes_ = nullptr;  // goes on when this is the present state again
    Task tasks_[kMaxTasks];
    unsigned task_count_ = 0;
    unsigned spawned_ = 0;  // of those, tasks of the program and callbacks
    unsigned setup_children_ = 0;
    Cpu cpus_[kMaxCpuSlots];
    unsigned cpus_end_ = 0;  // none from here on is used

    std::vector<Ticket> tickets_;
    std::vector<Grace> graces_;
    std::uint32_t next_grace_ = 0;
    // the latest spawn, and who sent interrupts since
    Stamp last_spawn_ = 0;
    ProcSet senders_ = 0;
    Stamp sent_at_[kMaxProcs] = {};
    std::vector<Window> windows_;
    Names names_;
    std::vector<Note> notes_;
    Failure failure_;
    const void* last_pc_ = nullptr;
    sfc_switch_hook hook_ = nullptr;
    void* hook_context_ = nullptr;
};

}  // namespace surefoot::checker::engine
