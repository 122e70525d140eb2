#pragma once

// Sequential consistency and x86-TSO as a machine: every interleaving of the CPUs' operations and
// of the store buffers' drains is walked, equal states once; or those interleavings that leave a
// CPU which could go on only so many times.

#include <deque>
#include <optional>
#include <string>
#include <unordered_set>

#include "oracle/program.hpp"

namespace surefoot::oracle {

class Machine {
  public:
    Machine(std::vector<Cpu> cpus, bool tso, std::optional<unsigned> preemptions = {})
        : cpus_(std::move(cpus)),
          tso_(tso),
          bounded_(preemptions),
          most_(preemptions.value_or(0)) {}

    Enumeration enumerate() {
        State initial;
        initial.results.resize(cpus_.size());
        initial.sources.resize(cpus_.size());
        initial.buffers.resize(cpus_.size());
        initial.memory.assign(kWords, {Write{}});
        initial.left = most_;
        for (unsigned cpu = 0; bounded_ && tso_ && cpu < cpus_.size(); ++cpu)
            issue_stores(initial, cpu);
        visit(initial);
        return std::move(found_);
    }

  private:
    struct Write {
        int by = kInitial;  // an event: 64 * CPU + index
        unsigned word = 0;
        Value value = 0;
    };
    struct State {
        std::vector<Results> results;
        std::vector<std::vector<int>> sources;   // the write that each operation read from
        std::vector<std::vector<Write>> memory;  // of each word, in order; the last is current
        std::vector<std::deque<Write>> buffers;
        unsigned running = kNobody, left = 0;  // preemptions
    };
    static constexpr unsigned kNobody = 100;
    static constexpr int kInitial = 1000, kNothing = 1001;

    void visit(const State& state) {
        std::string name = key(state);
        if (bounded_) name += {static_cast<char>(state.running), static_cast<char>(state.left)};
        if (!visited_.insert(std::move(name)).second) return;
        bool stuck = true;
        for (unsigned cpu = 0; cpu < cpus_.size(); ++cpu) {
            State next = state;
            if (run(next, cpu)) {
                stuck = false;
                if (may_switch(next, state, cpu)) visit(next);
            }
            next = state;
            if (drain(next, cpu)) visit(next), stuck = false;
        }
        if (stuck) end(state);
    }

    /// Whether the bound allows that `cpu` went from `before` to `after`, which is told so.
    bool may_switch(State& after, const State& before, unsigned cpu) const {
        if (!bounded_) return true;
        State on = before;
        const bool preempts =
            before.running != kNobody && before.running != cpu && run(on, before.running);
        if (preempts && before.left == 0) return false;
        after.left = before.left - (preempts ? 1 : 0);
        after.running = cpu;
        if (tso_) issue_stores(after, cpu);
        return true;
    }

    /// To put stores into the own buffer is no step that a preemption could come before.
    void issue_stores(State& state, unsigned cpu) const {
        for (;;) {
            const Op op = cpus_[cpu](state.results[cpu]);
            const bool silent =
                op.kind == Kind::fence ? op.fence != Fence::mb : written(op, 0) && !is_rmw(op);
            if (!silent || !run(state, cpu)) return;
        }
    }

    bool run(State& state, unsigned cpu) const {
        const Op op = cpus_[cpu](state.results[cpu]);
        if (op.kind == Kind::end || op.kind == Kind::stop) return false;
        auto& buffer = state.buffers[cpu];
        const bool waits = is_rmw(op) || (op.kind == Kind::fence && op.fence == Fence::mb);
        if (waits && !buffer.empty()) return false;

        Write seen = state.memory[op.word].back();
        for (const Write& own : buffer)
            if (own.word == op.word) seen = own;
        if (!enabled(op, seen.value)) return false;

        if (const auto value = written(op, seen.value)) {
            const int event = static_cast<int>(64 * cpu + state.results[cpu].size());
            const Write write{event, op.word, *value};
            if (tso_ && !is_rmw(op))
                buffer.push_back(write);
            else
                state.memory[op.word].push_back(write);
        }
        state.results[cpu].push_back(reads(op) ? seen.value : 0);
        state.sources[cpu].push_back(reads(op) ? seen.by : kNothing);
        return true;
    }

    static bool drain(State& state, unsigned cpu) {
        auto& buffer = state.buffers[cpu];
        if (buffer.empty()) return false;
        state.memory[buffer.front().word].push_back(buffer.front());
        buffer.pop_front();
        return true;
    }

    void end(const State& state) {
        if (bounded_ && !ended_.insert(key(state)).second) return;
        for (unsigned cpu = 0; cpu < cpus_.size(); ++cpu)
            if (cpus_[cpu](state.results[cpu]).kind != Kind::end) {
                ++found_.blocked;
                return;
            }
        ++found_.graphs;
        Outcome outcome = state.results;
        outcome.emplace_back();
        for (const auto& word : state.memory)
            outcome.back().push_back(word.back().value);
        found_.outcomes.insert(std::move(outcome));
    }

    /// The graph so far and the buffers; results and values follow from them.
    static std::string key(const State& state) {
        std::string text;
        const auto put = [&text](int number) {
            text.push_back(static_cast<char>(number >> 8));
            text.push_back(static_cast<char>(number));
        };
        for (const auto& sources : state.sources) {
            for (const int source : sources)
                put(source);
            put(-1);
        }
        for (const auto& word : state.memory) {
            for (const Write& write : word)
                put(write.by);
            put(-1);
        }
        for (const auto& buffer : state.buffers) {
            for (const Write& write : buffer)
                put(write.by);
            put(-1);
        }
        return text;
    }

    std::vector<Cpu> cpus_;
    bool tso_;
    bool bounded_;
    unsigned most_;
    std::unordered_set<std::string> ended_;
    std::unordered_set<std::string> visited_;
    Enumeration found_;
};

inline Enumeration enumerate_sc(std::vector<Cpu> cpus) {
    return Machine(std::move(cpus), false).enumerate();
}
template <bool Tso, unsigned Preemptions>
Enumeration enumerate_bounded(std::vector<Cpu> cpus) {
    return Machine(std::move(cpus), Tso, Preemptions).enumerate();
}
inline Enumeration enumerate_tso(std::vector<Cpu> cpus) {
    return Machine(std::move(cpus), true).enumerate();
}

}  // namespace surefoot::oracle
