#include "engine/search/bounded.hpp"

#include <algorithm>

namespace surefoot::checker::engine {

bool Bounded::preempts(const Machine& machine, const Level& level, unsigned proc) const {
    return level.running != kNobody && level.running != static_cast<int>(proc) &&
           !machine.is_drain(proc) && machine.can_run(static_cast<unsigned>(level.running));
}

/// Who may go next; whoever ran last is tried first.
void Bounded::fill(const Machine& machine, Level& level) {
    for (ProcSet left = machine.active(); left != 0; left &= left - 1) {
        const auto proc = static_cast<unsigned>(__builtin_ctzll(left));
        if (static_cast<int>(proc) == level.running || !machine.can_run(proc)) continue;
        if (level.spent == bound_ && preempts(machine, level, proc)) continue;
        level.options.push_back(static_cast<std::uint8_t>(proc));
    }
    if (level.running != kNobody && machine.can_run(static_cast<unsigned>(level.running)))
        level.options.push_back(static_cast<std::uint8_t>(level.running));
    level.taken = 1;
}

int Bounded::next(Machine& machine) {
    if (seen_before_) return kRedundant;
    Level& level = levels_[machine.depth()];
    if (level.options.empty()) fill(machine, level);
    if (level.options.empty())
        return seen_.raise(key(level.hash, kEnd), 0) ? machine.stuck_or_complete() : kRedundant;
    level.preempts = preempts(machine, level, level.options.back());
    return level.options.back();
}

unsigned Bounded::choose(Machine& machine, unsigned count) {
    Level& level = levels_[machine.depth()];
    level.choices = count;
    return level.choice;
}

void Bounded::added(Machine& machine, std::uint32_t position) {
    if (seen_.full())
        machine.fail("the search has more prefixes than the checker can keep", nullptr, true);
    const Level& level = levels_[position];
    const Event& event = machine.event(position);
    Level below;
    below.running = machine.is_drain(event.proc) ? level.running : event.proc;
    below.spent = level.spent + (level.preempts ? 1 : 0);
    below.hash = level.hash + machine.event_hash(position);
    seen_before_ = !seen_.raise(key(below.hash, below.running), bound_ - below.spent);
    levels_.push_back(std::move(below));
}

bool Bounded::backtrack(const Machine& /*machine*/, int /*end*/, std::uint32_t& fixed) {
    seen_before_ = false;
    for (; !levels_.empty(); levels_.pop_back()) {
        Level& level = levels_.back();
        if (level.options.empty()) continue;
        if (++level.choice >= level.choices) {
            level.choice = 0;
            level.choices = 1;
            level.options.pop_back();
            if (level.options.empty()) continue;
            ++level.taken;
        }
        fixed = static_cast<std::uint32_t>(levels_.size() - 1);
        return true;
    }
    return false;
}

// --- several processes --------------------------------------------------------------------------

std::optional<Search::Part> Bounded::part_to_give(const Machine& /*machine*/) {
    double share = 1;
    for (std::uint32_t depth = 0; depth + 1 < levels_.size(); ++depth) {
        const Level& level = levels_[depth];
        if (level.options.empty()) continue;
        share /= static_cast<double>(level.taken - 1 + level.options.size());
        if (level.options.size() > 1) return Part{depth, share};
    }
    return std::nullopt;
}

void Bounded::give(const Machine& /*machine*/, const Part& part) {
    Level& level = levels_[part.depth];
    level.options.erase(level.options.begin());
    ++level.taken;
}

void Bounded::keep(const Machine& /*machine*/, const Part& part) {
    levels_.resize(part.depth + 1);
    for (Level& level : levels_)
        level.options.resize(
            std::min<std::size_t>(level.options.size(), &level == &levels_.back()));
    Level& level = levels_.back();
    level.choice = 0;
    level.choices = 1;
    level.taken = 1;
}

double Bounded::explored() const {
    double sum = 0, share = 1;
    for (const Level& level : levels_) {
        if (level.options.empty()) continue;
        const auto all = static_cast<double>(level.taken - 1 + level.options.size());
        share /= all;
        sum += share * static_cast<double>(level.taken - 1);
    }
    return sum;
}

}  // namespace surefoot::checker::engine
