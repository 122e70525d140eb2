#pragma once

// A small concurrent program, as the enumerators read it. Nothing here knows the engine.

#include <cstdint>
#include <functional>
#include <optional>
#include <set>
#include <utility>
#include <vector>

namespace surefoot::oracle {

using Value = std::uint64_t;
/// What the operations of one CPU returned so far, in their order; a store returns 0.
using Results = std::vector<Value>;

enum class Kind : std::uint8_t {
    end,
    stop,
    load,
    store,
    add,
    xchg,
    cas,
    await,
    fence,
    lock,
    unlock,
    // The rest where there are interrupts.
    irqs_off,
    irqs_on,
    interrupt,  // of all other CPUs
    handled,    // waits until the one before is
    rcu_lock,
    rcu_unlock,
    synchronize
};
enum class Order : std::uint8_t { relaxed, acquire, release, acq_rel, full };
enum class Fence : std::uint8_t { mb, rmb, wmb, acquire, release };

/// The last two words are locks: 0 is free, 1 is held.
inline constexpr unsigned kSpinlock = 6, kMutex = 7, kWords = 8;

struct Op {
    Kind kind = Kind::end;
    unsigned word = 0;
    Value value = 0;
    Value expected = 0;  ///< Of a compare-and-exchange, or what an await waits for.
    Order order = Order::relaxed;
    Fence fence = Fence::mb;
    bool adds_last = false;  ///< What the CPU read last is added to the value.
    bool if_last = false;    ///< Left out when the CPU last read 0.
};

/// The next operation of a CPU whose earlier ones had these results.
using Cpu = std::function<Op(const Results&)>;

inline bool reads(const Op& op) {
    return op.kind != Kind::store && op.kind != Kind::unlock && op.kind < Kind::irqs_off &&
           op.kind != Kind::fence;
}
/// Whether it is one indivisible access that may write, not an ordinary store.
inline bool is_rmw(const Op& op) {
    return op.kind == Kind::add || op.kind == Kind::xchg || op.kind == Kind::cas ||
           op.kind == Kind::lock || (op.kind == Kind::unlock && op.word == kMutex);
}
/// Whether it can happen when its word is `before`.
inline bool enabled(const Op& op, Value before) {
    if (op.kind == Kind::await) return before == op.expected;
    return op.kind != Kind::lock || before == 0;
}
/// What it writes over `before`, if it writes.
inline std::optional<Value> written(const Op& op, Value before) {
    switch (op.kind) {
        case Kind::store:
        case Kind::xchg:
            return op.value;
        case Kind::add:
            return before + op.value;
        case Kind::cas:
            return before == op.expected ? std::optional(op.value) : std::nullopt;
        case Kind::lock:
            return 1;
        case Kind::unlock:
            return 0;
        default:
            return std::nullopt;
    }
}

/// What can be seen of a complete execution: every CPU's results and the words' last values.
using Outcome = std::vector<Results>;

struct Enumeration {
    /// Distinct complete executions: who read from whom, and the order of each word's writes.
    std::uint64_t graphs = 0;
    /// Distinct ones that cannot end. Axioms do not tell: a load that waits may read from the past.
    std::uint64_t blocked = 0;
    std::set<Outcome> outcomes;
};

/// A straight list of operations.
using List = std::vector<Op>;
using Program = std::vector<List>;

inline Cpu run_list(List list) {
    return [list = std::move(list)](const Results& results) {
        std::size_t used = 0;
        Value last = 0;
        for (Op op : list) {
            if (op.if_last && last == 0) continue;
            if (op.adds_last) op.value += last;
            if (used == results.size()) return op;
            if (reads(op)) last = results[used];
            ++used;
        }
        return Op{};
    };
}

/// What a program written as code calls.
class Calls {
  public:
    explicit Calls(const Results& results) : results_(results) {}

    Value load(unsigned word, Order order = Order::relaxed) {
        return next({.kind = Kind::load, .word = word, .order = order});
    }
    void store(unsigned word, Value value, Order order = Order::relaxed) {
        next({.kind = Kind::store, .word = word, .value = value, .order = order});
    }
    Value add(unsigned word, Value value, Order order = Order::relaxed) {
        return next({.kind = Kind::add, .word = word, .value = value, .order = order});
    }
    bool cas(unsigned word, Value expected, Value value, Order order = Order::relaxed) {
        const Op op{Kind::cas, word, value, expected, order};
        return next(op) == expected;
    }
    void await(unsigned word, Value value, Order order = Order::relaxed) {
        next({.kind = Kind::await, .word = word, .expected = value, .order = order});
    }
    void fence(Fence fence) { next({.kind = Kind::fence, .fence = fence}); }
    void lock(unsigned word) { next({.kind = Kind::lock, .word = word}); }
    void unlock(unsigned word) { next({.kind = Kind::unlock, .word = word}); }
    void assume(bool condition) {
        if (!condition) throw Op{.kind = Kind::stop};
    }

  private:
    Value next(const Op& op) {
        if (used_ == results_.size()) throw op;
        return results_[used_++];
    }
    const Results& results_;
    std::size_t used_ = 0;
};

/// A CPU whose code runs again from its start, over the results that it had, up to its next
/// operation.
inline Cpu run_code(std::function<void(Calls&)> body) {
    return [body = std::move(body)](const Results& results) {
        Calls calls(results);
        try {
            body(calls);
        } catch (const Op& next) {
            return next;
        }
        return Op{};
    };
}

}  // namespace surefoot::oracle
