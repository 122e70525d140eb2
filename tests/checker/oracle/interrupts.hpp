#pragma once

// Sequential consistency with interrupts: every interleaving of tasks, one on each CPU, and of the
// handlers that interrupt them. The last list of a program is what every handler does.

#include <deque>
#include <string>
#include <unordered_set>

#include "oracle/program.hpp"

namespace surefoot::oracle {

class Interrupts {
  public:
    explicit Interrupts(const Program& program)
        : tasks_(program.begin(), program.end() - 1), handler_(program.back()) {}

    Enumeration enumerate() {
        State initial;
        initial.threads.resize(2 * tasks_.size());  // a handler for each task
        initial.cpus.resize(tasks_.size());
        for (unsigned cpu = 0; cpu < tasks_.size(); ++cpu)
            skip_what_is_no_step(initial, cpu);
        visit(initial);
        return std::move(found_);
    }

  private:
    static constexpr std::size_t kNone = 1000;

    struct Thread {
        std::size_t at = 0;  // of its list
        int steps = 0;
        bool irqs_off = false;
        unsigned sections = 0, sections_over = 0;
        std::size_t sent = kNone;         // its latest ticket
        std::vector<unsigned> waits_for;  // of a grace period: the section of each thread
        Results results;
        std::string found;  // who wrote what it read, which sections a grace period came after
    };
    struct Cpu {
        bool in_handler = false;
        std::size_t handling = kNone;      // a ticket
        std::deque<std::size_t> pending;   // tickets
        std::string interrupted, sent_to;  // after which step, and by whom
    };
    struct Word {
        Value value = 0;
        int writer = 0;
        std::string writers;
    };
    struct State {
        std::vector<Thread> threads;
        std::vector<Cpu> cpus;
        Word words[kWords];
        std::vector<unsigned> unhandled;  // of each ticket
    };

    bool is_handler(std::size_t thread) const { return thread >= tasks_.size(); }
    std::size_t cpu_of(std::size_t thread) const { return thread % tasks_.size(); }
    bool ended(const State& state, std::size_t task) const {
        return state.threads[task].at == tasks_[task].size();
    }

    void visit(const State& state) {
        if (!visited_.insert(key(state)).second) return;
        bool stuck = true;
        for (std::size_t thread = 0; thread < state.threads.size(); ++thread) {
            State next = state;
            if (!step(next, thread)) continue;
            stuck = false;
            visit(next);
        }
        if (stuck) end(state);
    }

    bool step(State& state, std::size_t number) const {
        Thread& thread = state.threads[number];
        Cpu& cpu = state.cpus[cpu_of(number)];
        if (is_handler(number) ? !step_of_handler(state, number)
                               : cpu.in_handler || ended(state, number) ||
                                     !run(state, number, tasks_[number][thread.at]))
            return false;
        ++thread.steps;
        if (!is_handler(number)) skip_what_is_no_step(state, number);
        return true;
    }

    bool step_of_handler(State& state, std::size_t number) const {
        const std::size_t task = cpu_of(number);
        Thread& thread = state.threads[number];
        Cpu& cpu = state.cpus[task];
        if (cpu.in_handler && thread.at < handler_.size())
            return run(state, number, handler_[thread.at]);
        if (cpu.in_handler) {
            --state.unhandled[cpu.handling];
            cpu.in_handler = false;
            return true;
        }
        const bool off = state.threads[task].irqs_off && !ended(state, task);
        if (cpu.pending.empty() || off) return false;
        cpu.in_handler = true;
        cpu.handling = cpu.pending.front();
        cpu.pending.pop_front();
        cpu.interrupted += static_cast<char>(state.threads[task].steps);
        thread.at = 0;
        return true;
    }

    void skip_what_is_no_step(State& state, std::size_t task) const {
        Thread& thread = state.threads[task];
        for (; !ended(state, task); ++thread.at) {
            const Kind kind = tasks_[task][thread.at].kind;
            if (kind == Kind::irqs_on)
                thread.irqs_off = false;
            else if (kind != Kind::handled || thread.sent != kNone)
                return;
        }
    }

    bool run(State& state, std::size_t number, const Op& op) const {
        Thread& thread = state.threads[number];
        switch (op.kind) {
            case Kind::irqs_off:
                thread.irqs_off = true;
                break;
            case Kind::interrupt:
                send(state, number);
                break;
            case Kind::handled:
                if (state.unhandled[thread.sent] != 0) return false;
                break;
            case Kind::rcu_lock:
                ++thread.sections;
                break;
            case Kind::rcu_unlock:
                thread.sections_over = thread.sections;
                break;
            case Kind::synchronize:
                if (thread.waits_for.empty()) return begin_grace(state, thread);
                if (!grace_is_over(state, thread)) return false;
                thread.waits_for.clear();
                break;
            default:
                if (!access(state, number, op)) return false;
                break;
        }
        thread.results.push_back(reads(op) ? last_read_ : 0);
        ++thread.at;
        return true;
    }

    void send(State& state, std::size_t number) const {
        Thread& thread = state.threads[number];
        thread.sent = state.unhandled.size();
        state.unhandled.push_back(0);
        for (std::size_t target = 0; target < tasks_.size(); ++target) {
            if (target == cpu_of(number)) continue;
            ++state.unhandled.back();
            state.cpus[target].pending.push_back(thread.sent);
            put(state.cpus[target].sent_to, id_of(state, number));
        }
    }

    /// The first of its two steps.
    static bool begin_grace(const State& state, Thread& thread) {
        for (const Thread& other : state.threads) {
            thread.waits_for.push_back(other.sections);
            thread.found += static_cast<char>(other.sections);
        }
        return true;
    }
    static bool grace_is_over(const State& state, const Thread& thread) {
        for (std::size_t i = 0; i < state.threads.size(); ++i)
            if (state.threads[i].sections_over < thread.waits_for[i]) return false;
        return true;
    }

    bool access(State& state, std::size_t number, const Op& op) const {
        Word& word = state.words[op.word];
        if (!enabled(op, word.value)) return false;
        last_read_ = word.value;
        if (reads(op)) put(state.threads[number].found, word.writer);
        if (const auto value = written(op, word.value)) {
            word.value = *value;
            word.writer = id_of(state, number);
            put(word.writers, word.writer);
        }
        return true;
    }

    static int id_of(const State& state, std::size_t number) {
        return static_cast<int>(64 * (number + 1)) + state.threads[number].steps;
    }
    static void put(std::string& text, int number) {
        text += static_cast<char>(number >> 8);
        text += static_cast<char>(number);
    }

    void end(const State& state) {
        for (std::size_t task = 0; task < tasks_.size(); ++task)
            if (!ended(state, task)) {
                ++found_.blocked;
                return;
            }
        ++found_.graphs;
        Outcome outcome;
        for (std::size_t task = 0; task < tasks_.size(); ++task)
            outcome.push_back(state.threads[task].results);
        outcome.emplace_back();
        for (const Word& word : state.words)
            outcome.back().push_back(word.value);
        found_.outcomes.insert(std::move(outcome));
    }

    /// How far everybody is, who read from whom, and the order of what does not commute.
    static std::string key(const State& state) {
        std::string text;
        const auto add = [&text](const std::string& part) {
            text += static_cast<char>(part.size());
            text += part;
        };
        for (const Thread& thread : state.threads) {
            text += static_cast<char>(thread.steps);
            add(thread.found);
        }
        for (const Cpu& cpu : state.cpus) {
            add(cpu.interrupted);
            add(cpu.sent_to);
        }
        for (const Word& word : state.words)
            add(word.writers);
        return text;
    }

    std::vector<List> tasks_;
    List handler_;
    mutable Value last_read_ = 0;
    std::unordered_set<std::string> visited_;
    Enumeration found_;
};

}  // namespace surefoot::oracle
