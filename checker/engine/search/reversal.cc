#include "engine/search/reversal.hpp"

#include <algorithm>
#include <cstring>

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
        const Event& event = machine.event(i);
        const Effect& effect = event.effect;
        if (i == race.later) {
            steps_.push_back(step(i, event, race.reversed));
            if (race.later == race.earlier) steps_.back().choice = race.choice;
        } else if (i == race.earlier || machine.happens_before(race.earlier, i)) {
            if (effect.first.drain) left_out_.push_back(effect);
            continue;
        } else {
            steps_.push_back(step(i, event, effect));
        }
        // What those drains took out of a buffer is still there, and answers this load.
        for (const Effect& drain : left_out_)
            if (feeds(drain, effect)) ++steps_.back().effect.first.forwarded;
    }
}

std::size_t Reversal::find(unsigned proc) const {
    std::size_t index = 0;
    while (index < steps_.size() && steps_[index].proc != proc)
        ++index;
    return index;
}

/// Whether the step could not come before that one though they touch nothing in common.
bool Reversal::waited(std::size_t before, std::size_t index) const {
    const std::uint32_t first = steps_[before].position, then = steps_[index].position;
    if (machine_ != nullptr) return machine_->waited_for(machine_->event(then), first);
    return std::any_of(waits_.begin(), waits_.end(), [&](const Wait& wait) {
        return wait.before == first && wait.position == then;
    });
}

/// Whether the step, with this effect, has to come after that one. Clocks would not tell: they know
/// of steps that are left out, and not of what is touched here.
bool Reversal::follows(std::size_t before, std::size_t index, const Effect& effect) const {
    return dependent(steps_[before].effect, effect) || steps_[before].proc == steps_[index].proc ||
           waited(before, index);
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

std::string Reversal::told() const {
    std::vector<Wait> waits;
    for (std::size_t index = 0; index < steps_.size(); ++index)
        for (std::size_t before = 0; before < index; ++before)
            if (waited(before, index))
                waits.push_back({steps_[before].position, steps_[index].position});
    const std::size_t count = steps_.size();
    std::string bytes;
    const auto put = [&](const void* from, std::size_t size) {
        bytes.append(static_cast<const char*>(from), size);
    };
    put(&later_, sizeof later_);
    put(&count, sizeof count);
    put(steps_.data(), count * sizeof(Step));
    put(waits.data(), waits.size() * sizeof(Wait));
    return bytes;
}

void Reversal::hear(std::string_view told) {
    const auto get = [&](void* to, std::size_t size) {
        if (size != 0) std::memcpy(to, told.data(), size);
        told.remove_prefix(size);
    };
    machine_ = nullptr;
    std::size_t count = 0;
    get(&later_, sizeof later_);
    get(&count, sizeof count);
    steps_.resize(count);
    get(steps_.data(), count * sizeof(Step));
    waits_.resize(told.size() / sizeof(Wait));
    get(waits_.data(), told.size());
}

}  // namespace surefoot::checker::engine
