#pragma once

// The seam of the checked build: every shared access, lock, RCU step and new thread passes through
// these functions, by address. In a task of a search the checker's engine (checker/) decides who
// goes next and what a load returns. Elsewhere - setup, finish, a unit test - the program is alone:
// it runs on one CPU, in program order, and what it would wait for is a deadlock.

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "surefoot/checker/engine.h"
#include "sync/order.hpp"

namespace surefoot::inline SF_BUILD::sync::engine {

/// CPUs with a slot of their own; the last slot is everybody's who comes on top: RCU callbacks.
inline constexpr unsigned kSlots = 8;
inline constexpr unsigned kSharedSlot = kSlots - 1;

/// A task of a search runs.
inline bool in_task() { return sfc_running(); }

/// The slot of the CPU that runs.
unsigned this_slot();

/// Setup acts for a CPU: what is split by slot is then that CPU's own.
void act_as(unsigned cpu);

/// Between the executions of a search: called first by its setup. What is shared comes from the
/// engine's arena from then on, and nothing is left of an earlier execution.
void begin_execution();
/// After the search.
void end_search();

// --- memory --------------------------------------------------------------------------------

/// For whatever tasks share: in the engine's arena during a search.
/// @return null when there is none
void* allocate(std::size_t bytes, std::size_t align) noexcept;
void release(void* object, std::size_t align) noexcept;

/// A block of the arena, at its address, whose owner gives it away and takes it back by itself.
void mark_in_use(void* block);
void mark_free(void* block);

// --- words ---------------------------------------------------------------------------------

constexpr sfc_order to_engine(Order order) {
    switch (order) {
        case Order::relaxed:
            return SFC_RELAXED;
        case Order::acquire:
            return SFC_ACQUIRE;
        case Order::release:
            return SFC_RELEASE;
        case Order::acq_rel:
            return SFC_ACQ_REL;
        case Order::seq_cst:
            break;
    }
    return SFC_FULL;
}

template <class T>
std::uint64_t to_bits(T value) {
    static_assert(std::is_trivially_copyable_v<T> && sizeof(T) <= sizeof(std::uint64_t));
    std::uint64_t bits = 0;
    std::memcpy(&bits, &value, sizeof value);
    return bits;
}

template <class T>
T from_bits(std::uint64_t bits) {
    T value;
    std::memcpy(&value, &bits, sizeof value);
    return value;
}

template <class T>
T load(const T& cell, Order order) {
    // A load has no more than acquire to offer; the order of two words is the business of fences.
    const sfc_order asked = order == Order::relaxed ? SFC_RELAXED : SFC_ACQUIRE;
    return in_task() ? from_bits<T>(sfc_load(&cell, sizeof cell, asked, nullptr)) : cell;
}

template <class T>
void store(T& cell, T value, Order order) {
    if (in_task())
        sfc_store(&cell, sizeof cell, to_bits(value), to_engine(order), nullptr);
    else
        cell = value;
}

/// One indivisible step. @return the value before
template <class T>
T read_modify_write(T& cell, sfc_rmw_op op, T operand, Order order) {
    if (in_task())
        return from_bits<T>(
            sfc_rmw(&cell, sizeof cell, op, to_bits(operand), to_engine(order), nullptr));
    const T before = cell;
    const std::uint64_t old = to_bits(before);
    const std::uint64_t bits = to_bits(operand);
    switch (op) {
        case SFC_XCHG:
            cell = operand;
            break;
        case SFC_ADD:
            cell = from_bits<T>(old + bits);
            break;
        case SFC_SUB:
            cell = from_bits<T>(old - bits);
            break;
        case SFC_AND:
            cell = from_bits<T>(old & bits);
            break;
        case SFC_OR:
            cell = from_bits<T>(old | bits);
            break;
        case SFC_XOR:
            cell = from_bits<T>(old ^ bits);
            break;
    }
    return before;
}

/// @return the value before, which equals `expected` exactly if it was replaced
template <class T>
T compare_exchange(T& cell, T expected, T desired, Order success, Order failure) {
    if (in_task())
        return from_bits<T>(sfc_cas(&cell, sizeof cell, to_bits(expected), to_bits(desired),
                                    to_engine(success), to_engine(failure), nullptr));
    const T before = cell;
    if (to_bits(before) == to_bits(expected)) cell = desired;
    return before;
}

/// The CPU sleeps while the word is `old`.
template <class T>
void wait_while(const T& cell, T old, Order order) {
    if (in_task()) {
        sfc_await(&cell, sizeof cell, ~std::uint64_t{0}, SFC_NE, to_bits(old),
                  order == Order::relaxed ? SFC_RELAXED : SFC_ACQUIRE, nullptr);
    } else if (to_bits(cell) == to_bits(old)) {
        SF_UNREACHABLE("deadlock: waits for a word that no CPU will write");
    }
}

inline void fence(Order order) {
    if (!in_task()) return;
    if (order == Order::seq_cst) return sfc_fence(SFC_MB, nullptr);
    if (order != Order::release) sfc_fence(SFC_FENCE_ACQUIRE, nullptr);
    if (order != Order::acquire) sfc_fence(SFC_FENCE_RELEASE, nullptr);
}

// --- locks ---------------------------------------------------------------------------------

/// A lock: its address for the engine, and its state while the program is alone: 0 free, n readers,
/// or a writer. All zero is a free lock.
struct LockState {
    static constexpr std::uint32_t kWriter = ~std::uint32_t{0};
    std::uint32_t holders = 0;
};

bool try_lock(LockState& lock, sfc_lock_kind kind);
bool try_lock_shared(LockState& lock, sfc_lock_kind kind);
void unlock(LockState& lock, sfc_lock_kind kind);
void unlock_shared(LockState& lock, sfc_lock_kind kind);
void downgrade(LockState& lock, sfc_lock_kind kind);
void lock(LockState& lock, sfc_lock_kind kind);
void lock_shared(LockState& lock, sfc_lock_kind kind);

// --- RCU -----------------------------------------------------------------------------------

/// A callback that waits for a grace period.
struct Deferred {
    Deferred* next;
    void (*call)(Deferred&);
};

void rcu_enter();
void rcu_exit();
void defer(Deferred& callback);
void grace_period();
/// Returns when the callbacks that were deferred before have run.
void barrier();

// --- threads -------------------------------------------------------------------------------

/// While the program is alone: runs `body` to its end on a CPU of its own.
/// @return false when every CPU is in use
bool run_on_new_cpu(void (*body)(void*), void* argument);

}  // namespace surefoot::inline SF_BUILD::sync::engine
