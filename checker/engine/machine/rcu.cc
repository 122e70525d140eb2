// Read-side sections, grace periods, callbacks. A section counts from the step that begins it; its
// end waits in the store buffer behind the stores of the section. A grace period is over when every
// section that was open at its start is.

#include "engine/machine/machine.hpp"

namespace surefoot::checker::engine {

void Machine::rcu_read_lock(Address address, const void* pc) {
    if (!running_) return;
    Domain& domain = tables_.domain(address);
    if (domain.nesting[current_]++ != 0) return;
    Op op{.kind = Kind::rcu_lock, .address = address, .pc = pc};
    step(op);
}

void Machine::rcu_read_unlock(Address address, const void* pc) {
    if (!running_) return;
    Domain& domain = tables_.domain(address);
    if (domain.nesting[current_] == 0) return fail("rcu_read_unlock() without rcu_read_lock()", pc);
    if (--domain.nesting[current_] != 0) return;
    if (buffered()) {
        Buffered entry;
        entry.kind = Kind::rcu_unlock;
        entry.address = address;
        entry.pc = pc;
        Task& task = tasks_[proc_info_[current_].index];
        begin_issue(task, pc);
        return issue(task, entry);
    }
    Op op{.kind = Kind::rcu_unlock, .address = address, .pc = pc};
    step(op);
}

void Machine::close_section(unsigned proc, Domain& domain, Event& event) {
    event.value = ++domain.closed[proc];
    event.previous_write = domain.closed_at[proc];
    domain.closed_at[proc] = depth_ + 1;
}

/// The event that closed the section of that number.
Stamp Machine::closing(const Domain& domain, unsigned proc, std::uint32_t section) const {
    Stamp stamp = domain.closed_at[proc];
    while (trace_[stamp - 1].value != section)
        stamp = trace_[stamp - 1].previous_write;
    return stamp;
}

bool Machine::grace_is_over(std::uint32_t index) const {
    const Grace& grace = graces_[index];
    const Domain& domain = const_cast<Tables&>(tables_).domain_at(grace.domain);
    for (ProcSet left = grace.waits; left != 0; left &= left - 1) {
        const unsigned proc = static_cast<unsigned>(__builtin_ctzll(left));
        if (domain.closed[proc] < grace.section[proc]) return false;
    }
    return true;
}

/// Whether the barrier waits for it: the same domain, and queued before the barrier began.
bool Machine::awaited_by_barrier(const Grace& grace, const Op& barrier) const {
    return grace.has_callback && grace.started <= barrier.a &&
           const_cast<Tables&>(tables_).domain_at(grace.domain).address == barrier.address;
}

void Machine::do_rcu(Task& task, Op& op) {
    Domain& domain = tables_.domain(op.address);
    Event& event = begin(task.proc, op.kind, op.pc);
    event.address = op.address;
    switch (op.kind) {
        case Kind::rcu_lock:
            event.effect.first = footprint(domain.object, Mode::read, task.cpu);
            for (ProcSet left = domain.scanners; left != 0; left &= left - 1)
                race_with(domain.scanned_at[__builtin_ctzll(left)]);
            domain.readers |= set_of(task.proc);
            domain.read_at[task.proc] = depth_ + 1;
            ++domain.opened[task.proc];
            break;
        case Kind::rcu_unlock:
            close_section(task.proc, domain, event);
            break;
        case Kind::grace_start: {
            event.effect.first = footprint(domain.object, Mode::scan, task.cpu);
            Grace grace;
            grace.waits = domain.readers;
            grace.domain = tables_.index_of(domain);
            grace.started = depth_ + 1;
            for (ProcSet left = domain.readers; left != 0; left &= left - 1) {
                const unsigned proc = static_cast<unsigned>(__builtin_ctzll(left));
                race_with(domain.read_at[proc]);
                grace.section[proc] = domain.opened[proc];
            }
            domain.scanners |= set_of(task.proc);
            domain.scanned_at[task.proc] = depth_ + 1;
            if (buffered()) after(last_[cpus_[task.cpu].drain]);
            if (op.b != 0) {  // for a callback
                event.effect.second =
                    footprint(Tables::callbacks_of(domain), Mode::read, task.cpu);
                event.effect.has_second = true;
                race_with_each(domain.barriers, domain.barrier_at);
                domain.queuers |= set_of(task.proc);
                domain.queued_at[task.proc] = depth_ + 1;
            }
            op.result = graces_.size();
            graces_.push_back(grace);
            break;
        }
        case Kind::grace_end: {
            if (buffered()) after(last_[cpus_[task.cpu].drain]);
            const Grace& grace = graces_[op.a];
            after(grace.started);
            // Of sections that were over when it began, too: they might not have been.
            for (ProcSet left = grace.waits; left != 0; left &= left - 1) {
                const unsigned proc = static_cast<unsigned>(__builtin_ctzll(left));
                after(closing(domain, proc, grace.section[proc]));
            }
            break;
        }
        case Kind::barrier_start:
            event.effect.first = footprint(Tables::callbacks_of(domain), Mode::scan, task.cpu);
            race_with_each(domain.queuers, domain.queued_at);
            domain.barriers |= set_of(task.proc);
            domain.barrier_at[task.proc] = depth_ + 1;
            if (buffered()) after(last_[cpus_[task.cpu].drain]);
            op.result = depth_;
            break;
        default:  // rcu_barrier
            for (const Grace& grace : graces_)
                if (awaited_by_barrier(grace, op)) after(grace.done_at);
            break;
    }
    commit(event);
}

void Machine::synchronize_rcu(Address domain, const void* pc) {
    if (!running_) return;
    Op start{.kind = Kind::grace_start, .address = domain, .pc = pc};
    step(start);
    Op end{.kind = Kind::grace_end, .address = domain, .a = start.result, .pc = pc};
    step(end);
}

void Machine::callback_main(void* self) {
    Machine& machine = *static_cast<Machine*>(self);
    Task& task = machine.tasks_[machine.proc_info_[machine.current_].index];
    const std::uint32_t index = task.grace;
    Op end{.kind = Kind::grace_end,
           .address = machine.tables_.domain_at(machine.graces_[index].domain).address,
           .a = index,
           .pc = machine.graces_[index].pc};
    machine.step(end);
    machine.graces_[index].callback(machine.graces_[index].argument);
    // A barrier waits for what the callback did, its stores included.
    Op done{.kind = Kind::callback_done, .a = index, .pc = end.pc};
    machine.step(done);
    machine.graces_[index].callback_done = true;
    machine.graces_[index].done_at = machine.depth_;
}

void Machine::call_rcu(Address domain, void (*callback)(void*), void* argument, const void* pc) {
    if (!running_) return fail("call_rcu() before the tasks run", pc, true);
    Op start{.kind = Kind::grace_start, .address = domain, .b = 1, .pc = pc};
    step(start);
    Grace& grace = graces_[start.result];
    grace.has_callback = true;
    grace.callback_done = false;
    grace.callback = callback;
    grace.argument = argument;
    grace.pc = pc;
    next_grace_ = static_cast<std::uint32_t>(start.result);
    spawn(callback_main, this, kCallbackCpu, "RCU callback");
}

void Machine::rcu_barrier(Address domain, const void* pc) {
    if (!running_) return;
    Op start{.kind = Kind::barrier_start, .address = domain, .pc = pc};
    step(start);
    Op end{.kind = Kind::rcu_barrier, .address = domain, .a = start.result, .pc = pc};
    step(end);
}

}  // namespace surefoot::checker::engine
