#pragma once

// What the C interface speaks to: the machine of sc and tso, or the one of weak.

#include <string>
#include <string_view>

#include "engine/machine/fibers.hpp"
#include "engine/machine/step.hpp"

namespace surefoot::checker::engine {

/// A translation that a CPU makes at one level of a table.
struct Walk {
    std::uint32_t asid;
    std::uint64_t va;
    sfc_translate access;
    bool leaf;
    const sfc_entry_format* format;
};

class Executor {
  public:
    virtual ~Executor() = default;

    /// Whether a task runs, and not setup or finish.
    virtual bool running() const = 0;
    /// Whether the program's own code runs, in a task, setup or finish, and not the engine.
    virtual bool in_program() const = 0;
    /// Grows with each execution and each step of a task.
    virtual std::uint64_t progress() const = 0;
    /// The place of the latest one.
    virtual const void* last_pc() const = 0;
    virtual std::uint64_t load(Op& op) = 0;
    virtual void store(Op& op) = 0;
    virtual std::uint64_t modify(Op& op) = 0;
    virtual void step(Op& op) = 0;
    /// Whether there is the task or the ticket that a join or irq_wait names.
    virtual bool names_something(const Op& op) const = 0;
    virtual void fence(sfc_fence_kind kind, const void* pc) = 0;
    virtual void plain(Address address, std::size_t size, bool write, const void* pc) = 0;
    virtual void announce(Address address, std::size_t size, sfc_access_kind kind,
                          const void* pc) = 0;
    virtual void unlock(Op& op) = 0;
    virtual void sleep(Address address, Address lock, const void* pc) = 0;
    virtual sfc_token last_load() const = 0;
    virtual void address_depends(sfc_token load) = 0;

    virtual void rcu_read_lock(Address domain, const void* pc) = 0;
    virtual void rcu_read_unlock(Address domain, const void* pc) = 0;
    virtual void synchronize_rcu(Address domain, const void* pc) = 0;
    virtual void call_rcu(Address domain, void (*callback)(void*), void* argument,
                          const void* pc) = 0;
    virtual void rcu_barrier(Address domain, const void* pc) = 0;

    virtual unsigned spawn(void (*body)(void*), void* argument, int cpu, const char* name) = 0;
    virtual unsigned self() const = 0;
    virtual unsigned this_cpu() const = 0;
    virtual void irq_disable() = 0;
    virtual void irq_enable() = 0;
    virtual bool irqs_enabled() const = 0;
    virtual unsigned ipi(std::uint32_t cpus, void (*handler)(void*), void* argument,
                         const void* pc) = 0;

    /// sfc_translate_entry() and sfc_tlb_invalidate()
    virtual std::uint64_t translate(const Walk& walk, Address entry, const void* pc) = 0;
    virtual void invalidate(std::uint32_t asid, std::uint64_t va, std::uint64_t end,
                            const void* pc) = 0;

    virtual void* allocate(std::size_t bytes, std::size_t align, const void* pc) = 0;
    virtual void free(Address object, const void* pc) = 0;
    virtual void give_again(Address object, const void* pc) = 0;
    virtual unsigned generation(Address object, const void* pc) = 0;
    virtual void name(Address address, std::size_t size, const char* name) = 0;
    virtual void note(const char* text, const void* pc) = 0;
    /// `mistake`: of the program or its use of the checker, not a violation.
    virtual void fail(std::string message, const void* pc, bool mistake = false) = 0;
    virtual void set_switch_hook(sfc_switch_hook hook, void* context) = 0;

    /// What `finish` said of the latest execution; empty if nothing.
    const std::string& outcome() const { return outcome_; }
    void tell_outcome(std::string_view bytes) { outcome_ = bytes; }

    // --- for the guard: what goes wrong in the middle of the program -----------------------------

    bool on_fiber() const { return switcher_.on_fiber(); }
    /// Why a fault at that address is an overflow of a stack; empty if it is none.
    std::string overflow(const void* address) const;
    /// Whose code runs: a task's, setup's or finish's.
    std::string who() const;
    /// As fail(), from setup and finish, too: the stack is left for good.
    [[noreturn]] void abandon(std::string message, const void* pc, bool mistake);

  protected:
    static constexpr std::size_t kStackBytes = std::size_t{64} << 10;

    explicit Executor(unsigned fibers) : stacks_(fibers, kStackBytes) {}
    /// The name of the task that runs, or whose step is at hand.
    virtual std::string running_task() const = 0;

    /// Runs `setup` or `finish`, on a stack that can be left.
    void run_alone(const char* name, void (*body)(void*), void* context);
    bool alone() const { return alone_name_ != nullptr; }
    /// Runs the program's code; what it throws is a failure.
    void guarded(void (*body)(void*), void* context);
    void start(Fiber& fiber, unsigned stack, void (*body)(void*), void* argument) {
        fiber.start(stacks_.at(stack), stacks_.bytes(), body, argument);
    }

    Switcher switcher_;
    std::string outcome_;

  private:
    static void alone_main(void* self);

    Stacks stacks_;
    Stacks alone_stack_{1, std::size_t{1} << 20};
    const char* alone_name_ = nullptr;  // null: neither setup nor finish runs
    void (*alone_body_)(void*) = nullptr;
    void* alone_context_ = nullptr;
};

}  // namespace surefoot::checker::engine
