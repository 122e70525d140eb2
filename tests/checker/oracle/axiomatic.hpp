#pragma once

// Every graph of reads-from and modification order that a model's axioms allow, built event by
// event. An event is only added after its predecessors in program order and after the write that
// it reads from, so that po | rf has no cycle; every other axiom holds of a graph only if it holds
// of its beginnings, so that inconsistent ones are dropped at once.

#include <string>
#include <unordered_set>

#include "oracle/axioms.hpp"

namespace surefoot::oracle {

class Graphs {
  public:
    Graphs(std::vector<Cpu> cpus, bool (*consistent)(const Relations&))
        : cpus_(std::move(cpus)), consistent_(consistent) {}

    Enumeration enumerate() {
        Graph initial;
        initial.results.resize(cpus_.size());
        initial.last.assign(cpus_.size(), kNothing);
        for (unsigned word = 0; word < kWords; ++word) {
            initial.mo.push_back({word});
            initial.events.push_back(
                {.id = word, .op = {.kind = Kind::store, .word = word}, .written = 0});
        }
        visit(initial);
        return std::move(found_);
    }

  private:
    struct Graph {
        std::vector<Event> events;
        std::vector<Results> results;
        std::vector<std::size_t> last;             // event of each CPU
        std::vector<std::vector<std::size_t>> mo;  // events of each word
    };

    void visit(const Graph& graph) {
        if (!visited_.insert(key(graph)).second || !consistent_(relations(graph))) return;
        bool ended = true;
        for (unsigned cpu = 0; cpu < cpus_.size(); ++cpu) {
            const Op op = cpus_[cpu](graph.results[cpu]);
            if (op.kind == Kind::end) continue;
            ended = false;
            if (op.kind != Kind::stop) extend(graph, cpu, op);
        }
        if (ended) end(graph);
    }

    /// Tries every write to read from, and every place in the order of writes.
    void extend(const Graph& graph, unsigned cpu, const Op& op) {
        if (op.kind == Kind::fence) {
            Graph next = graph;
            append(next, cpu, op, kNothing, std::nullopt);
            next.results[cpu].push_back(0);
            return visit(next);
        }
        const auto& mo = graph.mo[op.word];
        for (std::size_t i = 0; i < mo.size(); ++i)
            if (const Value before = *graph.events[mo[i]].written; enabled(op, before))
                visit(with(graph, cpu, op, mo[i], before, i + 1));
    }

    /// The operation comes after `place` writes of its word.
    static Graph with(Graph graph, unsigned cpu, Op op, std::size_t source, Value before,
                      std::size_t place) {
        const auto value = written(op, before);
        if (op.kind == Kind::cas && !value) op.order = Order::relaxed;  // it failed
        const bool fenced = op.order == Order::full && is_rmw(op);
        if (fenced) append(graph, cpu, {.kind = Kind::fence}, kNothing, std::nullopt);
        const std::size_t event = append(graph, cpu, op, reads(op) ? source : kNothing, value);
        if (fenced) append(graph, cpu, {.kind = Kind::fence}, kNothing, std::nullopt);
        // Whoever takes a lock publishes with it what was seen.
        if (op.kind == Kind::lock)
            append(graph, cpu, {.kind = Kind::fence, .fence = Fence::release}, kNothing,
                   std::nullopt);
        graph.results[cpu].push_back(reads(op) ? before : 0);
        auto& mo = graph.mo[op.word];
        if (value) mo.insert(mo.begin() + static_cast<std::ptrdiff_t>(place), event);
        return graph;
    }

    static std::size_t append(Graph& graph, unsigned cpu, const Op& op, std::size_t source,
                              std::optional<Value> value) {
        std::size_t id = 64 * (cpu + 1);
        if (graph.last[cpu] != kNothing) id = graph.events[graph.last[cpu]].id + 1;
        graph.events.push_back({id, graph.last[cpu], op, source, value});
        return graph.last[cpu] = graph.events.size() - 1;
    }

    static Relations relations(const Graph& graph) {
        Relations r{graph.events, {}, {}, {}, {}, {}};
        for (const auto& writes : graph.mo)
            for (std::size_t i = 0; i < writes.size(); ++i)
                for (std::size_t j = i + 1; j < writes.size(); ++j)
                    r.mo.add(writes[i], writes[j]);
        for (std::size_t e = kWords; e < graph.events.size(); ++e) {
            const Event& event = graph.events[e];
            for (std::size_t word = 0; word < kWords; ++word)
                r.po.add(word, e);
            for (std::size_t b = event.before; b != kNothing; b = graph.events[b].before)
                r.po.add(b, e);
            if (event.source == kNothing) continue;
            r.rf.add(event.source, e);
            if (event.written) r.rmw.add(event.source, e);
            for (const std::size_t later : graph.mo[event.op.word])
                if (later != e && r.mo.has(event.source, later)) r.fr.add(e, later);
        }
        return r;
    }

    void end(const Graph& graph) {
        ++found_.graphs;
        Outcome outcome = graph.results;
        outcome.emplace_back();
        for (const auto& writes : graph.mo)
            outcome.back().push_back(*graph.events[writes.back()].written);
        found_.outcomes.insert(std::move(outcome));
    }

    /// Every CPU's reads with the writes that they read from, and every word's writes in order.
    static std::string key(const Graph& graph) {
        std::string text;
        const auto put = [&text](std::size_t number) {
            text.push_back(static_cast<char>(number >> 8));
            text.push_back(static_cast<char>(number));
        };
        for (const std::size_t last : graph.last) {
            for (std::size_t e = last; e != kNothing; e = graph.events[e].before) {
                const std::size_t source = graph.events[e].source;
                put(source == kNothing ? 0xfffe : graph.events[source].id);
            }
            put(0xffff);
        }
        for (const auto& writes : graph.mo) {
            for (const std::size_t e : writes)
                put(graph.events[e].id);
            put(0xffff);
        }
        return text;
    }

    std::vector<Cpu> cpus_;
    bool (*consistent_)(const Relations&);
    std::unordered_set<std::string> visited_;
    Enumeration found_;
};

inline Enumeration enumerate_weak(std::vector<Cpu> cpus) {
    return Graphs(std::move(cpus), consistent_weak).enumerate();
}

}  // namespace surefoot::oracle
