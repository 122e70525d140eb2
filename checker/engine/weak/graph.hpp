#pragma once

// An execution of the model `weak`: events with their program order, who reads from whom, and the
// order of each word's writes. docs/model.md has the axioms.
//
// Events are added after what they depend on and never change, so that what happens before an event
// is known when it is added, and graphs share events.

#include <cstdint>
#include <memory>
#include <vector>

#include "engine/machine/step.hpp"
#include "engine/weak/view.hpp"

namespace surefoot::checker::engine::weak {

inline constexpr unsigned kNoWord = ~0U;

/// What a task has learnt, after one of its events.
struct Knowledge {
    View known;      ///< Happens before what comes next.
    View seen;       ///< Would be known after an acquire fence.
    View published;  ///< Is learnt from the stores that come next, by an earlier release fence.
    View past;       ///< Everything in program order and reads-from.
    bool unlocked = false;  ///< It released a lock.
};

struct Event {
    Op op;  // as it was announced
    unsigned task = 0;
    unsigned word = kNoWord;    // of an access
    std::uint64_t initial = 0;  // what the word held at first
    const Event* after =
        nullptr;              // of another task, which it follows: spawned by it, or joining it
    View depends;             // seen by the loads that its address was computed from
    std::uint32_t stamp = 0;  // the search's order of adding; 0: it comes next

    bool reads = false;
    bool writes = false;
    bool waits = false;       // for another value than it found: the task's last event
    bool may_wait = false;    // a grace period: sections may never end
    bool makes_wait = false;  // it took a lock from somebody who has to wait now
    bool full = false;        // a full fence, or an access between two
    std::uint8_t order = SFC_RELAXED;
    const Event* source = nullptr;  // whom it read from; null: the initial value
    std::uint64_t read = 0, written = 0;

    // Set by Graph::add().
    unsigned place = 0;             // in program order
    std::uint32_t write_stamp = 0;  // later than `stamp` if it was made to read something else
    View before;                    // happens before it
    View got;                       // what acquiring it would teach
    View published;                 // what reading from it can teach
    Knowledge then;

    /// The same before it was known what it finds.
    Event announced() const;
    bool acquires() const;
    bool releases() const;
};

inline bool in(const View& view, const Event& event) { return view.has(event.task, event.place); }

class Graph {
  public:
    using Pointer = std::shared_ptr<const Event>;

    /// Each after what it depends on.
    const std::vector<Pointer>& events() const { return events_; }
    /// Of one task, in program order; null: none yet.
    const Event* last(unsigned task) const;
    unsigned count(unsigned task) const;
    const Event* at(unsigned task, unsigned place) const { return tasks_[task][place]; }
    /// In their order, without the initial one.
    const std::vector<const Event*>& writes(unsigned word) const;
    /// The initial value is at 0.
    std::size_t position(const Event* write, unsigned word) const;
    /// What a next event of the task begins with; `after` as in Event.
    Knowledge knowledge(unsigned task, const Event* after) const;
    bool has_grace() const { return has_grace_; }
    /// Of what there is to explore: what follows from this graph, as estimated.
    double share() const { return share_; }
    void set_share(double share) { share_ = share; }

    /// Adds the event, a write at `position` of its word's order. @return whether the graph is
    /// consistent; it may be thrown away if not
    bool add(Event event, std::size_t position);
    /// The part that `keep` keeps: it has to hold what its events depend on.
    template <class Keep>
    Graph restricted(const Keep& keep) const {
        Graph part;
        part.next_stamp_ = next_stamp_;
        part.share_ = share_;
        part.writes_.resize(writes_.size());
        for (const Pointer& event : events_)
            if (keep(*event)) part.append(event);
        for (std::size_t word = 0; word < writes_.size(); ++word)
            for (const Event* write : writes_[word])
                if (keep(*write)) part.writes_[word].push_back(write);
        return part;
    }
    /// The earliest write that an access may read from or come directly after.
    std::size_t bound(const View& before, unsigned word) const;

  private:
    void append(const Pointer& event);
    void learn(Event& event) const;
    bool is_coherent(const Event& event, std::size_t position) const;
    bool has_successor(const Event& event, std::size_t position) const;
    bool is_consistent() const;

    std::vector<Pointer> events_;
    std::vector<std::vector<const Event*>> tasks_;
    std::vector<std::vector<const Event*>> writes_;  // of each word
    std::uint32_t next_stamp_ = 1;
    double share_ = 1;
    bool has_fences_ = false;
    bool has_grace_ = false;
};

}  // namespace surefoot::checker::engine::weak
