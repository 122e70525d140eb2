#include "engine/search/sampling.hpp"

#include <algorithm>

namespace surefoot::checker::engine {

Sampling::Sampling(sfc_strategy strategy, unsigned depth, std::uint64_t runs, std::uint64_t seed)
    : strategy_(strategy), depth_(std::max(depth, 1u)), runs_(runs), random_(seed) {
    begin_run();
}

void Sampling::begin_run() {
    for (std::uint64_t& priority : priority_)
        priority = draw();
    changes_.clear();
    if (strategy_ != SFC_PCT) return;
    for (unsigned i = 1; i < depth_; ++i)
        changes_.push_back(static_cast<std::uint32_t>(random_() % longest_));
    std::sort(changes_.rbegin(), changes_.rend());
}

int Sampling::highest(const Machine& machine) {
    int best = -1;
    unsigned enabled = 0;
    for (ProcSet left = machine.active(); left != 0; left &= left - 1) {
        const int proc = __builtin_ctzll(left);
        if (!machine.can_run(static_cast<unsigned>(proc))) continue;
        ++enabled;
        const bool better = strategy_ == SFC_RANDOM ? random_() % enabled == 0
                                                    : best < 0 || priority_[proc] > priority_[best];
        if (better) best = proc;
    }
    return best;
}

int Sampling::next(Machine& machine) {
    int proc = highest(machine);
    while (proc >= 0 && !changes_.empty() && changes_.back() <= machine.depth()) {
        priority_[proc] = changes_.size();
        changes_.pop_back();
        proc = highest(machine);
    }
    return proc >= 0 ? proc : machine.stuck_or_complete();
}

void Sampling::added(Machine& machine, std::uint32_t position) {
    if (strategy_ != SFC_POS) return;
    priority_[machine.event(position).proc] = draw();
    for (ProcSet left = machine.active(); left != 0; left &= left - 1) {
        const auto proc = static_cast<unsigned>(__builtin_ctzll(left));
        if (machine.waits_to_touch(proc, machine.event(position))) priority_[proc] = draw();
    }
}

unsigned Sampling::choose(Machine& /*machine*/, unsigned count) {
    return static_cast<unsigned>(random_() % count);
}

bool Sampling::backtrack(const Machine& machine, int /*end*/, std::uint32_t& fixed) {
    longest_ = std::max(longest_, machine.depth());
    fixed = 0;
    begin_run();
    return ++run_ < runs_;
}

}  // namespace surefoot::checker::engine
