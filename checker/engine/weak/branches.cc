#include "engine/weak/branches.hpp"

#include <algorithm>

#include "engine/machine/values.hpp"

namespace surefoot::checker::engine::weak {
namespace {

bool only_writes(Kind kind) {
    return kind == Kind::store || kind == Kind::unlock || kind == Kind::downgrade;
}

/// The event, reading from `source`. One that failed is a relaxed load, but for the order that a
/// compare-and-exchange names for that case.
Event reading(Event event, const Event* source, std::uint64_t initial) {
    event.source = source;
    event.reads = true;
    event.read = source != nullptr ? source->written : initial;
    event.waits = has_to_wait(event.op, event.read);
    const auto value = written(event.op, event.read);
    event.writes = value.has_value();
    event.written = value.value_or(0);
    const bool only_loads = event.op.kind == Kind::load || event.op.kind == Kind::await;
    if (event.writes || only_loads)
        event.order = event.op.order;
    else if (event.op.kind == Kind::cas)
        event.order = event.op.sub;
    event.full = event.writes && event.order == SFC_FULL;
    return event;
}

Event writing(Event event) {
    event.writes = true;
    event.order = event.op.order;
    event.written = *written(event.op, 0);
    return event;
}

const Event* write_at(const Graph& graph, unsigned word, std::size_t position) {
    return position == 0 ? nullptr : graph.writes(word)[position - 1];
}

/// Every way to add it to the graph, the latest position first.
template <class Add>
void for_each_way(const Graph& graph, const Event& event, const Add& add) {
    const std::size_t latest = graph.writes(event.word).size();
    const std::size_t least =
        graph.bound(graph.knowledge(event.task, event.after).known, event.word);
    for (std::size_t position = latest + 1; position-- > least;) {
        if (only_writes(event.op.kind)) {
            add(writing(event), position + 1);
            continue;
        }
        add(reading(event, write_at(graph, event.word, position), event.initial), position + 1);
    }
}

/// The graphs with the access added, in every way that is consistent; the first one is the standard
/// way. It waits only where that is the standard way.
std::vector<Graph> with_access(const Graph& graph, const Event& event, bool standard_alone) {
    std::vector<Graph> results;
    for_each_way(graph, event, [&](const Event& with, std::size_t position) {
        if ((with.waits || standard_alone) && !results.empty()) return;
        Graph next = graph;
        if (next.add(with, position)) results.push_back(std::move(next));
    });
    return results;
}

/// What a write that is about to answer an earlier read drops, and whether it may.
struct Revisit {
    const Graph& graph;
    View past;  // of the write

    Revisit(const Graph& of, const Event& write)
        : graph(of), past(of.knowledge(write.task, write.after).past) {
        if (write.source != nullptr) past |= write.source->then.past;
    }

    bool drops(const Event& event, const Event& read) const {
        return event.stamp >= read.stamp && !in(past, event);
    }
    /// Whether everything that is dropped had been added in the standard way.
    bool allowed(const Event& read) const {
        return std::all_of(graph.events().begin(), graph.events().end(), [&](const auto& event) {
            return in(past, *event) || is_standard(*event, read);
        });
    }
    /// A read-modify-write that was made to read something else wrote later than it was added.
    bool is_standard(const Event& event, const Event& read) const {
        const bool came_later = event.stamp >= read.stamp;
        const bool wrote_later = event.write_stamp >= read.stamp;
        if (event.makes_wait && drops(event, read)) return false;
        if (wrote_later && is_read_before(event)) return false;
        if (graph.has_grace()) return !came_later || is_standard_by_trial(event);
        return (!came_later || found_latest(event)) && (!wrote_later || is_latest(event));
    }
    /// With grace periods what is latest may not be consistent: then the standard way is the latest
    /// one that is, and has to be tried.
    bool is_standard_by_trial(const Event& event) const {
        if (event.word == kNoWord) return event.read == 0;
        const Graph previous = graph.restricted([&](const Event& other) {
            return other.stamp < event.stamp || (&other != &event && in(past, other));
        });
        const auto tried = with_access(previous, event.announced(), true);
        if (tried.empty()) return false;
        const Event& standard = *tried.front().events().back();
        return standard.source == event.source && standard.writes == event.writes &&
               (standard.reads || follows_same(tried.front(), standard, event));
    }
    /// Whether both writes come directly after the same one, as far as the first graph has it.
    bool follows_same(const Graph& of, const Event& standard, const Event& event) const {
        const auto& writes = of.writes(event.word);
        const std::size_t position = of.position(&standard, event.word);
        const Event* const next = position < writes.size() ? writes[position] : nullptr;
        const Event* const before = position > 1 ? writes[position - 2] : nullptr;
        const std::size_t here = graph.position(&event, event.word);
        return (before == nullptr || graph.position(before, event.word) < here) &&
               (next == nullptr || graph.position(next, event.word) > here);
    }
    bool has_later(const Event* write_before, unsigned word, std::uint32_t stamp) const {
        const auto& writes = graph.writes(word);
        const auto next = static_cast<std::ptrdiff_t>(graph.position(write_before, word));
        return std::any_of(writes.begin() + next, writes.end(), [&](const Event* later) {
            return later->write_stamp < stamp || in(past, *later);
        });
    }
    /// As a read: of the writes that were there before it, and those in the past.
    bool found_latest(const Event& event) const {
        if (event.word == kNoWord) return event.read == 0;
        if (!event.reads) return true;
        const Event* const source = event.source;
        if (source != nullptr && source->write_stamp > event.stamp && !in(past, *source))
            return false;
        return !has_later(source, event.word, event.stamp);
    }
    bool is_latest(const Event& event) const {
        return !event.writes || !has_later(&event, event.word, event.write_stamp);
    }
    bool is_read_before(const Event& event) const {
        return std::any_of(graph.events().begin(), graph.events().end(), [&](const auto& other) {
            return other->reads && other->source == &event &&
                   (other->stamp < event.write_stamp || in(past, *other));
        });
    }
};

/// The graphs in which `write`, as it is, answers an earlier read. An answered read-modify-write
/// writes anew, and may revisit in its turn. Whoever took the lock that `write` takes now is put
/// off until it is free again.
void revisit(const Graph& graph, const Event& write, std::vector<Graph>& results) {
    const Revisit by(graph, write);
    for (const auto& read : graph.events()) {
        if (read->word != write.word || !read->reads || in(by.past, *read) || !by.allowed(*read))
            continue;
        const Graph rest =
            graph.restricted([&](const Event& event) { return !by.drops(event, *read); });
        for_each_way(rest, write.announced(), [&](Event with, std::size_t position) {
            Graph next = rest;
            if (with.source != write.source) return;
            with.makes_wait = takes_lock(read->op.kind) && has_to_wait(read->op, with.written);
            if (!next.add(with, position)) return;
            if (with.makes_wait) return results.push_back(std::move(next));
            const Event* const answer = next.last(with.task);
            const Event again = reading(read->announced(), answer, 0);
            const bool latest = next.writes(read->word).back() == answer;
            if (again.waits && !latest && !next.has_grace()) return;
            if (again.writes) revisit(next, again, results);
            if (next.add(again, position + 1)) results.push_back(std::move(next));
        });
    }
}

}  // namespace

std::optional<std::uint64_t> written(const Op& op, std::uint64_t before) {
    switch (op.kind) {
        case Kind::lock:
        case Kind::try_lock:
            return before == kFree ? std::optional(kWriter) : std::nullopt;
        case Kind::lock_shared:
        case Kind::try_lock_shared:
            return before < kWriter ? std::optional(before + 1) : std::nullopt;
        case Kind::unlock:
            return kFree;
        case Kind::downgrade:
            return 1;
        case Kind::unlock_shared:
            return before - 1;
        default:
            return stored(op, before);
    }
}

bool has_to_wait(const Op& op, std::uint64_t value) {
    switch (op.kind) {
        case Kind::await:
            return !answers(op, value);
        case Kind::lock:
        case Kind::lock_shared:
            return !written(op, value);
        default:
            return false;
    }
}

bool goes_on(const Graph& graph, const Event& event) {
    const std::size_t latest = graph.writes(event.word).size();
    const std::size_t least =
        takes_lock(event.op.kind)
            ? latest
            : graph.bound(graph.knowledge(event.task, event.after).known, event.word);
    for (std::size_t position = latest + 1; position-- > least;) {
        const Event* const write = write_at(graph, event.word, position);
        if (!has_to_wait(event.op, write != nullptr ? write->written : event.initial)) return true;
    }
    return false;
}

std::vector<Graph> extensions(const Graph& graph, const Event& event) {
    if (event.word != kNoWord) return with_access(graph, event, false);
    std::vector<Graph> results;
    std::uint64_t count = 1;
    if (event.op.kind == Kind::choose) count = event.op.a;
    if (event.may_wait) count = 2;
    Event with = event;
    for (with.read = 0; with.read < count; ++with.read) {
        with.waits = event.may_wait && with.read != 0;
        Graph next = graph;
        if (next.add(with, 0)) results.push_back(std::move(next));
    }
    return results;
}

std::vector<Graph> revisits(const Graph& graph, const Event& event) {
    std::vector<Graph> results;
    if (event.word == kNoWord || event.op.kind == Kind::load || event.op.kind == Kind::await)
        return results;
    const auto each = [&](const Event& write, std::size_t) {
        if (write.writes) revisit(graph, write, results);
    };
    if (only_writes(event.op.kind)) {
        each(writing(event), 0);
    } else {
        for_each_way(graph, event, each);
    }
    return results;
}

}  // namespace surefoot::checker::engine::weak
