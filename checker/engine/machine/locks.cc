// Locks, and sleeping on an address.

#include <algorithm>

#include "engine/machine/machine.hpp"

namespace surefoot::checker::engine {
namespace {

/// How a lock was held when somebody looked.
constexpr std::uint64_t kByWriter = 1, kByReaders = 2;

bool is_shared(Kind kind) {
    return kind == Kind::lock_shared || kind == Kind::try_lock_shared ||
           kind == Kind::unlock_shared;
}

}  // namespace

bool Machine::lock_is_free(const Op& op, unsigned /*proc*/) const {
    const Lock& lock = const_cast<Tables&>(tables_).lock(op.address);
    return lock.writer == 0 && (is_shared(op.kind) || lock.readers == 0);
}

/// Whether the event could take its lock if neither `left_out` nor what follows that had been.
bool Machine::is_free_without(const Event& event, Stamp left_out) const {
    int writers = 0, readers = 0;
    for (Stamp stamp = 1; stamp <= depth_; ++stamp) {
        const Event& step = trace_[stamp - 1];
        if (step.address != event.address || follows(stamp, left_out)) continue;
        switch (step.kind == Kind::drain ? static_cast<Kind>(step.sub) : step.kind) {
            case Kind::lock:
                ++writers;
                break;
            case Kind::lock_shared:
                ++readers;
                break;
            case Kind::try_lock:
                writers += step.value != 0;
                break;
            case Kind::try_lock_shared:
                readers += step.value != 0;
                break;
            case Kind::unlock:
                --writers;
                break;
            case Kind::sleep:
                writers -= step.effect.has_second;
                break;
            case Kind::downgrade:
                --writers;
                ++readers;
                break;
            case Kind::unlock_shared:
                --readers;
                break;
            default:
                break;
        }
    }
    return writers == 0 && (is_shared(event.kind) || readers == 0);
}

/// What taking the lock comes after. A blocking one cannot come between its holder's steps, only
/// before all of them: it races with taking, not with releasing.
void Machine::lock_order(Lock& lock, bool shared, bool blocking) {
    race_with(lock.write_acquired);
    if (blocking)
        after_races(lock.write_released);
    else
        race_with(lock.write_released);
    for (ProcSet left = lock.probers; left != 0; left &= left - 1) {
        const Stamp stamp = lock.probed_at[__builtin_ctzll(left)];
        const std::uint64_t held = trace_[stamp - 1].expected;
        if (blocking && (held & (shared ? kByWriter : kByWriter | kByReaders)) != 0)
            after_races(stamp);
        else
            race_with(stamp);
    }
    if (shared) return;
    for (ProcSet left = lock.acquirers; left != 0; left &= left - 1)
        race_with(lock.acquired_at[__builtin_ctzll(left)]);
    for (ProcSet left = lock.releasers; left != 0; left &= left - 1) {
        const Stamp stamp = lock.released_at[__builtin_ctzll(left)];
        if (blocking)
            after_races(stamp);
        else
            race_with(stamp);
    }
}

void Machine::take(Lock& lock, bool shared, unsigned proc) {
    if (shared) {
        ++lock.readers;
        lock.acquirers |= set_of(proc);
        lock.acquired_at[proc] = depth_ + 1;
        return;
    }
    lock.writer = static_cast<std::uint8_t>(proc + 1);
    lock.write_acquired = depth_ + 1;
    lock.acquirers = lock.releasers = lock.probers = 0;
}

void Machine::do_lock(Task& task, Op& op) {
    Lock& lock = tables_.lock(op.address);
    const bool shared = is_shared(op.kind);
    Event& event = begin(task.proc, op.kind, op.pc);
    if (buffered()) after(last_[cpus_[task.cpu].drain]);
    event.address = op.address;
    event.from = lock.write_released;
    event.effect.first = footprint(lock.object, shared ? Mode::read : Mode::write, task.cpu);
    lock_order(lock, shared, true);
    take(lock, shared, task.proc);
    commit(event);
}

/// Whether the store buffer holds a release of the lock.
bool Machine::releases(const Cpu& cpu, Address lock) {
    return std::any_of(cpu.buffer.begin() + cpu.head, cpu.buffer.begin() + cpu.tail,
                       [lock](const Buffered& entry) {
                           return entry.address == lock && (entry.kind == Kind::unlock ||
                                                            entry.kind == Kind::unlock_shared);
                       });
}

/// Who looks at a lock waits until what its own CPU released has left the store buffer.
void Machine::race_with_release(Stamp stamp, const Task& prober) {
    if (stamp == 0) return;
    const Event& event = trace_[stamp - 1];
    if (event.kind == Kind::drain && event.effect.first.cpu == prober.cpu)
        after(stamp);
    else
        race_with(stamp);
}

void Machine::do_try_lock(Task& task, Op& op) {
    Lock& lock = tables_.lock(op.address);
    const bool shared = is_shared(op.kind);
    const bool probe = op.kind == Kind::probe_lock;
    const bool free =
        probe ? lock.writer == 0 && (op.a != 0 || lock.readers == 0) : lock_is_free(op, task.proc);
    Event& event = begin(task.proc, op.kind, op.pc);
    if (buffered() && !probe) after(last_[cpus_[task.cpu].drain]);
    event.address = op.address;
    event.value = free;
    event.expected = (lock.writer != 0 ? kByWriter : 0) | (lock.readers != 0 ? kByReaders : 0);
    event.from = lock.write_released;
    op.result = free;
    if (free && !probe) {
        event.effect.first = footprint(lock.object, shared ? Mode::read : Mode::write, task.cpu);
        lock_order(lock, shared, false);
        take(lock, shared, task.proc);
    } else {
        event.effect.first = footprint(lock.object, Mode::scan, task.cpu);
        race_with(lock.write_acquired);
        race_with_release(lock.write_released, task);
        race_with_each(lock.acquirers, lock.acquired_at);
        for (ProcSet left = lock.releasers; left != 0; left &= left - 1)
            race_with_release(lock.released_at[__builtin_ctzll(left)], task);
        lock.probers |= set_of(task.proc);
        lock.probed_at[task.proc] = depth_ + 1;
    }
    commit(event);
}

/// `proc` takes the step: a task, or the store buffer that held the release back.
void Machine::release(Lock& lock, unsigned proc, bool shared, Event& event) {
    event.address = lock.address;
    event.effect.first =
        footprint(lock.object, shared ? Mode::read : Mode::write, event.effect.first.cpu);
    for (ProcSet left = lock.probers; left != 0; left &= left - 1)
        race_with(lock.probed_at[__builtin_ctzll(left)]);
    if (shared) {
        --lock.readers;
        lock.releasers |= set_of(proc);
        lock.released_at[proc] = depth_ + 1;
        return;
    }
    event.from = lock.write_acquired;
    lock.writer = 0;
    lock.write_released = depth_ + 1;
    lock.probers = 0;
}

bool Machine::holds(const Task& task, const Lock& lock) {
    return lock.writer == task.proc + 1 && lock.releasing == 0;
}

void Machine::unlock(Op& op) {
    if (!running_) return;
    Task& task = tasks_[proc_info_[current_].index];
    Lock& lock = tables_.lock(op.address);
    const bool shared = is_shared(op.kind);
    const bool held = shared ? lock.readers > lock.releasing : holds(task, lock);
    if (!held) return fail("a lock is released by a task that does not hold it", op.pc);
    if (!buffered() || op.sub == SFC_LOCK_SLEEP || op.kind == Kind::downgrade) return step(op);
    Buffered entry;
    entry.kind = op.kind;
    entry.address = op.address;
    entry.pc = op.pc;
    begin_issue(task, op.pc);
    ++lock.releasing;
    issue(task, entry);
}

void Machine::do_unlock(Task& task, Op& op) {
    Lock& lock = tables_.lock(op.address);
    Event& event = begin(task.proc, op.kind, op.pc);
    if (buffered()) after(last_[cpus_[task.cpu].drain]);
    release(lock, task.proc, op.kind == Kind::unlock_shared, event);
    if (op.kind == Kind::downgrade) {
        // What follows may join the new reader, and no writer came in between.
        ++lock.readers;
        lock.acquirers |= set_of(task.proc);
        lock.acquired_at[task.proc] = lock.write_acquired;
    }
    commit(event);
}

void Machine::drain_release(const Buffered& entry, Event& event) {
    switch (entry.kind) {
        case Kind::unlock:
        case Kind::unlock_shared: {
            Lock& lock = tables_.lock(entry.address);
            --lock.releasing;
            return release(lock, event.proc, entry.kind == Kind::unlock_shared, event);
        }
        case Kind::rcu_unlock:
            return close_section(entry.proc, tables_.domain(entry.address), event);
        case Kind::irq_exit:
            return acknowledge(static_cast<unsigned>(entry.value));
        default:
            __builtin_trap();
    }
}

// --- sleeping
// -------------------------------------------------------------------------------------

/// Both halves of sfc_wait(): going to sleep (and releasing the lock, in one step), being woken.
void Machine::do_sleep(Task& task, Op& op) {
    Lock& queue = tables_.lock(op.address);
    Event& event = begin(task.proc, op.kind, op.pc);
    event.address = op.address;
    if (op.kind == Kind::wake_up) {
        after(task.woken);
        return commit(event);
    }
    if (buffered()) after(last_[cpus_[task.cpu].drain]);
    if (op.a != 0) {
        Lock& lock = tables_.lock(op.a);
        release(lock, task.proc, false, event);
        event.effect.has_second = true;
        event.effect.second = event.effect.first;
    }
    event.effect.first = footprint(queue.object, Mode::write, task.cpu);
    race_with(queue.last_queue);
    queue.last_queue = depth_ + 1;
    queue.sleepers[queue.sleeper_count++] = task.number;
    commit(event);
}

void Machine::do_wake(Task& task, Op& op) {
    Lock& queue = tables_.lock(op.address);
    Event& event = begin(task.proc, op.kind, op.pc);
    if (buffered()) after(last_[cpus_[task.cpu].drain]);
    event.address = op.address;
    event.effect.first = footprint(queue.object, Mode::write, task.cpu);
    race_with(queue.last_queue);
    queue.last_queue = depth_ + 1;
    const unsigned count =
        static_cast<unsigned>(std::min<std::uint64_t>(op.a, queue.sleeper_count));
    for (unsigned i = 0; i < count; ++i)
        tasks_[queue.sleepers[i]].woken = depth_ + 1;
    queue.sleeper_count = static_cast<std::uint8_t>(queue.sleeper_count - count);
    std::copy_n(queue.sleepers + count, queue.sleeper_count, queue.sleepers);
    op.result = count;
    event.value = count;
    commit(event);
}

void Machine::sleep(Address address, Address lock, const void* pc) {
    Task& task = tasks_[proc_info_[current_].index];
    if (lock != 0 && !holds(task, tables_.lock(lock)))
        return fail("a task goes to sleep with a lock that it does not hold", pc);
    task.woken = 0;
    Op op{.kind = Kind::sleep, .address = address, .a = lock, .pc = pc};
    step(op);
    op.kind = Kind::wake_up;
    step(op);
    if (lock == 0) return;
    Op again{.kind = Kind::lock, .sub = SFC_LOCK_SLEEP, .address = lock, .pc = pc};
    step(again);
}

}  // namespace surefoot::checker::engine
