#include "engine/dpor.hpp"

#include <algorithm>

namespace surefoot::checker::engine {
namespace {

/// A load that its own store buffer answers is out of others' reach until `forwarded` stores have
/// left that buffer; `passed` has left it or not.
void drain_forwarding(Effect& load, const Effect& passed) {
    if (load.first.forwarded == 0 || !passed.first.drain || passed.first.cpu != load.first.cpu ||
        passed.first.object != load.first.object || (passed.first.bytes & load.first.bytes) == 0)
        return;
    --load.first.forwarded;
}

}  // namespace

Dpor::Dpor() {
    nodes_.emplace_back();  // index 0 is "none"
    levels_.emplace_back();
}

// --- wakeup trees
// ---------------------------------------------------------------------------------

Dpor::NodeIndex Dpor::make_node(const Effect& effect, unsigned proc, bool chooses,
                                unsigned choice) {
    NodeIndex made = free_nodes_;
    if (made != 0) {
        free_nodes_ = nodes_[made].sibling;
    } else {
        made = static_cast<NodeIndex>(nodes_.size());
        nodes_.emplace_back();
    }
    nodes_[made] = {
        effect, static_cast<std::uint8_t>(proc), chooses, static_cast<std::uint16_t>(choice), 0, 0};
    return made;
}

void Dpor::free_tree(NodeIndex node) {
    while (node != 0) {
        const NodeIndex next = nodes_[node].sibling;
        free_tree(nodes_[node].child);
        nodes_[node].sibling = free_nodes_;
        free_nodes_ = node;
        node = next;
    }
}

/// Whether nothing before it in the sequence has to come before the event at `index`.
bool Dpor::is_initial(const Machine& machine, std::size_t index) const {
    const std::uint32_t position = sequence_[index];
    if (position == later_ && changed_) {
        // Its clock tells of the conflicts that it had, not of those that it will have.
        const Effect& had = machine.event(position).effect;
        for (std::size_t i = 0; i < index; ++i) {
            const Effect& before = machine.event(sequence_[i]).effect;
            if (dependent(before, reversed_)) return false;
            if (machine.happens_before(sequence_[i], position) && !dependent(before, had))
                return false;
        }
        return true;
    }
    for (std::size_t i = 0; i < index; ++i)
        if (machine.happens_before(sequence_[i], position)) return false;
    return true;
}

bool Dpor::independent_of_sequence(const Machine& machine, const Effect& effect) const {
    Effect waiting = effect;
    for (const std::uint32_t position : sequence_) {
        const Effect& passed = effect_of(machine, position);
        if (dependent(waiting, passed)) return false;
        drain_forwarding(waiting, passed);
    }
    return true;
}

/// The sequence as one branch.
Dpor::NodeIndex Dpor::chain(const Machine& machine) {
    NodeIndex below = 0;
    for (std::size_t i = sequence_.size(); i-- > 0;) {
        const Event& event = machine.event(sequence_[i]);
        const NodeIndex node =
            make_node(effect_of(machine, sequence_[i]), event.proc, event.kind == Kind::choose,
                      static_cast<unsigned>(event.value));
        nodes_[node].child = below;
        below = node;
    }
    return below;
}

/// Adds the sequence to the branches of the level, unless one of them leads there anyway.
void Dpor::insert(const Machine& machine, Level& level) {
    NodeIndex parent = 0;
    NodeIndex node = level.branches;
    NodeIndex last = 0;
    while (node != 0) {
        const Node& here = nodes_[node];
        bool agrees = false;
        const auto found = std::find_if(
            sequence_.begin(), sequence_.end(),
            [&](std::uint32_t position) { return machine.event(position).proc == here.proc; });
        if (found == sequence_.end()) {
            agrees = independent_of_sequence(machine, here.effect);
        } else {
            const Event& event = machine.event(*found);
            agrees = (event.kind != Kind::choose || event.value == here.choice) &&
                     is_initial(machine, static_cast<std::size_t>(found - sequence_.begin()));
            if (agrees) sequence_.erase(found);
        }
        if (!agrees) {
            last = node;
            node = here.sibling;
            continue;
        }
        if (here.child == 0 || sequence_.empty()) return;
        parent = node;
        node = here.child;
        last = 0;
    }
    const NodeIndex branch = chain(machine);
    if (last != 0)
        nodes_[last].sibling = branch;
    else if (parent != 0)
        nodes_[parent].child = branch;
    else
        level.branches = branch;
}

// --- races
// ----------------------------------------------------------------------------------------

/// Whether an execution that begins with the sleeper could be one that begins with the sequence.
bool Dpor::sleeper_comes_first(const Machine& machine, const Sleeper& sleeper) {
    for (std::size_t i = 0; i < sequence_.size(); ++i)
        if (machine.event(sequence_[i]).proc == sleeper.proc) return is_initial(machine, i);
    return independent_of_sequence(machine, sleeper.effect);
}

bool Dpor::covered_by_sleepers(const Machine& machine, const Level& level) {
    for (std::uint32_t i = level.sleep_begin; i < level.sleep_end; ++i)
        if (sleeper_comes_first(machine, sleepers_[i])) return true;
    return false;
}

void Dpor::race(Machine& machine, std::uint32_t earlier, std::uint32_t later,
                const Effect& reversed) {
    later_ = later;
    reversed_ = reversed;
    changed_ = reversed.first.mode != machine.event(later).effect.first.mode;
    Level& level = levels_[earlier];
    sequence_.clear();
    for (std::uint32_t i = earlier + 1; i < later; ++i)
        if (!machine.happens_before(earlier, i)) sequence_.push_back(i);
    sequence_.push_back(later);
    if (!covered_by_sleepers(machine, level)) insert(machine, level);
}

// --- going forward
// --------------------------------------------------------------------------------

int Dpor::pick_freely(const Machine& machine, const Level& level) const {
    const unsigned current = machine.current();
    if ((level.asleep & set_of(current)) == 0 && machine.can_run(current))
        return static_cast<int>(current);
    bool redundant = false;
    for (ProcSet left = machine.active(); left != 0; left &= left - 1) {
        const unsigned proc = static_cast<unsigned>(__builtin_ctzll(left));
        if (!machine.can_run(proc)) continue;
        if ((level.asleep & set_of(proc)) == 0) return static_cast<int>(proc);
        redundant = true;
    }
    return redundant ? kRedundant : machine.stuck_or_complete();
}

int Dpor::next(Machine& machine) {
    Level& level = levels_[machine.depth()];
    level.children = 0;
    level.choice = 0;
    level.guided = false;
    while (level.branches != 0) {
        const NodeIndex branch = level.branches;
        Node& node = nodes_[branch];
        level.branches = node.sibling;
        node.sibling = 0;
        if ((level.asleep & set_of(node.proc)) == 0 && machine.can_run(node.proc)) {
            const unsigned proc = node.proc;
            level.children = node.child;
            level.choice = node.choice;
            level.guided = node.chooses;
            node.child = 0;
            free_tree(branch);
            return static_cast<int>(proc);
        }
        free_tree(branch);
    }
    return pick_freely(machine, level);
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
        for (NodeIndex node = level.branches; node != 0; node = nodes_[node].sibling)
            planned |= nodes_[node].proc == event.proc && nodes_[node].choice == choice;
        if (planned) continue;
        const NodeIndex node = make_node(event.effect, event.proc, true, choice);
        nodes_[node].sibling = level.branches;
        level.branches = node;
    }
}

void Dpor::added(Machine& machine, std::uint32_t position) {
    const Event& event = machine.event(position);
    if (levels_.size() < position + 2) levels_.resize(position + 2);
    Level& level = levels_[position];
    if (event.kind == Kind::choose) add_choices(level, event);
    Level& below = levels_[position + 1];
    below.branches = level.children;
    below.choices_done = 0;
    below.sleep_begin = below.sleep_end = level.sleep_end;
    below.asleep = 0;
    sleepers_.resize(level.sleep_end);
    for (std::uint32_t i = level.sleep_begin; i < level.sleep_end; ++i) {
        Sleeper sleeper = sleepers_[i];
        if (dependent(sleeper.effect, event.effect)) continue;
        drain_forwarding(sleeper.effect, event.effect);
        sleepers_.push_back(sleeper);
        ++below.sleep_end;
        below.asleep |= set_of(sleeper.proc);
    }
}

// --- going back
// -----------------------------------------------------------------------------------

bool Dpor::backtrack(const Machine& machine, std::uint32_t& fixed) {
    for (std::uint32_t depth = machine.depth(); depth-- > 0;) {
        Level& level = levels_[depth];
        if (level.branches == 0) continue;
        const Event& event = machine.event(depth);
        const bool choices_left = event.kind == Kind::choose &&
                                  nodes_[level.branches].proc == event.proc &&
                                  nodes_[level.branches].chooses;
        if (!choices_left) {
            sleepers_.resize(level.sleep_end);
            sleepers_.push_back({event.effect, event.proc});
            ++level.sleep_end;
            level.asleep |= set_of(event.proc);
        }
        fixed = depth;
        return true;
    }
    return false;
}

}  // namespace surefoot::checker::engine
