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
                                  "free",
                                  "plain accesses end",
                                  "drained"};
static_assert(std::size(kNames) == static_cast<std::size_t>(Kind::drain) + 1);

std::string detail(const Event& event) {
    if (event.address == 0) return event.kind == Kind::choose ? std::to_string(event.value) : "";
    if (event.size == 0) return fmt::format("{:#x}", event.address);
    if (event.effect.first.mode == Mode::read)
        return fmt::format("{:#x} reads {:#x}", event.address, event.before);
    return fmt::format("{:#x} {:#x} -> {:#x}", event.address, event.before, event.value);
}

}  // namespace

std::string Machine::name_or_number(unsigned proc) const {
    const ProcInfo& info = proc_info_[proc];
    if (info.drain) return fmt::format("CPU {}", info.index);
    const char* const name = tasks_[info.index].name;
    return name != nullptr ? name : fmt::format("task {}", info.index);
}

std::string Machine::describe() const {
    std::string text;
    for (std::uint32_t i = 0; i < depth_; ++i) {
        const Event& event = trace_[i];
        text += fmt::format("{:>4} {:<12} {} {}\n", i + 1, name_or_number(event.proc),
                            kNames[static_cast<int>(event.kind)], detail(event));
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
