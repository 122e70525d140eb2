#pragma once

// The words that server and stub share, and the handoff of their ownership. One libc-free source
// over a port, compiled into the zygote, the server and the checked core. A port offers
//
//   Order, Atomic<T>, Shared<T>                          as sync does
//   wait(Atomic<uint32_t>&, seen), wake(Atomic<uint32_t>&)   a futex on a shared word
//   load_entry(PhysAddr), host_map(...), host_unmap(...)     stub only, see stub_side.hpp
//   Mutex                                                    server only, see server_side.hpp
//
// Locks: M, the mutex of a space in the server; F, the fill lock of a space in the stub. Both are
// leaves. F is held by a fill from its first table load to the end of its host_map, and by whoever
// executes unmap commands. The proof is in docs/mirror.md.

#include <cstddef>
#include <cstdint>

#include "base/base.hpp"

namespace surefoot::inline SF_BUILD::cpu::mirror {

// The owner of a word that is handed to and fro, and a flag set by the side that sleeps on it.
inline constexpr std::uint32_t kServerOwns = 0;
inline constexpr std::uint32_t kStubOwns = 1;
inline constexpr std::uint32_t kOwnerMask = 1;
inline constexpr std::uint32_t kSleeper = 2;

enum class Event : std::uint32_t { ready, syscall, fault, exception, kicked, failed };
enum class Command : std::uint32_t { run, leave };
enum class AgentCall : std::uint32_t { boot, unmap, clone };
enum class Access : std::uint32_t { read, write, fetch };

inline constexpr std::uint32_t kMaxRanges = 64;
inline constexpr std::uint32_t kMaxThreads = 1020;
inline constexpr std::uint32_t kRecentRegions = 16384;

/// Host mappings to remove: the ranges, or everything.
template <class Port>
struct UnmapList {
    template <class T>
    using Shared = typename Port::template Shared<T>;

    Shared<std::uint32_t> count;
    Shared<std::uint32_t> all;
    Shared<VaRange> ranges[kMaxRanges];

    void clear() {
        count.set(0);
        all.set(0);
    }
    void add_all() { all.set(1); }
    void add(VaRange range) {
        const std::uint32_t n = count.get();
        if (all.get() != 0 || range.empty()) return;
        if (n > 0 && n <= kMaxRanges && ranges[n - 1].get().end == range.start) {
            ranges[n - 1].set({ranges[n - 1].get().start, range.end});
        } else if (n < kMaxRanges) {
            ranges[n].set(range);
            count.set(n + 1);
        } else {
            add_all();
        }
    }
};

/// One guest thread. All but `state` and `tid` belong to the side that `state` names.
template <class Port>
struct SlotWords {
    template <class T>
    using Atomic = typename Port::template Atomic<T>;
    template <class T>
    using Shared = typename Port::template Shared<T>;

    Atomic<std::uint32_t> state;
    /// The stub thread; zeroed by the host kernel when the thread has left its stack for good.
    Atomic<std::uint32_t> tid;

    // To the stub.
    Shared<Command> command;
    Shared<std::uint32_t> fill_wanted;
    Shared<Access> fill_access;
    Shared<VirtAddr> fill_va;
    Shared<std::uint64_t> fs_base;
    Shared<std::uint64_t> gs_base;

    /// The next signal is the thread's own, which says that it is ready.
    Shared<std::uint32_t> starting;

    // To the server.
    Shared<Event> event;
    Shared<std::uint32_t> vector;
    Shared<std::uint32_t> code;
    Shared<VirtAddr> va;
    /// Where the signal context lies, from the start of the thread's block.
    Shared<std::uint32_t> frame;
};

/// One guest address space.
template <class Port>
struct SpaceWords {
    template <class T>
    using Atomic = typename Port::template Atomic<T>;
    template <class T>
    using Shared = typename Port::template Shared<T>;

    // Settled before the first thread is made.
    Shared<std::uint64_t> arena_bytes;
    Shared<std::uint32_t> levels;
    Shared<std::uint32_t> fill_around;
    Shared<std::uint32_t> fault_around;
    Shared<std::uint32_t> fsgsbase;

    Atomic<std::uint64_t> root;
    /// F: 0 free, 1 held, 2 held and somebody waits.
    Atomic<std::uint32_t> fill_lock;

    // Lazy shootdowns. `pending` and `generation` are written under M while no slot is the stub's,
    // `done` under F.
    Atomic<std::uint64_t> generation;
    Atomic<std::uint64_t> done;
    UnmapList<Port> pending;

    // The agent: a thread of the stub that runs no guest code.
    Atomic<std::uint32_t> agent_state;
    Shared<AgentCall> agent_call;
    Shared<std::uint32_t> agent_slot;
    Shared<std::int32_t> agent_error;
    UnmapList<Port> agent_list;

    Atomic<std::uint64_t> refills;

    // What tests turn: `hooks` is zero but for them.
    static constexpr std::uint32_t kHookPauseFill = 1;
    static constexpr std::uint32_t kHookNoFillLock = 2;
    Atomic<std::uint32_t> hooks;
    Atomic<std::uint32_t> paused;  // 0 no fill is paused, 1 one is, 2 it may go on

    // Regions that fills went to, oldest first; under F.
    Shared<std::uint64_t> recent_head;
    Shared<std::uint64_t> recent_tail;
    Shared<std::uint32_t> recent[kRecentRegions];
};

/// Gives the word to `to`. @return whether that side sleeps: the caller wakes it
template <class Port>
[[nodiscard]] bool give(typename Port::template Atomic<std::uint32_t>& state, std::uint32_t to) {
    // Release: what the owner wrote, for the acquire in `await_ownership`. seq_cst: the server's
    // side pairs with `kick` (flag, then state) and with the death of a stub (flag, then state).
    return (state.exchange(to, Port::Order::seq_cst) & kSleeper) != 0;
}

template <class Port>
void hand_over(Port& port, typename Port::template Atomic<std::uint32_t>& state, std::uint32_t to) {
    if (give<Port>(state, to)) port.wake(state);
}

/// Returns once `mine` owns the word.
template <class Port>
void await_ownership(Port& port, typename Port::template Atomic<std::uint32_t>& state,
                     std::uint32_t mine) {
    using Order = typename Port::Order;
    for (;;) {
        // Acquire: pairs with `hand_over`.
        std::uint32_t seen = state.load(Order::acquire);
        if ((seen & kOwnerMask) == mine) return;
        if ((seen & kSleeper) == 0) {
            // The owner's exchange either finds the flag or makes this fail.
            if (!state.compare_exchange(seen, seen | kSleeper, Order::relaxed, Order::relaxed)) {
                continue;
            }
            seen |= kSleeper;
        }
        port.wait(state, seen);
    }
}

}  // namespace surefoot::inline SF_BUILD::cpu::mirror
