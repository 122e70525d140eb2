#include "engine/tally.hpp"

#include <sys/mman.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <stdexcept>

#include "engine/memory/names.hpp"

namespace surefoot::checker::engine {
namespace {

constexpr std::uint64_t kRunsBetweenLooks = 256;  // at the clock
constexpr double kSecondsBetweenReports = 0.2;

double now() {
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch())
        .count();
}

template <std::size_t Size>
void copy_text(char (&to)[Size], const std::string& text) {
    std::snprintf(to, Size, "%s", text.c_str());
}

void put_bytes(std::string& to, const void* bytes, std::size_t count) {
    to.append(reinterpret_cast<const char*>(&count), sizeof count);
    to.append(static_cast<const char*>(bytes), count);
}

std::string_view take_bytes(std::string_view& from) {
    std::size_t count = 0;
    std::memcpy(&count, from.data(), sizeof count);
    const std::string_view taken = from.substr(sizeof count, count);
    from.remove_prefix(sizeof count + count);
    return taken;
}

}  // namespace

Tally::Tally(const sfc_options& options, sfc_result& result)
    : options_(options), result_(result), start_(now()), last_progress_(start_) {
    void* const got =
        mmap(nullptr, sizeof *shared_, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (got == MAP_FAILED) throw std::runtime_error("no memory for the search");
    shared_ = static_cast<Shared*>(got);  // zeroes, which is what its atomics begin with
    result_.verdict = SFC_INCOMPLETE;
    claim_progress();
}

Tally::~Tally() { munmap(shared_, sizeof *shared_); }

double Tally::seconds() const { return now() - start_; }

// --- executions ---------------------------------------------------------------------------------

bool Tally::complete(std::uint64_t hash, const std::string& outcome) {
    ++result_.complete;
    result_.trace_hash += hash;
    if (!outcome.empty()) ++outcomes_[outcome];
    return goes_on();
}

bool Tally::blocked() {
    ++result_.blocked;
    return goes_on();
}

bool Tally::redundant() {
    ++result_.redundant;
    return goes_on();
}

bool Tally::goes_on() {
    ++runs_;
    if (options_.max_executions != 0 && ++shared_->runs >= options_.max_executions)
        shared_->stop = true;
    if (options_.max_seconds > 0 && runs_ % kRunsBetweenLooks == 0 &&
        seconds() > options_.max_seconds)
        shared_->stop = true;
    return !shared_->stop.load(std::memory_order_relaxed);
}

bool Tally::violated(const Discovery& found) {
    if (result_.violations++ == 0) {
        tell(found);
        if (found.replay.size() < sizeof result_.replay) copy_text(result_.replay, found.replay);
        if (!found.schedule.empty()) result_.schedule = strdup(found.schedule.c_str());
    }
    if (options_.stop_at_error) shared_->stop = true;
    return goes_on();
}

bool Tally::wrong(const Discovery& found) {
    tell(found);
    is_wrong_ = true;
    shared_->stop = true;
    return false;
}

bool Tally::stop_to_begin_anew() {
    shared_->begin_anew = true;
    shared_->stop = true;
    return false;
}

void Tally::begin_anew() {
    const std::uint32_t restarts = result_.restarts + 1;
    forget();
    result_.restarts = restarts;
    shared_->begin_anew = false;
    shared_->stop = false;
    shared_->runs = 0;
}

void Tally::forget() {
    std::free(result_.schedule);
    result_ = sfc_result{};
    outcomes_.clear();
    is_wrong_ = is_cut_ = false;
    given_ = 0;
}

void Tally::tell(const Discovery& found) {
    copy_text(result_.message, found.message);
    copy_text(result_.place, text_of(found.pc));
}

// --- how far it is ------------------------------------------------------------------------------

void Tally::claim_progress() {
    progress_ = nullptr;
    for (Progress& place : shared_->progress) {
        if (place.used.exchange(true)) continue;
        place.executions = 0;
        place.explored = 0;
        progress_ = &place;
        return;
    }
}

bool Tally::progress_is_due() const {
    return runs_ % kRunsBetweenLooks == 0 && now() - last_progress_ >= kSecondsBetweenReports;
}

void Tally::publish(double explored) {
    if (progress_ == nullptr) return;
    progress_->executions = executions();
    progress_->explored = std::max(share_ * explored - given_, 0.0);
}

void Tally::show_progress() {
    const double time = now();
    if (time - last_progress_ < kSecondsBetweenReports) return;
    last_progress_ = time;
    if (options_.progress == nullptr || is_part_) return;
    const auto [executions, explored] = so_far();
    const double estimate = explored > 0 ? static_cast<double>(executions) / explored : 0;
    const double left = explored > 0 ? seconds() * (1 - std::min(explored, 1.0)) / explored : 0;
    const sfc_progress told{executions, estimate, seconds(), left};
    options_.progress(&told, options_.progress_context);
}

/// Of all processes.
Tally::SoFar Tally::so_far() const {
    SoFar sum{0, 0};
    for (const Progress& place : shared_->progress) {
        if (!place.used) continue;
        sum.executions += place.executions;
        sum.explored += place.explored;
    }
    return sum;
}

// --- the end ------------------------------------------------------------------------------------

void Tally::end(bool covered, std::uint64_t steps) {
    result_.steps += steps;
    is_cut_ |= !covered;
}

void Tally::close() {
    result_.seconds = seconds();
    const auto [executions, explored] = so_far();
    result_.estimate = static_cast<double>(this->executions());
    if (is_cut_ && explored > 0) result_.estimate = static_cast<double>(executions) / explored;
    result_.verdict = is_wrong_                 ? SFC_WRONG
                      : result_.violations != 0 ? SFC_VIOLATED
                      : is_cut_                 ? SFC_INCOMPLETE
                                                : SFC_HOLDS;
    if (outcomes_.empty()) return;
    result_.outcomes =
        static_cast<sfc_outcome_count*>(std::calloc(outcomes_.size(), sizeof *result_.outcomes));
    if (result_.outcomes == nullptr) throw std::bad_alloc();
    for (const auto& [bytes, count] : outcomes_) {
        sfc_outcome_count& told = result_.outcomes[result_.outcome_count++];
        told = {std::malloc(bytes.size()), bytes.size(), count};
        if (told.bytes == nullptr) throw std::bad_alloc();
        std::memcpy(told.bytes, bytes.data(), bytes.size());
    }
}

// --- several processes --------------------------------------------------------------------------

void Tally::begin_part(double share) {
    forget();
    is_part_ = true;
    share_ = share;
    claim_progress();
}

std::string Tally::part() const {
    std::string bytes;
    put_bytes(bytes, &result_, sizeof result_);
    const Flags flags{is_wrong_, is_cut_};
    put_bytes(bytes, &flags, sizeof flags);
    const std::string_view schedule = result_.schedule != nullptr ? result_.schedule : "";
    put_bytes(bytes, schedule.data(), schedule.size());
    for (const auto& [outcome, count] : outcomes_) {
        put_bytes(bytes, outcome.data(), outcome.size());
        put_bytes(bytes, &count, sizeof count);
    }
    if (progress_ != nullptr) {
        progress_->executions = 0;
        progress_->explored = 0;
        progress_->used = false;
    }
    return bytes;
}

void Tally::add_part(std::string_view part, double share) {
    sfc_result other;
    Flags flags;
    std::memcpy(&other, take_bytes(part).data(), sizeof other);
    std::memcpy(&flags, take_bytes(part).data(), sizeof flags);
    const std::string schedule(take_bytes(part));
    const bool tells = flags.is_wrong || (other.violations != 0 && result_.violations == 0);
    if (tells && !is_wrong_) {
        std::memcpy(result_.message, other.message, sizeof result_.message);
        std::memcpy(result_.place, other.place, sizeof result_.place);
        std::memcpy(result_.replay, other.replay, sizeof result_.replay);
        if (!schedule.empty() && result_.schedule == nullptr)
            result_.schedule = strdup(schedule.c_str());
    }
    is_wrong_ |= flags.is_wrong;
    is_cut_ |= flags.is_cut;
    result_.complete += other.complete;
    result_.blocked += other.blocked;
    result_.redundant += other.redundant;
    result_.violations += other.violations;
    result_.steps += other.steps;
    result_.trace_hash += other.trace_hash;
    result_.max_depth = std::max(result_.max_depth, other.max_depth);
    given_ -= share;
    while (!part.empty()) {
        const std::string outcome(take_bytes(part));
        std::uint64_t count = 0;
        std::memcpy(&count, take_bytes(part).data(), sizeof count);
        outcomes_[outcome] += count;
    }
}

}  // namespace surefoot::checker::engine
