#include "engine/weak/graph.hpp"

#include <algorithm>

#include "engine/weak/order.hpp"

namespace surefoot::checker::engine::weak {

Event Event::announced() const {
    Event event;
    event.op = op;
    event.task = task;
    event.word = word;
    event.initial = initial;
    event.after = after;
    event.depends = depends;
    event.stamp = stamp;
    event.may_wait = may_wait;
    return event;
}

bool Event::acquires() const {
    return reads && (order == SFC_ACQUIRE || order == SFC_ACQ_REL || order == SFC_FULL);
}
bool Event::releases() const {
    return writes && (order == SFC_RELEASE || order == SFC_ACQ_REL || order == SFC_FULL);
}

const Event* Graph::last(unsigned task) const {
    return count(task) != 0 ? tasks_[task].back() : nullptr;
}

unsigned Graph::count(unsigned task) const {
    return task < tasks_.size() ? static_cast<unsigned>(tasks_[task].size()) : 0;
}

const std::vector<const Event*>& Graph::writes(unsigned word) const {
    static const std::vector<const Event*> none;
    return word < writes_.size() ? writes_[word] : none;
}

std::size_t Graph::position(const Event* write, unsigned word) const {
    if (write == nullptr) return 0;
    const auto& all = writes(word);
    return static_cast<std::size_t>(std::find(all.begin(), all.end(), write) - all.begin()) + 1;
}

Knowledge Graph::knowledge(unsigned task, const Event* after) const {
    Knowledge knowledge;
    if (const Event* const event = last(task)) knowledge = event->then;
    if (after == nullptr) return knowledge;
    knowledge.known |= after->then.known;
    knowledge.seen |= after->then.seen;
    knowledge.past |= after->then.past;
    return knowledge;
}

void Graph::append(const Pointer& event) {
    events_.push_back(event);
    if (tasks_.size() <= event->task) tasks_.resize(event->task + 1);
    tasks_[event->task].push_back(event.get());
    has_fences_ |= event->full;
    has_grace_ |= event->op.kind == Kind::grace_start;
}

bool Graph::add(Event event, std::size_t position) {
    event.place = count(event.task);
    event.write_stamp = next_stamp_++;
    if (event.stamp == 0) event.stamp = event.write_stamp;
    learn(event);
    if (event.word != kNoWord && writes_.size() <= event.word) writes_.resize(event.word + 1);
    const bool coherent = event.word == kNoWord || is_coherent(event, position);
    if (!coherent) return false;
    const bool newest = event.word == kNoWord || !has_successor(event, position);
    const auto added = std::make_shared<const Event>(std::move(event));
    append(added);
    if (added->writes) {
        auto& all = writes_[added->word];
        all.insert(all.begin() + static_cast<std::ptrdiff_t>(position - 1), added.get());
    }
    // A fence cycle leaves the new event by way of a later write of its word; a section that spans
    // a grace period may also be found so by what comes into it.
    return (newest && !has_grace_) || is_consistent();
}

/// Works out what the event comes after, and what its task and its readers learn.
void Graph::learn(Event& event) const {
    const Kind kind = event.op.kind;
    const bool fence = kind == Kind::fence;
    const unsigned sort = event.op.sub;
    const Knowledge was = knowledge(event.task, event.after);
    const bool fenced = event.full || (fence && sort != SFC_WMB && sort != SFC_FENCE_RELEASE);

    View self;
    self.add(event.task, event.place);
    event.before = (fenced ? was.seen : was.known) | event.depends;
    event.got = event.depends;
    if (event.source != nullptr) event.got |= event.source->published;

    Knowledge& then = event.then;
    then.known = was.known | self;
    const bool locks = event.writes && (kind == Kind::lock || kind == Kind::try_lock);
    // Taking a lock after having released one orders all but a store before a load.
    if (fenced || (locks && was.unlocked)) then.known |= was.seen;
    then.unlocked = was.unlocked || kind == Kind::unlock;
    if (event.acquires()) {
        event.before |= event.got;
        then.known |= event.got;
    }
    then.seen = was.seen | event.got | then.known;
    then.past = was.past | self;
    if (event.source != nullptr) then.past |= event.source->then.past;

    then.published = was.published;
    if (event.full || locks || (fence && sort == SFC_FENCE_RELEASE))
        then.published = then.seen;
    else if (fence && sort == SFC_WMB)
        then.published |= then.known;

    if (!event.writes) return;
    event.published = event.releases() ? then.seen : was.published;
    if (event.reads && event.source != nullptr) event.published |= event.source->published;
}

std::size_t Graph::bound(const View& before, unsigned word) const {
    const auto& all = writes(word);
    std::size_t bound = all.size();
    while (bound > 0 && !in(before, *all[bound - 1]))
        --bound;
    for (const Pointer& event : events_)
        if (event->word == word && event->reads && in(before, *event))
            bound = std::max(bound, position(event->source, word));
    return bound;
}

/// Nothing that happens before the event is later in its word's order, and nothing comes between a
/// read-modify-write and its source.
bool Graph::is_coherent(const Event& event, std::size_t position) const {
    const std::size_t least = bound(event.before, event.word);
    if (event.reads && this->position(event.source, event.word) < least) return false;
    if (!event.writes) return true;
    if (position <= least) return false;
    const auto& all = writes(event.word);
    return position > all.size() || !all[position - 1]->reads;
}

/// Whether a write of the word comes later in its order than what the event reads or writes.
bool Graph::has_successor(const Event& event, std::size_t position) const {
    const std::size_t count = writes(event.word).size();
    return event.writes ? position <= count : this->position(event.source, event.word) < count;
}

bool Graph::is_consistent() const {
    if (!has_fences_) return true;
    return is_ordered(*this);
}

}  // namespace surefoot::checker::engine::weak
