// Graphs and deadlocks in words.

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <string_view>

#include "engine/weak/branches.hpp"
#include "engine/weak/machine.hpp"

namespace surefoot::checker::engine::weak {

std::string Machine::message(const Finding& finding) const {
    return finding.message(names_, name_of(finding.earlier.at.proc),
                           name_of(finding.later.at.proc));
}

std::string Machine::name_of(unsigned number) const {
    const char* const name = tasks_[number].name;
    if (name == nullptr) return fmt::format("task {}", number);
    const auto has_its_name = [name](const Task& other) {
        return other.name != nullptr && std::string_view(other.name) == name;
    };
    const bool unique = std::count_if(std::begin(tasks_), std::end(tasks_), has_its_name) == 1;
    return unique ? name : fmt::format("{} (task {})", name, number);
}

std::string Machine::describe_deadlock() const {
    std::string text = "deadlock:";
    for (const Task& task : tasks_) {
        if (!task.alive || task.ended) continue;
        text += text.back() == ':' ? " " : ", ";
        text += name_of(task.number) + ' ' + wait_of(*task.op, names_, blocker_of(*task.op));
    }
    return text;
}

/// Who holds the lock that the step waits for, or is to end before it.
std::string Machine::blocker_of(const Op& op) const {
    if (op.kind == Kind::join) return name_of(static_cast<unsigned>(op.a));
    if (!takes_lock(op.kind)) return {};
    std::string holders;
    for (const Task& task : tasks_)
        for (const auto& [address, shared] : task.locks)
            if (address == op.address)
                holders += (holders.empty() ? "" : ", ") + name_of(task.number);
    return holders;
}

std::string Machine::describe() const {
    std::map<const Event*, unsigned> numbers;
    for (unsigned task = 0; task < SFC_MAX_TASKS; ++task)
        for (unsigned place = 0; place < graph_.count(task); ++place)
            numbers.emplace(graph_.at(task, place), static_cast<unsigned>(numbers.size()) + 1);
    const auto source_of = [&](const Event& event) {
        return event.source == nullptr ? "the beginning" : std::to_string(numbers.at(event.source));
    };
    std::string text;
    for (unsigned task = 0; task < SFC_MAX_TASKS; ++task) {
        for (unsigned place = 0; place < graph_.count(task); ++place) {
            const Event& event = *graph_.at(task, place);
            text += fmt::format("{:>4} {:<12} {}", numbers.at(&event), name_of(task),
                                engine::name_of(event.op.kind));
            if (event.op.address != 0) text += ' ' + names_.of(event.op.address);
            if (event.reads && event.op.size != 0) text += fmt::format(" {:#x}", event.read);
            if (event.writes && event.op.size != 0) text += fmt::format(" -> {:#x}", event.written);
            if (event.reads) text += " from " + source_of(event);
            text += '\n';
        }
    }
    return text;
}

}  // namespace surefoot::checker::engine::weak
