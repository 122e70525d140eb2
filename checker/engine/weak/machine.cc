#include "engine/weak/machine.hpp"

#include <algorithm>

#include "engine/machine/hash.hpp"
#include "engine/machine/values.hpp"
#include "engine/weak/branches.hpp"
#include "engine/weak/order.hpp"

namespace surefoot::checker::engine::weak {
namespace {

bool is_lock(Kind kind) {
    switch (kind) {
        case Kind::lock:
        case Kind::try_lock:
        case Kind::unlock:
        case Kind::lock_shared:
        case Kind::try_lock_shared:
        case Kind::unlock_shared:
        case Kind::downgrade:
        case Kind::probe_lock:
            return true;
        default:
            return false;
    }
}

/// Taking a lock acquires, giving it up releases.
std::uint8_t order_of(Kind kind) {
    switch (kind) {
        case Kind::unlock:
        case Kind::unlock_shared:
        case Kind::downgrade:
            return SFC_RELEASE;
        case Kind::probe_lock:
            return SFC_RELAXED;
        default:
            return SFC_ACQUIRE;
    }
}

bool is_access(Kind kind) {
    return is_lock(kind) || kind == Kind::load || kind == Kind::store || kind == Kind::rmw ||
           kind == Kind::cas || kind == Kind::rmw_call || kind == Kind::await;
}

/// Whether a task may be stuck there for ever.
bool may_block(Kind kind) {
    return kind == Kind::await || kind == Kind::lock || kind == Kind::lock_shared ||
           kind == Kind::join || kind == Kind::grace_start || kind == Kind::stop;
}

/// How often a load may find the same store before its loop is taken to be waiting.
constexpr unsigned kSpinLimit = 200;

}  // namespace

Machine::Machine(Memory& memory, std::uint32_t most_events, bool stop_at_error)
    : Executor(SFC_MAX_TASKS + 1),
      memory_(memory),
      shadow_(Memory::kBase, memory.size()),
      most_events_(most_events),
      stop_at_error_(stop_at_error) {}

// --- one execution ------------------------------------------------------------------------------

void Machine::reset() {
    memory_.reset();
    shadow_.new_execution();
    names_.clear();
    for (Task& task : tasks_)
        task = Task{};
    callbacks_.clear();
    setup_children_ = 0;
    cpus_ = 0;
    dead_ = failed_ = mistaken_ = false;
    outcome_.clear();
}

End Machine::run(const sfc_program& program, Graph graph, std::vector<Graph>& more) {
    ++executions_;
    reset();
    graph_ = std::move(graph);
    more_ = &more;
    run_alone("setup", program.setup, program.context);
    if (failed_) return violated();
    start(scheduler_, SFC_MAX_TASKS, root_main, this);
    running_ = true;
    switcher_.enter(scheduler_);
    running_ = false;
    steps_ += graph_.events().size();
    const End how = end();
    if (how != End::complete || program.finish == nullptr) return how;
    settle_memory();
    run_alone("finish", program.finish, program.context);
    return failed_ ? violated() : End::complete;
}

void Machine::root_main(void* self) {
    Machine& machine = *static_cast<Machine*>(self);
    const auto schedule = [](void* of) { static_cast<Machine*>(of)->schedule(); };
    machine.guarded(schedule, self);  // sfc_rmw_call() calls the program
    machine.switcher_.leave();
}

void Machine::task_main(void* self) {
    Task& task = *static_cast<Task*>(self);
    task.machine->guarded(task.body, task.argument);
    if (task.touched) {
        // Who joins the task is to know of it.
        Op op{.kind = Kind::boundary};
        task.machine->step(op);
    }
    task.ended = true;
    task.machine->switcher_.switch_to(task.machine->scheduler_);
    __builtin_unreachable();
}

void Machine::schedule() {
    for (const auto& event : graph_.events())
        replay(*event);
    while (go_on())
        if (graph_.events().size() > most_events_)
            return fail("an execution of more than " + std::to_string(most_events_) +
                            " steps: does a loop wait for another task?",
                        graph_.events().back()->op.pc, true);
    if (!dead_) come_first();
}

/// Who waits for a lock to the end could have taken it before its holder.
void Machine::come_first() {
    for (Task& task : tasks_)
        if (task.alive && !task.ended && !task.failed && takes_lock(task.op->kind))
            branch_back(announced(task), 1);
}

void Machine::replay(const Event& event) {
    Task& task = tasks_[event.task];
    if (task.failed) return;
    if (task.alive) catch_up(task);
    if (task.op == nullptr || task.op->kind != event.op.kind || task.op->pc != event.op.pc ||
        task.op->address != event.op.address)
        return fail("the program is not deterministic: it took another step than before",
                    event.op.pc, true);
    if (is_access(event.op.kind)) task.depends = View{};
    if (!event.waits) answer(task, event);
}

/// The first task that can take a step takes it. @return whether there was one
bool Machine::go_on() {
    for (Task& task : tasks_) {
        if (!task.alive) continue;
        catch_up(task);
        if (!can_run(task)) continue;
        extend(task);
        return !dead_;
    }
    return false;
}

/// Runs the task up to its next operation.
void Machine::catch_up(Task& task) {
    if (!task.answered) return;
    ++resumed_;
    last_pc_ = task.op != nullptr ? task.op->pc : nullptr;
    task.answered = false;
    task.op = nullptr;
    current_ = &task;
    if (hook_ != nullptr) hook_(task.number, task.cpu, hook_context_);
    switcher_.switch_to(task.fiber);
}

bool Machine::can_run(Task& task) {
    if (task.ended || task.failed || task.op->kind == Kind::stop) return false;
    const Event* const last = graph_.last(task.number);
    if (last != nullptr && last->waits) return false;
    switch (task.op->kind) {
        case Kind::grace_start:
            return !in_section(task, task.op->address);
        case Kind::join: {
            Task& other = tasks_[task.op->a];
            catch_up(other);
            return other.ended;
        }
        case Kind::await:
        case Kind::lock:
        case Kind::lock_shared:
            return goes_on(graph_, announced(task));
        default:
            return true;
    }
}

void Machine::extend(Task& task) {
    dead_ = !branch(announced(task));
    if (dead_) return;
    if (is_access(task.op->kind)) task.depends = View{};
    const Event& added = *graph_.events().back();
    // Either may leave this stack for good: it holds nothing.
    watch_spinning(added);
    if (!added.waits) answer(task, added);
}

bool Machine::branch(const Event& event) {
    std::vector<Graph> ways = extensions(graph_, event);
    branch_back(event, ways.size());
    if (ways.empty()) return false;
    for (Graph& way : ways)
        way.set_share(graph_.share());
    for (std::size_t i = ways.size(); i-- > 1;)
        more_->push_back(std::move(ways[i]));
    graph_ = std::move(ways.front());
    return true;
}

/// Leaves for later the graphs in which the event answers an earlier read.
void Machine::branch_back(const Event& event, std::size_t ways) {
    std::vector<Graph> others = revisits(graph_, event);
    if (others.empty() && ways == 0) return;
    const double share = graph_.share() / static_cast<double>(others.size() + ways);
    graph_.set_share(ways != 0 ? share : 0);
    for (Graph& other : others) {
        other.set_share(share);
        more_->push_back(std::move(other));
    }
}

Event Machine::announced(Task& task) {
    current_ = &task;
    Event event;
    event.op = *task.op;
    event.task = task.number;
    event.after = graph_.count(task.number) == 0 ? task.born : nullptr;
    switch (event.op.kind) {
        case Kind::fence:
            event.full = event.op.sub == SFC_MB;
            break;
        case Kind::grace_start:
            event.full = true;
            event.may_wait = sections_may_block_;
            break;
        case Kind::join:
            // A task without a step of its own has at least been spawned.
            event.after = graph_.last(static_cast<unsigned>(event.op.a));
            if (event.after == nullptr) event.after = tasks_[event.op.a].born;
            break;
        default:
            break;
    }
    if (!is_access(event.op.kind)) return event;
    event.word = word_of(event.op);
    if (is_lock(event.op.kind))
        event.op.order = order_of(event.op.kind);
    else
        event.initial = read_memory(event.op.address, event.op.size);
    event.depends = task.depends;
    return event;
}

void Machine::answer(Task& task, const Event& event) {
    if (const auto found = judge(event)) {
        book_failure(message(*found), event.op.pc, false);
        if (stop_at_error_) switcher_.leave();
        task.failed = true;
        return;
    }
    Op& op = *task.op;
    switch (op.kind) {
        case Kind::try_lock:
        case Kind::try_lock_shared:
            op.result = event.writes;
            break;
        case Kind::probe_lock:
            op.result = event.read == kFree || (op.a != 0 && event.read < kWriter);
            break;
        default:
            op.result = event.read;
            break;
    }
    if (event.reads && !is_lock(op.kind)) task.last_load = event.place + 1;
    const bool shared = op.kind == Kind::lock_shared || op.kind == Kind::try_lock_shared;
    const bool exclusive = op.kind == Kind::lock || op.kind == Kind::try_lock;
    if (event.writes && (shared || exclusive)) task.locks.emplace_back(op.address, shared);
    task.latest = &event;
    task.touched = false;
    task.answered = true;
    if (op.kind == Kind::spawn) catch_up(task);  // so that the new task is there
}

void Machine::watch_spinning(const Event& event) {
    if (!event.reads || event.writes || event.place < kSpinLimit) return;
    for (unsigned i = event.place - kSpinLimit; i < event.place; ++i) {
        const Event& earlier = *graph_.at(event.task, i);
        if (earlier.op.pc != event.op.pc || earlier.source != event.source) return;
    }
    fail("a loop reads the same value again and again: let it wait with sfc_await()", event.op.pc,
         true);
}

// --- its end ------------------------------------------------------------------------------------

End Machine::end() {
    if (failed_) return violated();
    if (dead_) return End::dead;
    bool complete = true, assumed = false;
    for (const Task& task : tasks_) {
        if (!task.alive || task.ended) continue;
        complete = false;
        assumed |= task.op->kind == Kind::stop;
        if (waits_in_vain(task.number)) return End::dead;
    }
    if (complete) return End::complete;
    if (assumed) return End::blocked;
    message_ = describe_deadlock();
    place_ = nullptr;
    return End::deadlocked;
}

End Machine::violated() { return mistaken_ ? End::mistaken : End::violated; }

/// Memory is fair: a task that waits sees the latest value in the end. A grace period ends unless
/// some section does not.
bool Machine::waits_in_vain(unsigned task) const {
    const Event* const event = graph_.last(task);
    if (event == nullptr || !event->waits) return false;
    if (event->op.kind == Kind::grace_start)
        return std::none_of(std::begin(tasks_), std::end(tasks_), [&](const Task& other) {
            return other.alive && !other.ended && in_section(other, event->op.address);
        });
    const auto& writes = graph_.writes(event->word);
    return !writes.empty() && writes.back() != event->source;
}

/// All stores reach memory.
void Machine::settle_memory() const {
    for (unsigned word = 0; word < words_.size(); ++word) {
        const auto& writes = graph_.writes(word);
        if (words_[word].size != 0 && !writes.empty())
            write_memory(words_[word].address, words_[word].size, writes.back()->written);
    }
}

void Machine::book_failure(std::string message, const void* pc, bool mistake) {
    if (!failed_) {
        message_ = std::move(message);
        place_ = pc;
        mistaken_ = mistake;
    }
    failed_ = true;
}

void Machine::fail(std::string message, const void* pc, bool mistake) {
    book_failure(std::move(message), pc, mistake);
    if (!running_) return;
    if (mistaken_ || stop_at_error_ || switcher_.current() == &scheduler_) switcher_.leave();
    // Others go on: what they do may lead to graphs in which this does not happen.
    current_->failed = true;
    switcher_.switch_to(scheduler_);
    __builtin_unreachable();
}

// --- tasks --------------------------------------------------------------------------------------

std::uint64_t Machine::identity(unsigned task) const {
    const auto [parent, child] = family_[task];
    return mix((parent < SFC_MAX_TASKS ? identity(parent) : parent) + child + 1);
}

/// The same child of the same parent has the same number in every execution.
unsigned Machine::number_of(unsigned parent, unsigned child) {
    const std::pair key{parent, child};
    const auto found = std::find(family_.begin(), family_.end(), key);
    const auto number = static_cast<unsigned>(found - family_.begin());
    if (found == family_.end()) family_.push_back(key);
    return number;
}

unsigned Machine::spawn(void (*body)(void*), void* argument, int cpu, const char* name) {
    if (!running_) {
        Task& task = add_task(kSetup, setup_children_++, body, argument, cpu, name);
        return task.number;
    }
    Task& parent = *current_;
    Op op{.kind = Kind::spawn};
    step(op);
    Task& task = add_task(parent.number, parent.children++, body, argument, cpu, name);
    task.born = parent.latest;
    return task.number;
}

Machine::Task& Machine::add_task(unsigned parent, unsigned child, void (*body)(void*),
                                 void* argument, int cpu, const char* name) {
    unsigned number = number_of(parent, child);
    const auto free = static_cast<int>(__builtin_ctz(~cpus_ | 1U << SFC_MAX_CPUS));
    if (cpu == SFC_ANY_CPU) cpu = free;
    if (number >= SFC_MAX_TASKS) {
        fail("more tasks than " + std::to_string(SFC_MAX_TASKS), nullptr, true);
        number = 0;
    }
    if (cpu < 0 || cpu >= SFC_MAX_CPUS) {
        fail("more CPUs than " + std::to_string(SFC_MAX_CPUS), nullptr, true);
        cpu = 0;
    }
    cpus_ |= 1U << cpu;
    Task& task = tasks_[number];
    task.machine = this;
    task.number = number;
    task.cpu = static_cast<unsigned>(cpu);
    task.name = name;
    task.body = body;
    task.argument = argument;
    task.alive = true;
    start(task.fiber, number, task_main, &task);
    return task;
}

void* Machine::allocate(std::size_t bytes, std::size_t align, const void* pc) {
    const Point made = running_ ? here(*current_, pc) : Point{.pc = pc};
    const Address block = memory_.alloc(running_ ? current_->number + 1 : 0, bytes, align, made);
    if (block == 0) fail("the checker's arena is full", pc, true);
    if (running_) current_->touched = true;
    return reinterpret_cast<void*>(block);
}

void Machine::set_switch_hook(sfc_switch_hook hook, void* context) {
    hook_ = hook;
    hook_context_ = context;
}

// --- words and locks ----------------------------------------------------------------------------

unsigned Machine::word_of(const Op& op) {
    const bool lock = is_lock(op.kind);
    auto& near = words_near_[lock ? ~op.address : op.address & ~Address{7}];
    for (const unsigned word : near) {
        const WordKey& known = words_[word];
        if (known.address == op.address && known.size == op.size) return word;
        if (known.address < op.address + op.size && op.address < known.address + known.size)
            refuse("accesses of different sizes to the same bytes", op.pc);
    }
    near.push_back(static_cast<unsigned>(words_.size()));
    words_.push_back({op.address, op.size});
    return near.back();
}

void Machine::step(Op& op) {
    if (op.kind == Kind::wake || op.kind == Kind::irq_wait)
        return refuse("a sleep, wake or interrupt", op.pc);
    Task& task = *current_;
    task.op = &op;
    sections_may_block_ |= may_block(op.kind) && in_any_section(task);
    switcher_.switch_to(scheduler_);
}

std::uint64_t Machine::load(Op& op) {
    if (!running_) return read_memory(op.address, op.size);
    step(op);
    return op.result;
}

void Machine::store(Op& op) {
    if (!running_) return write_memory(op.address, op.size, op.a);
    step(op);
    if (op.order == SFC_FULL) fence(SFC_MB, op.pc);
}

std::uint64_t Machine::modify(Op& op) {
    if (running_) {
        step(op);
        return op.result;
    }
    const std::uint64_t before = read_memory(op.address, op.size);
    if (const auto value = written(op, before)) write_memory(op.address, op.size, *value);
    return before;
}

void Machine::fence(sfc_fence_kind kind, const void* pc) {
    if (!running_) return;
    Op op{.kind = Kind::fence, .sub = static_cast<std::uint8_t>(kind), .pc = pc};
    step(op);
}

void Machine::address_depends(sfc_token load) {
    if (running_ && load != 0) current_->depends |= graph_.at(current_->number, load - 1)->got;
}

void Machine::unlock(Op& op) {
    if (!running_) return;
    auto& locks = current_->locks;
    const std::pair held{op.address, op.kind == Kind::unlock_shared};
    const auto found = std::find(locks.begin(), locks.end(), held);
    if (found == locks.end())
        return fail("a lock is released by a task that does not hold it", op.pc);
    if (op.kind == Kind::downgrade)
        found->second = true;
    else
        locks.erase(found);
    step(op);
}

// --- plain data ---------------------------------------------------------------------------------

/// A plain access happens with its task's latest event.
Point Machine::here(const Task& task, const void* pc) {
    const Stamp events = task.latest != nullptr ? task.latest->place + 1 : 0;
    return {static_cast<std::uint8_t>(task.number), events, 0, pc};
}

bool Machine::Past::operator()(const Point& point) const {
    return point.proc == task || known.has(point.proc, point.after) ||
           grace_orders(*graph, point.proc, point.after, known);
}

Machine::Past Machine::past_of(const Task& task) const {
    const Event* const latest = task.latest != nullptr ? task.latest : task.born;
    return {&graph_, task.number, task.depends | (latest != nullptr ? latest->then.known : View{})};
}

/// What was known when the access was made.
View Machine::known_at(const Access& access) const {
    const auto& [task, place, issued, pc] = access.at;
    if (is_access(access.kind)) return graph_.at(task, place)->before;
    return place != 0 ? graph_.at(task, place - 1)->then.known : View{};
}

/// Whether a grace period puts the access, which is made now, before the other one, which was made
/// already: the graph decides what comes first, and not who runs first.
bool Machine::comes_before(const Access& access, const Access& other) const {
    return grace_orders(graph_, access.at.proc, access.at.after, known_at(other));
}

std::optional<Finding> Machine::judge(Address granule, const Access& access, const Past& past) {
    const auto wrong = misuse(memory_, granule, access, past);
    if (wrong &&
        !(wrong->earlier.kind == Kind::free_memory && comes_before(access, wrong->earlier)))
        return wrong;
    const auto ordered = [&](const Access& other) {
        if (past(other)) return true;
        if (!comes_before(access, other)) return false;
        if (read_memory(granule, 8) != other.found)
            refuse("plain data that a reader uses and that is written after a grace period",
                   access.at.pc);
        return true;
    };
    const Access* const other = shadow_.find_race(granule, access, ordered);
    return other != nullptr ? std::optional(race(granule, *other, access)) : std::nullopt;
}

void Machine::plain(Address address, std::size_t size, bool write, const void* pc) {
    Task& task = *current_;
    const Past past = past_of(task);
    task.depends = View{};
    task.touched = true;
    Access access{.at = here(task, pc), .write = write};
    for_granules(address, size, [&](Address granule, std::uint8_t bytes) {
        access.bytes = bytes;
        access.found = read_memory(granule, 8);
        if (const auto found = judge(granule, access, past)) fail(message(*found), pc);
        shadow_.note(granule, access);
        return true;
    });
}

/// What is wrong with the event, a marked access.
std::optional<Finding> Machine::judge(const Event& event) {
    const Op& op = event.op;
    if (!is_access(op.kind)) return std::nullopt;
    std::optional<Finding> found;
    const Past past{&graph_, event.task, event.before};
    Access access{.at = {static_cast<std::uint8_t>(event.task), event.place, 0, op.pc},
                  .write = event.writes,
                  .kind = op.kind};
    const std::size_t size = std::max<std::size_t>(op.size, 1);  // of a lock
    for_granules(op.address, size, [&](Address granule, std::uint8_t bytes) {
        access.bytes = bytes;
        access.found = read_memory(granule, 8);
        found = judge(granule, access, past);
        shadow_.note(granule, access);
        return !found;
    });
    return found;
}

void Machine::free(Address object, const void* pc) {
    Block* const block = memory_.find(object);
    if (block == nullptr || block->begin != object || (!running_ && block->is_free))
        return fail("free of memory that is not in use", pc);
    if (!running_) return memory_.free(*block, {.pc = pc});
    Task& task = *current_;
    const Past past = past_of(task);
    task.touched = true;
    const Access freeing{.at = here(task, pc), .write = true, .kind = Kind::free_memory};
    if (const auto wrong = misuse(memory_, object, freeing, past)) fail(message(*wrong), pc);
    for_granules(block->begin, block->bytes, [&](Address granule, std::uint8_t) {
        if (const Access* const other = shadow_.find_use(granule, past))
            fail(message({"use after free of", granule, *other, freeing}), pc);
        return true;
    });
    // Not poisoned: who runs later may come first.
    memory_.free(*block, freeing.at);
}

// --- RCU ----------------------------------------------------------------------------------------

/// A grace period does not end before the caller's own section.
bool Machine::in_section(const Task& task, Address domain) {
    return std::any_of(task.sections.begin(), task.sections.end(), [&](const auto& section) {
        return section.first == domain && section.second != 0;
    });
}

bool Machine::in_any_section(const Task& task) {
    return std::any_of(task.sections.begin(), task.sections.end(),
                       [](const auto& section) { return section.second != 0; });
}

unsigned& Machine::nesting(Address domain) {
    for (auto& [address, depth] : current_->sections)
        if (address == domain) return depth;
    return current_->sections.emplace_back(domain, 0).second;
}

void Machine::rcu_read_lock(Address domain, const void* pc) {
    if (!running_ || nesting(domain)++ != 0) return;
    Op op{.kind = Kind::rcu_lock, .address = domain, .pc = pc};
    step(op);
}

void Machine::rcu_read_unlock(Address domain, const void* pc) {
    if (!running_) return;
    if (nesting(domain) == 0) return fail("rcu_read_unlock() without rcu_read_lock()", pc);
    if (--nesting(domain) != 0) return;
    Op op{.kind = Kind::rcu_unlock, .address = domain, .pc = pc};
    step(op);
}

void Machine::synchronize_rcu(Address domain, const void* pc) {
    if (!running_) return;
    Op op{.kind = Kind::grace_start, .address = domain, .pc = pc};
    step(op);
}

void Machine::callback_main(void* self) {
    const Callback& callback = *static_cast<Callback*>(self);
    callback.machine->synchronize_rcu(callback.domain, callback.pc);
    callback.body(callback.argument);
}

void Machine::call_rcu(Address domain, void (*callback)(void*), void* argument, const void* pc) {
    if (!running_) return fail("call_rcu() before the tasks run", pc, true);
    Callback& made = callbacks_.emplace_back(Callback{this, domain, callback, argument, pc, 0});
    made.task = spawn(callback_main, &made, SFC_ANY_CPU, "RCU callback");
}

/// Waits for the callbacks that it comes after.
void Machine::rcu_barrier(Address domain, const void* pc) {
    if (!running_) return;
    const View known = current_->latest != nullptr ? current_->latest->then.known : View{};
    for (std::size_t i = 0; i < callbacks_.size(); ++i) {
        const Callback& callback = callbacks_[i];
        if (callback.domain != domain || !in(known, *tasks_[callback.task].born)) continue;
        Op op{.kind = Kind::join, .a = callback.task, .pc = pc};
        step(op);
    }
}

// --- what this model does not have --------------------------------------------------------------

void Machine::refuse(const char* what, const void* pc) {
    fail(std::string(what) + ": not under the model weak", pc, true);
}

void Machine::announce(Address, std::size_t, sfc_access_kind, const void* pc) {
    refuse("an announced access", pc);
}

void Machine::sleep(Address, Address, const void* pc) { refuse("a sleep, wake or interrupt", pc); }

std::uint64_t Machine::translate(const Walk&, Address, const void* pc) {
    refuse("a translation", pc);
    return 0;
}
void Machine::invalidate(std::uint32_t, std::uint64_t, std::uint64_t, const void* pc) {
    refuse("a TLB", pc);
}
unsigned Machine::ipi(std::uint32_t, void (*)(void*), void*, const void* pc) {
    refuse("a sleep, wake or interrupt", pc);
    return 0;
}

/// Without interrupts there is nothing to keep out.
void Machine::irq_disable() {
    if (running_) ++current_->irqs_off;
}

void Machine::irq_enable() {
    if (!running_) return;
    if (current_->irqs_off == 0)
        return fail("interrupts are switched on that were not off", nullptr);
    --current_->irqs_off;
}

}  // namespace surefoot::checker::engine::weak
