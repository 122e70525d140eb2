#include "engine/machine/machine.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "engine/machine/hash.hpp"
#include "engine/machine/values.hpp"

namespace surefoot::checker::engine {
namespace {

void* map_lazily(std::size_t bytes) {
    void* const got = mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (got == MAP_FAILED) __builtin_trap();
    return got;
}

}  // namespace

Machine::Machine(sfc_model model, Memory& memory, Limits limits)
    : Executor(kMaxProcs),
      model_(model),
      memory_(memory),
      limits_(limits),
      tables_(Memory::kBase, memory.size()),
      shadow_(Memory::kBase, memory.size()),
      snapshots_(limits.snapshots) {
    // Zero beyond the width of a clock is what map_lazily() gives, and it stays so.
    trace_ = static_cast<Event*>(map_lazily((limits_.steps + 1) * sizeof(Event)));
    clocks_ = static_cast<Clock*>(map_lazily((limits_.steps + 1) * sizeof(Clock)));
}

Machine::~Machine() {
    munmap(trace_, (limits_.steps + 1) * sizeof(Event));
    munmap(clocks_, (limits_.steps + 1) * sizeof(Clock));
}

// --- one execution
// --------------------------------------------------------------------------------

void Machine::reset() {
    tables_.new_execution();
    shadow_.new_execution();
    memory_.reset();
    static const ExecutionState kNothing;
    ExecutionState::operator=(kNothing);
    outcome_.clear();
}

/// @return false when the program's setup has failed
bool Machine::begin(std::uint32_t fixed, From from) {
    if (from == From::snapshot && go_back(fixed)) return true;
    reset();
    run_alone("setup", program_->setup, program_->context);
    start(root_, kNoProc, root_main, this);
    current_ = kNoProc;
    resumes_ = &root_;
    due_ = from == From::snapshot ? snapshots_.due() : Snapshots::kNever;
    return !failure_.happened;
}

int Machine::run(const sfc_program& program, Driver& driver, std::uint32_t fixed, From from) {
    driver_ = &driver;
    program_ = &program;
    fixed_ = fixed;
    ++executions_;
    why_left_ = kComplete;
    if (!begin(fixed, from)) return kFailed;
    began_ = depth_;
    while (resumes_ != nullptr) {
        running_ = true;
        switcher_.enter(*std::exchange(resumes_, nullptr));
        running_ = false;
        if (resumes_ != nullptr) take_snapshot();
    }
    steps_ += depth_ - began_;
    if (why_left_ != kFailed && why_left_ != kCut) race_at_end();
    if (why_left_ == kComplete && !failure_.happened && program.finish != nullptr)
        run_alone("finish", program.finish, program.context);
    return why_left_;
}

/// Asks for the first step; afterwards every task asks for the one after its own.
void Machine::root_main(void* self) {
    Machine& machine = *static_cast<Machine*>(self);
    for (unsigned i = 0; i < machine.task_count_; ++i)
        machine.begin_task(machine.tasks_[i]);
    machine.end_of_run();
}

void Machine::task_main(void* self) {
    Task& task = *static_cast<Task*>(self);
    task.machine->goes_on();
    task.machine->guarded(task.body, task.argument);
    task.machine->settle();
    task.machine->end_plain_accesses(task);
    task.life = Life::ended;
    if (task.starter != nullptr) task.machine->return_to_starter(task);
    task.machine->end_of_run();
}

/// Runs the task up to its first step, so that what it can do is known.
void Machine::begin_task(Task& task) {
    task.starter = switcher_.current();
    task.starter_proc = current_;
    start(task.fiber, task.proc, task.handler ? handler_main : task_main, &task);
    current_ = task.proc;
    switcher_.switch_to(task.fiber);
    goes_on();
}

void Machine::return_to_starter(Task& task) {
    Fiber& starter = *task.starter;
    task.starter = nullptr;
    current_ = task.starter_proc;
    switcher_.switch_to(starter);
    goes_on();
}

/// The current fiber has nothing left to do: others go on, and never come back to it.
void Machine::end_of_run() {
    for (;;) {
        const int next = this->next();
        if (next < 0) leave(next);
        if (proc_info_[next].drain)
            do_drain(proc_info_[next].index);
        else
            switch_to(tasks_[proc_info_[next].index]);
    }
}

void Machine::leave(int why) {
    why_left_ = why;
    switcher_.leave();
}

void Machine::switch_to(Task& task) {
    if (task.life != Life::alive || task.op == nullptr)
        return fail("the program is not deterministic: a task ended earlier than before", nullptr,
                    true);
    current_ = task.proc;
    switcher_.switch_to(task.fiber);
    goes_on();
}

/// First when the running fiber was switched to.
void Machine::goes_on() const {
    if (hook_ == nullptr || current_ == kNoProc) return;
    const Task& task = tasks_[task_of(current_)];
    hook_(task.number, task.cpu, hook_context_);
}

/// The task's next step: lets whoever the driver picks go first, then takes it.
void Machine::step(Op& op) {
    settle();
    Task& task = tasks_[proc_info_[current_].index];
    task.op = &op;
    last_pc_ = op.pc;
    if (task.starter != nullptr)
        return_to_starter(task);
    else
        wait_for_turn(task);
    if (!can_run(task, op))
        fail("the program is not deterministic: a task waits where it ran before", op.pc, true);
    perform(task, op);
    task.op = nullptr;
    if (depth_ >= limits_.steps)
        fail("an execution of more than " + std::to_string(limits_.steps) +
                 " steps: does a loop wait for another task?",
             op.pc, true);
}

void Machine::wait_for_turn(Task& task) {
    for (;;) {
        const int next = this->next();
        if (next < 0) leave(next);
        if (proc_info_[next].drain) {
            do_drain(proc_info_[next].index);
            continue;
        }
        if (static_cast<unsigned>(next) == task.proc) return;
        return switch_to(tasks_[proc_info_[next].index]);  // back when this task goes next
    }
}

bool Machine::in_program() const {
    if (!running_) return alone();
    const Task& task = tasks_[task_of(current_)];
    return switcher_.current() == &task.fiber && task.life == Life::alive && task.op == nullptr;
}

bool Machine::can_run(unsigned proc) const {
    if ((active_ & set_of(proc)) == 0) return false;
    const ProcInfo& info = proc_info_[proc];
    return info.drain ? !cpus_[info.index].empty() : can_run(tasks_[info.index]);
}

bool Machine::can_run(const Task& task) const {
    return task.life == Life::alive && task.op != nullptr && can_run(task, *task.op);
}

int Machine::stuck_or_complete() const {
    for (unsigned i = 0; i < task_count_; ++i)
        if (tasks_[i].life != Life::ended && !tasks_[i].handler) return kStuck;
    return kComplete;
}

bool Machine::can_run(const Task& task, const Op& op) const {
    const Cpu& cpu = cpus_[task.cpu];
    if (cpu.has_irq && cpu.in_irq && !task.handler) return false;
    if (cpu.owner != task.number && !task.handler && buffered() && !cpu.empty()) return false;
    if (cpu.owner != task.number && !task.handler && tasks_[cpu.owner].irqs_off != 0 &&
        tasks_[cpu.owner].life != Life::ended)
        return false;
    switch (op.kind) {
        case Kind::await:
            return answers(op, read_word(task, op));
        case Kind::stop:
            return false;
        case Kind::load:
        case Kind::translate: {
            if (!buffered()) return true;
            unsigned count = 0;
            const Buffered* const entry = newest_buffered(task.cpu, op.address, op.size, &count);
            return entry == nullptr || (entry->address <= op.address &&
                                        op.address + op.size <= entry->address + entry->size);
        }
        case Kind::store:
        case Kind::rmw:
        case Kind::cas:
        case Kind::rmw_call:
        case Kind::fence:
        case Kind::wake:
        case Kind::irq_send:
        case Kind::free_memory:
        case Kind::invalidate:
        case Kind::downgrade:
        case Kind::spawn:
        case Kind::grace_start:
        case Kind::callback_done:
        case Kind::barrier_start:
            return !buffered() || cpu.empty();
        case Kind::unlock:
        case Kind::unlock_shared:
        case Kind::try_lock:
        case Kind::try_lock_shared:
        case Kind::sleep:
            return !buffered() || cpu.empty();
        case Kind::lock:
        case Kind::lock_shared:
            return (!buffered() || cpu.empty()) && lock_is_free(op, task.proc);
        case Kind::probe_lock:
            return !releases(cpu, op.address);
        case Kind::wake_up:
            return task.woken != 0;
        case Kind::grace_end:
            return (!buffered() || cpu.empty()) && grace_is_over(static_cast<std::uint32_t>(op.a));
        case Kind::rcu_barrier:
            for (const Grace& grace : graces_)
                if (awaited_by_barrier(grace, op) && !grace.callback_done) return false;
            return true;
        case Kind::join: {
            const Task& other = tasks_[op.a];
            return other.life == Life::ended && !has_buffered(cpus_[other.cpu], other.proc);
        }
        case Kind::irq_wait:
            return tickets_[op.a].waiting == 0;
        case Kind::irq_enter: {
            const Task& victim = tasks_[cpu.owner];
            const bool off = victim.life == Life::alive && victim.irqs_off != 0;
            return !cpu.pending.empty() && !cpu.in_irq && !off;
        }
        default:
            return true;
    }
}

void Machine::perform(Task& task, Op& op) {
    if (op.announced && op.kind != Kind::load) return do_announced(task, op);
    switch (op.kind) {
        case Kind::load:
        case Kind::await:
        case Kind::translate:
            return do_load(task, op);
        case Kind::store:
            return do_direct_store(task, op);
        case Kind::rmw:
        case Kind::cas:
        case Kind::rmw_call:
            return do_rmw(task, op);
        case Kind::lock:
        case Kind::lock_shared:
            return do_lock(task, op);
        case Kind::try_lock:
        case Kind::try_lock_shared:
        case Kind::probe_lock:
            return do_try_lock(task, op);
        case Kind::unlock:
        case Kind::unlock_shared:
        case Kind::downgrade:
            return do_unlock(task, op);
        case Kind::sleep:
        case Kind::wake_up:
            return do_sleep(task, op);
        case Kind::wake:
            return do_wake(task, op);
        case Kind::rcu_lock:
        case Kind::rcu_unlock:
        case Kind::grace_start:
        case Kind::grace_end:
        case Kind::barrier_start:
        case Kind::rcu_barrier:
            return do_rcu(task, op);
        case Kind::irq_send:
        case Kind::irq_enter:
        case Kind::irq_exit:
        case Kind::irq_wait:
            return do_irq(task, op);
        case Kind::allocate:
        case Kind::generation:
        case Kind::free_memory:
            return do_heap(task, op);
        default:
            break;
    }
    Event& event = begin(task.proc, op.kind, op.pc);
    event.sub = op.sub;
    if (op.kind == Kind::choose) {
        const auto count = static_cast<unsigned>(op.a);
        if (fresh_) event.value = driver_->choose(*this, count);
        event.expected = count;
        op.result = event.value;
    }
    if (op.kind == Kind::spawn) touch_roster(event, Roster::adds);
    if (op.kind == Kind::irq_off) begin_section(task, event);
    if (op.kind == Kind::join) {
        const Task& other = tasks_[op.a];
        after(last_[other.proc]);
        after(last_drain_of(cpus_[other.cpu], other.proc));
    }
    if (op.kind == Kind::fence || op.kind == Kind::invalidate || op.kind == Kind::spawn ||
        op.kind == Kind::callback_done)
        if (buffered()) after(last_[cpus_[task.cpu].drain]);
    commit(event);
}

// --- events -------------------------------------------------------------------------------------

Event& Machine::begin(unsigned proc, Kind kind, const void* pc) {
    Event& event = trace_[depth_];
    fresh_ = depth_ >= fixed_;
    if (!fresh_) {
        if (event.proc != proc || event.kind != kind || event.pc != pc)
            fail("the program is not deterministic: it took another step than before", pc, true);
        return event;
    }
    event = Event{};
    event.proc = static_cast<std::uint8_t>(proc);
    event.kind = kind;
    event.pc = pc;
    event.previous = last_[proc];
    event.place = last_[proc] != 0 ? trace_[last_[proc] - 1].place + 1 : 1;
    event.edges_begin = depth_ != 0 ? trace_[depth_ - 1].edges_end : 0;
    edges_.resize(event.edges_begin);
    Clock& clock = clocks_[depth_];
    candidate_count_ = late_count_ = hidden_count_ = 0;
    overtaken_ = 0;
    const ProcInfo& info = proc_info_[proc];
    if (last_[proc] != 0) {
        clock.copy(clocks_[last_[proc] - 1], width_);
    } else {
        std::memset(clock.at, 0, width_ * sizeof(Stamp));
        if (!info.drain) after(tasks_[info.index].parent);
    }
    if (info.drain) {
        event.effect.first.cpu = info.index;
        return event;
    }
    const Task& task = tasks_[info.index];
    Cpu& cpu = cpus_[task.cpu];
    event.effect.first.cpu = task.cpu;
    event.irqs_off = task.irqs_off != 0;
    event.issue = task.irq_section;
    if (cpu.has_irq && !task.handler && cpu.last_irq != 0) {
        overtaken_ = knows(cpu.last_irq) ? 0 : cpu.last_irq;
        after(last_[tasks_[cpu.irq_task].proc]);
        edges_own_ = edges_.size();
    }
    if (cpu.owner != task.number && !task.handler) {
        if (buffered()) after(last_[cpu.drain]);
    }
    if (cpu.last_section != 0 && !task.handler && trace_[cpu.last_section - 1].proc != proc)
        race_with(cpu.last_section);
    return event;
}

void Machine::order_candidates(Event& event) {
    event.edges_end = static_cast<std::uint32_t>(edges_.size());
    // Known through the interrupt alone: it could have run before that and the interrupt.
    const Stamp previous =
        event.previous != 0 ? event.previous : tasks_[proc_info_[event.proc].index].parent;
    const auto knew = [&](Stamp stamp) {
        return previous != 0 && clocks_[previous - 1].at[trace_[stamp - 1].proc] >= stamp;
    };
    // The latest interrupt that it could have come before.
    Stamp interrupt = overtaken_;
    while (interrupt != 0 && !knew(interrupt) && !could_precede_interrupt(event, interrupt)) {
        do
            interrupt = trace_[interrupt - 1].previous;
        while (interrupt != 0 && trace_[interrupt - 1].kind != Kind::irq_enter);
    }
    if (interrupt != 0 && !knew(interrupt)) hidden_race_with(interrupt);
    const bool after_interrupt = interrupt != overtaken_;
    Stamp races[sizeof candidates_ / sizeof *candidates_ + sizeof hidden_ / sizeof *hidden_];
    unsigned race_count = hidden_count_;
    std::copy_n(hidden_, hidden_count_, races);
    // Latest first: whatever lies between two dependent steps then makes them no race.
    for (unsigned i = 1; i < candidate_count_; ++i) {
        const Stamp stamp = candidates_[i];
        unsigned j = i;
        for (; j > 0 && candidates_[j - 1] < stamp; --j)
            candidates_[j] = candidates_[j - 1];
        candidates_[j] = stamp;
    }
    Clock& clock = clocks_[depth_];
    for (unsigned i = 0; i < candidate_count_; ++i) {
        const Stamp stamp = candidates_[i];
        const Event& earlier = trace_[stamp - 1];
        if (clock.at[earlier.proc] >= stamp) {
            if (after_interrupt && !knew(stamp)) races[race_count++] = stamp;
            continue;
        }
        races[race_count++] = stamp;
        clock.join(clocks_[stamp - 1], width_);
    }
    for (unsigned i = 0; i < late_count_; ++i)
        clock.join(clocks_[late_[i] - 1], width_);
    clock.at[event.proc] = depth_ + 1;
    for (unsigned i = 0; i < race_count; ++i) {
        const Event& earlier = trace_[races[i] - 1];
        Stamp target = races[i];
        // A section without interrupts lets no other task of that CPU in.
        if (earlier.irqs_off && earlier.effect.first.cpu == event.effect.first.cpu &&
            earlier.issue != 0 && !event.effect.first.drain)
            target = earlier.issue;
        driver_->race(*this, target - 1, depth_, reversed(races[i], event));
    }
}

/// What `later` touches when it comes before `earlier`, which it races with. It has to be exact:
/// what sleeps there is woken by what the step touches then.
Effect Machine::reversed(Stamp earlier, const Event& later) const {
    Effect effect = later.effect;
    Mode& mode = effect.first.mode;
    switch (later.kind) {
        case Kind::cas:
        case Kind::rmw_call:
            if (trace_[earlier - 1].effect.first.mode == Mode::read) break;
            mode = stored(*tasks_[task_of(later.proc)].op, value_without(later, earlier))
                       ? Mode::write
                       : Mode::read;
            break;
        case Kind::try_lock:
            mode = is_free_without(later, earlier) ? Mode::write : Mode::scan;
            break;
        case Kind::try_lock_shared:
            mode = is_free_without(later, earlier) ? Mode::read : Mode::scan;
            break;
        default:
            break;
    }
    return effect;
}

void Machine::commit(Event& event) {
    // By what was known before: this very step may come to know more.
    const bool may_be_wrong = fresh_ && (shadow_.used() || memory_.watched());
    const std::optional<Finding> found = may_be_wrong ? judge(event) : std::nullopt;
    if (fresh_) order_candidates(event);
    last_[event.proc] = depth_ + 1;
    ++depth_;
    const ProcInfo& info = proc_info_[event.proc];
    if (!info.drain) tasks_[info.index].touched = false;
    if (!info.drain && !tasks_[info.index].handler)
        cpus_[tasks_[info.index].cpu].owner = tasks_[info.index].number;
    if (fresh_) driver_->added(*this, depth_ - 1);
    if (found) report(*found);
}

/// What a step that still waits would touch.
void Machine::foresee(const Task& task, const Op& op, Event& event) {
    event.address = op.address;
    event.size = op.size;
    const auto touch = [&](std::uint32_t object, Mode mode) {
        event.effect.first = footprint(object, mode, task.cpu);
    };
    switch (op.kind) {
        case Kind::load:
        case Kind::await:
        case Kind::translate:
        case Kind::store:
        case Kind::rmw:
        case Kind::cas:
        case Kind::rmw_call: {
            const bool reads =
                op.kind == Kind::load || op.kind == Kind::await || op.kind == Kind::translate;
            Word& word = tables_.word(op.address, op.size);
            event.before = read_word(task, op);
            event.effect.first =
                footprint(word.object, reads ? Mode::read : Mode::write, task.cpu, word.bytes);
            event.effect.first.walk = op.kind == Kind::translate;
            return;
        }
        case Kind::lock:
        case Kind::try_lock:
        case Kind::unlock:
        case Kind::downgrade:
            return touch(tables_.lock(op.address).object, Mode::write);
        case Kind::lock_shared:
        case Kind::try_lock_shared:
        case Kind::unlock_shared:
            return touch(tables_.lock(op.address).object, Mode::read);
        case Kind::probe_lock:
            return touch(tables_.lock(op.address).object, Mode::scan);
        case Kind::sleep:
        case Kind::wake:
            touch(tables_.lock(op.address).object, Mode::write);
            if (op.kind == Kind::wake || op.a == 0) return;
            event.effect.second = footprint(tables_.lock(op.a).object, Mode::write, task.cpu);
            event.effect.has_second = true;
            return;
        case Kind::rcu_lock:
            return touch(tables_.domain(op.address).object, Mode::read);
        default:
            return;
    }
}

/// A step that still waits at the end may have been possible earlier: look for what it lost to.
void Machine::race_at_end() {
    for (unsigned i = 0; i < task_count_; ++i) {
        Task& task = tasks_[i];
        if (task.life != Life::alive || task.op == nullptr || task.op->kind == Kind::stop) continue;
        Op& op = *task.op;
        const Cpu& cpu = cpus_[task.cpu];
        fresh_ = true;
        Event& event = begin(task.proc, op.kind, op.pc);
        foresee(task, op, event);
        if (op.kind == Kind::irq_enter) {
            if (cpu.pending.empty() || cpu.in_irq) continue;
            event.effect.first = footprint(0, Mode::entry, task.cpu);
            after(cpu.pending.front().sent);
            race_with_task_before_irq(task);
        } else if (op.kind == Kind::await) {
            race_with_disabling_write(tables_.word(op.address, op.size), op, task.proc);
        } else if (op.kind == Kind::lock || op.kind == Kind::lock_shared) {
            if (buffered()) after(last_[cpu.drain]);
            lock_order(tables_.lock(op.address), op.kind == Kind::lock_shared, true);
        } else if (!cpu.in_irq) {
            continue;  // else the interrupt never ends, and this could have come before it
        }
        order_candidates(event);
    }
}

// --- processes ----------------------------------------------------------------------------------

unsigned Machine::new_proc(ProcInfo info) {
    proc_info_[procs_] = info;
    width_ = (procs_ + 1 + 3) & ~3u;
    return procs_++;
}

/// The same child of the same parent has the same process number in every execution.
/// @return kNoProc when there are too many
unsigned Machine::proc_for(unsigned parent, unsigned child) {
    for (const Child& known : children_)
        if (known.parent == parent && known.index == child) return known.proc;
    if (procs_ == kNoProc) return kNoProc;
    const unsigned proc = new_proc({});
    identity_[proc] = mix((parent < kMaxProcs ? identity_[parent] : parent) + child + 1);
    children_.push_back({parent, child, proc});
    return proc;
}

void Machine::touch_roster(Event& event, Roster how) {
    event.effect.roster = how;
    race_with(last_spawn_);
    if (how == Roster::looks) {
        senders_ |= set_of(event.proc);
        sent_at_[event.proc] = depth_ + 1;
        return;
    }
    race_with_each(senders_, sent_at_);
    senders_ = 0;
    last_spawn_ = depth_ + 1;
}

unsigned Machine::spawn(void (*body)(void*), void* argument, int cpu, const char* name) {
    const bool callback = cpu == kCallbackCpu;
    if (running_ && !callback) {  // call_rcu() has made its step
        Op op{.kind = Kind::spawn};
        step(op);
    }
    int from = callback ? kFirstCallbackCpu : 0;
    const int end = callback ? static_cast<int>(kMaxCpuSlots) : SFC_MAX_CPUS;
    if (cpu == SFC_ANY_CPU || callback) {
        while (from < end && cpus_[from].used)
            ++from;
        cpu = from;
    }
    if (cpu < 0 || cpu >= end) {
        fail("more CPUs than " + std::to_string(SFC_MAX_CPUS), nullptr, true);
        return 0;
    }
    const unsigned child = running_ ? tasks_[task_of(current_)].children++ : setup_children_++;
    const unsigned number = add_task(running_ ? current_ : kSetup, child, body, argument,
                                     static_cast<unsigned>(cpu), name);
    if (running_ && !failure_.happened) begin_task(tasks_[number]);
    return number;
}

unsigned Machine::add_task(unsigned parent, unsigned child, void (*body)(void*), void* argument,
                           unsigned cpu, const char* name) {
    if (parent != kHandlers && spawned_ == SFC_MAX_TASKS) {
        fail("more tasks than " + std::to_string(SFC_MAX_TASKS), nullptr, true);
        return 0;
    }
    const unsigned proc = proc_for(parent, child);
    const unsigned drain = buffered() && !cpus_[cpu].used ? proc_for(kBuffers, cpu) : 0;
    if (proc == kNoProc || drain == kNoProc) {
        fail("more than " + std::to_string(kNoProc) +
                 " tasks, store buffers of CPUs and CPUs that are sent interrupts, together",
             nullptr, true);
        return 0;
    }
    if (parent != kHandlers) ++spawned_;
    Cpu& on = cpus_[cpu];
    const unsigned number = task_count_++;
    if (!on.used) {
        on.used = true;
        cpus_end_ = std::max(cpus_end_, cpu + 1);
        on.owner = static_cast<std::uint8_t>(number);
        if (buffered()) {
            on.drain = static_cast<std::uint8_t>(drain);
            proc_info_[on.drain] = {true, static_cast<std::uint8_t>(cpu)};
            active_ |= set_of(on.drain);
            made_.push_back(on.drain);
        }
    }
    Task& task = tasks_[number];
    task.life = Life::alive;
    task.machine = this;
    task.proc = static_cast<std::uint8_t>(proc);
    task.cpu = static_cast<std::uint8_t>(cpu);
    task.number = static_cast<std::uint8_t>(number);
    task.parent = running_ ? last_[current_] : 0;
    task.grace = next_grace_;
    task.body = body;
    task.argument = argument;
    task.name = name;
    proc_info_[proc] = {false, static_cast<std::uint8_t>(number)};
    active_ |= set_of(proc);
    made_.push_back(proc);
    return number;
}

unsigned Machine::this_cpu() const { return running_ ? tasks_[proc_info_[current_].index].cpu : 0; }

unsigned Machine::cpu_of(unsigned proc) const {
    const ProcInfo& info = proc_info_[proc];
    return info.drain ? info.index : tasks_[info.index].cpu;
}

bool Machine::waits_for_others() const {
    for (unsigned i = 0; i < task_count_; ++i)
        if (tasks_[i].op != nullptr && tasks_[i].op->kind == Kind::stop) return false;
    return true;
}

/// The words are gone when it returns: the caller may leave its stack for good.
void Machine::book_failure(std::string message, const void* pc, bool mistake) {
    if (!failure_.happened) failure_ = {true, mistake, std::move(message), pc, depth_};
}

void Machine::fail(std::string message, const void* pc, bool mistake) {
    book_failure(std::move(message), pc, mistake);
    if (!running_) return;
    if (mistake || limits_.stop_at_error) leave(kFailed);
    stand_still();
}

/// The running task takes no step any more.
void Machine::stand_still() {
    static Op never{.kind = Kind::stop};
    Task& task = tasks_[task_of(current_)];
    settle();
    task.op = &never;
    if (task.starter != nullptr) return_to_starter(task);
    end_of_run();
    __builtin_unreachable();
}

bool Machine::could_begin_at(std::uint32_t position, std::uint32_t depth) const {
    const Event& event = trace_[position];
    if (event.previous > depth || event.effect.first.mode == Mode::entry) return false;
    const Clock& clock = clocks_[position];
    for (unsigned proc = 0; proc < width_; ++proc)
        if (proc != event.proc && clock.at[proc] > depth) return false;
    return true;
}

unsigned Machine::ordinal_of(unsigned proc) const {
    return static_cast<unsigned>(std::find(made_.begin(), made_.end(), proc) - made_.begin());
}

bool Machine::waits_to_touch(unsigned proc, const Event& event) const {
    const ProcInfo& info = proc_info_[proc];
    Address address = 0;
    bool reads = false;
    if (info.drain) {
        const Cpu& cpu = cpus_[info.index];
        if (!cpu.empty()) address = cpu.buffer[cpu.head].address;
    } else if (const Op* const op = tasks_[info.index].op; op != nullptr) {
        address = op->address;
        reads = op->kind == Kind::load || op->kind == Kind::await;
    }
    const bool both_read = reads && event.effect.first.mode == Mode::read;
    return address != 0 && !both_read && address / 8 == event.address / 8;
}

/// No address and no value: these differ where the program lies elsewhere in memory, and hang on
/// what happens before.
std::uint64_t Machine::event_hash(std::uint32_t position) const {
    const Event& event = trace_[position];
    std::uint64_t h = mix(identity_[event.proc] + event.place);
    h = mix(h + static_cast<std::uint64_t>(event.kind));
    if (event.kind == Kind::choose) h = mix(h + event.value);
    for (unsigned proc = 0; proc < width_; ++proc) {
        const Stamp stamp = clocks_[position].at[proc];
        if (stamp != 0) h += mix(identity_[proc] + trace_[stamp - 1].place);
    }
    return mix(h);
}

std::uint64_t Machine::trace_hash() const {
    std::uint64_t sum = 0;
    for (std::uint32_t i = 0; i < depth_; ++i)
        sum += event_hash(i);
    return sum;
}

}  // namespace surefoot::checker::engine
