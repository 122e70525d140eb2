#pragma once

// Random programs by seed and index, printed as code, and made smaller.

#include <algorithm>
#include <ostream>
#include <random>
#include <string>

#include "oracle/program.hpp"

namespace surefoot::oracle {

/// Draws programs that an enumerator can still finish.
class Generator {
  public:
    Generator(std::uint64_t seed, std::uint64_t index, unsigned most_operations)
        : left_(most_operations) {
        std::seed_seq mixed{seed, seed >> 32, index, index >> 32};
        random_.seed(mixed);
    }

    Program draw() {
        const unsigned cpus = std::min(2 + below(3), left_ / 2);
        words_ = 2 + below(2);
        left_ -= 2 * cpus;  // each has two
        Program program;
        for (unsigned cpu = 0; cpu < cpus; ++cpu) {
            const unsigned more = std::min(below(4), left_);
            left_ -= more;
            program.push_back(list(2 + more));
        }
        std::shuffle(program.begin(), program.end(), random_);
        return program;
    }

  private:
    unsigned below(unsigned limit) { return static_cast<unsigned>(random_() % limit); }
    bool one_in(unsigned n) { return below(n) == 0; }

    List list(unsigned count) {
        List result;
        if (count >= 3 && one_in(6)) {  // some of it under a lock
            const unsigned lock = one_in(2) ? kSpinlock : kMutex;
            const unsigned before = below(count - 2), inside = below(count - 1 - before);
            for (unsigned i = 0; i < before; ++i)
                result.push_back(operation());
            result.push_back({.kind = Kind::lock, .word = lock});
            for (unsigned i = 0; i < inside; ++i)
                result.push_back(operation());
            result.push_back({.kind = Kind::unlock, .word = lock});
        }
        while (result.size() < count)
            result.push_back(operation());
        return result;
    }

    Op operation() {
        Op op{.word = below(words_), .value = 1 + below(2), .expected = below(3)};
        const Order any[] = {Order::relaxed, Order::acquire, Order::release, Order::acq_rel,
                             Order::full};
        const unsigned kind = below(20);
        if (kind < 6) {
            op.kind = Kind::load;
            op.order = any[one_in(3) ? 1 : 0];
        } else if (kind < 12) {
            op.kind = Kind::store;
            op.order = any[one_in(3) ? 2 : 0];
        } else if (kind < 17) {
            op.kind = kind < 14 ? Kind::cas : kind < 16 ? Kind::add : Kind::xchg;
            op.order = any[one_in(2) ? 0 : below(5)];
        } else if (kind < 19) {
            op = {.kind = Kind::fence};
            if (one_in(2)) op.fence = static_cast<Fence>(below(5));
        } else {
            op.kind = Kind::await;
            op.order = any[below(2)];
        }
        op.adds_last = op.kind == Kind::store && one_in(4);
        op.if_last = one_in(10);
        return op;
    }

    std::mt19937_64 random_;
    unsigned left_;
    unsigned words_ = 2;
};

/// Draws programs with interrupts. The last list is what their handlers do.
class InterruptGenerator {
  public:
    InterruptGenerator(std::uint64_t seed, std::uint64_t index, unsigned most_operations)
        : left_(most_operations) {
        std::seed_seq mixed{seed, seed >> 32, index, index >> 32};
        random_.seed(mixed);
    }

    Program draw() {
        Program program(2 + below(2));
        left_ -= static_cast<unsigned>(program.size()) - 2;
        List handler;
        add(handler, 2, false);
        while (left_ > 0)
            for (List& list : program)
                add(list, 2, true);
        program.push_back(std::move(handler));
        return program;
    }

  private:
    unsigned below(unsigned limit) { return static_cast<unsigned>(random_() % limit); }

    /// Adds one thing, which may hold others; a handler does not wait for what tasks do.
    void add(List& list, unsigned depth, bool of_task) {
        if (left_ == 0) return;
        --left_;
        const unsigned kind = below(of_task ? 14 : 7);
        if (depth > 0 && kind >= 5 && kind < 8) return add_around(list, depth, of_task, kind);
        if (kind < 9) return list.push_back(access());
        if (kind == 9) return list.push_back(await());
        if (kind == 10) return list.push_back({.kind = Kind::synchronize});
        if (interrupts_left_ == 0) return list.push_back(access());
        --interrupts_left_;
        list.push_back({.kind = Kind::interrupt});
        if (kind != 11) list.push_back({.kind = Kind::handled});
    }
    void add_around(List& list, unsigned depth, bool of_task, unsigned kind) {
        constexpr Op kBegin[] = {{.kind = Kind::lock, .word = kSpinlock},
                                 {.kind = Kind::rcu_lock},
                                 {.kind = Kind::irqs_off}};
        constexpr Op kEnd[] = {{.kind = Kind::unlock, .word = kSpinlock},
                               {.kind = Kind::rcu_unlock},
                               {.kind = Kind::irqs_on}};
        const Op& begin = kBegin[kind - 5];
        const bool nests = std::any_of(open_.begin(), open_.end(),
                                       [&](const Op& op) { return op.kind == begin.kind; });
        if (nests) return list.push_back(access());
        open_.push_back(begin);
        list.push_back(begin);
        for (unsigned i = 1 + below(2); i > 0; --i)
            add(list, depth - 1, of_task);
        list.push_back(kEnd[kind - 5]);
        open_.pop_back();
    }
    Op access() {
        constexpr Kind kKinds[] = {Kind::load, Kind::load, Kind::store, Kind::add, Kind::cas};
        return {.kind = kKinds[below(5)], .word = below(2), .value = 1 + below(2), .expected = 0};
    }
    Op await() { return {.kind = Kind::await, .word = below(2), .expected = below(2)}; }

    std::mt19937_64 random_;
    unsigned left_;
    unsigned interrupts_left_ = 2;
    std::vector<Op> open_;
};

// --- as code ------------------------------------------------------------------------------------

inline std::string name_of_word(unsigned word) {
    if (word == kSpinlock) return "&spinlock";
    if (word == kMutex) return "&mutex";
    return std::string(1, static_cast<char>('x' + word));
}

inline std::string code(const Op& op, unsigned number) {
    constexpr const char* kOrders[] = {"", "_acquire", "_release", "_acq_rel", "_full"};
    constexpr const char* kFences[] = {"smp_mb()", "smp_rmb()", "smp_wmb()", "fence_acquire()",
                                       "fence_release()"};
    const std::string word = name_of_word(op.word), order = kOrders[static_cast<int>(op.order)];
    const std::string value = std::to_string(op.value) + (op.adds_last ? " + last" : "");
    std::string text = "r" + std::to_string(number) + " = ";
    switch (op.kind) {
        case Kind::load:
            text += "load" + order + "(" + word + ")";
            break;
        case Kind::store:
            text = "store" + order + "(" + word + ", " + value + ")";
            break;
        case Kind::add:
            text += "add" + order + "(" + word + ", " + value + ")";
            break;
        case Kind::xchg:
            text += "xchg" + order + "(" + word + ", " + value + ")";
            break;
        case Kind::cas:
            text += "cas" + order + "(" + word + ", " + std::to_string(op.expected) + ", " + value +
                    ")";
            break;
        case Kind::await:
            text += "await" + order + "(" + word + " == " + std::to_string(op.expected) + ")";
            break;
        case Kind::fence:
            text = kFences[static_cast<int>(op.fence)];
            break;
        case Kind::lock:
            text = "lock(" + word + ")";
            break;
        case Kind::unlock:
            text = "unlock(" + word + ")";
            break;
        case Kind::irqs_off:
            text = "irqs_off()";
            break;
        case Kind::irqs_on:
            text = "irqs_on()";
            break;
        case Kind::interrupt:
            text = "interrupt()";
            break;
        case Kind::handled:
            text = "handled()";
            break;
        case Kind::rcu_lock:
            text = "rcu_lock()";
            break;
        case Kind::rcu_unlock:
            text = "rcu_unlock()";
            break;
        case Kind::synchronize:
            text = "synchronize()";
            break;
        default:
            text = "end";
            break;
    }
    return op.if_last ? "if (last) " + text : text;
}

/// A column for each CPU.
inline void print(std::ostream& out, const Program& program) {
    const std::size_t kColumn = 34;
    std::size_t rows = 0;
    for (const List& list : program)
        rows = std::max(rows, list.size());
    const auto pad = [kColumn](std::string text) {
        text.resize(std::max(kColumn, text.size() + 1), ' ');
        return text;
    };
    for (std::size_t cpu = 0; cpu < program.size(); ++cpu)
        out << pad("CPU " + std::to_string(cpu));
    out << '\n';
    for (std::size_t row = 0; row < rows; ++row) {
        for (const List& list : program)
            out << pad(row < list.size() ? code(list[row], static_cast<unsigned>(row)) : "");
        out << '\n';
    }
}

/// Results of each CPU's operations, then the last value of each word.
inline void print(std::ostream& out, const Outcome& outcome) {
    for (std::size_t cpu = 0; cpu + 1 < outcome.size(); ++cpu) {
        out << "  CPU " << cpu << ":";
        for (const Value value : outcome[cpu])
            out << ' ' << value;
    }
    out << "  memory:";
    for (const Value value : outcome.back())
        out << ' ' << value;
    out << '\n';
}

// --- smaller
// --------------------------------------------------------------------------------------

/// Whether that ends what `begin` begins.
inline bool ends(const Op& op, const Op& begin) {
    switch (begin.kind) {
        case Kind::lock:
            return op.kind == Kind::unlock && op.word == begin.word;
        case Kind::rcu_lock:
            return op.kind == Kind::rcu_unlock;
        case Kind::irqs_off:
            return op.kind == Kind::irqs_on;
        default:
            return false;
    }
}

/// Every program that is a little less than this one; a lock goes with its release. The last list
/// stays: it may be what handlers do.
inline std::vector<Program> smaller(const Program& program) {
    std::vector<Program> result;
    for (std::size_t cpu = 0; cpu + 1 < program.size(); ++cpu) {
        result.push_back(program);
        result.back().erase(result.back().begin() + static_cast<std::ptrdiff_t>(cpu));
    }
    for (std::size_t cpu = 0; cpu < program.size(); ++cpu) {
        for (std::size_t i = 0; i < program[cpu].size(); ++i) {
            const Op& op = program[cpu][i];
            Op plain = op;
            plain.order = Order::relaxed;
            plain.adds_last = plain.if_last = false;
            const bool marked = op.order != Order::relaxed || op.adds_last || op.if_last;
            if (marked) {
                result.push_back(program);
                result.back()[cpu][i] = plain;
            }
            if (op.kind == Kind::unlock || op.kind == Kind::rcu_unlock || op.kind == Kind::irqs_on)
                continue;
            result.push_back(program);
            List& list = result.back()[cpu];
            const auto at = list.erase(list.begin() + static_cast<std::ptrdiff_t>(i));
            const auto end =
                std::find_if(at, list.end(), [&op](const Op& other) { return ends(other, op); });
            if (end != list.end()) list.erase(end);
        }
    }
    return result;
}

/// The least program that still `differs`, by one step at a time.
template <class Differs>
Program minimise(Program program, const Differs& differs) {
    for (bool again = true; again;) {
        again = false;
        for (Program& candidate : smaller(program)) {
            if (!differs(candidate)) continue;
            program = std::move(candidate);
            again = true;
            break;
        }
    }
    return program;
}

}  // namespace surefoot::oracle
