#pragma once

// The machine that runs one execution: tasks on fibers, CPUs with store buffers, words, locks, RCU,
// interrupts, TLBs. It says which processes can take a step, takes the step that the driver picked,
// and works out what the step depends on. It knows nothing of searching.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "engine/machine/clock.hpp"
#include "engine/machine/executor.hpp"
#include "engine/machine/snapshots.hpp"
#include "engine/machine/state.hpp"
#include "engine/machine/step.hpp"
#include "engine/machine/tables.hpp"
#include "engine/memory/memory.hpp"
#include "engine/memory/shadow.hpp"

namespace surefoot::checker::engine {

class Machine;

/// How an execution ended, or that a process is to take the next step.
enum Next : int {
    kComplete = -1,
    kStuck = -2,      // nothing can run, and some task has not ended
    kRedundant = -3,  // whatever can run was explored from here before
    kCut = -4,        // a limit
    kFailed = -5,     // a violation or a mistake of the program, which ended it there
};

/// Decides. One for each search strategy.
class Driver {
  public:
    virtual ~Driver() = default;
    /// Which process goes next; asked again at the same depth when the answer turned out not to
    /// be able to run.
    virtual int next(Machine& machine) = 0;
    /// The event at `position` was added, and its clock is known.
    virtual void added(Machine& machine, std::uint32_t position) = 0;
    /// `later` is next to `earlier` in happens-before, and could have come first; `reversed` is
    /// what it touches then (a compare-and-exchange may fail in one order only). `later` may be one
    /// past the end: a step that waited in vain.
    virtual void race(Machine& machine, std::uint32_t earlier, std::uint32_t later,
                      const Effect& reversed) = 0;
    /// The outcome of the sfc_choose() that is the next event.
    virtual unsigned choose(Machine& machine, unsigned count) = 0;
};

struct Limits {
    std::uint32_t steps = 20000;
    /// Otherwise a task that fails stands still, and the others go on: what they do may lead to
    /// executions in which it does not.
    bool stop_at_error = true;
    Snapshots::Where snapshots = Snapshots::Where::nowhere;
};

class Machine final : public Executor, private ExecutionState {
  public:
    Machine(sfc_model model, Memory& memory, Limits limits);
    ~Machine() override;
    Machine(const Machine&) = delete;
    Machine& operator=(const Machine&) = delete;

    enum class From : std::uint8_t { beginning, snapshot };

    /// Runs one execution: the events before `fixed` as they are in the trace, the others as the
    /// driver says. Where there is a snapshot on that way, from there.
    int run(const sfc_program& program, Driver& driver, std::uint32_t fixed,
            From from = From::snapshot);

    // --- for drivers ---------------------------------------------------------------------------

    std::uint32_t depth() const { return depth_; }
    unsigned width() const { return width_; }
    /// Whether the execution is over, and what still waits is looked at.
    bool ended() const { return !running_; }
    unsigned procs() const { return procs_; }
    const Event& event(std::uint32_t position) const { return trace_[position]; }
    const Clock& clock(std::uint32_t position) const { return clocks_[position]; }
    bool happens_before(std::uint32_t earlier, std::uint32_t later) const {
        return clocks_[later].at[trace_[earlier].proc] > earlier;
    }
    /// Whether the event could not come before that one though they touch nothing in common.
    bool waited_for(const Event& event, std::uint32_t position) const {
        for (std::uint32_t i = event.edges_begin; i < event.edges_end; ++i)
            if (edges_[i] == position + 1) return true;
        return false;
    }
    /// Whether the event could as well have come before all from `depth` on.
    bool could_begin_at(std::uint32_t position, std::uint32_t depth) const;
    /// Processes of this execution.
    ProcSet active() const { return active_; }
    /// Why nothing can run: every task has ended, or not.
    int stuck_or_complete() const;
    /// The process whose fiber runs now.
    unsigned current() const { return current_; }
    /// Whether the process could take a step now.
    bool can_run(unsigned proc) const;
    bool is_drain(unsigned proc) const { return proc_info_[proc].drain; }
    unsigned task_of(unsigned proc) const { return proc_info_[proc].index; }
    std::string name_of(unsigned proc) const;
    unsigned cpu_of(unsigned proc) const;
    /// Of a stuck execution: whether some task waits for more than an sfc_assume().
    bool waits_for_others() const;
    std::string describe_stuck() const;
    const Failure& failure() const { return failure_; }
    sfc_model model() const { return model_; }
    /// For all of a search: what goes into a store buffer is preceded by a step, since an interrupt
    /// may come in between.
    void make_stores_steps() {
        stores_are_steps_ = true;
        snapshots_.forget();
    }
    bool stores_are_steps() const { return stores_are_steps_; }
    /// Whether there were interrupts, and no such steps.
    bool needs_stores_as_steps() const {
        return buffered() && interrupts_sent_ && !stores_are_steps_;
    }
    /// Of an event by what happens before it: equal in equivalent executions. The sum over an
    /// execution tells it from others.
    std::uint64_t event_hash(std::uint32_t position) const;
    std::uint64_t trace_hash() const;
    /// Whether the process waits to make a step that may conflict with the event.
    bool waits_to_touch(unsigned proc, const Event& event) const;
    /// Processes by their place in the order in which this execution made them; -1: not so many.
    int process_of(unsigned ordinal) const {
        return ordinal < made_.size() ? static_cast<int>(made_[ordinal]) : -1;
    }
    unsigned ordinal_of(unsigned proc) const;
    std::uint64_t steps() const { return steps_; }
    /// The steps of the latest execution do not count.
    void forget_steps() { steps_ -= depth_ - began_; }
    /// Of a failure, what comes before it; else all steps.
    std::uint32_t told_depth() const { return failure_.happened ? failure_.depth : depth_; }
    /// The execution, a line a step.
    std::string describe() const;
    bool in_program() const override;
    std::uint64_t progress() const override { return executions_ + steps_ + depth_ - began_; }
    const void* last_pc() const override { return last_pc_; }

    // --- for the interface: on a task's stack
    // -------------------------------------------------------

    bool running() const override { return running_; }
    std::uint64_t load(Op& op) override;
    void store(Op& op) override;
    void step(Op& op) override;
    bool names_something(const Op& op) const override {
        return op.a < (op.kind == Kind::join ? task_count_ : tickets_.size());
    }
    void fence(sfc_fence_kind kind, const void* pc) override;
    void plain(Address address, std::size_t size, bool write, const void* pc) override;
    void announce(Address address, std::size_t size, sfc_access_kind kind, const void* pc) override;
    unsigned spawn(void (*body)(void*), void* argument, int cpu, const char* name) override;
    unsigned self() const override { return running_ ? tasks_[task_of(current_)].number : 0; }
    unsigned this_cpu() const override;
    std::uint64_t modify(Op& op) override;
    void unlock(Op& op) override;
    void sleep(Address address, Address lock, const void* pc) override;
    void rcu_read_lock(Address domain, const void* pc) override;
    void rcu_read_unlock(Address domain, const void* pc) override;
    void synchronize_rcu(Address domain, const void* pc) override;
    void call_rcu(Address domain, void (*callback)(void*), void* argument, const void* pc) override;
    void rcu_barrier(Address domain, const void* pc) override;
    void irq_disable() override;
    void irq_enable() override;
    bool irqs_enabled() const override;
    std::uint64_t translate(const Walk& walk, Address entry, const void* pc) override;
    void invalidate(std::uint32_t asid, std::uint64_t va, std::uint64_t end,
                    const void* pc) override;
    unsigned ipi(std::uint32_t cpus, void (*handler)(void*), void* argument,
                 const void* pc) override;
    void* allocate(std::size_t bytes, std::size_t align, const void* pc) override;
    void free(Address object, const void* pc) override;
    void give_again(Address object, const void* pc) override;
    unsigned generation(Address object, const void* pc) override;
    void name(Address address, std::size_t size, const char* name) override {
        names_.add(address, size, name);
    }
    void note(const char* text, const void* pc) override;
    void address_depends(sfc_token) override {}  // both models order loads
    sfc_token last_load() const override {
        return running_ ? tasks_[task_of(current_)].last_load : 0;
    }
    void fail(std::string message, const void* pc, bool mistake = false) override;
    void set_switch_hook(sfc_switch_hook hook, void* context) override {
        hook_ = hook;
        hook_context_ = context;
    }
    Memory& memory() { return memory_; }

  private:
    static constexpr unsigned kNoProc = kMaxProcs - 1;      // runs before the first step
    static constexpr int kFirstCallbackCpu = SFC_MAX_CPUS;  // and those above: one a callback
    static constexpr int kCallbackCpu = -2;                 // any of these
    // Parents of processes that no task made.
    static constexpr unsigned kSetup = kMaxProcs, kBuffers = kMaxProcs + 1,
                              kHandlers = kMaxProcs + 2;
    static constexpr std::uint32_t kIrqObject = 3u << 30;

    // scheduling (machine.cc)
    std::string running_task() const override { return name_of(current_); }
    static void task_main(void* task);
    static void root_main(void* machine);
    void reset();
    bool begin(std::uint32_t fixed, From from);
    void leave(int why);
    /// Who takes the next step; negative: nobody.
    int next() {
        if (depth_ >= due_) [[unlikely]]
            pause();
        return depth_ < fixed_ ? trace_[depth_].proc : driver_->next(*this);
    }
    void book_failure(std::string message, const void* pc, bool mistake);
    [[noreturn]] void stand_still();
    void begin_task(Task& task);
    void return_to_starter(Task& task);
    void wait_for_turn(Task& task);
    void switch_to(Task& task);
    void goes_on() const;
    bool can_run(const Task& task) const;
    bool can_run(const Task& task, const Op& op) const;
    void end_of_run();
    void perform(Task& task, Op& op);
    unsigned proc_for(unsigned parent, unsigned child);
    void touch_roster(Event& event, Roster how);
    unsigned add_task(unsigned parent, unsigned child, void (*body)(void*), void* argument,
                      unsigned cpu, const char* name);
    unsigned new_proc(ProcInfo info);

    // places to go back to (snapshots.cc)
    void pause();
    template <class Visit>
    void for_waiting(Visit&& visit) const;
    void take_snapshot();
    bool go_back(std::uint32_t depth);

    // events (machine.cc)
    Event& begin(unsigned proc, Kind kind, const void* pc);
    void after(Stamp stamp) {  // an edge that no other order can undo
        if (!fresh_ || stamp == 0) return;
        clocks_[depth_].join(clocks_[stamp - 1], width_);
        edges_.push_back(stamp);
    }
    void race_with(Stamp stamp) {
        if (fresh_ && stamp != 0) candidates_[candidate_count_++] = stamp;
    }
    void race_with_each(ProcSet procs, const Stamp* at) {
        for (; procs != 0; procs &= procs - 1)
            race_with(at[__builtin_ctzll(procs)]);
    }
    /// As after(), once the races are known: the release of a lock hides who held it.
    void after_races(Stamp stamp) {
        if (fresh_ && stamp != 0) late_[late_count_++] = stamp;
    }
    /// A race that an edge of after() hides.
    void hidden_race_with(Stamp stamp) {
        if (fresh_ && stamp != 0) hidden_[hidden_count_++] = stamp;
    }
    bool follows(Stamp stamp, Stamp earlier) const {
        return clocks_[stamp - 1].at[trace_[earlier - 1].proc] >= earlier;
    }
    bool knows(Stamp stamp) const { return clocks_[depth_].at[trace_[stamp - 1].proc] >= stamp; }
    void commit(Event& event);
    void order_candidates(Event& event);
    Effect reversed(Stamp earlier, const Event& later) const;
    void foresee(const Task& task, const Op& op, Event& event);
    Footprint footprint(std::uint32_t object, Mode mode, unsigned cpu,
                        std::uint8_t bytes = 0xff) const {
        return {object, bytes, mode, static_cast<std::uint8_t>(cpu)};
    }

    // words (words.cc)
    bool buffered() const { return model_ == SFC_TSO; }
    void do_load(Task& task, Op& op);
    void do_rmw(Task& task, Op& op);
    void do_direct_store(Task& task, Op& op);
    void begin_issue(const Task& task, const void* pc);
    void issue(Task& task, Buffered entry);
    void do_drain(unsigned cpu);
    void wrote(Word& word, Event& event, std::uint64_t before, std::uint64_t value);
    void race_with_accesses(Word& word, bool write, unsigned proc, ProcSet spared = 0);
    ProcSet walks_since(const Word& word, const Buffered& store, unsigned cpu) const;
    void race_with_writes_of_others(Word& word, unsigned proc);
    void race_with_disabling_write(Word& word, const Op& op, unsigned proc);
    std::uint64_t read_word(const Task& task, const Op& op) const;
    std::uint64_t value_without(const Event& event, Stamp left_out) const;
    const Buffered* newest_buffered(unsigned cpu, Address address, std::size_t size,
                                    unsigned* count) const;
    bool is_own(Stamp write, unsigned cpu) const;
    static bool has_buffered(const Cpu& cpu, unsigned proc);
    Stamp last_drain_of(const Cpu& cpu, unsigned proc) const;
    void watch_spinning(Task& task, const Op& op, Stamp from);

    // plain data (plain.cc)
    /// What is known to a process: a clock, and all that the process did itself.
    struct Past {
        const Machine* machine;
        unsigned proc;
        const Clock* clock;  // null: nothing of others
        bool operator()(const Point& point) const;
        bool operator()(const Access& access) const { return (*this)(access.at); }
        bool operator()(Stamp step) const;
    };
    void end_plain_accesses(Task& task);
    Point here(unsigned proc, const void* pc) const;
    Past past_of(unsigned proc) const;
    Past past_of(const Event& event) const;
    unsigned issuer(const Event& event) const;
    Access marked_access(const Event& event) const;
    const Event* find_marked_race(Address granule, const Access& access, const Past& past);
    std::optional<Finding> judge_plain(Address granule, const Access& access, const Past& past);
    std::optional<Finding> judge(const Event& event);
    void report(const Finding& finding);

    // announced accesses (announce.cc)
    bool is_announced_twice(Address address, std::size_t size, const void* pc) const;
    void show(Address address, unsigned size, std::uint64_t value, bool stores, const void* pc);
    void show_buffered(unsigned cpu, Address address, std::size_t size, const void* pc);
    void settle();
    void do_announced(Task& task, Op& op);

    // memory given out and freed (heap.cc)
    void make_block(Op& op);
    void do_heap(Task& task, Op& op);
    void touch_heap(Task& task, const Op& op, Event& event);
    std::optional<Finding> judge_free(const Op& op);

    // locks (locks.cc)
    void do_lock(Task& task, Op& op);
    void do_try_lock(Task& task, Op& op);
    void release(Lock& lock, unsigned proc, bool shared, Event& event);
    void do_unlock(Task& task, Op& op);
    bool lock_is_free(const Op& op, unsigned proc) const;
    bool is_free_without(const Event& event, Stamp left_out) const;
    static bool releases(const Cpu& cpu, Address lock);
    static bool holds(const Task& task, const Lock& lock);
    void race_with_release(Stamp stamp, const Task& prober);
    void lock_order(Lock& lock, bool shared, bool blocking);
    void take(Lock& lock, bool shared, unsigned proc);
    void drain_release(const Buffered& entry, Event& event);
    void do_sleep(Task& task, Op& op);
    void do_wake(Task& task, Op& op);

    // rcu (rcu.cc)
    static void callback_main(void* machine);
    void do_rcu(Task& task, Op& op);
    bool grace_is_over(std::uint32_t grace) const;
    bool awaited_by_barrier(const Grace& grace, const Op& barrier) const;
    Stamp closing(const Domain& domain, unsigned proc, std::uint32_t section) const;
    void close_section(unsigned proc, Domain& domain, Event& event);

    // interrupts (interrupts.cc)
    static void handler_main(void* task);
    void acknowledge(unsigned ticket);
    Task& handler_of(unsigned cpu);
    void begin_section(const Task& task, Event& event);
    void find_targets(Op& op);
    void do_irq(Task& task, Op& op);
    void race_with_task_before_irq(const Task& handler);
    bool could_precede_interrupt(const Event& event, Stamp interrupt) const;

    // TLBs (tlb.cc)
    struct CachedValues {  // not on the heap: an execution may be left in the middle
        std::uint64_t at[63];
        unsigned count = 0;
    };
    bool knew(Stamp event, Stamp other) const;
    const Invalidation* last_invalidation(const Cpu& cpu, const Walk& walk) const;
    void add_cached(CachedValues& values, const Walk& walk, std::uint64_t entry);
    CachedValues cached_values(const Walk& walk, Address entry);
    void drop_cached(std::uint32_t asid, std::uint64_t va, std::uint64_t end);

    // in words (describe.cc)
    std::string detail_of(const Event& event) const;
    std::string blocker_of(const Op& op) const;

    void race_at_end();

    sfc_model model_;
    Memory& memory_;
    Limits limits_;
    Driver* driver_ = nullptr;
    const sfc_program* program_ = nullptr;
    Tables tables_;
    Shadow shadow_;  // plain accesses

    // the trace
    Event* trace_ = nullptr;
    Clock* clocks_ = nullptr;
    std::vector<Stamp> edges_;  // of after(), event by event
    std::uint32_t fixed_ = 0;
    std::uint32_t began_ = 0;  // the depth from which on this execution ran
    Snapshots snapshots_;
    std::uint32_t due_ = Snapshots::kNever;  // the depth of the next one
    bool fresh_ = false;
    std::uint64_t steps_ = 0;
    std::uint64_t executions_ = 0;
    Stamp candidates_[4 * kMaxProcs + 8];
    unsigned candidate_count_ = 0;
    Stamp late_[2 * kMaxProcs + 8];
    unsigned late_count_ = 0;
    Stamp hidden_[kMaxProcs + 8];
    unsigned hidden_count_ = 0;
    Stamp overtaken_ = 0;        // the interrupt that came before the event at hand
    std::size_t edges_own_ = 0;  // where that event's edges to other than the interrupt begin

    // processes
    unsigned procs_ = 0;
    unsigned width_ = 4;
    struct Child {
        unsigned parent, index, proc;
    };
    std::vector<Child> children_;  // as found so far: process numbers outlive an execution
    std::uint64_t identity_[kMaxProcs] = {};  // of a process, whatever the order of finding them

    bool stores_are_steps_ = false;
    bool interrupts_sent_ = false;  // in some execution
    bool running_ = false;
    int why_left_ = kComplete;
};

}  // namespace surefoot::checker::engine
