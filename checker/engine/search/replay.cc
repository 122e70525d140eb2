#include "engine/search/replay.hpp"

#include <charconv>
#include <stdexcept>

namespace surefoot::checker::engine {
namespace {

constexpr unsigned kMostSteps = 1u << 24;
constexpr char kStoresAreSteps = 's';

unsigned take_number(std::string_view& text) {
    unsigned number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc{}) throw std::invalid_argument("this is no schedule to replay");
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
    return number;
}

bool take(std::string_view& text, char wanted) {
    if (text.empty() || text.front() != wanted) return false;
    text.remove_prefix(1);
    return true;
}

}  // namespace

std::string schedule_text(const Machine& machine) {
    std::string text;
    if (machine.stores_are_steps()) text += kStoresAreSteps;
    const std::uint32_t end = machine.told_depth();
    for (std::uint32_t i = 0; i < end;) {
        const Event& event = machine.event(i);
        if (i != 0) text += ',';
        text += std::to_string(machine.ordinal_of(event.proc));
        if (event.kind == Kind::choose) {
            text += ':' + std::to_string(event.value);
            ++i;
            continue;
        }
        const std::uint32_t first = i;
        while (i < end && machine.event(i).proc == event.proc &&
               machine.event(i).kind != Kind::choose)
            ++i;
        if (i - first > 1) text += '*' + std::to_string(i - first);
    }
    return text;
}

bool needs_stores_as_steps(std::string_view text) { return take(text, kStoresAreSteps); }

Replay::Replay(const std::string& text) {
    std::string_view left = text;
    take(left, kStoresAreSteps);
    while (!left.empty()) {
        Step step{take_number(left), 0};
        unsigned count = 1;
        if (take(left, ':')) step.choice = take_number(left);
        if (take(left, '*')) count = take_number(left);
        if (count > kMostSteps || (!left.empty() && !take(left, ',')))
            throw std::invalid_argument("this is no schedule to replay");
        steps_.insert(steps_.end(), count, step);
    }
}

int Replay::next(Machine& machine) {
    if (machine.depth() >= steps_.size()) {
        const int end = machine.stuck_or_complete();
        for (ProcSet left = machine.active(); left != 0; left &= left - 1)
            if (machine.can_run(static_cast<unsigned>(__builtin_ctzll(left)))) return kCut;
        return end;
    }
    const int proc = machine.process_of(steps_[machine.depth()].process);
    if (proc >= 0 && machine.can_run(static_cast<unsigned>(proc))) return proc;
    machine.fail("the schedule to replay does not fit this program", nullptr, true);
    return kFailed;
}

unsigned Replay::choose(Machine& machine, unsigned count) {
    const unsigned choice = steps_[machine.depth()].choice;
    return choice < count ? choice : 0;
}

}  // namespace surefoot::checker::engine
