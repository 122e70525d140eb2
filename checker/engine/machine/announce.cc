// Accesses that instrumented code announces: its own instruction makes them after the call. What it
// did is looked up at the task's next call, before anybody else runs.

#include "engine/machine/machine.hpp"
#include "engine/machine/values.hpp"

namespace surefoot::checker::engine {

void Machine::announce(Address address, std::size_t size, sfc_access_kind kind, const void* pc) {
    switch (kind) {
        case SFC_READ_PLAIN:
            return plain(address, size, false, pc);
        case SFC_WRITE_PLAIN:
            return plain(address, size, true, pc);
        case SFC_COMPOUND:
            plain(address, size, false, pc);
            return plain(address, size, true, pc);
        default:
            break;
    }
    if (size > 8 || address % 8 + size > 8)
        return fail("a marked access of more bytes than a word has", pc, true);
    if (kind == SFC_RMW && is_announced_twice(address, size, pc)) return;
    Op op{.order = SFC_RELAXED,
          .size = static_cast<std::uint8_t>(size),
          .announced = true,
          .address = address,
          .pc = pc};
    if (kind == SFC_READ_MARKED) {
        op.kind = Kind::load;
        show(address, op.size, load(op), false, pc);
    } else if (kind == SFC_WRITE_MARKED && buffered()) {
        begin_issue(tasks_[task_of(current_)], pc);
        show(address, op.size, read_memory(address, op.size), true, pc);
    } else {
        op.kind = kind == SFC_RMW ? Kind::rmw : Kind::store;
        step(op);
        windows_.push_back({.address = address, .size = op.size, .step = depth_});
    }
}

/// Whether a read-modify-write of these bytes was announced and has not happened.
bool Machine::is_announced_twice(Address address, std::size_t size, const void* pc) const {
    if (windows_.size() != 1 || windows_.front().step == 0) return false;
    const Event& event = trace_[windows_.front().step - 1];
    return event.kind == Kind::rmw && event.address == address && event.size == size &&
           event.pc == pc && event.before == read_memory(address, event.size);
}

/// Puts what the task's CPU sees into memory, for its next instruction.
void Machine::show(Address address, unsigned size, std::uint64_t value, bool stores,
                   const void* pc) {
    const std::uint64_t under = read_memory(address, size);
    if (value == under && !stores) return;
    windows_.push_back({.address = address,
                        .size = static_cast<std::uint8_t>(size),
                        .stores = stores,
                        .under = under,
                        .shown = value,
                        .pc = pc});
    write_memory(address, size, value);
}

/// As show(), of bytes that the CPU's buffer has stores to.
void Machine::show_buffered(unsigned cpu, Address address, std::size_t size, const void* pc) {
    unsigned count = 0;
    if (newest_buffered(cpu, address, size, &count) == nullptr) return;
    for_granules(address, size, [&](Address granule, std::uint8_t bytes) {
        const Address begin = granule + static_cast<unsigned>(__builtin_ctz(bytes));
        const auto length = static_cast<unsigned>(__builtin_popcount(bytes));
        std::uint64_t value = 0;
        for (Address byte = begin + length; byte-- > begin;) {
            const Buffered* const store = newest_buffered(cpu, byte, 1, &count);
            value = value << 8 |
                    (store != nullptr ? store->value >> (8 * (byte - store->address)) & 0xff
                                      : read_memory(byte, 1));
        }
        show(begin, length, value, false, pc);
        return true;
    });
}

/// The instruction has run: what it wrote goes where it belongs.
void Machine::settle() {
    for (const Window& window : windows_) {
        const std::uint64_t now = read_memory(window.address, window.size);
        if (window.step != 0) {
            Event& event = trace_[window.step - 1];
            if (window.step <= fixed_ && event.value != now)
                fail("the program is not deterministic: a store differs from the one before",
                     event.pc, true);
            event.value = now;
            continue;
        }
        write_memory(window.address, window.size, window.under);
        if (!window.stores && now == window.shown) continue;
        Buffered entry;
        entry.size = window.size;
        entry.address = window.address;
        entry.value = now;
        entry.pc = window.pc;
        issue(tasks_[task_of(current_)], entry);
    }
    windows_.clear();
}

void Machine::do_announced(Task& task, Op& op) {
    Word& word = tables_.word(op.address, op.size);
    Event& event = begin(task.proc, op.kind, op.pc);
    if (buffered()) after(last_[cpus_[task.cpu].drain]);
    if (fresh_) {
        event.address = op.address;
        event.size = op.size;
        event.effect.first = footprint(word.object, Mode::write, task.cpu, word.bytes);
        race_with_accesses(word, true, task.proc);
    }
    const std::uint64_t before = read_memory(op.address, op.size);
    wrote(word, event, before, fresh_ ? before : event.value);
    task.spins = 0;
    commit(event);
}

}  // namespace surefoot::checker::engine
