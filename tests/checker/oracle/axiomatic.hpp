#pragma once

// The model `weak` by its axioms (docs/model.md): every graph of reads-from and modification order
// that RC11 without load buffering allows, built event by event. An event is only ever added after
// its predecessors in program order and after the write that it reads from, so that po | rf has no
// cycle; every other axiom holds of a graph only if it holds of its beginnings, so that
// inconsistent ones are dropped at once.

#include <array>
#include <bit>
#include <string>
#include <unordered_set>

#include "oracle/program.hpp"

namespace surefoot::oracle {

/// A relation over up to 64 events.
class Relation {
  public:
    void add(std::size_t from, std::size_t to) { rows_[from] |= std::uint64_t{1} << to; }
    bool has(std::size_t from, std::size_t to) const { return (rows_[from] >> to & 1) != 0; }
    bool irreflexive() const {
        for (std::size_t i = 0; i < rows_.size(); ++i)
            if (has(i, i)) return false;
        return true;
    }
    bool acyclic() const { return closure().irreflexive(); }
    Relation closure() const {
        Relation result = *this;
        for (std::size_t via = 0; via < rows_.size(); ++via)
            for (auto& row : result.rows_)
                if ((row >> via & 1) != 0) row |= result.rows_[via];
        return result;
    }
    Relation operator|(const Relation& other) const {
        Relation result = *this;
        for (std::size_t i = 0; i < rows_.size(); ++i)
            result.rows_[i] |= other.rows_[i];
        return result;
    }
    /// Sequence: first this one, then the other.
    Relation operator*(const Relation& other) const {
        Relation result;
        for (std::size_t i = 0; i < rows_.size(); ++i)
            for (std::uint64_t row = rows_[i]; row != 0; row &= row - 1)
                result.rows_[i] |= other.rows_[static_cast<std::size_t>(std::countr_zero(row))];
        return result;
    }
    /// This one or nothing: the reflexive closure.
    Relation optional() const {
        Relation result = *this;
        for (std::size_t i = 0; i < rows_.size(); ++i)
            result.add(i, i);
        return result;
    }

  private:
    std::array<std::uint64_t, 64> rows_{};
};

class Axioms {
  public:
    explicit Axioms(std::vector<Cpu> cpus) : cpus_(std::move(cpus)) {}

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
    static constexpr std::size_t kNothing = 64;
    struct Event {
        std::size_t id = 0;             // the same however the graph was built
        std::size_t before = kNothing;  // in program order; an initial write is before all
        Op op;
        std::size_t source = kNothing;  // the event it read from
        std::optional<Value> written;
    };
    struct Graph {
        std::vector<Event> events;
        std::vector<Results> results;
        std::vector<std::size_t> last;             // event of each CPU
        std::vector<std::vector<std::size_t>> mo;  // events of each word
    };

    void visit(const Graph& graph) {
        if (!visited_.insert(key(graph)).second || !consistent(graph)) return;
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
            visit(next);
            return;
        }
        const auto& mo = graph.mo[op.word];
        for (std::size_t i = 0; i < mo.size(); ++i) {
            const Value before = *graph.events[mo[i]].written;
            if (!reads(op)) {
                visit(with(graph, cpu, op, kNothing, 0, i + 1));
            } else if (enabled(op, before)) {
                visit(with(graph, cpu, op, mo[i], before, i + 1));
            }
        }
    }

    static Graph with(Graph graph, unsigned cpu, const Op& op, std::size_t source, Value before,
                      std::size_t place) {
        const auto value = written(op, before);
        const bool fenced = op.order == Order::full && is_rmw(op) && value;
        if (fenced) append(graph, cpu, {.kind = Kind::fence}, kNothing, std::nullopt);
        Op marked = op;
        if (op.kind == Kind::cas && !value) marked.order = Order::relaxed;  // it failed
        const std::size_t event = append(graph, cpu, marked, source, value);
        if (fenced) append(graph, cpu, {.kind = Kind::fence}, kNothing, std::nullopt);
        if (op.kind == Kind::lock)
            append(graph, cpu, {.kind = Kind::fence, .fence = Fence::release}, kNothing,
                   std::nullopt);
        graph.results[cpu].push_back(source == kNothing ? 0 : before);
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

    // --- the axioms ---------------------------------------------------------------------------

    static bool acquires(const Op& op) {
        if (op.kind == Kind::fence) return op.fence != Fence::release && op.fence != Fence::wmb;
        return op.kind == Kind::lock || op.order == Order::acquire || op.order == Order::acq_rel ||
               op.order == Order::full;
    }
    static bool releases(const Op& op) {
        if (op.kind == Kind::fence) return op.fence != Fence::acquire && op.fence != Fence::rmb;
        return op.kind == Kind::unlock || op.order == Order::release ||
               op.order == Order::acq_rel || op.order == Order::full;
    }

    static bool consistent(const Graph& graph) {
        const auto& events = graph.events;
        const std::size_t count = events.size();
        const auto fence = [&](std::size_t e) { return events[e].op.kind == Kind::fence; };
        Relation po, rf, rmw, mo, fr;
        for (std::size_t e = kWords; e < count; ++e) {
            for (std::size_t word = 0; word < kWords; ++word)
                po.add(word, e);
            for (std::size_t b = events[e].before; b != kNothing; b = events[b].before)
                po.add(b, e);
            if (events[e].source == kNothing) continue;
            rf.add(events[e].source, e);
            if (events[e].written) rmw.add(events[e].source, e);
        }
        for (const auto& writes : graph.mo)
            for (std::size_t i = 0; i < writes.size(); ++i)
                for (std::size_t j = i + 1; j < writes.size(); ++j)
                    mo.add(writes[i], writes[j]);
        for (std::size_t e = kWords; e < count; ++e)
            for (std::size_t w = 0; w < count; ++w)
                if (events[e].source != kNothing && w != e && mo.has(events[e].source, w))
                    fr.add(e, w);

        // A release reaches the acquire that reads from it or from a chain of rmws on it.
        const Relation reaches = rmw.closure().optional() * rf;
        Relation sw;
        for (std::size_t w = 0; w < count; ++w)
            for (std::size_t r = kWords; r < count; ++r) {
                if (!reaches.has(w, r)) continue;
                for (std::size_t from = 0; from < count; ++from)
                    for (std::size_t to = 0; to < count; ++to)
                        if (releases(events[from].op) && acquires(events[to].op) &&
                            (from == w || (fence(from) && po.has(from, w))) &&
                            (to == r || (fence(to) && po.has(r, to))))
                            sw.add(from, to);
            }
        const Relation hb = (po | sw).closure();
        const Relation eco = (rf | mo | fr).closure();
        if (!hb.irreflexive() || !(hb * eco).irreflexive()) return false;  // coherence
        if (!(fr * mo).irreflexive()) return false;                        // atomicity

        Relation psc;
        const Relation reach = hb | hb * eco * hb;
        for (std::size_t from = 0; from < count; ++from)
            for (std::size_t to = 0; to < count; ++to)
                if (full_fence(events[from].op) && full_fence(events[to].op) && reach.has(from, to))
                    psc.add(from, to);
        return psc.acyclic();
    }
    static bool full_fence(const Op& op) { return op.kind == Kind::fence && op.fence == Fence::mb; }

    // --- what was found -------------------------------------------------------------------------

    void end(const Graph& graph) {
        ++found_.graphs;
        Outcome outcome = graph.results;
        outcome.emplace_back();
        for (const auto& writes : graph.mo)
            outcome.back().push_back(*graph.events[writes.back()].written);
        found_.outcomes.insert(std::move(outcome));
    }

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
    std::unordered_set<std::string> visited_;
    Enumeration found_;
};

inline Enumeration enumerate_weak(std::vector<Cpu> cpus) {
    return Axioms(std::move(cpus)).enumerate();
}

}  // namespace surefoot::oracle
