// Executions and deadlocks in words.

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <string_view>

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
                                  "into the store buffer",
                                  "drained"};
static_assert(std::size(kNames) == static_cast<std::size_t>(Kind::drain) + 1);

std::string detail_of_access(const Event& event, const Names& names) {
    const std::string name = names.of(event.address);
    if (event.size == 0) return name;
    if (event.effect.first.mode == Mode::read)
        return fmt::format("{} reads {:#x}", name, event.before);
    return fmt::format("{} {:#x} -> {:#x}", name, event.before, event.value);
}

std::string list_of(std::uint64_t cpus) {
    std::string list;
    for (; cpus != 0; cpus &= cpus - 1)
        list += fmt::format("{}{}", list.empty() ? "" : ", ", __builtin_ctzll(cpus));
    return list;
}

}  // namespace

const char* name_of(Kind kind) { return kNames[static_cast<int>(kind)]; }

std::string Machine::name_of(unsigned proc) const {
    const ProcInfo& info = proc_info_[proc];
    if (info.drain) return fmt::format("CPU {}", info.index);
    const Task& task = tasks_[info.index];
    if (task.handler) return fmt::format("irq of CPU {}", task.cpu);
    if (task.name == nullptr) return fmt::format("task {}", task.number);
    const auto has_its_name = [&](const Task& other) {
        return other.name != nullptr && std::string_view(other.name) == task.name;
    };
    const bool unique = std::count_if(tasks_, tasks_ + task_count_, has_its_name) == 1;
    return unique ? task.name : fmt::format("{} (task {})", task.name, task.number);
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
        const std::string detail = detail_of(event);
        text += fmt::format("{:>4} {:<12} {}{}{}\n", i + 1, name_of(event.proc),
                            engine::name_of(event.kind), detail.empty() ? "" : " ", detail);
    }
    return text;
}

std::string Machine::detail_of(const Event& event) const {
    switch (event.kind) {
        case Kind::choose:
            return std::to_string(event.value);
        case Kind::irq_send:
            return "to CPU " + list_of(event.value);
        case Kind::irq_enter:
            return "of " + name_of(trace_[event.from - 1].proc);
        default:
            return event.address != 0 ? detail_of_access(event, names_) : "";
    }
}

std::string Machine::describe_stuck() const {
    std::string text = "deadlock:";
    for (unsigned i = 0; i < task_count_; ++i) {
        const Task& task = tasks_[i];
        if (task.life != Life::alive || task.handler || task.op == nullptr) continue;
        text += text.back() == ':' ? " " : ", ";
        text += name_of(task.proc) + ' ' + wait_of(*task.op, names_, blocker_of(*task.op));
    }
    return text;
}

/// Who holds the lock that the step waits for, or is to end before it.
std::string Machine::blocker_of(const Op& op) const {
    if (op.kind == Kind::join) return name_of(tasks_[op.a].proc);
    if (op.kind != Kind::lock && op.kind != Kind::lock_shared) return {};
    const Lock& lock = const_cast<Tables&>(tables_).lock(op.address);
    if (lock.writer != 0) return name_of(lock.writer - 1U);
    return lock.readers != 0 ? fmt::format("{} readers", lock.readers) : "";
}

}  // namespace surefoot::checker::engine
