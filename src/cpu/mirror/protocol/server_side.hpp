#pragma once

// The server's half of the protocol: letting a thread run, and shootdowns. The port offers besides
//
//   Mutex                a leaf lock; callers of `invalidate` may hold page-table locks
//   Guard<Mutex>         its guard

#include <span>
#include <vector>

#include "cpu/mirror/protocol/words.hpp"

namespace surefoot::inline SF_BUILD::cpu::mirror {

enum class Shootdown : std::uint8_t { lazy, active, dead };

template <class Port>
class ServerSide {
  public:
    using Order = typename Port::Order;
    using Slot = SlotWords<Port>;
    using Guard = typename Port::Guard;

    /// @param lazy  false: every shootdown goes through the agent
    ServerSide(Port& port, SpaceWords<Port>& space, bool lazy)
        : port_(port), space_(space), lazy_(lazy) {
        slots_.reserve(kMaxThreads);
    }

    /// @return false if the stub is gone
    bool attach(Slot& slot) {
        Guard m(mutex_);
        if (dead_.load(Order::relaxed)) return false;
        slot.state.store(kStubOwns, Order::relaxed);
        slots_.push_back(&slot);
        return true;
    }

    /// Waits until no thread uses the stack of an attached slot: the host kernel clears the word
    /// when a thread that was told to leave has gone. @return false if the stub is gone
    bool await_departure(Slot& slot) {
        std::uint32_t tid = 0;
        while ((tid = slot.tid.load(Order::acquire)) != 0 && !is_dead()) {
            port_.wait(slot.tid, tid);
        }
        return !is_dead();
    }

    void detach(Slot& slot) {
        Guard m(mutex_);
        std::erase(slots_, &slot);
    }

    /// Lets the slot's thread run guest code. @return false if the stub is gone
    bool enter(Slot& slot) {
        bool sleeps = false;
        {
            // Under M: a shootdown sees this thread running, or its commands are published before
            // the thread reads the generation.
            Guard m(mutex_);
            if (dead_.load(Order::relaxed)) return false;
            sleeps = give<Port>(slot.state, kStubOwns);
        }
        if (sleeps) port_.wake(slot.state);
        return true;
    }

    /// The entries are stored already.
    Shootdown invalidate(std::span<const VaRange> ranges, bool all) {
        {
            Guard m(mutex_);
            if (dead_.load(Order::relaxed)) return Shootdown::dead;
            if (lazy_ && nobody_runs()) {
                leave_for_next_entry(ranges, all);
                return Shootdown::lazy;
            }
        }
        Guard agent(agent_mutex_);
        fill_list(space_.agent_list, ranges, all, true);
        return call_agent(AgentCall::unmap) ? Shootdown::active : Shootdown::dead;
    }

    /// No thread of the space runs.
    void set_root(PhysAddr root) {
        Guard m(mutex_);
        space_.root.store(root.raw(), Order::relaxed);
        leave_for_next_entry({}, true);
    }

    /// Makes the stub's agent start a thread on a slot. @return an error number, or 0
    int clone_thread(std::uint32_t slot) {
        Guard agent(agent_mutex_);
        space_.agent_slot.set(slot);
        if (!call_agent(AgentCall::clone)) return ESRCH;
        return space_.agent_error.get();
    }

    /// Waits for the end of the stub's start. @return an error number, or 0
    int await_boot() {
        await_ownership(port_, space_.agent_state, kServerOwns);
        if (dead_.load(Order::seq_cst)) return ESRCH;
        return space_.agent_error.get();
    }

    bool is_dead() const { return dead_.load(Order::seq_cst); }

    /// The stub process is gone: whoever waits for it goes on.
    void mark_dead() {
        Guard m(mutex_);
        // seq_cst: pairs with `call_agent`, which gives the word away and then looks at the flag.
        dead_.store(true, Order::seq_cst);
        for (Slot* slot : slots_) {
            hand_over(port_, slot->state, kServerOwns);
            slot->tid.store(0, Order::seq_cst);
            port_.wake(slot->tid);
        }
        hand_over(port_, space_.agent_state, kServerOwns);
    }

  private:
    bool nobody_runs() const {
        for (const Slot* slot : slots_) {
            // Acquire: pairs with the stub's `hand_over`. The thread's last fill is over.
            if ((slot->state.load(Order::acquire) & kOwnerMask) == kStubOwns) return false;
        }
        return true;
    }

    /// M held, nobody runs: no thread reads the list.
    void leave_for_next_entry(std::span<const VaRange> ranges, bool all) {
        const std::uint64_t generation = generation_;
        const bool executed = space_.done.load(Order::acquire) >= generation;
        fill_list(space_.pending, ranges, all, executed);
        generation_ = generation + 1;
        // Relaxed: published by the handoff under M.
        space_.generation.store(generation_, Order::relaxed);
    }

    static void fill_list(UnmapList<Port>& list, std::span<const VaRange> ranges, bool all,
                          bool fresh) {
        if (fresh) list.clear();
        if (all) return list.add_all();
        for (const VaRange& range : ranges)
            list.add(range);
    }

    /// The agent mutex is held. @return false if the stub is gone
    bool call_agent(AgentCall call) {
        space_.agent_call.set(call);
        hand_over(port_, space_.agent_state, kStubOwns);
        // Either this sees the flag, or `mark_dead` gives the word back after our handoff.
        if (dead_.load(Order::seq_cst)) return false;
        await_ownership(port_, space_.agent_state, kServerOwns);
        return !dead_.load(Order::seq_cst);
    }

    Port& port_;
    SpaceWords<Port>& space_;
    const bool lazy_;
    typename Port::Mutex mutex_;        // M
    typename Port::Mutex agent_mutex_;  // one call at a time; never held together with M
    typename Port::template Atomic<bool> dead_{false};
    std::vector<Slot*> slots_;      // under M
    std::uint64_t generation_ = 0;  // under M
};

}  // namespace surefoot::inline SF_BUILD::cpu::mirror
