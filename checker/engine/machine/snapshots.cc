#include "engine/machine/snapshots.hpp"

#include <algorithm>
#include <cstring>

#include "engine/machine/machine.hpp"

namespace surefoot::checker::engine {
namespace {

/// To copy so many takes as long as to run a step again.
constexpr std::size_t kBytesOfAStep = 2048;
constexpr std::uint32_t kLeastSpacing = 4;

}  // namespace

// --- copies -------------------------------------------------------------------------------------

void Image::clear() {
    pieces_.clear();
    bytes_.clear();
}

void Image::add(std::span<std::byte> piece) {
    pieces_.push_back(piece);
    bytes_.insert(bytes_.end(), piece.begin(), piece.end());
}

void Image::put_back() const {
    const std::byte* from = bytes_.data();
    for (const std::span<std::byte> piece : pieces_) {
        std::memcpy(piece.data(), from, piece.size());
        from += piece.size();
    }
}

// --- which there are ----------------------------------------------------------------------------

std::uint32_t Snapshots::spacing() const {
    const std::size_t pays = all_[count_ - 1]->image.size() / kBytesOfAStep;
    return (kLeastSpacing + static_cast<std::uint32_t>(pays)) << thinned_;
}

std::uint32_t Snapshots::due() const {
    if (count_ == 0) return where_ == Where::nowhere ? kNever : 0;
    return where_ == Where::along_the_way ? all_[count_ - 1]->state.depth_ + spacing() : kNever;
}

Snapshot& Snapshots::add() {
    if (count_ == all_.size()) all_.push_back(std::make_unique<Snapshot>());
    return *all_[count_++];
}

void Snapshots::added() {
    bytes_ += all_[count_ - 1]->size();
    while (bytes_ > kMostBytes && count_ > 1)
        thin_out();
}

const Snapshot* Snapshots::latest(std::uint32_t depth) {
    for (; count_ != 0 && all_[count_ - 1]->state.depth_ > depth; --count_)
        bytes_ -= all_[count_ - 1]->size();
    return count_ != 0 ? all_[count_ - 1].get() : nullptr;
}

/// Every second one goes, the first not among them.
void Snapshots::thin_out() {
    all_.resize(count_);
    count_ = 0;
    bytes_ = 0;
    for (std::size_t i = 0; i < all_.size(); i += 2) {
        all_[count_] = std::move(all_[i]);
        bytes_ += all_[count_++]->size();
    }
    all_.resize(count_);
    ++thinned_;
}

// --- there and back -----------------------------------------------------------------------------

/// Between two steps: nothing is held back from memory, and all other fibers wait.
void Machine::pause() {
    resumes_ = switcher_.current();
    switcher_.pause();
    goes_on();
}

/// Calls `visit` for each fiber that will go on.
template <class Visit>
void Machine::for_waiting(Visit&& visit) const {
    for (unsigned i = 0; i < task_count_; ++i)
        if (tasks_[i].life == Life::alive && &tasks_[i].fiber != resumes_) visit(tasks_[i].fiber);
    visit(*resumes_);
}

void Machine::take_snapshot() {
    if (resumes_->frames().empty()) return;  // a task that faulted stands still: later
    bool exceptions = false;                 // they lie elsewhere, and are gone when handled: later
    for_waiting([&](const Fiber& fiber) { exceptions |= fiber.has_exceptions(); });
    if (exceptions) return;
    Snapshot& to = snapshots_.add();
    to.state = *this;
    to.tables = tables_.mark();
    to.shadow = shadow_.mark();
    memory_.mark(to.memory);
    to.outcome = outcome_;
    to.image.clear();
    memory_.for_used([&](std::span<std::byte> used) { to.image.add(used); });
    for_waiting([&](const Fiber& fiber) { to.image.add(fiber.frames()); });
    snapshots_.added();
    due_ = snapshots_.due();
}

/// @return false if there is no place to go back to
bool Machine::go_back(std::uint32_t depth) {
    const Snapshot* const to = snapshots_.latest(depth);
    if (to == nullptr) return false;
    ExecutionState::operator=(to->state);
    tables_.return_to(to->tables);
    shadow_.return_to(to->shadow);
    memory_.return_to(to->memory);
    outcome_ = to->outcome;
    for_waiting([](const Fiber& fiber) { fiber.forget_marks(); });
    to->image.put_back();
    due_ = snapshots_.due();
    return true;
}

}  // namespace surefoot::checker::engine
