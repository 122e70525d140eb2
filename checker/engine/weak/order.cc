#include "engine/weak/order.hpp"

#include <algorithm>
#include <limits>

namespace surefoot::checker::engine::weak {
namespace {

class Relation {
  public:
    explicit Relation(std::size_t size) : size_(size), bits_(size * size) {}

    void add(std::size_t from, std::size_t to) { bits_[from * size_ + to] = 1; }
    bool has(std::size_t from, std::size_t to) const { return bits_[from * size_ + to] != 0; }
    std::size_t size() const { return size_; }
    /// First this one, then the other.
    Relation operator*(const Relation& other) const {
        Relation result(size_);
        for (std::size_t i = 0; i < size_; ++i)
            for (std::size_t via = 0; via < size_; ++via)
                for (std::size_t j = 0; has(i, via) && j < size_; ++j)
                    if (other.has(via, j)) result.add(i, j);
        return result;
    }
    /// @return whether that made a difference
    bool operator|=(const Relation& other) {
        bool more = false;
        for (std::size_t i = 0; i < bits_.size(); ++i) {
            more |= bits_[i] < other.bits_[i];
            bits_[i] |= other.bits_[i];
        }
        return more;
    }
    friend Relation operator|(Relation left, const Relation& right) {
        left |= right;
        return left;
    }
    bool irreflexive() const {
        for (std::size_t i = 0; i < size_; ++i)
            if (has(i, i)) return false;
        return true;
    }

  private:
    std::size_t size_;
    std::vector<unsigned char> bits_;
};

/// A full fence, a grace period or a read-side section. A path through the graph enters and leaves
/// the first two in their order; it enters a section at its end and leaves it at its beginning.
struct Point {
    enum class Kind : std::uint8_t { fence, grace, section };
    Kind kind;
    const Event* leave;  // the path goes on with this one, or with what it happens before
    View enter;          // happens before the place where a path enters
};

/// An access and its place in the order of its word's writes: that of the write, or of the source.
struct Access {
    const Event* event;
    std::size_t position;
};

class Order {
  public:
    explicit Order(const Graph& graph) : graph_(graph) {
        find_points();
        for (const auto& event : graph.events()) {
            if (event->word == kNoWord) continue;
            words_ = std::max(words_, event->word + 1);
            const Event* const write = event->writes ? event.get() : event->source;
            accesses_.push_back({event.get(), graph.position(write, event->word)});
        }
    }

    bool holds() const {
        const Relation link = all_links();
        return through_fences(link).irreflexive() && (!has_section_ || no_section_spans(link));
    }

    bool grace_orders(unsigned task, unsigned place, const View& later) const {
        const Relation order = grace_order(all_links());
        for (std::size_t i = 0; i < points_.size(); ++i)
            for (std::size_t j = 0; ends_after(points_[i], task, place) && j < points_.size(); ++j)
                if (order.has(i, j) && in(later, *points_[j].leave)) return true;
        return false;
    }

  private:
    void find_points() {
        for (const auto& event : graph_.events()) {
            if (event->op.kind == Kind::rcu_lock) {
                points_.push_back({Point::Kind::section, event.get(), end_of_section(*event)});
                has_section_ = true;
            } else if (event->op.kind == Kind::grace_start) {
                points_.push_back({Point::Kind::grace, event.get(), event->before});
            } else if (event->full && event->word != kNoWord) {
                find_fences_around(*event);
            } else if (event->full) {
                points_.push_back({Point::Kind::fence, event.get(), event->before});
            }
        }
    }

    /// A path may lead from the fence in front of the access to the one behind it, but not back.
    void find_fences_around(const Event& access) {
        points_.push_back({Point::Kind::fence, &access, seen_before(access)});
        if (access.place + 1 == graph_.count(access.task)) return;  // no path leaves it
        View enter = access.before;
        enter.add(access.task, access.place);
        points_.push_back({Point::Kind::fence, graph_.at(access.task, access.place + 1), enter});
    }

    /// What the task had seen before the access, acquired or not.
    View seen_before(const Event& access) const {
        View seen = access.after != nullptr ? access.after->then.seen : View{};
        if (access.place != 0) seen |= graph_.at(access.task, access.place - 1)->then.seen;
        return seen;
    }

    /// What comes before the section's end, acquired or not. One that is still open ends after all
    /// that its task did: what follows can only end it later.
    View end_of_section(const Event& begin) const {
        const Event* const end = unlock_of(begin);
        return (end != nullptr ? end : graph_.last(begin.task))->then.seen;
    }
    /// Null: the section is open.
    const Event* unlock_of(const Event& begin) const {
        for (unsigned i = begin.place + 1; i < graph_.count(begin.task); ++i) {
            const Event& event = *graph_.at(begin.task, i);
            if (event.op.kind == Kind::rcu_unlock && event.op.address == begin.op.address)
                return &event;
        }
        return nullptr;
    }

    /// Whether what comes in front of that place comes before the way into the point. A section
    /// that is open ends after all that its task does.
    bool ends_after(const Point& point, unsigned task, unsigned place) const {
        const bool open = point.kind == Point::Kind::section && point.leave->task == task &&
                          unlock_of(*point.leave) == nullptr;
        return open || point.enter.has(task, place);
    }

    /// The links, and those that lead through full fences.
    Relation all_links() const {
        Relation link = links();
        const Relation direct = link;
        while ((link |= through_fences(link) * direct))
            continue;
        return link;
    }

    /// From the way out of one point to the way into another: by happens-before, or with a step
    /// between two accesses of a word of which the second one is later.
    Relation links() const {
        Relation link(points_.size());
        for (std::size_t from = 0; from < points_.size(); ++from) {
            const Earliest earliest = after(*points_[from].leave);
            for (std::size_t to = 0; to < points_.size(); ++to) {
                if (in(points_[to].enter, *points_[from].leave) ||
                    reaches(earliest, points_[to].enter))
                    link.add(from, to);
            }
        }
        return link;
    }

    /// For each word, the earliest write and the earliest position read.
    struct Earliest {
        std::vector<std::size_t> write, read;
    };
    Earliest after(const Event& event) const {
        constexpr std::size_t kNone = std::numeric_limits<std::size_t>::max();
        Earliest earliest{std::vector<std::size_t>(words_, kNone),
                          std::vector<std::size_t>(words_, kNone)};
        for (const Access& access : accesses_) {
            if (access.event != &event && !in(access.event->before, event)) continue;
            auto& least = access.event->writes ? earliest.write : earliest.read;
            std::size_t& of_word = least[access.event->word];
            of_word = std::min(of_word, access.position);
        }
        return earliest;
    }
    bool reaches(const Earliest& earliest, const View& enter) const {
        return std::any_of(accesses_.begin(), accesses_.end(), [&](const Access& access) {
            const unsigned word = access.event->word;
            if (!in(enter, *access.event)) return false;
            return earliest.write[word] < access.position ||
                   earliest.read[word] < access.position ||
                   (!access.event->writes && earliest.write[word] == access.position);
        });
    }

    /// The paths that end in a full fence.
    Relation through_fences(const Relation& link) const {
        Relation result(points_.size());
        for (std::size_t i = 0; i < points_.size(); ++i)
            for (std::size_t j = 0; j < points_.size(); ++j)
                if (points_[j].kind != Point::Kind::section && link.has(i, j)) result.add(i, j);
        return result;
    }

    /// LKMM's rule: no cycle has as many grace periods as sections, or more.
    bool no_section_spans(const Relation& link) const {
        return (grace_order(link) * link).irreflexive();
    }

    /// From the way into one point to the way out of another, by paths that have as many grace
    /// periods as sections, or more.
    Relation grace_order(const Relation& link) const {
        Relation order(points_.size());
        for (std::size_t i = 0; i < points_.size(); ++i)
            if (points_[i].kind == Point::Kind::grace) order.add(i, i);
        for (bool more = true; more;) {
            more = order |= order * link * order;
            const Relation within = link | link * order * link;
            more = (order |= pairs(within)) || more;
        }
        return order;
    }
    /// A grace period and a section of one domain.
    Relation pairs(const Relation& within) const {
        Relation result(points_.size());
        for (std::size_t i = 0; i < points_.size(); ++i)
            for (std::size_t j = 0; j < points_.size(); ++j) {
                const Point &a = points_[i], &b = points_[j];
                const bool both =
                    (a.kind == Point::Kind::grace && b.kind == Point::Kind::section) ||
                    (b.kind == Point::Kind::grace && a.kind == Point::Kind::section);
                if (both && a.leave->op.address == b.leave->op.address && within.has(i, j))
                    result.add(i, j);
            }
        return result;
    }

    const Graph& graph_;
    std::vector<Point> points_;
    std::vector<Access> accesses_;
    unsigned words_ = 0;
    bool has_section_ = false;
};

}  // namespace

bool is_ordered(const Graph& graph) { return Order(graph).holds(); }

bool grace_orders(const Graph& graph, unsigned task, unsigned place, const View& later) {
    return graph.has_grace() && Order(graph).grace_orders(task, place, later);
}

}  // namespace surefoot::checker::engine::weak
