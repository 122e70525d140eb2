#include "engine/search/dpor.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

namespace surefoot::checker::engine {

Dpor::Dpor(Jobs& jobs) : jobs_(jobs) {
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
    const Initial found = reversal_.initial(reversal_.find(sleeper.proc), sleeper.effect);
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
    put_to_sleep(level, {event.effect, event.proc});
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
        const bool useful = (level.asleep & set_of(node.proc)) == 0 && machine.can_run(node.proc);
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

/// The process that ran last if it may go on, else the lowest. When all that can run is asleep, the
/// execution equals one that was explored; it is finished all the same, since the races before it
/// are judged by how it ends. But of sleepers that stand for their own step alone, none may run.
int Dpor::pick_freely(const Machine& machine, Level& level) const {
    const unsigned current = machine.current();
    if ((level.asleep & set_of(current)) == 0 && machine.can_run(current))
        return static_cast<int>(current);
    int sleeper = -1;
    for (ProcSet left = machine.active(); left != 0; left &= left - 1) {
        const int proc = __builtin_ctzll(left);
        if (!machine.can_run(static_cast<unsigned>(proc))) continue;
        if ((level.asleep & set_of(static_cast<unsigned>(proc))) == 0) return proc;
        sleeper = proc;
    }
    if (sleeper < 0) return level.redundant ? kRedundant : machine.stuck_or_complete();
    const auto all = sleepers_.begin();
    if (std::any_of(all + level.sleep_begin, all + level.sleep_end,
                    [](const Sleeper& asleep) { return asleep.alone; }))
        return kRedundant;
    level.redundant = true;
    return sleeper;
}

void Dpor::added(Machine& machine, std::uint32_t position) {
    const Event& event = machine.event(position);
    if (levels_.size() < position + 2) levels_.resize(position + 2);
    Level& level = levels_[position];
    ++level.taken;
    if (event.kind == Kind::choose) add_choices(level, event);
    Level& below = levels_[position + 1];
    below.branches = level.children;
    below.shared = false;
    below.taken = 0;
    below.choices_done = 0;
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
        below.asleep |= set_of(sleeper.proc);
    }
}

unsigned Dpor::choose(Machine& machine, unsigned count) {
    const Level& level = levels_[machine.depth()];
    return level.guided && level.choice < count ? level.choice : 0;
}

/// The other outcomes of a choice become branches.
void Dpor::add_choices(Level& level, const Event& event) {
    level.choices_done |= std::uint64_t{1} << event.value;
    for (unsigned choice = static_cast<unsigned>(event.expected); choice-- > 0;) {
        if ((level.choices_done >> choice & 1) != 0) continue;
        bool planned = false;
        for (auto node = level.branches; node != 0; node = trees_[node].sibling)
            planned |= trees_[node].proc == event.proc && trees_[node].choice == choice;
        if (planned) continue;
        level.branches = trees_.make({event.effect, event.proc, true,
                                      static_cast<std::uint16_t>(choice), 0, level.branches});
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
        const WakeupTrees::Node& next = trees_[level.branches];
        const bool same_step =
            event.kind == Kind::choose && next.chooses && next.proc == event.proc;
        if (!same_step) put_to_sleep(level, {event.effect, event.proc});
        put_given_to_sleep(depth);
        fixed = next_ = depth;
        std::erase_if(unsettled_, [&](const Race& race) { return race.later >= depth; });
        return true;
    }
    return false;
}

void Dpor::put_to_sleep(Level& level, const Sleeper& sleeper) {
    sleepers_.resize(level.sleep_end);
    sleepers_.push_back(sleeper);
    ++level.sleep_end;
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
