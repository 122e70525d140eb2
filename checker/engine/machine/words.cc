// Loads, stores and read-modify-writes, and the store buffers that stores wait in.

#include <algorithm>

#include "engine/machine/machine.hpp"
#include "engine/machine/values.hpp"

namespace surefoot::checker::engine {
namespace {

/// How often a load may find the same store before its loop is taken to be waiting.
constexpr std::uint32_t kSpinLimit = 200;

}  // namespace

// --- what a load finds
// ----------------------------------------------------------------------------

/// The latest store in the buffer that shares a byte with the access; `count`: how many do.
const Machine::Buffered* Machine::newest_buffered(unsigned cpu, Address address, std::size_t size,
                                                  unsigned* count) const {
    const Cpu& from = cpus_[cpu];
    const Buffered* newest = nullptr;
    *count = 0;
    for (std::uint32_t i = from.tail; i-- > from.head;) {
        const Buffered& entry = from.buffer[i];
        if (entry.kind != Kind::store || entry.address >= address + size ||
            address >= entry.address + entry.size)
            continue;
        if (newest == nullptr) newest = &entry;
        ++*count;
    }
    return newest;
}

std::uint64_t Machine::read_word(const Task& task, const Op& op) const {
    if (buffered() && !cpus_[task.cpu].empty()) {
        unsigned count = 0;
        const Buffered* const entry = newest_buffered(task.cpu, op.address, op.size, &count);
        if (entry != nullptr && entry->address <= op.address &&
            op.address + op.size <= entry->address + entry->size)
            return cut(entry->value >> (8 * (op.address - entry->address)), op.size);
    }
    return read_memory(op.address, op.size);
}

/// What the event would have found if neither `left_out` nor what follows that had been.
std::uint64_t Machine::value_without(const Event& event, Stamp left_out) const {
    std::uint64_t value = event.before;
    for (Stamp stamp = depth_; stamp >= left_out; --stamp) {
        const Event& write = trace_[stamp - 1];
        if (write.effect.first.mode != Mode::write || !follows(stamp, left_out) ||
            write.effect.first.object != event.effect.first.object)
            continue;
        for (Address byte = event.address; byte < event.address + event.size; ++byte) {
            if (byte - write.address >= write.size) continue;
            const std::uint64_t before = write.before >> (8 * (byte - write.address)) & 0xff;
            const unsigned shift = 8 * static_cast<unsigned>(byte - event.address);
            value = (value & ~(std::uint64_t{0xff} << shift)) | before << shift;
        }
    }
    return value;
}

/// Whether the write came from the store buffer of this CPU: reading it is no meeting of
/// processes, since the buffer would have answered as well. Partner: conflict().
bool Machine::is_own(Stamp write, unsigned cpu) const {
    if (write == 0) return false;
    const Event& event = trace_[write - 1];
    return event.kind == Kind::drain && event.effect.first.cpu == cpu;
}

void Machine::race_with_accesses(Word& word, bool write, unsigned proc, ProcSet spared) {
    if (!fresh_) return;  // a step that is run again
    const auto visit = [&](Word& other) {
        if (write || !is_own(other.last_write, cpu_of(proc))) race_with(other.last_write);
        if (!write) return;
        for (ProcSet left = other.readers & ~spared; left != 0; left &= left - 1)
            race_with(other.read_at[__builtin_ctzll(left)]);
    };
    visit(word);
    tables_.for_overlapping(word, visit);
}

/// Who translated on that CPU after it had issued the store: they came upon it in the buffer.
ProcSet Machine::walks_since(const Word& word, const Buffered& store, unsigned cpu) const {
    ProcSet walks = 0;
    for (ProcSet left = word.readers; left != 0; left &= left - 1) {
        const auto reader = static_cast<unsigned>(__builtin_ctzll(left));
        if (cpu_of(reader) == cpu && word.read_at[reader] > store.issued_at)
            walks |= set_of(reader);
    }
    return walks;
}

/// A translation may use what its own store replaced, and so meets the write of that.
void Machine::race_with_writes_of_others(Word& word, unsigned proc) {
    const auto visit = [&](Word& other) {
        Stamp write = other.last_write;
        while (is_own(write, cpu_of(proc)))
            write = trace_[write - 1].previous_write;
        race_with(write);
    };
    visit(word);
    tables_.for_overlapping(word, visit);
}

/// The load waits: it cannot come before the write that let it go on, but before an earlier one
/// that made it wait.
void Machine::race_with_disabling_write(Word& word, const Op& op, unsigned proc) {
    // What it knows by itself: an interrupt that came before it need not have.
    const Stamp previous = last_[proc] != 0 ? last_[proc] : tasks_[task_of(proc)].parent;
    const auto knew = [&](Stamp stamp) {
        return previous != 0 && clocks_[previous - 1].at[trace_[stamp - 1].proc] >= stamp;
    };
    for (Stamp stamp = word.last_write; stamp != 0; stamp = trace_[stamp - 1].previous_write) {
        if (is_own(stamp, cpu_of(proc)) || knew(stamp)) return;
        const Event& event = trace_[stamp - 1];
        const bool same = event.address == op.address && event.size == op.size;
        if (!same || answers(op, event.before)) return hidden_race_with(stamp);
    }
}

void Machine::do_load(Task& task, Op& op) {
    Word& word = tables_.word(op.address, op.size);
    unsigned count = 0;
    const Buffered* const entry = buffered() && !cpus_[task.cpu].empty()
                                      ? newest_buffered(task.cpu, op.address, op.size, &count)
                                      : nullptr;
    const std::uint64_t value = read_word(task, op);
    const bool walk = op.kind == Kind::translate;
    Event& event = begin(task.proc, op.kind, op.pc);
    if (fresh_) {
        event.address = op.address;
        event.size = op.size;
        event.before = value;
        event.effect.first = footprint(word.object, Mode::read, task.cpu, word.bytes);
        event.effect.first.walk = walk;
        event.effect.first.forwarded =
            static_cast<std::uint8_t>(walk ? 0 : std::min(count, 63U)) & 63;
        event.from = is_own(word.last_write, task.cpu) ? 0 : word.last_write;
    } else if (event.before != value) {
        fail("the program is not deterministic: a load found another value than before", op.pc,
             true);
    }
    op.result = value;
    if (entry != nullptr && fresh_) event.from = 0;
    if (entry != nullptr && !walk) {
        const_cast<Buffered*>(entry)->forwarded[entry->proc == task.proc ? 0 : 1] = depth_ + 1;
    } else {
        if (op.kind == Kind::await) {
            race_with_disabling_write(word, op, task.proc);
            if (!is_own(word.last_write, task.cpu)) after(word.last_write);
        } else if (walk) {
            race_with_writes_of_others(word, task.proc);
        } else {
            race_with_accesses(word, false, task.proc);
        }
        word.readers |= set_of(task.proc);
        word.read_at[task.proc] = depth_ + 1;
    }
    if (op.kind == Kind::load) watch_spinning(task, op, word.last_write);
    commit(event);
}

void Machine::watch_spinning(Task& task, const Op& op, Stamp from) {
    if (task.spin_pc == op.pc && task.spin_from == from) {
        if (++task.spins >= kSpinLimit)
            fail("a loop reads the same value again and again: let it wait with sfc_await()", op.pc,
                 true);
        return;
    }
    if (task.spins == 0 || task.spin_from != from) {
        task.spin_pc = op.pc;
        task.spin_from = from;
        task.spins = 1;
    }
}

// --- what a store does
// ----------------------------------------------------------------------------

/// Books a write that `event` made.
void Machine::wrote(Word& word, Event& event, std::uint64_t before, std::uint64_t value) {
    if (fresh_) {
        event.before = before;
        event.value = value;
        event.previous_write = word.last_write;
    } else if (event.before != before || event.value != value) {
        fail("the program is not deterministic: a store differs from the one before", event.pc,
             true);
    }
    word.last_write = depth_ + 1;
    word.readers = 0;
}

void Machine::do_direct_store(Task& task, Op& op) {
    Word& word = tables_.word(op.address, op.size);
    Event& event = begin(task.proc, op.kind, op.pc);
    if (fresh_) {
        event.address = op.address;
        event.size = op.size;
        event.effect.first = footprint(word.object, Mode::write, task.cpu, word.bytes);
        race_with_accesses(word, true, task.proc);
    }
    const std::uint64_t before = read_memory(op.address, op.size);
    wrote(word, event, before, cut(op.a, op.size));
    write_memory(op.address, op.size, op.a);
    task.spins = 0;
    commit(event);
}

void Machine::do_rmw(Task& task, Op& op) {
    Word& word = tables_.word(op.address, op.size);
    const std::uint64_t before = read_memory(op.address, op.size);
    const std::optional<std::uint64_t> value = stored(op, before);
    const bool writes = value.has_value();
    Event& event = begin(task.proc, op.kind, op.pc);
    if (buffered()) after(last_[cpus_[task.cpu].drain]);
    if (fresh_) {
        event.address = op.address;
        event.size = op.size;
        event.expected = op.a;
        event.from = is_own(word.last_write, task.cpu) ? 0 : word.last_write;
        event.effect.first =
            footprint(word.object, writes ? Mode::write : Mode::read, task.cpu, word.bytes);
        race_with_accesses(word, writes, task.proc);
    }
    op.result = before;
    if (writes) {
        wrote(word, event, before, *value);
        write_memory(op.address, op.size, *value);
        task.spins = 0;
    } else {
        if (fresh_)
            event.before = event.value = before;
        else if (event.before != before)
            fail("the program is not deterministic: a load found another value than before", op.pc,
                 true);
        word.readers |= set_of(task.proc);
        word.read_at[task.proc] = depth_ + 1;
        watch_spinning(task, op, word.last_write);
    }
    commit(event);
}

// --- store buffers
// ----------------------------------------------------------------------------------

/// Whether stores of this process, a task or the CPU's handler, are in the buffer.
bool Machine::has_buffered(const Cpu& cpu, unsigned proc) {
    for (std::uint32_t i = cpu.head; i < cpu.tail; ++i)
        if (cpu.buffer[i].proc == proc) return true;
    return false;
}

/// The latest of its stores that left the buffer.
Stamp Machine::last_drain_of(const Cpu& cpu, unsigned proc) const {
    Stamp stamp = buffered() ? last_[cpu.drain] : 0;
    while (stamp != 0 && trace_[stamp - 1].expected != proc)
        stamp = trace_[stamp - 1].previous;
    return stamp;
}

/// The store waits in the buffer: nobody else can tell yet, so this is no step. Only a handler of
/// the same CPU can: where there are interrupts, an empty step comes before (begin_issue()).
void Machine::issue(Task& task, Buffered entry) {
    Cpu& cpu = cpus_[task.cpu];
    if (cpu.empty()) {
        cpu.buffer.clear();
        cpu.head = cpu.tail = 0;
    }
    entry.proc = task.proc;
    entry.issued_after = last_[task.proc] != 0 ? last_[task.proc] : task.parent;
    entry.issued_at = depth_;
    entry.issue = ++cpu.issued;
    cpu.buffer.push_back(entry);
    ++cpu.tail;
    task.spins = 0;
}

/// Lets an interrupt come before what goes into the buffer next.
void Machine::begin_issue(const Task& task, const void* pc) {
    settle();
    if (!stores_are_steps_ || task.handler || task.irqs_off != 0) return;
    Op op{.kind = Kind::issue, .pc = pc};
    step(op);
}

void Machine::do_drain(unsigned number) {
    Cpu& cpu = cpus_[number];
    if (cpu.empty())
        return fail("the program is not deterministic: it stored less than before", nullptr, true);
    const Buffered entry = cpu.buffer[cpu.head++];
    Event& event = begin(cpu.drain, Kind::drain, entry.pc);
    after(entry.issued_after);
    event.sub = static_cast<std::uint8_t>(entry.kind);
    event.expected = entry.proc;
    event.issue = entry.issue;
    if (entry.kind == Kind::store) {
        Word& word = tables_.word(entry.address, entry.size);
        const std::uint64_t before = read_memory(entry.address, entry.size);
        const ProcSet walks = walks_since(word, entry, number);
        if (fresh_) {
            event.address = entry.address;
            event.size = entry.size;
            event.effect.first = footprint(word.object, Mode::write, number, word.bytes);
            race_with_accesses(word, true, cpu.drain, walks);
        }
        wrote(word, event, before, entry.value);
        write_memory(entry.address, entry.size, entry.value);
        // Loads that the buffer answered are overtaken by the next store of somebody else.
        word.readers |= walks;
        for (unsigned i = 0; i < 2; ++i) {
            if (entry.forwarded[i] == 0) continue;
            const unsigned reader = trace_[entry.forwarded[i] - 1].proc;
            word.readers |= set_of(reader);
            word.read_at[reader] = entry.forwarded[i];
        }
    } else {
        drain_release(entry, event);
    }
    event.effect.first.drain = true;
    event.effect.first.cpu = static_cast<std::uint8_t>(number);
    commit(event);
}

// --- the interface
// ----------------------------------------------------------------------------------

std::uint64_t Machine::load(Op& op) {
    if (!running_) return read_memory(op.address, op.size);
    step(op);
    tasks_[proc_info_[current_].index].last_load = depth_;
    return op.result;
}

void Machine::store(Op& op) {
    if (!running_) return write_memory(op.address, op.size, op.a);
    if (!buffered()) return step(op);
    if (op.order == SFC_FULL) {  // an exchange
        op.kind = Kind::rmw;
        op.sub = SFC_XCHG;
        return step(op);
    }
    Buffered entry;
    entry.kind = Kind::store;
    entry.size = op.size;
    entry.address = op.address;
    entry.value = cut(op.a, op.size);
    entry.pc = op.pc;
    Task& task = tasks_[proc_info_[current_].index];
    begin_issue(task, op.pc);
    issue(task, entry);
}

std::uint64_t Machine::modify(Op& op) {
    if (running_) {
        step(op);
        return op.result;
    }
    const std::uint64_t before = read_memory(op.address, op.size);
    if (const auto value = stored(op, before)) write_memory(op.address, op.size, *value);
    return before;
}

void Machine::fence(sfc_fence_kind kind, const void* pc) {
    // Both models keep all other orders by themselves.
    if (!running_ || !buffered() || kind != SFC_MB) return;
    Op op{.kind = Kind::fence, .sub = SFC_MB, .pc = pc};
    step(op);
}

}  // namespace surefoot::checker::engine
