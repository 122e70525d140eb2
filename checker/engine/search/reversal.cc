#include "engine/search/reversal.hpp"

namespace surefoot::checker::engine {
namespace {

/// Whether `drain` takes a store out of the buffer that `load` might be answered from.
bool feeds(const Effect& drain, const Effect& load) {
    return drain.first.drain && drain.first.cpu == load.first.cpu && !load.first.drain &&
           !load.first.walk && load.first.mode == Mode::read &&
           drain.first.object == load.first.object && (drain.first.bytes & load.first.bytes) != 0;
}

}  // namespace

void drain_forwarding(Effect& load, const Effect& passed) {
    if (load.first.forwarded != 0 && feeds(passed, load)) --load.first.forwarded;
}

void Reversal::build(const Machine& machine, const Race& race, std::uint32_t end) {
    machine_ = &machine;
    later_ = race.later;
    steps_.clear();
    left_out_.clear();
    for (std::uint32_t i = race.earlier; i < end; ++i) {
        const Effect& effect = machine.event(i).effect;
        if (i == race.later) {
            steps_.push_back({i, race.reversed});
        } else if (i == race.earlier || machine.happens_before(race.earlier, i)) {
            if (effect.first.drain) left_out_.push_back(effect);
            continue;
        } else {
            steps_.push_back({i, effect});
        }
        // What those drains took out of a buffer is still there, and answers this load.
        for (const Effect& drain : left_out_)
            if (feeds(drain, effect)) ++steps_.back().effect.first.forwarded;
    }
}

std::size_t Reversal::find(unsigned proc) const {
    std::size_t index = 0;
    while (index < steps_.size() && event(index).proc != proc)
        ++index;
    return index;
}

/// Whether the step, with this effect, has to come after that one. Clocks would not tell: they know
/// of steps that are left out, and not of what is touched here.
bool Reversal::follows(std::size_t before, std::size_t index, const Effect& effect) const {
    return dependent(steps_[before].effect, effect) || event(before).proc == event(index).proc ||
           machine_->waited_for(event(index), steps_[before].position);
}

Initial Reversal::initial(std::size_t index, const Effect& effect) const {
    if (index == steps_.size()) {
        Effect waiting = effect;
        for (const Step& step : steps_) {
            if (dependent(waiting, step.effect)) return Initial::no;
            drain_forwarding(waiting, step.effect);
        }
        return Initial::weak;
    }
    Effect earlier = steps_[index].effect;
    for (std::size_t before = index; before-- > 0;) {
        if (follows(before, index, earlier)) return Initial::no;
        // Before that drain, the buffer answers.
        if (feeds(steps_[before].effect, earlier)) ++earlier.first.forwarded;
    }
    return steps_[index].position <= later_ ? Initial::yes : Initial::weak;
}

void Reversal::take(std::size_t index, const Effect& effect) {
    for (std::size_t i = 0; i < index; ++i)
        drain_forwarding(steps_[i].effect, effect);
    if (index < steps_.size()) steps_.erase(steps_.begin() + static_cast<std::ptrdiff_t>(index));
}

}  // namespace surefoot::checker::engine
