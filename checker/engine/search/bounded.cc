#include "engine/search/bounded.hpp"

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
}

int Bounded::next(Machine& machine) {
    if (seen_before_) return kRedundant;
    Level& level = levels_[machine.depth()];
    if (level.options.empty()) fill(machine, level);
    if (level.options.empty())
        return ended_.insert(level.hash).second ? machine.stuck_or_complete() : kRedundant;
    level.preempts = preempts(machine, level, level.options.back());
    return level.options.back();
}

unsigned Bounded::choose(Machine& machine, unsigned count) {
    Level& level = levels_[machine.depth()];
    level.choices = count;
    return level.choice;
}

void Bounded::added(Machine& machine, std::uint32_t position) {
    const Level& level = levels_[position];
    const Event& event = machine.event(position);
    Level below;
    below.running = machine.is_drain(event.proc) ? level.running : event.proc;
    below.spent = level.spent + (level.preempts ? 1 : 0);
    below.hash = level.hash + machine.event_hash(position);
    const unsigned left = bound_ - below.spent;
    const std::uint64_t key =
        below.hash ^ (0x9e3779b97f4a7c15ULL * static_cast<std::uint64_t>(below.running + 1));
    const auto [found, is_new] = seen_.try_emplace(key, left);
    seen_before_ = !is_new && found->second >= left;
    if (!seen_before_) found->second = left;
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
        }
        fixed = static_cast<std::uint32_t>(levels_.size() - 1);
        return true;
    }
    return false;
}

}  // namespace surefoot::checker::engine
