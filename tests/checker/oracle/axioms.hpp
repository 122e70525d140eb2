#pragma once

// What a graph of reads-from and modification order has to satisfy, model by model.

#include <vector>

#include "oracle/program.hpp"
#include "oracle/relation.hpp"

namespace surefoot::oracle {

inline constexpr std::size_t kNothing = 64;

/// A read, a write, both, or a fence. The first events of a graph are the initial writes.
struct Event {
    std::size_t id = 0;             ///< The same in whatever order the graph was built.
    std::size_t before = kNothing;  ///< In program order.
    Op op;
    std::size_t source = kNothing;  ///< The write that it read from.
    std::optional<Value> written;
};

struct Relations {
    const std::vector<Event>& events;
    Relation po, rf, mo, fr;
    Relation rmw;  ///< The part of rf that ends in a read-modify-write.

    const Op& op(std::size_t event) const { return events[event].op; }
    bool is_fence(std::size_t event) const { return op(event).kind == Kind::fence; }
    bool is_full_fence(std::size_t event) const {
        return is_fence(event) && op(event).fence == Fence::mb;
    }
    bool atomic() const { return (fr * mo).irreflexive(); }
};

inline bool consistent_sc(const Relations& r) {
    return (r.po | r.rf | r.mo | r.fr).acyclic() && r.atomic();
}

/// x86-TSO: a store may pass behind a later load of another word, unless a locked operation or a
/// full fence stands there.
inline bool consistent_tso(const Relations& r) {
    const auto orders = [&](std::size_t e) { return is_rmw(r.op(e)) || r.is_full_fence(e); };
    const Relation ordered = r.po.where([&](std::size_t from, std::size_t to) {
        if (orders(from) || orders(to)) return true;
        return !r.is_fence(from) && !r.is_fence(to) && !(r.events[from].written && reads(r.op(to)));
    });
    const Relation same_word = r.po.where([&](std::size_t from, std::size_t to) {
        return !r.is_fence(from) && !r.is_fence(to) && r.op(from).word == r.op(to).word;
    });
    const Relation rfe =
        r.rf.where([&](std::size_t from, std::size_t to) { return !r.po.has(from, to); });
    return (same_word | r.rf | r.mo | r.fr).acyclic() &&
           (ordered.closure() | rfe | r.mo | r.fr).acyclic() && r.atomic();
}

inline bool acquires(const Op& op) {
    if (op.kind == Kind::fence) return op.fence != Fence::release && op.fence != Fence::wmb;
    return op.kind == Kind::lock || op.order == Order::acquire || op.order == Order::acq_rel ||
           op.order == Order::full;
}
inline bool releases(const Op& op) {
    if (op.kind == Kind::fence) return op.fence != Fence::acquire && op.fence != Fence::rmb;
    return op.kind == Kind::unlock || op.order == Order::release || op.order == Order::acq_rel ||
           op.order == Order::full;
}

/// Whether it publishes also what its CPU has read and not acquired. smp_wmb() orders stores alone.
inline bool passes_on(const Op& op) {
    return releases(op) && !(op.kind == Kind::fence && op.fence == Fence::wmb);
}

/// From a release to the reads that find it: its own store or one behind the fence, or a chain of
/// read-modify-writes that begins there; and on from such a read by the next release of that CPU.
inline Relation published(const Relations& r) {
    const Relation reaches = r.rmw.closure().optional() * r.rf;
    Relation directly, on;
    for (std::size_t from = 0; from < r.events.size(); ++from) {
        if (!releases(r.op(from))) continue;
        for (std::size_t write = 0; write < r.events.size(); ++write)
            if (r.events[write].written &&
                (from == write || (r.is_fence(from) && r.po.has(from, write))))
                for (std::size_t read = 0; read < r.events.size(); ++read)
                    if (reaches.has(write, read)) directly.add(from, read);
        for (std::size_t read = 0; passes_on(r.op(from)) && read < r.events.size(); ++read)
            if (read == from || r.po.has(read, from)) on.add(read, from);
    }
    return (directly * on).closure().optional() * directly;
}

/// What is published reaches the acquire that reads it; a fence stands in for the reads before it.
inline Relation synchronises_with(const Relations& r) {
    const Relation publishes = published(r);
    Relation sw;
    for (std::size_t read = 0; read < r.events.size(); ++read)
        for (std::size_t to = 0; to < r.events.size(); ++to)
            if (acquires(r.op(to)) && (to == read || (r.is_fence(to) && r.po.has(read, to))))
                for (std::size_t from = 0; from < r.events.size(); ++from)
                    if (publishes.has(from, read)) sw.add(from, to);
    return sw;
}

/// RC11 with all atomics relaxed, release or acquire, and with fences; and releases that pass on
/// what was read, as LKMM has them (A-cumulativity).
inline bool consistent_weak(const Relations& r) {
    const Relation hb = (r.po | synchronises_with(r)).closure();
    const Relation eco = (r.rf | r.mo | r.fr).closure();
    const Relation partial_sc = (hb | hb * eco * hb).where([&](std::size_t from, std::size_t to) {
        return r.is_full_fence(from) && r.is_full_fence(to);
    });
    return hb.irreflexive() && (hb * eco).irreflexive() && r.atomic() && partial_sc.acyclic();
}

}  // namespace surefoot::oracle
