// Executions and deadlocks in words.

#include <fmt/format.h>

#include <iterator>

#include "engine/machine/machine.hpp"

namespace surefoot::checker::engine {
namespace {

constexpr const char* kNames[] = {"step",
                                  "load",
                                  "store",
                                  "rmw",
                                  "cas",
                                  "rmw",
                                  "await",
                                  "fence",
                                  "choose",
                                  "stop",
                                  "lock",
                                  "trylock",
                                  "unlock",
                                  "lock shared",
                                  "trylock shared",
                                  "unlock shared",
                                  "downgrade",
                                  "is locked",
                                  "sleep",
                                  "woken",
                                  "wake",
                                  "rcu_read_lock",
                                  "rcu_read_unlock",
                                  "grace period begins",
                                  "grace period is over",
                                  "callback ends",
                                  "rcu_barrier begins",
                                  "rcu_barrier",
                                  "spawn",
                                  "join",
                                  "interrupts off",
                                  "send interrupt",
                                  "interrupt begins",
                                  "interrupt ends",
                                  "interrupt was handled",
                                  "translate",
                                  "invalidate TLB",
                                  "allocate",
                                  "generation",
                                  "free",
                                  "plain accesses end",
                                  "drained"};
static_assert(std::size(kNames) == static_cast<std::size_t>(Kind::drain) + 1);

std::string detail(const Event& event, const Names& names) {
    if (event.address == 0) return event.kind == Kind::choose ? std::to_string(event.value) : "";
    const std::string name = names.of(event.address);
    if (event.size == 0) return name;
    if (event.effect.first.mode == Mode::read)
        return fmt::format("{} reads {:#x}", name, event.before);
    return fmt::format("{} {:#x} -> {:#x}", name, event.before, event.value);
}

}  // namespace

const char* name_of(Kind kind) { return kNames[static_cast<int>(kind)]; }

std::string Machine::name_of(unsigned proc) const {
    const ProcInfo& info = proc_info_[proc];
    if (info.drain) return fmt::format("CPU {}", info.index);
    const char* const name = tasks_[info.index].name;
    return name != nullptr ? name : fmt::format("task {}", info.index);
}

void Machine::note(const char* text, const void*) { notes_.push_back({depth_, current_, text}); }

std::string Machine::describe() const {
    std::string text;
    auto note = notes_.begin();
    const std::uint32_t end = told_depth();
    for (std::uint32_t i = 0; i <= end; ++i) {
        for (; note != notes_.end() && note->depth == i; ++note)
            text += fmt::format("     {:<12} # {}\n", name_of(note->proc), note->text);
        if (i == end) break;
        const Event& event = trace_[i];
        text += fmt::format("{:>4} {:<12} {} {}\n", i + 1, name_of(event.proc),
                            engine::name_of(event.kind), detail(event, names_));
    }
    return text;
}

std::string Machine::describe_stuck() const {
    std::string text = "deadlock:";
    for (unsigned i = 0; i < task_count_; ++i) {
        const Task& task = tasks_[i];
        if (task.life != Life::alive || task.handler || task.op == nullptr) continue;
        text += text.back() == ':' ? " " : ", ";
        text += task.name != nullptr ? task.name : "task " + std::to_string(i);
        switch (task.op->kind) {
            case Kind::await:
                text += " waits for a value";
                break;
            case Kind::lock:
            case Kind::lock_shared:
                text += " waits for a lock";
                break;
            case Kind::wake_up:
                text += " sleeps (lost wake-up?)";
                break;
            case Kind::grace_end:
                text += " waits for a grace period";
                break;
            case Kind::irq_wait:
                text += " waits for an interrupt to be handled";
                break;
            case Kind::join:
                text += " waits for a task to end";
                break;
            default:
                text += " waits";
                break;
        }
    }
    return text;
}

}  // namespace surefoot::checker::engine
