#pragma once

// The same programs, run by the engine through its C interface.

#include <string>

#include "oracle/program.hpp"
#include "surefoot/checker/engine.h"

namespace surefoot::oracle {

struct Explored : Enumeration {
    std::uint64_t redundant = 0;
    sfc_verdict verdict = SFC_WRONG;
    std::string message;
};

/// What one execution leaves behind, in the arena: it may be rolled back.
struct Memory {
    Value words[kWords];
    struct {
        unsigned count;
        Value values[16];
    } results[SFC_MAX_CPUS];
};

class EngineSide {
  public:
    static constexpr int kUnbounded = -1;  // preemptions

    /// @param jobs  several processes: then parts are given away whenever that is possible
    /// @param with_handler  the last list is what interrupts do
    /// @param snapshots  and each execution again without them
    /// @param order  of the search: by chance, with this seed, unless 0
    EngineSide(const Program& program, sfc_model model, int bound, bool announced, unsigned jobs,
               bool snapshots, bool with_handler, std::uint64_t order)
        : program_(program),
          model_(model),
          bound_(bound),
          announced_(announced),
          jobs_(jobs),
          snapshots_(snapshots),
          order_(order),
          tasks_(static_cast<unsigned>(program.size()) - (with_handler ? 1 : 0)) {}

    Explored explore() {
        sfc_options options = sfc_default_options();
        options.model = model_;
        options.deadlock_is_error = false;
        if (bound_ != kUnbounded) {
            options.strategy = SFC_BOUNDED;
            options.bound = static_cast<unsigned>(bound_);
        }
        options.arena_bytes = 4 << 20;
        options.jobs = jobs_;
        options.shuffle = order_ != 0;
        options.seed = order_;
        options.executions_between_parts = 1;
        options.snapshots = snapshots_;
        if (snapshots_) options.repeat_every = 1;
        const sfc_program program{"random", [](void* self) { side(self).set_up(); },
                                  [](void* self) { side(self).finish(); }, this};
        sfc_result result{};
        sfc_run(&program, &options, &result);
        for (std::size_t i = 0; i < result.outcome_count; ++i)
            add(result.outcomes[i]);
        found_.graphs = result.complete;
        found_.blocked = result.blocked;
        found_.redundant = result.redundant;
        found_.verdict = result.verdict;
        found_.message = result.message;
        sfc_result_free(&result);
        return std::move(found_);
    }

  private:
    struct Argument {
        EngineSide* side;
        unsigned cpu;
    };

    static EngineSide& side(void* self) { return *static_cast<EngineSide*>(self); }

    void set_up() {
        memory_ = static_cast<Memory*>(sfc_alloc(sizeof(Memory), alignof(Memory), nullptr));
        *memory_ = {};
        for (unsigned cpu = 0; cpu < tasks_; ++cpu) {
            auto* const argument =
                static_cast<Argument*>(sfc_alloc(sizeof(Argument), alignof(Argument), nullptr));
            *argument = {this, cpu};
            sfc_spawn(run_task, argument, SFC_ANY_CPU, nullptr);
        }
    }

    void finish() const { sfc_outcome(memory_, sizeof *memory_); }

    void add(const sfc_outcome_count& told) {
        const Memory& memory = *static_cast<const Memory*>(told.bytes);
        Outcome outcome;
        for (unsigned cpu = 0; cpu < tasks_; ++cpu) {
            const auto& results = memory.results[cpu];
            outcome.emplace_back(results.values, results.values + results.count);
        }
        outcome.emplace_back(memory.words, memory.words + kWords);
        found_.outcomes.insert(std::move(outcome));
    }

    static void run_task(void* argument) {
        const auto& [side, cpu] = *static_cast<const Argument*>(argument);
        Value last = 0;
        bool sent = false;
        unsigned ticket = 0;
        auto& results = side->memory_->results[cpu];
        for (const Op& op : side->program_[cpu]) {
            if (op.if_last && last == 0) continue;
            if (op.kind == Kind::handled && !sent) continue;
            Value result = 0;
            if (op.kind == Kind::interrupt) {
                ticket = side->interrupt(&op);
                sent = true;
            } else if (op.kind == Kind::handled) {
                sfc_ipi_wait(ticket, &op);
            } else {
                result = side->access(op, op.adds_last ? last : 0);
            }
            if (reads(op)) last = result;
            if (op.kind != Kind::irqs_on) results.values[results.count++] = result;
        }
    }

    unsigned interrupt(const void* pc) {
        return sfc_ipi((1U << tasks_) - 1,
                       [](void* self) {
                           for (const Op& op : side(self).program_.back())
                               side(self).access(op, 0);
                       },
                       this, pc);
    }

    Value access(const Op& op, Value addend) {
        Value* const word = memory_->words + op.word;
        return announced_ ? announce_and_do(op, word, addend) : call(op, word, addend);
    }

    /// Makes the access itself if it is one that the engine cannot tell from a call.
    static Value announce_and_do(const Op& op, volatile Value* word, Value addend) {
        const auto announce = [&](sfc_access_kind kind) {
            sfc_announce(const_cast<const Value*>(word), 8, kind, &op);
        };
        const Value value = op.value + addend;
        switch (op.kind) {
            case Kind::load:
                announce(SFC_READ_MARKED);
                return *word;
            case Kind::store:
                announce(SFC_WRITE_MARKED);
                *word = value;
                return 0;
            case Kind::add:
                announce(SFC_RMW);
                return __atomic_fetch_add(word, value, __ATOMIC_RELAXED);
            case Kind::xchg:
                announce(SFC_RMW);
                return __atomic_exchange_n(word, value, __ATOMIC_RELAXED);
            default:
                return call(op, const_cast<Value*>(word), addend);
        }
    }

    static Value call(const Op& op, Value* word, Value addend) {
        const sfc_order order = sfc_order_of(op.order);
        const sfc_lock_kind lock = op.word == kMutex ? SFC_LOCK_SLEEP : SFC_LOCK_SPIN;
        const Value value = op.value + addend;
        switch (op.kind) {
            case Kind::load:
                return sfc_load(word, 8, order, &op);
            case Kind::store:
                return sfc_store(word, 8, value, order, &op), 0;
            case Kind::add:
                return sfc_rmw(word, 8, SFC_ADD, value, order, &op);
            case Kind::xchg:
                return sfc_rmw(word, 8, SFC_XCHG, value, order, &op);
            case Kind::cas:
                return sfc_cas(word, 8, op.expected, value, order, SFC_RELAXED, &op);
            case Kind::await:
                return sfc_await(word, 8, ~Value{}, SFC_EQ, op.expected, order, &op);
            case Kind::fence:
                return sfc_fence(fence_of(op.fence), &op), 0;
            case Kind::lock:
                return sfc_lock(word, lock, &op), 0;
            case Kind::unlock:
                return sfc_unlock(word, lock, &op), 0;
            case Kind::irqs_off:
                return sfc_irq_disable(), 0;
            case Kind::irqs_on:
                return sfc_irq_enable(), 0;
            case Kind::rcu_lock:
                return sfc_rcu_read_lock(nullptr, &op), 0;
            case Kind::rcu_unlock:
                return sfc_rcu_read_unlock(nullptr, &op), 0;
            case Kind::synchronize:
                return sfc_synchronize_rcu(nullptr, &op), 0;
            default:
                return 0;
        }
    }
    static sfc_order sfc_order_of(Order order) {
        constexpr sfc_order kOrders[] = {SFC_RELAXED, SFC_ACQUIRE, SFC_RELEASE, SFC_ACQ_REL,
                                         SFC_FULL};
        return kOrders[static_cast<int>(order)];
    }
    static sfc_fence_kind fence_of(Fence fence) {
        constexpr sfc_fence_kind kFences[] = {SFC_MB, SFC_RMB, SFC_WMB, SFC_FENCE_ACQUIRE,
                                              SFC_FENCE_RELEASE};
        return kFences[static_cast<int>(fence)];
    }

    const Program& program_;
    sfc_model model_;
    int bound_;
    bool announced_;
    unsigned jobs_;
    bool snapshots_;
    std::uint64_t order_;
    unsigned tasks_;
    Memory* memory_ = nullptr;
    Explored found_;
};

}  // namespace surefoot::oracle
