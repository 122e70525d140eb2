#include "engine/search/dpor.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>

namespace surefoot::checker::engine {

Dpor::Dpor(Jobs& jobs, std::optional<std::uint64_t> seed) : jobs_(jobs), random_(seed) {
    jobs_.on_message([this](std::string_view message) { hear(message); });
}

// --- races --------------------------------------------------------------------------------------

void Dpor::race(Machine& machine, std::uint32_t earlier, std::uint32_t later,
                const Effect& reversed) {
    const Race race{earlier, later, reversed};
    const bool waits_in_vain = later == machine.depth() && machine.ended();
    // Another process is told what is known at the end: it cannot ask again.
    const bool settled =
        (earlier >= base_ || waits_in_vain) &&
        settle(machine, race, later + 1, waits_in_vain ? Known::all : Known::prefix);
    if (!settled && !waits_in_vain) unsettled_.push_back(race);
}

/// Sees to it that the race's reversal is explored.
/// @return whether that holds for every way in which the execution could go on after the race
bool Dpor::settle(const Machine& machine, const Race& race, std::uint32_t end, Known known) {
    Level& level = levels_[race.earlier];
    if (level.redundant) return true;
    reversal_.build(machine, race, end);
    const Initial covered = best_sleeper(race.earlier);
    if (covered == Initial::yes) return true;
    if (covered == Initial::weak && known != Known::cut) return false;
    const bool settled = insert(level, known);
    if (race.earlier >= base_) return settled;
    if (grown_) {
        reversal_.build(machine, race, end);
        tell(race.earlier);
    }
    return false;  // what covers it there is not known
}

Initial Dpor::best_sleeper(std::uint32_t depth) const {
    const Level& level = levels_[depth];
    Initial best = Initial::no;
    for (std::uint32_t i = level.sleep_begin; i < level.sleep_end && best != Initial::yes; ++i)
        best = std::max(best, initial(sleepers_[i]));
    for (const Given& given : given_)
        if (given.depth == depth) best = std::max(best, initial(given.sleeper));
    return best;
}

Initial Dpor::initial(const Sleeper& sleeper) const {
    const std::size_t index = reversal_.find(sleeper.proc);
    if (index < reversal_.steps().size() && sleeper.choices != 0 &&
        (sleeper.choices >> reversal_.steps()[index].choice & 1) == 0)
        return Initial::no;
    const Initial found = reversal_.initial(index, sleeper.effect);
    return found == Initial::weak && sleeper.alone ? Initial::no : found;
}

Initial Dpor::leads_there(const WakeupTrees::Node& node, std::size_t index) const {
    const bool other_choice = index < reversal_.steps().size() && node.chooses &&
                              reversal_.steps()[index].choice != node.choice;
    return other_choice ? Initial::no : reversal_.initial(index, node.effect);
}

/// Adds the reversal to the level's branches, unless one of them leads there.
/// @return as settle()
bool Dpor::insert(Level& level, Known known) {
    bool always = true;
    grown_ = false;
    WakeupTrees::Index* place = &level.branches;
    while (*place != 0) {
        WakeupTrees::Node& node = trees_[*place];
        const std::size_t index = reversal_.find(node.proc);
        const Initial leads = leads_there(node, index);
        if (leads == Initial::weak && known == Known::prefix) return false;
        if (leads == Initial::no || (leads == Initial::weak && known == Known::cut)) {
            place = &node.sibling;
            continue;
        }
        always &= leads == Initial::yes;
        reversal_.take(index, node.effect);
        if (node.child == 0 || reversal_.steps().empty()) return always;
        place = &node.child;
    }
    *place = trees_.chain(reversal_);
    grown_ = true;
    return always;
}

// --- several processes --------------------------------------------------------------------------

void Dpor::tell(std::uint32_t depth) const {
    jobs_.tell(std::string(reinterpret_cast<const char*>(&depth), sizeof depth) + reversal_.told());
}

/// A reversal that another process found, of a step that its executions and those here begin with.
void Dpor::hear(std::string_view message) {
    std::uint32_t depth = 0;
    std::memcpy(&depth, message.data(), sizeof depth);
    reversal_.hear(message.substr(sizeof depth));
    Level& level = levels_[depth];
    if (level.redundant || best_sleeper(depth) == Initial::yes) return;
    insert(level, Known::all);
    if (grown_ && depth < base_) jobs_.tell(message);
}

std::optional<Search::Part> Dpor::part_to_give(const Machine& machine) {
    double share = 1;
    for (std::uint32_t depth = base_; depth < next_; ++depth) {
        Level& level = levels_[depth];
        if (level.branches == 0) guess_branch(machine, depth);
        share *= this->share(level);
        const bool among_choices =
            machine.event(depth).kind == Kind::choose || trees_[level.branches].chooses;
        if (level.branches != 0 && !among_choices) return Part{depth, share};
    }
    return std::nullopt;
}

/// Races are found from the end of the executions towards their beginning, so that the branches
/// which hold most of the search come last. A process that a later step of it will probably bring
/// here can be explored from here at once.
void Dpor::guess_branch(const Machine& machine, std::uint32_t depth) {
    Level& level = levels_[depth];
    const Event& event = machine.event(depth);
    if (level.redundant || event.kind == Kind::choose) return;
    ProcSet out = level.asleep | set_of(event.proc);
    for (const Given& given : given_)
        if (given.depth == depth) out |= set_of(given.sleeper.proc);
    const Event* first[kMaxProcs] = {};
    for (std::uint32_t i = depth + 1; i < machine.depth(); ++i) {
        const Event& later = machine.event(i);
        if ((out & set_of(later.proc)) != 0) continue;
        if (first[later.proc] == nullptr) {
            first[later.proc] = &later;
            if (later.kind == Kind::choose || !machine.could_begin_at(i, depth))
                out |= set_of(later.proc);
        }
        if ((out & set_of(later.proc)) != 0 || !dependent(later.effect, event.effect)) continue;
        level.branches = trees_.make({first[later.proc]->effect, later.proc, false, 0, 0, 0});
        return;
    }
}

void Dpor::give(const Machine& /*machine*/, const Part& part) {
    Level& level = levels_[part.depth];
    const WakeupTrees::Node& node = trees_[level.branches];
    given_.push_back({part.depth, {node.effect, node.proc}});
    trees_.free(node.child);
    trees_.free_one(std::exchange(level.branches, node.sibling));
    ++level.taken;
}

void Dpor::keep(const Machine& machine, const Part& part) {
    Level& level = levels_[part.depth];
    trees_[level.branches].sibling = 0;
    const Event& event = machine.event(part.depth);
    put_to_sleep(level, event);
    level.shared = true;
    put_given_to_sleep(part.depth);
    std::erase_if(unsettled_, [&](const Race& race) { return race.later >= part.depth; });
    base_ = part.depth + 1;
    next_ = part.depth;
}

double Dpor::explored() const {
    double sum = 0, share = 1;
    for (std::uint32_t depth = base_; depth <= next_; ++depth) {
        const Level& level = levels_[depth];
        share *= this->share(level);
        sum += share * (level.taken - (depth < next_ ? 1 : 0));
    }
    return sum;
}

// --- going forward ------------------------------------------------------------------------------

int Dpor::next(Machine& machine) {
    Level& level = levels_[machine.depth()];
    level.children = 0;
    level.choice = 0;
    level.guided = false;
    while (level.branches != 0) {
        const WakeupTrees::Node node = trees_[level.branches];
        const bool done = node.chooses ? (choices_asleep(level, node.proc) >> node.choice & 1) != 0
                                       : (level.asleep & set_of(node.proc)) != 0;
        const bool useful = !done && machine.can_run(node.proc);
        trees_.free_one(level.branches);
        level.branches = node.sibling;
        if (useful) {
            level.children = node.child;
            level.choice = node.choice;
            level.guided = node.chooses;
            return node.proc;
        }
        trees_.free(node.child);
    }
    // Of a part, the one branch that was given is all that there is.
    return machine.depth() + 1 == base_ ? kRedundant : pick_freely(machine, level);
}

/// The process that ran last if it may go on. When all that can run is asleep, the execution equals
/// one that was explored; it is finished all the same, since the races before it are judged by how
/// it ends. But of sleepers that stand for their own step alone, none may run.
int Dpor::pick_freely(const Machine& machine, Level& level) {
    const unsigned current = machine.current();
    if (!random_ && (level.asleep & set_of(current)) == 0 && machine.can_run(current))
        return static_cast<int>(current);
    ProcSet enabled = 0;
    for (ProcSet left = machine.active(); left != 0; left &= left - 1) {
        const auto proc = static_cast<unsigned>(__builtin_ctzll(left));
        if (machine.can_run(proc)) enabled |= set_of(proc);
    }
    if (enabled == 0) return level.redundant ? kRedundant : machine.stuck_or_complete();
    if (const ProcSet awake = enabled & ~level.asleep; awake != 0) return any_of(awake);
    const auto all = sleepers_.begin();
    if (std::any_of(all + level.sleep_begin, all + level.sleep_end,
                    [](const Sleeper& asleep) { return asleep.alone; }))
        return kRedundant;
    level.redundant = true;
    return any_of(enabled);
}

/// The lowest, unless it is left to chance.
int Dpor::any_of(ProcSet procs) {
    if (random_)
        for (auto skipped = (*random_)() % std::popcount(procs); skipped != 0; --skipped)
            procs &= procs - 1;
    return std::countr_zero(procs);
}

void Dpor::added(Machine& machine, std::uint32_t position) {
    const Event& event = machine.event(position);
    if (levels_.size() < position + 2) levels_.resize(position + 2);
    Level& level = levels_[position];
    ++level.taken;
    Level& below = levels_[position + 1];
    below.branches = level.children;
    below.shared = false;
    below.taken = 0;
    below.redundant = level.redundant;
    below.sleep_begin = below.sleep_end = level.sleep_end;
    below.asleep = 0;
    sleepers_.resize(level.sleep_end);
    for (std::uint32_t i = level.sleep_begin; i < level.sleep_end; ++i) {
        Sleeper sleeper = sleepers_[i];
        if (sleeper.proc == event.proc || dependent(sleeper.effect, event.effect)) continue;
        drain_forwarding(sleeper.effect, event.effect);
        sleeper.alone |= level.shared;
        sleepers_.push_back(sleeper);
        ++below.sleep_end;
        below.asleep |= level.asleep & set_of(sleeper.proc);
    }
    if (event.kind == Kind::choose) race_with_other_choices(machine, position);
}

unsigned Dpor::choose(Machine& machine, unsigned count) {
    const Level& level = levels_[machine.depth()];
    if (level.guided && level.choice < count) return level.choice;
    const auto awake =
        static_cast<unsigned>(std::countr_one(choices_asleep(level, machine.current())));
    return awake < count ? awake : 0;
}

std::uint64_t Dpor::choices_asleep(const Level& level, unsigned proc) const {
    for (std::uint32_t i = level.sleep_begin; i < level.sleep_end; ++i)
        if (sleepers_[i].proc == proc) return sleepers_[i].choices;
    return 0;
}

/// Each other choice takes the place of this one.
void Dpor::race_with_other_choices(const Machine& machine, std::uint32_t position) {
    const Event& event = machine.event(position);
    const std::uint64_t done = choices_asleep(levels_[position], event.proc) | std::uint64_t{1}
                                                                                   << event.value;
    for (std::uint16_t choice = 0; choice < event.expected; ++choice) {
        if ((done >> choice & 1) != 0) continue;
        const Race race{position, position, event.effect, choice};
        if (!settle(machine, race, position + 1, Known::prefix)) unsettled_.push_back(race);
    }
}

// --- going back ---------------------------------------------------------------------------------

bool Dpor::backtrack(const Machine& machine, int end, std::uint32_t& fixed) {
    const Known known = end == kFailed || end == kCut ? Known::cut : Known::all;
    std::erase_if(unsettled_, [&](const Race& race) {
        return settle(machine, race, machine.depth(), known) || known == Known::cut;
    });
    for (std::uint32_t depth = machine.depth(); depth-- > base_;) {
        Level& level = levels_[depth];
        if (level.branches == 0) jobs_.wait(depth);  // they may find another branch
        if (level.branches == 0) continue;
        const Event& event = machine.event(depth);
        put_to_sleep(level, event);
        put_given_to_sleep(depth);
        fixed = next_ = depth;
        std::erase_if(unsettled_, [&](const Race& race) { return race.later >= depth; });
        return true;
    }
    return false;
}

void Dpor::put_to_sleep(Level& level, const Event& event) {
    if (event.kind != Kind::choose) return put_to_sleep(level, Sleeper{event.effect, event.proc});
    Sleeper sleeper{event.effect, event.proc};
    sleeper.choices = choices_asleep(level, event.proc) | std::uint64_t{1} << event.value;
    put_to_sleep(level, sleeper);
    if (std::popcount(sleeper.choices) < static_cast<int>(event.expected))
        level.asleep &= ~set_of(event.proc);
}

void Dpor::put_to_sleep(Level& level, const Sleeper& sleeper) {
    sleepers_.resize(level.sleep_end);
    const auto end =
        std::remove_if(sleepers_.begin() + level.sleep_begin, sleepers_.end(),
                       [&](const Sleeper& other) { return other.proc == sleeper.proc; });
    sleepers_.erase(end, sleepers_.end());
    sleepers_.push_back(sleeper);
    level.sleep_end = static_cast<std::uint32_t>(sleepers_.size());
    level.asleep |= set_of(sleeper.proc);
}

void Dpor::put_given_to_sleep(std::uint32_t depth) {
    for (const Given& given : given_) {
        if (given.depth != depth) continue;
        put_to_sleep(levels_[depth], given.sleeper);
        levels_[depth].shared = true;
    }
    std::erase_if(given_, [&](const Given& given) { return given.depth >= depth; });
}

}  // namespace surefoot::checker::engine
