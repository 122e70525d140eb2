// Plain data. An access is no step: it happens with its task's latest one, and races with any that
// conflicts and that happens-before does not order, whichever of the two came first here.

#include <fmt/format.h>

#include "engine/machine/machine.hpp"

namespace surefoot::checker::engine {

/// What follows is no step, but may become known to others: an end of the task, of a section
/// without interrupts. What came before gets a step for it.
void Machine::end_plain_accesses(Task& task) {
    if (!task.touched) return;
    Op op{.kind = Kind::boundary};
    step(op);
}

/// What happens before the next step of the process; null: nothing.
const Clock* Machine::past_of(unsigned proc) const {
    const Stamp latest = last_[proc] != 0 ? last_[proc] : tasks_[task_of(proc)].parent;
    return latest != 0 ? &clocks_[latest - 1] : nullptr;
}

/// Whether the point happens before whatever has this clock: known is a later step of its process,
/// or a store issued later, since buffers are in order.
bool Machine::knows(const Clock* clock, const Point& point) const {
    if (clock == nullptr) return false;
    if (clock->at[point.proc] > point.after) return true;
    if (!buffered()) return false;
    Stamp drained = clock->at[cpus_[cpu_of(point.proc)].drain];
    while (drained != 0 && trace_[drained - 1].expected != point.proc)
        drained = trace_[drained - 1].previous;
    return drained != 0 && trace_[drained - 1].issue > point.issued;
}

/// The task whose access the step is.
unsigned Machine::issuer(const Event& event) const {
    return event.kind == Kind::drain ? static_cast<unsigned>(event.expected) : event.proc;
}

Access Machine::marked_access(const Event& event) const {
    return {.at = {.proc = static_cast<std::uint8_t>(issuer(event)), .pc = event.pc},
            .write = event.effect.first.mode == Mode::write,
            .marked = true};
}

/// The marked accesses since the last write, and that one: those before it come before it.
const Event* Machine::find_marked_race(Address granule, const Access& access, const Clock* past) {
    const Event* found = nullptr;
    const auto try_one = [&](Stamp stamp) {
        const Event& event = trace_[stamp - 1];
        const bool known = past != nullptr && past->at[event.proc] >= stamp;
        if (!known && issuer(event) != access.at.proc) found = &event;
    };
    tables_.for_words(granule, access.bytes, [&](const Word& word) {
        Stamp write = word.last_write;
        while (is_own(write, access.at.proc))
            write = trace_[write - 1].previous_write;
        if (write != 0) try_one(write);
        if (!access.write) return;
        for (ProcSet left = word.readers; left != 0; left &= left - 1)
            try_one(word.read_at[__builtin_ctzll(left)]);
    });
    return found;
}

/// The plain access that the step, a marked one, races with.
const Access* Machine::find_plain_race(const Event& event) {
    const Access* found = nullptr;
    Access access = marked_access(event);
    for_granules(event.address, event.size, [&](Address granule, std::uint8_t bytes) {
        access.bytes = bytes;
        found = shadow_.find_race(granule, access, [&](const Point& other) {
            return other.proc == access.at.proc || knows(&clocks_[depth_], other);
        });
        return found == nullptr;
    });
    return found;
}

void Machine::plain(Address address, std::size_t size, bool write, const void* pc) {
    Task& task = tasks_[task_of(current_)];
    unsigned own = 0;
    if (buffered() && newest_buffered(task.cpu, address, static_cast<unsigned>(size), &own))
        return fail("plain access to bytes that a marked store of its CPU is on the way to", pc,
                    true);
    const Clock* const past = past_of(task.proc);
    Access access{.at = {task.proc, last_[task.proc], cpus_[task.cpu].issued, pc}, .write = write};
    task.touched = true;
    for_granules(address, size, [&](Address granule, std::uint8_t bytes) {
        access.bytes = bytes;
        const Access* const other = shadow_.find_race(granule, access, [&](const Point& point) {
            return point.proc == task.proc || knows(past, point);
        });
        if (other != nullptr) report_race(granule, *other, access);
        if (const Event* const event = find_marked_race(granule, access, past))
            report_race(granule, marked_access(*event), access);
        shadow_.note(granule, access);
        return true;
    });
}

std::string Machine::race_message(Address granule, const Access& earlier,
                                  const Access& later) const {
    return describe_race(fmt::format("{:#x}", granule), earlier, name_or_number(earlier.at.proc),
                         later, name_or_number(later.at.proc));
}

void Machine::report_race(Address granule, const Access& earlier, const Access& later) {
    fail(race_message(granule, earlier, later), later.at.pc);
}

}  // namespace surefoot::checker::engine
