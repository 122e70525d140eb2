#include "engine/search/dpor.hpp"

#include <algorithm>

namespace surefoot::checker::engine {

// --- races --------------------------------------------------------------------------------------

void Dpor::race(Machine& machine, std::uint32_t earlier, std::uint32_t later,
                const Effect& reversed) {
    const Race race{earlier, later, reversed};
    const bool waits_in_vain = later == machine.depth() && machine.ended();
    const bool settled =
        settle(machine, race, later + 1, waits_in_vain ? Known::all : Known::prefix);
    if (!settled && !waits_in_vain) unsettled_.push_back(race);
}

/// Sees to it that the race's reversal is explored.
/// @return whether that holds for every way in which the execution could go on after the race
bool Dpor::settle(const Machine& machine, const Race& race, std::uint32_t end, Known known) {
    Level& level = levels_[race.earlier];
    if (level.redundant) return true;
    reversal_.build(machine, race, end);
    const Initial covered = best_sleeper(level);
    if (covered == Initial::yes) return true;
    if (covered == Initial::weak && known != Known::cut) return false;
    return insert(level, known);
}

Initial Dpor::best_sleeper(const Level& level) const {
    Initial best = Initial::no;
    for (std::uint32_t i = level.sleep_begin; i < level.sleep_end && best != Initial::yes; ++i) {
        const Sleeper& sleeper = sleepers_[i];
        best = std::max(best, reversal_.initial(reversal_.find(sleeper.proc), sleeper.effect));
    }
    return best;
}

Initial Dpor::leads_there(const WakeupTrees::Node& node, std::size_t index) const {
    const bool other_choice = index < reversal_.steps().size() && node.chooses &&
                              reversal_.event(index).value != node.choice;
    return other_choice ? Initial::no : reversal_.initial(index, node.effect);
}

/// Adds the reversal to the level's branches, unless one of them leads there.
/// @return as settle()
bool Dpor::insert(Level& level, Known known) {
    bool always = true;
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
    return always;
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
    return pick_freely(machine, level);
}

/// The process that ran last if it may go on, else the lowest. When all that can run is asleep, the
/// execution equals one that was explored; it is finished all the same, since the races before it
/// are judged by how it ends.
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
    level.redundant = true;
    return sleeper;
}

void Dpor::added(Machine& machine, std::uint32_t position) {
    const Event& event = machine.event(position);
    if (levels_.size() < position + 2) levels_.resize(position + 2);
    Level& level = levels_[position];
    if (event.kind == Kind::choose) add_choices(level, event);
    Level& below = levels_[position + 1];
    below.branches = level.children;
    below.choices_done = 0;
    below.redundant = level.redundant;
    below.sleep_begin = below.sleep_end = level.sleep_end;
    below.asleep = 0;
    sleepers_.resize(level.sleep_end);
    for (std::uint32_t i = level.sleep_begin; i < level.sleep_end; ++i) {
        Sleeper sleeper = sleepers_[i];
        if (sleeper.proc == event.proc || dependent(sleeper.effect, event.effect)) continue;
        drain_forwarding(sleeper.effect, event.effect);
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
    for (std::uint32_t depth = machine.depth(); depth-- > 0;) {
        Level& level = levels_[depth];
        if (level.branches == 0) continue;
        const Event& event = machine.event(depth);
        const WakeupTrees::Node& next = trees_[level.branches];
        const bool same_step =
            event.kind == Kind::choose && next.chooses && next.proc == event.proc;
        if (!same_step) put_to_sleep(level, event);
        fixed = depth;
        std::erase_if(unsettled_, [&](const Race& race) { return race.later >= depth; });
        return true;
    }
    return false;
}

void Dpor::put_to_sleep(Level& level, const Event& event) {
    sleepers_.resize(level.sleep_end);
    sleepers_.push_back({event.effect, event.proc});
    ++level.sleep_end;
    level.asleep |= set_of(event.proc);
}

}  // namespace surefoot::checker::engine
