// Interrupts between CPUs. A CPU's interrupt side is a process with a stack of its own: while its
// handler runs, the tasks of that CPU stand still, and it begins between any two of their steps
// where interrupts are on.

#include "engine/machine/machine.hpp"
#include "engine/machine/values.hpp"

namespace surefoot::checker::engine {

void Machine::irq_disable() {
    if (!running_) return;
    Task& task = tasks_[proc_info_[current_].index];
    if (task.irqs_off != 0 || task.handler) {
        ++task.irqs_off;
        return;
    }
    Op op{.kind = Kind::irq_off};
    op.pc = last_pc_;
    step(op);
    task.irqs_off = 1;
    task.irq_section = depth_;
}

/// Until it ends no other task of this CPU goes on: each of their steps comes before or after all
/// of it.
void Machine::begin_section(const Task& task, Event& event) {
    event.effect.first = footprint(0, Mode::section, task.cpu);
    for (unsigned i = 0; i < task_count_; ++i)
        if (tasks_[i].cpu == task.cpu && !tasks_[i].handler && &tasks_[i] != &task)
            race_with(last_[tasks_[i].proc]);
    cpus_[task.cpu].last_section = depth_ + 1;
}

void Machine::irq_enable() {
    if (!running_) return;
    Task& task = tasks_[proc_info_[current_].index];
    if (task.irqs_off == 0) return fail("interrupts are switched on that were not off", last_pc_);
    if (task.irqs_off == 1) end_plain_accesses(task);
    --task.irqs_off;
}

bool Machine::irqs_enabled() const {
    if (!running_) return true;
    const Task& task = tasks_[proc_info_[current_].index];
    return task.irqs_off == 0 && !task.handler;
}

Machine::Task& Machine::handler_of(unsigned number) {
    Cpu& cpu = cpus_[number];
    if (!cpu.has_irq) {
        const unsigned owner = cpu.owner;
        cpu.has_irq = true;
        cpu.irq_task = static_cast<std::uint8_t>(
            add_task(kHandlers, number, handler_main, nullptr, number, "interrupt"));
        cpu.owner = static_cast<std::uint8_t>(owner);
        Task& task = tasks_[cpu.irq_task];
        task.handler = true;
        task.parent = 0;
        begin_task(task);
    }
    return tasks_[cpu.irq_task];
}

void Machine::handler_main(void* self) {
    Task& task = *static_cast<Task*>(self);
    Machine& machine = *task.machine;
    machine.goes_on();
    for (;;) {
        Op enter{.kind = Kind::irq_enter};
        machine.step(enter);
        const Pending pending = machine.cpus_[task.cpu].handling;
        machine.guarded(pending.handler, pending.argument);
        Op leave{.kind = Kind::irq_exit, .a = pending.ticket};
        machine.step(leave);
        if (!machine.buffered()) continue;
        // The acknowledgement is a store: it follows the handler's own ones.
        Buffered entry;
        entry.kind = Kind::irq_exit;
        entry.value = pending.ticket;
        machine.issue(task, entry);
    }
}

unsigned Machine::ipi(std::uint32_t cpus, void (*handler)(void*), void* argument, const void* pc) {
    if (!running_) {
        fail("an interrupt is sent before the tasks run", pc, true);
        return 0;
    }
    const unsigned ticket = static_cast<unsigned>(tickets_.size());
    tickets_.emplace_back();
    Op op{.kind = Kind::irq_send, .a = cpus & ~(1u << this_cpu()), .pc = pc};
    op.b = ticket;
    op.context = argument;
    op.handler = handler;
    step(op);
    return ticket;
}

void Machine::acknowledge(unsigned ticket) {
    --tickets_[ticket].waiting;
    tickets_[ticket].acks.push_back(depth_ + 1);
}

/// The interrupt could have come earlier: before the last step of the task there that had
/// interrupts on, if the sender had sent it by then.
void Machine::race_with_task_before_irq(const Task& handler) {
    const Task& victim = tasks_[cpus_[handler.cpu].owner];
    for (Stamp stamp = last_[victim.proc]; stamp != 0; stamp = trace_[stamp - 1].previous) {
        if (knows(stamp)) return;
        if (!trace_[stamp - 1].irqs_off) return hidden_race_with(stamp);
    }
}

/// Whether the step, which ran after an interrupt of its CPU, could have run before: what it waited
/// for must not come of that interrupt.
bool Machine::could_precede_interrupt(const Event& event, Stamp interrupt) const {
    const unsigned handler = trace_[interrupt - 1].proc;
    if (event.kind == Kind::lock || event.kind == Kind::lock_shared) {
        if (!is_free_without(event, interrupt)) return false;
    }
    if (event.kind == Kind::await) {
        const Op& op = *tasks_[proc_info_[event.proc].index].op;
        return answers(op, value_without(event, interrupt));
    }
    for (std::size_t i = edges_own_; i < edges_.size(); ++i) {
        Stamp stamp = edges_[i];
        // The handler's own stores would not be in the buffer yet.
        while (stamp != 0 && trace_[stamp - 1].kind == Kind::drain &&
               trace_[stamp - 1].expected == handler)
            stamp = trace_[stamp - 1].previous;
        if (stamp != 0 && follows(stamp, interrupt)) return false;
    }
    return true;
}

/// Leaves out the CPUs that have no task by now, and begins the interrupt sides of the others.
void Machine::find_targets(Op& op) {
    for (std::uint64_t left = op.a; left != 0; left &= left - 1) {
        const auto cpu = static_cast<unsigned>(__builtin_ctzll(left));
        if (cpu < SFC_MAX_CPUS && cpus_[cpu].used)
            handler_of(cpu);
        else
            op.a &= ~(std::uint64_t{1} << cpu);
    }
    last_pc_ = op.pc;
}

void Machine::do_irq(Task& task, Op& op) {
    Cpu& cpu = cpus_[task.cpu];
    if (op.kind == Kind::irq_send) find_targets(op);
    Event& event = begin(task.proc, op.kind, op.pc);
    switch (op.kind) {
        case Kind::irq_send:
            if (buffered()) after(last_[cpu.drain]);
            event.value = op.a;
            interrupts_sent_ |= op.a != 0;
            touch_roster(event, Roster::looks);
            // A CPU handles interrupts in the order of their sending: a byte stands for each.
            event.effect.first =
                footprint(kIrqObject, Mode::write, task.cpu, static_cast<std::uint8_t>(op.a));
            event.effect.second = footprint(kIrqObject + 1, Mode::write, task.cpu,
                                            static_cast<std::uint8_t>(op.a >> 8));
            event.effect.has_second = true;
            for (std::uint64_t left = op.a; left != 0; left &= left - 1) {
                Pending pending;
                pending.handler = op.handler;
                pending.argument = op.context;
                pending.ticket = static_cast<unsigned>(op.b);
                pending.sent = depth_ + 1;
                Cpu& target = cpus_[__builtin_ctzll(left)];
                race_with(target.last_send);
                target.last_send = depth_ + 1;
                target.pending.push_back(pending);
                ++tickets_[op.b].waiting;
            }
            break;
        case Kind::irq_enter: {
            cpu.handling = cpu.pending.front();
            cpu.pending.erase(cpu.pending.begin());
            event.effect.first = footprint(0, Mode::entry, task.cpu);
            event.from = cpu.handling.sent;
            after(cpu.handling.sent);
            race_with_task_before_irq(task);
            after(last_[tasks_[cpu.owner].proc]);
            cpu.in_irq = true;
            cpu.last_irq = depth_ + 1;
            break;
        }
        case Kind::irq_exit:
            cpu.in_irq = false;
            if (!buffered()) acknowledge(static_cast<unsigned>(op.a));
            break;
        default:  // irq_wait
            for (const Stamp ack : tickets_[op.a].acks)
                after(ack);
            break;
    }
    commit(event);
}

}  // namespace surefoot::checker::engine
