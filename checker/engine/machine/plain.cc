// Plain data. An access is no step: it happens with its task's latest one, and races with any that
// conflicts and that happens-before does not order, whichever of the two came first here.

#include "engine/machine/machine.hpp"

namespace surefoot::checker::engine {

/// What follows is no step, but may become known to others: an end of the task, of a section
/// without interrupts. What came before gets a step for it.
void Machine::end_plain_accesses(Task& task) {
    if (!task.touched) return;
    Op op{.kind = Kind::boundary};
    step(op);
}

/// Between the latest step of the process and its next one.
Point Machine::here(unsigned proc, const void* pc) const {
    return {static_cast<std::uint8_t>(proc), last_[proc], cpus_[cpu_of(proc)].issued, pc};
}

/// What happens before the next step of the process.
Machine::Past Machine::past_of(unsigned proc) const {
    const Stamp latest = last_[proc] != 0 ? last_[proc] : tasks_[task_of(proc)].parent;
    return {this, proc, latest != 0 ? &clocks_[latest - 1] : nullptr};
}

/// What happens before the step at hand, as far as it does not come of what that step touches.
Machine::Past Machine::past_of(const Event& event) const {
    return {this, issuer(event), &clocks_[depth_]};
}

/// Known is a later step of that process, or a store that it issued later: buffers are in order.
bool Machine::Past::operator()(const Point& point) const {
    if (point.proc == proc) return true;
    if (clock == nullptr) return false;
    if (clock->at[point.proc] > point.after) return true;
    if (!machine->buffered()) return false;
    Stamp drained = clock->at[machine->cpus_[machine->cpu_of(point.proc)].drain];
    while (drained != 0 && machine->trace_[drained - 1].expected != point.proc)
        drained = machine->trace_[drained - 1].previous;
    return drained != 0 && machine->trace_[drained - 1].issue > point.issued;
}

bool Machine::Past::operator()(Stamp step) const {
    const Event& event = machine->trace_[step - 1];
    return machine->issuer(event) == proc || (clock != nullptr && clock->at[event.proc] >= step);
}

/// The process whose access the step is.
unsigned Machine::issuer(const Event& event) const {
    return event.kind == Kind::drain ? static_cast<unsigned>(event.expected) : event.proc;
}

Access Machine::marked_access(const Event& event) const {
    return {.at = {.proc = static_cast<std::uint8_t>(issuer(event)), .pc = event.pc},
            .write = event.effect.first.mode == Mode::write,
            .kind = event.kind == Kind::drain ? static_cast<Kind>(event.sub) : event.kind};
}

/// The marked accesses since the last write, and that one: those before it come before it.
const Event* Machine::find_marked_race(Address granule, const Access& access, const Past& past) {
    const Event* found = nullptr;
    const auto try_one = [&](Stamp step) {
        if (!past(step)) found = &trace_[step - 1];
    };
    tables_.for_words(granule, access.bytes, [&](const Word& word) {
        Stamp write = word.last_write;
        while (write != 0 && issuer(trace_[write - 1]) == access.at.proc &&
               trace_[write - 1].kind == Kind::drain)
            write = trace_[write - 1].previous_write;
        if (write != 0) try_one(write);
        if (!access.write) return;
        for (ProcSet left = word.readers; left != 0; left &= left - 1)
            try_one(word.read_at[__builtin_ctzll(left)]);
    });
    return found;
}

std::optional<Finding> Machine::judge_plain(Address granule, const Access& access,
                                            const Past& past) {
    if (const auto wrong = misuse(memory_, granule, access, past)) return wrong;
    if (const Access* const other = shadow_.find_race(granule, access, past))
        return race(granule, *other, access);
    const Event* const event = find_marked_race(granule, access, past);
    if (event == nullptr) return std::nullopt;
    Access other = marked_access(*event);
    for_granules(event->address, event->size, [&](Address at, std::uint8_t bytes) {
        other.bytes = bytes;
        return at != granule;
    });
    return race(granule, other, access);
}

/// What is wrong with a step that touches memory, by itself or together with a plain access.
std::optional<Finding> Machine::judge(const Event& event) {
    if (event.address == 0 || event.kind == Kind::free_memory) return std::nullopt;
    const Past past = past_of(event);
    Access access = marked_access(event);
    std::optional<Finding> found = misuse(memory_, event.address, access, past);
    if (!shadow_.used()) return found;
    for_granules(event.address, event.size, [&](Address granule, std::uint8_t bytes) {
        access.bytes = bytes;
        if (found) return false;
        if (const Access* const other = shadow_.find_race(granule, access, past))
            found = race(granule, *other, access);
        return true;
    });
    return found;
}

void Machine::plain(Address address, std::size_t size, bool write, const void* pc) {
    Task& task = tasks_[task_of(current_)];
    settle();
    const Past past = past_of(task.proc);
    Access access{.at = here(task.proc, pc), .write = write};
    task.touched = true;
    for_granules(address, size, [&](Address granule, std::uint8_t bytes) {
        access.bytes = bytes;
        if (const auto found = judge_plain(granule, access, past)) report(*found);
        shadow_.note(granule, access);
        return true;
    });
    if (buffered()) show_buffered(task.cpu, address, size, pc);
}

/// The task goes on, unless the execution ends here: which of the two comes later, and would stand
/// still, is not the same in all executions that are equal otherwise.
void Machine::report(const Finding& finding) {
    std::string message =
        finding.message(names_, name_of(finding.earlier.at.proc), name_of(finding.later.at.proc));
    if (limits_.stop_at_error) return fail(std::move(message), finding.later.at.pc);
    book_failure(std::move(message), finding.later.at.pc, false);
}

}  // namespace surefoot::checker::engine
