/* The checker's C interface: a concurrent program, told by address.
 *
 * The program under check runs natively, on fibers of one thread. Whatever two of its CPUs may
 * both touch goes through these calls; the engine decides who goes next and what a load returns.
 * Nothing here throws, allocates from the caller's heap or needs an aligned stack, and every call
 * may be made from a small stack of the caller's own.
 *
 * Names: a *task* is a thread of control with a stack, a *CPU* is what it runs on and what owns a
 * store buffer, an interrupt flag and a TLB. Several tasks may share a CPU. A *word* is a byte
 * range of 1, 2, 4 or 8 bytes, naturally aligned; overlapping words conflict.
 *
 * docs/checker.md is the guide; docs/model.md says what is counted under each model. */
#ifndef SUREFOOT_CHECKER_ENGINE_H
#define SUREFOOT_CHECKER_ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
    SFC_MAX_CPUS = 16,  /**< CPUs of a program; more is an error. */
    SFC_MAX_TASKS = 32, /**< Tasks of a program, over its whole run; so are callbacks of RCU. */
};

/* Setup, the tasks and finish of a run may call what follows. In setup and finish, words are read
 * and written without a step, and calls that wait, take locks, or tell of accesses do nothing; they
 * do nothing outside of a run, too. All others abort() there, with a message that names them.
 *
 * --- words, with values -------------------------------------------------------------------- */

typedef enum sfc_order {
    SFC_RELAXED, /**< READ_ONCE, WRITE_ONCE, atomic_..._relaxed */
    SFC_ACQUIRE,
    SFC_RELEASE,
    SFC_ACQ_REL,
    SFC_FULL, /**< The kernel's value-returning atomics: a full fence before and after. */
} sfc_order;

typedef enum sfc_rmw_op {
    SFC_XCHG,
    SFC_ADD,
    SFC_SUB,
    SFC_AND,
    SFC_OR,
    SFC_XOR,
} sfc_rmw_op;

/** The place where it is called, for the `pc` of the others. */
const void* sfc_here(void);

/** Marked accesses of `size` bytes at `address`. `pc` is the place to print; null: the caller. */
uint64_t sfc_load(const void* address, unsigned size, sfc_order order, const void* pc);
void sfc_store(void* address, unsigned size, uint64_t value, sfc_order order, const void* pc);

/** One indivisible read-modify-write. @return the value before */
uint64_t sfc_rmw(void* address, unsigned size, sfc_rmw_op op, uint64_t operand, sfc_order order,
                 const void* pc);

/** Strong compare-and-exchange; a failed one is a plain marked load of order `failure`.
 * @return the value before, which equals `expected` exactly if it succeeded */
uint64_t sfc_cas(void* address, unsigned size, uint64_t expected, uint64_t desired,
                 sfc_order success, sfc_order failure, const void* pc);

/** As sfc_rmw(), with any function of the old value. `change` may be called more than once, also
 * later in the execution, and must depend on its arguments alone and on what `context` keeps; when
 * it returns its argument, this was a load. */
uint64_t sfc_rmw_call(void* address, unsigned size,
                      uint64_t (*change)(uint64_t before, void* context), void* context,
                      sfc_order order, const void* pc);

typedef enum sfc_fence_kind {
    SFC_MB,  /**< smp_mb */
    SFC_RMB, /**< smp_rmb */
    SFC_WMB, /**< smp_wmb */
    SFC_FENCE_ACQUIRE,
    SFC_FENCE_RELEASE,
} sfc_fence_kind;
void sfc_fence(sfc_fence_kind kind, const void* pc);

/** Plain data: no step of its own, but two unordered conflicting accesses are a data race. The
 * program makes the access itself, after the call. */
void sfc_plain_read(const void* address, size_t size, const void* pc);
void sfc_plain_write(const void* address, size_t size, const void* pc);

/** The load that the calling task made last, and "the address of my next access was computed
 * from that load". An address dependency orders the two; only the model `weak` cares. */
typedef uint32_t sfc_token;
sfc_token sfc_last_load(void);
void sfc_address_depends(sfc_token load);

/* --- words, announced before they happen ------------------------------------------------------ */

/** What instrumented code knows just before it touches memory. The engine looks at memory before
 * and, at the task's next call, after; under tso a store is then taken back into the store buffer.
 * Marked ones are of at most 8 bytes in a word. Models sc and tso; `weak` refuses it. */
typedef enum sfc_access_kind {
    SFC_READ_PLAIN,
    SFC_WRITE_PLAIN,
    SFC_READ_MARKED,
    SFC_WRITE_MARKED,
    SFC_COMPOUND, /**< A plain x = x + 1: a read, then a write. */
    SFC_RMW,      /**< Atomic. Announcements of one instruction (same bytes, same `pc`, and nothing
                       written in between) are merged. */
} sfc_access_kind;
void sfc_announce(const void* address, size_t size, sfc_access_kind kind, const void* pc);

/* --- waiting ------------------------------------------------------------------------------- */

typedef enum sfc_compare { SFC_EQ, SFC_NE, SFC_LT, SFC_LE, SFC_GT, SFC_GE } sfc_compare;

/** Blocks until `(value & mask) COMPARE operand` (unsigned) holds, instead of spinning. One step:
 * the load that saw it. @return that value */
uint64_t sfc_await(const void* address, unsigned size, uint64_t mask, sfc_compare compare,
                   uint64_t operand, sfc_order order, const void* pc);

/** Sleeps until a wake of the same address that comes later. With `lock` (an SFC_LOCK_SLEEP one,
 * held exclusively), sleeping and releasing are one step, and the lock is held again on return. */
void sfc_wait(const void* address, void* lock, const void* pc);
/** Wakes up to `count` sleepers, oldest first. @return how many */
unsigned sfc_wake(const void* address, unsigned count, const void* pc);

/** Ends the calling task's part of this execution when `condition` does not hold: "this is not
 * the execution that I mean". It is counted as blocked. Also how a retry loop without effects is
 * cut: a failed iteration equals one that began later. */
void sfc_assume(bool condition, const void* pc);

/** A number in [0, count): the search tries each. */
unsigned sfc_choose(unsigned count, const void* pc);

/* --- locks --------------------------------------------------------------------------------- */

/** A lock is an address; all zero state is not needed and nothing is stored there. */
typedef enum sfc_lock_kind {
    SFC_LOCK_SPIN,  /**< Its release is a store: under tso it waits in the store buffer. */
    SFC_LOCK_SLEEP, /**< Its release is a read-modify-write. */
} sfc_lock_kind;

void sfc_lock(void* lock, sfc_lock_kind kind, const void* pc);
bool sfc_trylock(void* lock, sfc_lock_kind kind, const void* pc);
void sfc_unlock(void* lock, sfc_lock_kind kind, const void* pc);
void sfc_lock_shared(void* lock, sfc_lock_kind kind, const void* pc);
bool sfc_trylock_shared(void* lock, sfc_lock_kind kind, const void* pc);
void sfc_unlock_shared(void* lock, sfc_lock_kind kind, const void* pc);
/** From exclusive to shared, without a moment in between. */
void sfc_downgrade(void* lock, sfc_lock_kind kind, const void* pc);
/** Whether anybody (exclusively: any writer) holds it; a visible step. Under tso it waits until
 * what its CPU released has left the store buffer. */
bool sfc_is_locked(const void* lock, bool exclusively, const void* pc);

/* --- RCU ----------------------------------------------------------------------------------- */

/** `domain` is null for RCU, the address of the srcu_struct for SRCU. Sections nest. */
void sfc_rcu_read_lock(const void* domain, const void* pc);
void sfc_rcu_read_unlock(const void* domain, const void* pc);
void sfc_synchronize_rcu(const void* domain, const void* pc);
/** Runs `callback(argument)` on a CPU of its own after a grace period. */
void sfc_call_rcu(const void* domain, void (*callback)(void*), void* argument, const void* pc);
/** Waits for every callback of the domain that was queued before. */
void sfc_rcu_barrier(const void* domain, const void* pc);

/* --- CPUs, tasks, interrupts ----------------------------------------------------------------- */

enum { SFC_ANY_CPU = -1 };

/** Starts a task on `cpu`, or on the lowest CPU that has none. @return its number, which tells it
 * from others: under sc and tso it hangs on the order of spawns, and of callbacks queued and
 * CPUs first interrupted before */
unsigned sfc_spawn(void (*body)(void*), void* argument, int cpu, const char* name);
/** Blocks until the task has ended and its stores are in memory. */
void sfc_join(unsigned task, const void* pc);
unsigned sfc_self(void);
unsigned sfc_cpu(void);

/** Interrupts of the calling CPU; these nest. A pending one is delivered when they are on. */
void sfc_irq_disable(void);
void sfc_irq_enable(void);
bool sfc_irqs_enabled(void);

/** Sends an inter-processor interrupt: `handler(argument)` runs once on each CPU of `cpus` but the
 * sender's, on the stack of the task that runs there, at any point where interrupts are on.
 * A CPU whose tasks have ended handles it on a stack of its own; one that no task was started on
 * by then is left out. @return a ticket to wait for */
unsigned sfc_ipi(uint32_t cpus, void (*handler)(void*), void* argument, const void* pc);
/** Blocks until every CPU has handled it (smp_call_function's wait). */
void sfc_ipi_wait(unsigned ticket, const void* pc);

/* --- TLBs ---------------------------------------------------------------------------------- */

/** What the hardware does with an entry: load or store through it. */
typedef enum sfc_translate { SFC_TLB_LOAD, SFC_TLB_STORE } sfc_translate;

/** The bits of an entry that the walker looks at. */
typedef struct sfc_entry_format {
    uint64_t present, writable, accessed, dirty;
} sfc_entry_format;

/** One level of a walk of address space `asid` by the calling CPU: the entry at `entry` (8 bytes),
 * used for `va`. Returns an entry value that the CPU may use: any present one that was current
 * since the last invalidation of (CPU, asid, va), with the accessed bit set (the dirty and
 * writable ones too for a store at a leaf); setting them is a step on the current value. Returns
 * a value without `present` for a fault, which drops what the CPU may have cached for `va`. */
uint64_t sfc_translate_entry(uint32_t asid, uint64_t va, void* entry, sfc_translate access,
                             bool leaf, const sfc_entry_format* format, const void* pc);
/** Drops what the calling CPU may have cached of [va, va_end) in `asid`, tables included. */
void sfc_tlb_invalidate(uint32_t asid, uint64_t va, uint64_t va_end, const void* pc);

/* --- memory -------------------------------------------------------------------------------- */

/** Memory at the same addresses in every execution. Freed memory is poisoned and reported when
 * touched, also when the access and the free are merely unordered. */
void* sfc_alloc(size_t size, size_t align, const void* pc);
void sfc_free(void* object, const void* pc);
/** Gives a freed block out again, for an allocator of the program's own that decides what is reused.
 * That it knows of the free is its own business. Not under `weak`. */
void sfc_give_again(void* object, const void* pc);

typedef enum sfc_reuse {
    SFC_REUSE_NEVER, /**< Quarantine until the execution ends. The default. */
    SFC_REUSE_LIFO,  /**< The block freed last is given out first. */
} sfc_reuse;

/** How often the block at `object` was given out before: tells a new owner from an old one. */
unsigned sfc_generation(const void* object);

/* --- findings ------------------------------------------------------------------------------ */

/** A broken invariant: ends the execution, which becomes the counterexample. */
void sfc_fail(const char* message, const void* pc);
/** From `finish`: how this execution ended, as bytes that mean something to the caller.
 * sfc_result.outcomes counts the executions of each. */
void sfc_outcome(const void* bytes, size_t size);
/** Names `size` bytes at `address` in reports. The text must live as long as the search. */
void sfc_name(const void* address, size_t size, const char* name);
/** Adds a line to the schedule that a report prints. The text must live as long as the search. */
void sfc_note(const char* text, const void* pc);
/** Whether the caller is inside a checked task (and not in setup or finish). */
bool sfc_running(void);

/** Called at each switch to another task, on its stack, and where a task goes on from a snapshot:
 * GS base, `current` and the like. */
typedef void (*sfc_switch_hook)(unsigned task, unsigned cpu, void* context);
void sfc_set_switch_hook(sfc_switch_hook hook, void* context);

/* --- the search ---------------------------------------------------------------------------- */

typedef enum sfc_model { SFC_SC, SFC_TSO, SFC_WEAK } sfc_model;
typedef enum sfc_strategy {
    SFC_EXHAUSTIVE, /**< Every execution, up to equivalence, once. */
    SFC_BOUNDED,    /**< Every one that at most `bound` preemptions reach. */
    SFC_RANDOM,     /**< Uniform choice among the enabled steps. */
    SFC_PCT,        /**< Probabilistic concurrency testing of depth `bound`. */
    SFC_POS,        /**< Partial-order sampling. */
} sfc_strategy;

/** How far a search is. The estimate is rough: docs/checker.md. */
typedef struct sfc_progress {
    uint64_t executions;
    double estimate; /**< Executions in all; 0: not known yet. */
    double seconds;
    double seconds_left;
} sfc_progress;

typedef struct sfc_options {
    sfc_model model;
    sfc_strategy strategy;
    unsigned bound; /**< Preemptions, or the depth of PCT. */
    uint64_t runs;  /**< Executions of a random strategy. */
    uint64_t seed;
    uint64_t max_executions; /**< 0: no limit. */
    double max_seconds;      /**< 0: no limit. */
    uint32_t max_steps;      /**< Visible steps of one execution; 0: 20,000. */
    unsigned jobs; /**< Processes; 0 and 1: this one alone. What `finish` leaves in the memory of
                        the others is lost: see sfc_outcome(). */
    uint32_t executions_between_parts; /**< How many before another part of the search may go to a
                                            process that is free; 0: 1000. */
    bool stop_at_error;                /**< End at the first violation. */
    bool deadlock_is_error; /**< Otherwise an execution that gets stuck counts as blocked. */
    bool shuffle;      /**< SFC_EXHAUSTIVE, not weak: the same executions in an order by chance. */
    bool hash_traces;  /**< Fill in sfc_result.trace_hash. */
    bool flush_is_ipi; /**< For the program to ask; see sfc_flush_is_ipi(). */
    sfc_reuse reuse;
    /** Go back to copies of what the program has in the arena and on its stacks, instead of running
     * the same steps again: docs/checker.md says when. All that a task changes is to lie there. */
    bool snapshots;
    uint32_t repeat_every; /**< Each execution of a number that this divides is run again from its
                                beginning, and must be the same; 0: 1000. */
    size_t arena_bytes; /**< 0: 64 MiB. */
    const char* replay; /**< Runs this one schedule, of an earlier result. */
    /** Called now and then. */
    void (*progress)(const sfc_progress* progress, void* context);
    void* progress_context;
} sfc_options;

/** Model sc, exhaustive, stop at the first error, deadlock is an error. */
sfc_options sfc_default_options(void);
bool sfc_flush_is_ipi(void);

/** A closed program. `setup` runs first in each execution, alone: it makes the objects and spawns
 * the tasks. `finish` runs alone after each complete execution, when all stores are in memory;
 * with snapshots once more where the execution is repeated.
 * Both use the calls above; their accesses are no steps. */
typedef struct sfc_program {
    const char* name;
    void (*setup)(void* context);
    void (*finish)(void* context);
    void* context;
} sfc_program;

typedef enum sfc_verdict {
    SFC_HOLDS,      /**< No violation; the search was complete. */
    SFC_VIOLATED,   /**< `message`, `diagram` and `replay` tell. */
    SFC_INCOMPLETE, /**< No violation, but a limit was met or the strategy samples. */
    SFC_WRONG,      /**< The program or the options are wrong: `message`. */
} sfc_verdict;

typedef struct sfc_outcome_count {
    void* bytes;
    size_t size;
    uint64_t executions;
} sfc_outcome_count;

/** sfc_result_free() frees what it points to. */
typedef struct sfc_result {
    sfc_verdict verdict;
    uint64_t complete;  /**< Executions that ran to their end. */
    uint64_t blocked;   /**< Ended by sfc_assume() or stuck, where that is no error. */
    uint64_t redundant; /**< Cut because an equivalent one was explored (sleep-set blocked). */
    uint64_t violations;
    uint64_t steps;     /**< Visible steps in all, repeated ones included. */
    uint32_t max_depth; /**< Longest execution, in steps. */
    uint32_t restarts;  /**< How often a newly found shared word began the search anew. */
    double seconds;
    double estimate;     /**< Executions in all, as estimated when the search ended. */
    uint64_t trace_hash; /**< Sum over the complete executions; independent of their order. */
    char message[512];   /**< First violation, one line. */
    char place[256];     /**< Of the violation: a function, or what addr2line is told. */
    char replay[2048];   /**< Its schedule; empty when too long. */
    char* schedule;      /**< Its steps, a line each (weak: task by task); null if none. */
    sfc_outcome_count* outcomes; /**< What sfc_outcome() was told, in the order of the bytes. */
    size_t outcome_count;
} sfc_result;

void sfc_run(const sfc_program* program, const sfc_options* options, sfc_result* result);
void sfc_result_free(sfc_result* result);

#ifdef __cplusplus
}
#endif
#endif
