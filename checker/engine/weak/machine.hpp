#pragma once

// Runs a program along one graph of the model `weak`: what its operations return is what the graph
// says, and behind the graph's end the program goes on, a new event at a time.

#include <deque>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "engine/machine/executor.hpp"
#include "engine/memory/memory.hpp"
#include "engine/memory/shadow.hpp"
#include "engine/weak/graph.hpp"

namespace surefoot::checker::engine::weak {

enum class End : std::uint8_t {
    complete,
    deadlocked,
    blocked,   // by sfc_assume()
    dead,      // a task waits though the latest value would let it go on: another graph has that
    violated,  // message() tells
    mistaken,  // so does it: the program or its use of the checker is wrong
};

class Machine final : public Executor {
  public:
    Machine(Memory& memory, std::uint32_t most_events, bool stop_at_error);
    Machine(const Machine&) = delete;
    Machine& operator=(const Machine&) = delete;

    /// The other graphs that branch off on the way are added to `more`.
    End run(const sfc_program& program, Graph graph, std::vector<Graph>& more);
    const Graph& graph() const { return graph_; }
    const std::string& message() const { return message_; }
    const void* place() const { return place_; }
    /// The graph, a line an event, task by task.
    std::string describe() const;
    std::uint64_t steps() const { return steps_; }
    /// Whether some task had to wait inside a read-side section, so far: grace periods may then
    /// wait for ever, which earlier runs left out.
    bool sections_may_block() const { return sections_may_block_; }
    void let_sections_block() { sections_may_block_ = true; }
    /// Tells a task from others, whatever the order in which the search met them.
    std::uint64_t identity(unsigned task) const;

    bool running() const override { return running_; }
    bool in_program() const override {
        return alone() || (running_ && switcher_.current() != &scheduler_);
    }
    std::uint64_t progress() const override { return executions_ + resumed_; }
    const void* last_pc() const override { return last_pc_; }
    std::uint64_t load(Op& op) override;
    void store(Op& op) override;
    std::uint64_t modify(Op& op) override;
    void step(Op& op) override;
    bool names_something(const Op& op) const override {  // interrupts are refused by step()
        return op.kind != Kind::join || (op.a < SFC_MAX_TASKS && tasks_[op.a].alive);
    }
    void fence(sfc_fence_kind kind, const void* pc) override;
    void plain(Address address, std::size_t size, bool write, const void* pc) override;
    void announce(Address, std::size_t, sfc_access_kind, const void* pc) override;
    void unlock(Op& op) override;
    void sleep(Address address, Address lock, const void* pc) override;
    sfc_token last_load() const override { return running_ ? current_->last_load : 0; }
    void address_depends(sfc_token load) override;

    void rcu_read_lock(Address domain, const void* pc) override;
    void rcu_read_unlock(Address domain, const void* pc) override;
    void synchronize_rcu(Address domain, const void* pc) override;
    void call_rcu(Address domain, void (*callback)(void*), void* argument, const void* pc) override;
    void rcu_barrier(Address domain, const void* pc) override;

    unsigned spawn(void (*body)(void*), void* argument, int cpu, const char* name) override;
    unsigned self() const override { return running_ ? current_->number : 0; }
    unsigned this_cpu() const override { return running_ ? current_->cpu : 0; }
    void irq_disable() override;
    void irq_enable() override;
    bool irqs_enabled() const override { return !running_ || current_->irqs_off == 0; }
    std::uint64_t translate(const Walk& walk, Address entry, const void* pc) override;
    void invalidate(std::uint32_t asid, std::uint64_t va, std::uint64_t end,
                    const void* pc) override;
    unsigned ipi(std::uint32_t cpus, void (*handler)(void*), void* argument,
                 const void* pc) override;

    void* allocate(std::size_t bytes, std::size_t align, const void* pc) override;
    void free(Address object, const void* pc) override;
    void give_again(Address, const void* pc) override {
        fail("the model weak gives freed memory out no more: sfc_give_again()", pc, true);
    }
    unsigned generation(Address, const void*) override { return 0; }
    void name(Address address, std::size_t size, const char* name) override {
        names_.add(address, size, name);
    }
    void note(const char*, const void*) override {}  // there is no order to put it in
    void fail(std::string message, const void* pc, bool mistake = false) override;
    void set_switch_hook(sfc_switch_hook hook, void* context) override;

  private:
    static constexpr unsigned kSetup = SFC_MAX_TASKS;  // parent of the tasks that setup spawns

    struct Task {
        Machine* machine = nullptr;
        unsigned number = 0;
        unsigned cpu = 0;
        const char* name = nullptr;
        void (*body)(void*) = nullptr;
        void* argument = nullptr;
        const Event* born = nullptr;    // the event that spawned it
        const Event* latest = nullptr;  // its own, as far as it ran
        unsigned children = 0;
        Fiber fiber;
        bool alive = false;
        bool ended = false;
        bool failed = false;
        bool answered = true;  // it may run on
        bool touched = false;  // plain data, since its latest event
        Op* op = nullptr;      // announced
        sfc_token last_load = 0;
        View depends;  // of the next access
        unsigned irqs_off = 0;
        std::vector<std::pair<Address, unsigned>> sections;  // RCU domains and how deep
        std::vector<std::pair<Address, bool>> locks;         // held, and whether shared
    };
    struct Callback {
        Machine* machine;
        Address domain;
        void (*body)(void*);
        void* argument;
        const void* pc;
        unsigned task;
    };

    std::string running_task() const override { return name_of(current_->number); }
    static void root_main(void* machine);
    static void task_main(void* task);
    static void callback_main(void* callback);
    void reset();
    void schedule();
    void replay(const Event& event);
    bool go_on();
    void catch_up(Task& task);
    bool can_run(Task& task);
    void extend(Task& task);
    /// Goes on with one of the graphs that `event` makes; the others are for later. False if none
    /// is.
    bool branch(const Event& event);
    void branch_back(const Event& event, std::size_t ways);
    void come_first();
    Event announced(Task& task);
    void answer(Task& task, const Event& event);
    void watch_spinning(const Event& event);
    void book_failure(std::string message, const void* pc, bool mistake);

    /// What comes before a place in a task: all that it did itself, what is known to it, and what
    /// grace periods put before it.
    struct Past {
        const Graph* graph;
        unsigned task;
        View known;
        bool operator()(const Point& point) const;
        bool operator()(const Access& access) const { return (*this)(access.at); }
    };
    Past past_of(const Task& task) const;
    View known_at(const Access& access) const;
    bool comes_before(const Access& access, const Access& other) const;
    static Point here(const Task& task, const void* pc);
    std::optional<Finding> judge(Address granule, const Access& access, const Past& past);
    std::optional<Finding> judge(const Event& event);
    std::string message(const Finding& finding) const;
    std::string name_of(unsigned task) const;
    End end();
    End violated();
    bool waits_in_vain(unsigned task) const;
    std::string describe_deadlock() const;
    std::string blocker_of(const Op& op) const;
    void settle_memory() const;

    unsigned number_of(unsigned parent, unsigned child);
    Task& add_task(unsigned parent, unsigned child, void (*body)(void*), void* argument, int cpu,
                   const char* name);
    unsigned word_of(const Op& op);
    static bool in_section(const Task& task, Address domain);
    static bool in_any_section(const Task& task);
    unsigned& nesting(Address domain);
    void refuse(const char* what, const void* pc);

    Memory& memory_;
    Shadow shadow_;  // all accesses
    Names names_;
    const std::uint32_t most_events_;
    const bool stop_at_error_;
    Graph graph_;
    std::vector<Graph>* more_ = nullptr;

    Task tasks_[SFC_MAX_TASKS];
    std::vector<std::pair<unsigned, unsigned>> family_;  // parent and child of each task number
    std::deque<Callback> callbacks_;
    unsigned setup_children_ = 0;
    std::uint32_t cpus_ = 0;
    Task* current_ = nullptr;

    struct WordKey {
        Address address;
        unsigned size;  // 0: a lock
    };
    std::vector<WordKey> words_;
    std::unordered_map<Address, std::vector<unsigned>> words_near_;  // by granule; ~ of a lock

    Fiber scheduler_;
    bool running_ = false;
    bool dead_ = false;
    bool sections_may_block_ = false;
    bool failed_ = false, mistaken_ = false;
    std::string message_;
    const void* place_ = nullptr;
    std::uint64_t steps_ = 0;
    std::uint64_t executions_ = 0;
    std::uint64_t resumed_ = 0;  // tasks, in all executions
    const void* last_pc_ = nullptr;
    sfc_switch_hook hook_ = nullptr;
    void* hook_context_ = nullptr;
};

}  // namespace surefoot::checker::engine::weak
