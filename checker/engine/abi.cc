// The C interface: each call packs its arguments and hands them to the machine. Kernel code keeps
// its stack aligned to 8 bytes only, so every entry realigns it.

#include "engine/abi.hpp"

#include <cstdio>
#include <cstdlib>

#include "engine/machine/executor.hpp"

#define SFC_ENTRY extern "C" __attribute__((force_align_arg_pointer, visibility("default")))
#define SFC_CALLER(pc) ((pc) != nullptr ? (pc) : __builtin_return_address(0))

namespace surefoot::checker::engine {
namespace {

Executor* active = nullptr;
bool flush_is_ipi = true;

/// Of the run that is on; `call` is the function of the interface.
Executor& machine(const char* call = __builtin_FUNCTION()) {
    if (active != nullptr) return *active;
    std::fprintf(stderr,
                 "surefoot: %s() outside of a run of the checker: setup, its tasks and finish may "
                 "call it\n",
                 call);
    std::abort();
}

Address as_address(const void* pointer) { return reinterpret_cast<Address>(pointer); }

bool running() { return active != nullptr && active->running(); }

}  // namespace

Activation::Activation(Executor& machine, bool is_ipi) {
    active = &machine;
    flush_is_ipi = is_ipi;
}
Activation::~Activation() { active = nullptr; }
bool Activation::exists() { return active != nullptr; }

namespace {

/// Refuses what is no word.
bool is_word(const void* address, unsigned size, const void* pc,
             const char* call = __builtin_FUNCTION()) {
    Executor& executor = machine(call);
    const bool good =
        (size == 1 || size == 2 || size == 4 || size == 8) && as_address(address) % size == 0;
    if (!good) executor.fail("a word has 1, 2, 4 or 8 bytes and is aligned to its size", pc, true);
    return good;
}

bool lock_step(Kind kind, const void* lock, sfc_lock_kind sort, const void* pc,
               std::uint64_t a = 0) {
    if (!running()) return true;
    Op op{.kind = kind,
          .sub = static_cast<std::uint8_t>(sort),
          .address = as_address(lock),
          .a = a,
          .pc = pc};
    active->step(op);
    return op.result != 0;
}

void wait_step(Kind kind, unsigned number, const void* pc) {
    Op op{.kind = kind, .a = number, .pc = pc};
    if (!active->names_something(op))
        return active->fail("a wait for a task or an interrupt that there is not", pc, true);
    active->step(op);
}

void unlock_step(Kind kind, const void* lock, sfc_lock_kind sort, const void* pc) {
    if (!running()) return;
    Op op{.kind = kind,
          .sub = static_cast<std::uint8_t>(sort),
          .address = as_address(lock),
          .pc = pc};
    active->unlock(op);
}

}  // namespace
}  // namespace surefoot::checker::engine

using namespace surefoot::checker::engine;

SFC_ENTRY const void* sfc_here(void) { return __builtin_return_address(0); }

// --- words
// ----------------------------------------------------------------------------------------

SFC_ENTRY uint64_t sfc_load(const void* address, unsigned size, sfc_order order, const void* pc) {
    if (!is_word(address, size, SFC_CALLER(pc))) return 0;
    Op op{.kind = Kind::load,
          .order = static_cast<std::uint8_t>(order),
          .size = static_cast<std::uint8_t>(size),
          .address = as_address(address),
          .pc = SFC_CALLER(pc)};
    return machine().load(op);
}

SFC_ENTRY void sfc_store(void* address, unsigned size, uint64_t value, sfc_order order,
                         const void* pc) {
    if (!is_word(address, size, SFC_CALLER(pc))) return;
    Op op{.kind = Kind::store,
          .order = static_cast<std::uint8_t>(order),
          .size = static_cast<std::uint8_t>(size),
          .address = as_address(address),
          .a = value,
          .pc = SFC_CALLER(pc)};
    machine().store(op);
}

SFC_ENTRY uint64_t sfc_rmw(void* address, unsigned size, sfc_rmw_op sub, uint64_t operand,
                           sfc_order order, const void* pc) {
    if (!is_word(address, size, SFC_CALLER(pc))) return 0;
    Op op{.kind = Kind::rmw,
          .order = static_cast<std::uint8_t>(order),
          .size = static_cast<std::uint8_t>(size),
          .sub = static_cast<std::uint8_t>(sub),
          .address = as_address(address),
          .a = operand,
          .pc = SFC_CALLER(pc)};
    return machine().modify(op);
}

SFC_ENTRY uint64_t sfc_cas(void* address, unsigned size, uint64_t expected, uint64_t desired,
                           sfc_order success, sfc_order failure, const void* pc) {
    if (!is_word(address, size, SFC_CALLER(pc))) return 0;
    Op op{.kind = Kind::cas,
          .order = static_cast<std::uint8_t>(success),
          .size = static_cast<std::uint8_t>(size),
          .sub = static_cast<std::uint8_t>(failure),
          .address = as_address(address),
          .a = expected,
          .b = desired,
          .pc = SFC_CALLER(pc)};
    return machine().modify(op);
}

SFC_ENTRY uint64_t sfc_rmw_call(void* address, unsigned size, uint64_t (*change)(uint64_t, void*),
                                void* context, sfc_order order, const void* pc) {
    if (!is_word(address, size, SFC_CALLER(pc))) return 0;
    Op op{.kind = Kind::rmw_call,
          .order = static_cast<std::uint8_t>(order),
          .size = static_cast<std::uint8_t>(size),
          .address = as_address(address),
          .pc = SFC_CALLER(pc),
          .change = change,
          .context = context};
    return machine().modify(op);
}

SFC_ENTRY void sfc_fence(sfc_fence_kind kind, const void* pc) {
    machine().fence(kind, SFC_CALLER(pc));
}

SFC_ENTRY void sfc_plain_read(const void* address, size_t size, const void* pc) {
    if (running()) machine().plain(as_address(address), size, false, SFC_CALLER(pc));
}
SFC_ENTRY void sfc_plain_write(const void* address, size_t size, const void* pc) {
    if (running()) machine().plain(as_address(address), size, true, SFC_CALLER(pc));
}

SFC_ENTRY void sfc_announce(const void* address, size_t size, sfc_access_kind kind,
                            const void* pc) {
    if (running()) machine().announce(as_address(address), size, kind, SFC_CALLER(pc));
}

SFC_ENTRY sfc_token sfc_last_load(void) { return machine().last_load(); }
SFC_ENTRY void sfc_address_depends(sfc_token load) { machine().address_depends(load); }

SFC_ENTRY uint64_t sfc_await(const void* address, unsigned size, uint64_t mask, sfc_compare compare,
                             uint64_t operand, sfc_order order, const void* pc) {
    if (!is_word(address, size, SFC_CALLER(pc))) return 0;
    Op op{.kind = Kind::await,
          .order = static_cast<std::uint8_t>(order),
          .size = static_cast<std::uint8_t>(size),
          .sub = static_cast<std::uint8_t>(compare),
          .address = as_address(address),
          .a = mask,
          .b = operand,
          .pc = SFC_CALLER(pc)};
    return machine().load(op);
}

SFC_ENTRY void sfc_wait(const void* address, void* lock, const void* pc) {
    if (running()) machine().sleep(as_address(address), as_address(lock), SFC_CALLER(pc));
}

SFC_ENTRY unsigned sfc_wake(const void* address, unsigned count, const void* pc) {
    if (!running()) return 0;
    Op op{.kind = Kind::wake, .address = as_address(address), .a = count, .pc = SFC_CALLER(pc)};
    machine().step(op);
    return static_cast<unsigned>(op.result);
}

SFC_ENTRY void sfc_assume(bool condition, const void* pc) {
    if (condition || !running()) return;
    Op op{.kind = Kind::stop, .pc = SFC_CALLER(pc)};
    machine().step(op);
}

SFC_ENTRY unsigned sfc_choose(unsigned count, const void* pc) {
    if (!running() || count <= 1) return 0;
    if (count > 64) {
        machine().fail("sfc_choose() has more than 64 outcomes", SFC_CALLER(pc), true);
        return 0;
    }
    Op op{.kind = Kind::choose, .a = count, .pc = SFC_CALLER(pc)};
    machine().step(op);
    return static_cast<unsigned>(op.result);
}

// --- locks
// ----------------------------------------------------------------------------------------

SFC_ENTRY void sfc_lock(void* lock, sfc_lock_kind kind, const void* pc) {
    lock_step(Kind::lock, lock, kind, SFC_CALLER(pc));
}
SFC_ENTRY bool sfc_trylock(void* lock, sfc_lock_kind kind, const void* pc) {
    return lock_step(Kind::try_lock, lock, kind, SFC_CALLER(pc));
}
SFC_ENTRY void sfc_unlock(void* lock, sfc_lock_kind kind, const void* pc) {
    unlock_step(Kind::unlock, lock, kind, SFC_CALLER(pc));
}
SFC_ENTRY void sfc_lock_shared(void* lock, sfc_lock_kind kind, const void* pc) {
    lock_step(Kind::lock_shared, lock, kind, SFC_CALLER(pc));
}
SFC_ENTRY bool sfc_trylock_shared(void* lock, sfc_lock_kind kind, const void* pc) {
    return lock_step(Kind::try_lock_shared, lock, kind, SFC_CALLER(pc));
}
SFC_ENTRY void sfc_unlock_shared(void* lock, sfc_lock_kind kind, const void* pc) {
    unlock_step(Kind::unlock_shared, lock, kind, SFC_CALLER(pc));
}
SFC_ENTRY void sfc_downgrade(void* lock, sfc_lock_kind kind, const void* pc) {
    unlock_step(Kind::downgrade, lock, kind, SFC_CALLER(pc));
}
SFC_ENTRY bool sfc_is_locked(const void* lock, bool exclusively, const void* pc) {
    if (!running()) return false;
    return !lock_step(Kind::probe_lock, lock, SFC_LOCK_SPIN, SFC_CALLER(pc), exclusively);
}

// --- RCU
// ------------------------------------------------------------------------------------------

SFC_ENTRY void sfc_rcu_read_lock(const void* domain, const void* pc) {
    machine().rcu_read_lock(as_address(domain), SFC_CALLER(pc));
}
SFC_ENTRY void sfc_rcu_read_unlock(const void* domain, const void* pc) {
    machine().rcu_read_unlock(as_address(domain), SFC_CALLER(pc));
}
SFC_ENTRY void sfc_synchronize_rcu(const void* domain, const void* pc) {
    machine().synchronize_rcu(as_address(domain), SFC_CALLER(pc));
}
SFC_ENTRY void sfc_call_rcu(const void* domain, void (*callback)(void*), void* argument,
                            const void* pc) {
    machine().call_rcu(as_address(domain), callback, argument, SFC_CALLER(pc));
}
SFC_ENTRY void sfc_rcu_barrier(const void* domain, const void* pc) {
    machine().rcu_barrier(as_address(domain), SFC_CALLER(pc));
}

// --- CPUs
// -----------------------------------------------------------------------------------------

SFC_ENTRY unsigned sfc_spawn(void (*body)(void*), void* argument, int cpu, const char* name) {
    return machine().spawn(body, argument, cpu, name);
}
SFC_ENTRY void sfc_join(unsigned task, const void* pc) {
    if (!running()) return;
    wait_step(Kind::join, task, SFC_CALLER(pc));
}
SFC_ENTRY unsigned sfc_self(void) { return machine().self(); }
SFC_ENTRY unsigned sfc_cpu(void) { return machine().this_cpu(); }
SFC_ENTRY void sfc_irq_disable(void) { machine().irq_disable(); }
SFC_ENTRY void sfc_irq_enable(void) { machine().irq_enable(); }
SFC_ENTRY bool sfc_irqs_enabled(void) { return machine().irqs_enabled(); }
SFC_ENTRY unsigned sfc_ipi(uint32_t cpus, void (*handler)(void*), void* argument, const void* pc) {
    return machine().ipi(cpus, handler, argument, SFC_CALLER(pc));
}
SFC_ENTRY void sfc_ipi_wait(unsigned ticket, const void* pc) {
    if (!running()) return;
    wait_step(Kind::irq_wait, ticket, SFC_CALLER(pc));
}
SFC_ENTRY bool sfc_flush_is_ipi(void) { return flush_is_ipi; }

// --- TLBs
// -----------------------------------------------------------------------------------------

SFC_ENTRY uint64_t sfc_translate_entry(uint32_t asid, uint64_t va, void* entry,
                                       sfc_translate access, bool leaf,
                                       const sfc_entry_format* format, const void* pc) {
    return machine().translate({asid, va, access, leaf, format}, as_address(entry), SFC_CALLER(pc));
}
SFC_ENTRY void sfc_tlb_invalidate(uint32_t asid, uint64_t va, uint64_t va_end, const void* pc) {
    machine().invalidate(asid, va, va_end, SFC_CALLER(pc));
}

// --- memory and findings
// --------------------------------------------------------------------------

SFC_ENTRY void* sfc_alloc(size_t size, size_t align, const void* pc) {
    return machine().allocate(size, align, SFC_CALLER(pc));
}
SFC_ENTRY void sfc_free(void* object, const void* pc) {
    machine().free(as_address(object), SFC_CALLER(pc));
}
SFC_ENTRY void sfc_give_again(void* object, const void* pc) {
    active->give_again(as_address(object), SFC_CALLER(pc));
}
SFC_ENTRY unsigned sfc_generation(const void* object) {
    return machine().generation(as_address(object), __builtin_return_address(0));
}
SFC_ENTRY void sfc_name(const void* address, size_t size, const char* name) {
    machine().name(as_address(address), size, name);
}
SFC_ENTRY void sfc_note(const char* text, const void* pc) {
    if (running()) machine().note(text, SFC_CALLER(pc));
}
SFC_ENTRY void sfc_fail(const char* message, const void* pc) {
    machine().fail(message != nullptr ? message : "sfc_fail()", SFC_CALLER(pc));
}
SFC_ENTRY void sfc_outcome(const void* bytes, size_t size) {
    machine().tell_outcome({static_cast<const char*>(bytes), size});
}
SFC_ENTRY bool sfc_running(void) { return running(); }
SFC_ENTRY void sfc_set_switch_hook(sfc_switch_hook hook, void* context) {
    machine().set_switch_hook(hook, context);
}
