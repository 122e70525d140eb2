#pragma once

// The seam of the checked build: every shared access, lock, RCU step and new thread passes through
// these functions, by address. They run the program on one CPU, in program order, and count;
// the model-checking engine takes their place and decides who goes next and what a load returns.

#include <cstddef>
#include <cstdint>

#include "sync/order.hpp"

namespace surefoot::inline SF_BUILD::sync::engine {

/// CPUs that a checked program may have.
inline constexpr unsigned kCpus = 8;

enum class Access : std::uint8_t { load, store, read_modify_write, plain_read, plain_write };
inline constexpr std::size_t kAccessKinds = 5;

struct Counters {
    std::uint64_t accesses[kAccessKinds] = {};
    std::uint64_t fences = 0;
    std::uint64_t locks = 0;
    std::uint64_t rcu_sections = 0;
    std::uint64_t deferred = 0;
};

/// Counts since the program started.
Counters& counters();

/// Which CPU runs. Locks, RCU sections and slots belong to it.
unsigned this_cpu();

// --- words ---------------------------------------------------------------------------------

/// A CPU is about to touch `size` bytes at `address`.
inline void access(const void* /*address*/, std::size_t /*size*/, Access kind, Order /*order*/) {
    ++counters().accesses[static_cast<std::size_t>(kind)];
}

template <class T>
T load(const T& cell, Order order) {
    access(&cell, sizeof cell, Access::load, order);
    return cell;
}

template <class T>
void store(T& cell, T value, Order order) {
    access(&cell, sizeof cell, Access::store, order);
    cell = value;
}

/// One indivisible step. @return the value before
template <class T, class Change>
T read_modify_write(T& cell, Order order, Change&& change) {
    access(&cell, sizeof cell, Access::read_modify_write, order);
    const T before = cell;
    cell = change(before);
    return before;
}

inline void fence(Order /*order*/) { ++counters().fences; }

// --- locks ---------------------------------------------------------------------------------

/// The state of a lock, in the lock: 0 free, n readers, or a writer. All zero is a free lock.
struct LockState {
    static constexpr std::uint32_t kWriter = ~std::uint32_t{0};
    std::uint32_t holders = 0;
};

bool try_lock(LockState& lock);
bool try_lock_shared(LockState& lock);
void unlock(LockState& lock);
void unlock_shared(LockState& lock);
void downgrade(LockState& lock);
/// These block; with one CPU that runs alone, blocking is a deadlock and ends the execution.
void lock(LockState& lock);
void lock_shared(LockState& lock);

/// The CPU sleeps until another one writes to `address`.
void block_on(const void* address);

// --- RCU -----------------------------------------------------------------------------------

/// A callback that waits for a grace period.
struct Deferred {
    Deferred* next;
    void (*call)(Deferred&);
};

void rcu_enter();
void rcu_exit();
void defer(Deferred& callback);
/// A grace period, then the callbacks that were deferred before this call.
void grace_period();

// --- threads -------------------------------------------------------------------------------

/// Runs `body` to its end on a CPU of its own.
/// @return false when every CPU is in use
bool run_on_new_cpu(void (*body)(void*), void* argument);

}  // namespace surefoot::inline SF_BUILD::sync::engine
