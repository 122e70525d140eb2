// sfc_run() and check(): one search from options to result.

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

#include "engine/abi.hpp"
#include "engine/jobs.hpp"
#include "engine/machine/guard.hpp"
#include "engine/machine/machine.hpp"
#include "engine/search/replay.hpp"
#include "engine/search/search.hpp"
#include "engine/tally.hpp"
#include "engine/weak/search.hpp"
#include "surefoot/checker/checker.hpp"

namespace surefoot::checker::engine {
namespace {

constexpr std::size_t kArenaBytes = std::size_t{64} << 20;
constexpr std::uint32_t kSteps = 20000;
constexpr std::uint64_t kRepeatEvery = 1000;
constexpr std::uint32_t kExecutionsBetweenParts = 1000;
constexpr std::string_view kNotDeterministic = "the program is not deterministic: ";
constexpr std::string_view kNotBroughtBack =
    "; with snapshots setup runs once, and what tasks change outside of the arena and their stacks "
    "is not brought back";

/// Of an execution whose steps are all given.
class Repetition final : public Search {
  public:
    int next(Machine& machine) override {
        for (ProcSet left = machine.active(); left != 0; left &= left - 1)
            if (machine.can_run(static_cast<unsigned>(__builtin_ctzll(left))))
                machine.fail(std::string(kNotDeterministic) + "it takes more steps than before",
                             nullptr, true);
        return machine.stuck_or_complete();
    }
    unsigned choose(Machine&, unsigned) override { return 0; }
    bool backtrack(const Machine&, int, std::uint32_t&) override { return false; }
};

/// One process of a search.
class Exploration {
  public:
    Exploration(const sfc_program& program, const sfc_options& options, sfc_result& result)
        : program_(program),
          options_(options),
          memory_(options.arena_bytes != 0 ? options.arena_bytes : kArenaBytes, options.reuse),
          machine_(options.model, memory_,
                   Limits{.steps = options.max_steps != 0 ? options.max_steps : kSteps,
                          .stop_at_error = options.stop_at_error,
                          .snapshots = snapshots()}),
          tally_(options, result),
          jobs_(options.replay == nullptr ? options.jobs : 1, tally_) {}

    void run() {
        const Activation active(machine_, options_.flush_is_ipi);
        if (options_.replay != nullptr && needs_stores_as_steps(options_.replay))
            machine_.make_stores_steps();
        for (;;) {
            if (by_chance())
                sample();
            else
                search();
            if (!tally_.is_to_begin_anew()) break;
            tally_.begin_anew();
            machine_.make_stores_steps();
        }
        tally_.close();
    }

  private:
    bool by_chance() const {
        return options_.replay == nullptr &&
               (options_.strategy == SFC_RANDOM || options_.strategy == SFC_PCT ||
                options_.strategy == SFC_POS);
    }

    Snapshots::Where snapshots() const {
        if (!options_.snapshots || options_.replay != nullptr) return Snapshots::Where::nowhere;
        return by_chance() ? Snapshots::Where::beginning : Snapshots::Where::along_the_way;
    }

    bool goes_back() const { return snapshots() != Snapshots::Where::nowhere; }

    void search() {
        const auto search = make_search(options_, jobs_);
        explore(*search, 0);
        jobs_.wait(0);  // the parts still tell the search what they find
    }

    /// Each process has its share of the runs, and a seed of its own.
    void sample() {
        const unsigned jobs = std::max(options_.jobs, 1U);
        for (unsigned i = jobs; i-- > 0;) {
            sfc_options share = options_;
            share.runs = options_.runs / jobs + (i < options_.runs % jobs ? 1 : 0);
            share.seed = options_.seed + i * 0x9e3779b97f4a7c15ULL;
            if (share.runs == 0) continue;
            const auto search = make_search(share, jobs_);
            if (i == 0)
                explore(*search, 0);
            else if (jobs_.take())
                jobs_.start(0, 1.0 / jobs, [&] { explore(*search, 0); });
        }
        jobs_.wait(0);
    }

    /// @param fixed  steps of the first execution that are given
    void explore(Search& search, std::uint32_t fixed) {
        const std::uint64_t steps_before = machine_.steps();
        guard_.watch();
        const bool over = follow(search, fixed);
        tally_.publish(over ? 1 : search.explored());
        tally_.end(over && search.covers(), machine_.steps() - steps_before);
    }

    /// @return whether the search is over
    bool follow(Search& search, std::uint32_t fixed) {
        const std::uint32_t between_parts = options_.executions_between_parts != 0
                                                ? options_.executions_between_parts
                                                : kExecutionsBetweenParts;
        for (std::uint64_t run = 0;; ++run) {
            const int end = machine_.run(program_, search, fixed);
            if (options_.replay == nullptr && machine_.needs_stores_as_steps())
                return tally_.stop_to_begin_anew();
            if (!count(end)) return false;
            const bool more = search.backtrack(machine_, end, fixed);
            const bool held = end == kComplete && !machine_.failure().happened;
            if (held && is_to_be_repeated(run) && !repeats()) return false;
            if (!more) return true;
            if (tally_.progress_is_due()) {
                tally_.publish(search.explored());
                tally_.show_progress();
            }
            if ((run + 1) % between_parts == 0) share(search);
        }
    }

    /// Part of what is left goes to another process, if one is free.
    void share(Search& search) {
        jobs_.listen();
        if (!jobs_.take()) return;
        const auto part = search.part_to_give(machine_);
        if (!part) return jobs_.give_back();
        jobs_.start(part->depth, part->share * tally_.share(), [&] {
            search.keep(machine_, *part);
            explore(search, part->depth);
        });
        search.give(machine_, *part);
    }

    /// What snapshots do not bring back shows soon.
    bool is_to_be_repeated(std::uint64_t run) const {
        const std::uint64_t every =
            options_.repeat_every != 0 ? options_.repeat_every : kRepeatEvery;
        return run % every == 0 || (goes_back() && (run & (run - 1)) == 0);
    }

    /// Whether the execution, run again step for step from its beginning, is the same. Snapshots
    /// keep from `finish` what they do not bring back, so that it is compared, too. Without them
    /// it is called once for each execution: it may undo what setup did.
    bool repeats() {
        Repetition again;
        sfc_program program = program_;
        if (!goes_back()) program.finish = nullptr;
        const std::string told = machine_.outcome();
        const int end = machine_.run(program, again, machine_.depth(), Machine::From::beginning);
        machine_.forget_steps();
        const Failure& failure = machine_.failure();
        if (failure.mistake) return failed();
        if (failure.happened) return differs("run again, it fails: " + failure.message, failure.pc);
        if (end != kComplete) return differs("run again, it gets stuck");
        return !goes_back() || machine_.outcome() == told ||
               differs("run again, finish tells another outcome");
    }

    bool differs(const std::string& how, const void* pc = nullptr) {
        return wrong(std::string(kNotDeterministic) + how, pc);
    }

    /// @return false when the search is to end
    bool count(int end) {
        tally_.longest(machine_.depth());
        if (machine_.failure().happened && end != kRedundant) return failed();
        switch (end) {
            case kComplete:
                return tally_.complete(options_.hash_traces ? machine_.trace_hash() : 0,
                                       machine_.outcome());
            case kStuck:
                if (machine_.waits_for_others() && options_.deadlock_is_error)
                    return violation(machine_.describe_stuck(), nullptr);
                return tally_.blocked();
            case kRedundant:
                return tally_.redundant();
            default:
                return failed();
        }
    }

    bool failed() {
        const Failure& failure = machine_.failure();
        if (!failure.mistake) return violation(failure.message, failure.pc);
        return wrong(failure.message, failure.pc);
    }

    bool wrong(std::string message, const void* pc) {
        if (goes_back() && message.starts_with(kNotDeterministic)) message += kNotBroughtBack;
        return tally_.wrong({.message = std::move(message), .pc = pc});
    }

    bool violation(const std::string& message, const void* pc) {
        Discovery found{.message = message, .pc = pc};
        if (!tally_.has_violations()) {
            found.replay = schedule_text(machine_);
            found.schedule = machine_.describe();
        }
        return tally_.violated(found);
    }

    const sfc_program& program_;
    const sfc_options& options_;
    Memory memory_;
    Machine machine_;
    Guard guard_{machine_};
    Tally tally_;
    Jobs jobs_;
};

}  // namespace
}  // namespace surefoot::checker::engine

namespace surefoot::checker {

Result check(const std::function<void(Program&)>& body, const Options& options) {
    struct Context {
        const std::function<void(Program&)>& body;
        Program setup;
    } context{body, {}};
    const sfc_program program{"",
                              [](void* self) {
                                  Context& of = *static_cast<Context*>(self);
                                  of.setup = Program{};
                                  of.body(of.setup);
                              },
                              [](void* self) { static_cast<Context*>(self)->setup.run_finish(); },
                              &context};
    sfc_options plain = sfc_default_options();
    plain.model = static_cast<sfc_model>(options.model);
    plain.strategy = static_cast<sfc_strategy>(options.strategy);
    plain.bound = options.bound;
    plain.runs = options.runs;
    plain.seed = options.seed;
    plain.max_executions = options.max_executions;
    plain.max_seconds = options.max_seconds;
    plain.max_steps = options.max_steps;
    plain.jobs = options.jobs;
    plain.executions_between_parts = options.executions_between_parts;
    plain.stop_at_error = options.stop_at_error;
    plain.deadlock_is_error = options.deadlock_is_error;
    plain.shuffle = options.shuffle;
    plain.hash_traces = options.hash_traces;
    plain.flush_is_ipi = options.flush_is_ipi;
    plain.reuse = options.reuse;
    plain.snapshots = options.snapshots;
    plain.repeat_every = options.repeat_every;
    plain.replay = options.replay.empty() ? nullptr : options.replay.c_str();
    sfc_result found;
    sfc_run(&program, &plain, &found);
    Result result;
    result.verdict = static_cast<Verdict>(found.verdict);
    result.complete = found.complete;
    result.blocked = found.blocked;
    result.redundant = found.redundant;
    result.violations = found.violations;
    result.steps = found.steps;
    result.max_depth = found.max_depth;
    result.restarts = found.restarts;
    result.seconds = found.seconds;
    result.estimate = found.estimate;
    result.trace_hash = found.trace_hash;
    result.message = found.message;
    result.place = found.place;
    result.replay = found.replay;
    if (found.schedule != nullptr) result.schedule = found.schedule;
    for (std::size_t i = 0; i < found.outcome_count; ++i) {
        const sfc_outcome_count& outcome = found.outcomes[i];
        result.outcomes[{static_cast<const char*>(outcome.bytes), outcome.size}] =
            outcome.executions;
    }
    sfc_result_free(&found);
    return result;
}

}  // namespace surefoot::checker

using namespace surefoot::checker::engine;

extern "C" sfc_options sfc_default_options(void) {
    sfc_options options{};
    options.model = SFC_SC;
    options.strategy = SFC_EXHAUSTIVE;
    options.bound = 2;
    options.runs = 1000;
    options.seed = 1;
    options.stop_at_error = true;
    options.deadlock_is_error = true;
    options.flush_is_ipi = true;
    return options;
}

extern "C" void sfc_run(const sfc_program* program, const sfc_options* options,
                        sfc_result* result) {
    *result = sfc_result{};
    const auto refuse = [&](const char* why) {
        result->verdict = SFC_WRONG;
        std::snprintf(result->message, sizeof result->message, "%s", why);
    };
    if (Activation::exists()) return refuse("a run inside of another one");
    const bool is_weak = options->model == SFC_WEAK;
    if (is_weak && (options->strategy != SFC_EXHAUSTIVE || options->replay != nullptr))
        return refuse("the model weak has the exhaustive search alone, and no replays");
    if (is_weak && options->reuse != SFC_REUSE_NEVER)
        return refuse("the model weak gives freed memory out no more: reuse is to be never");
    if (is_weak && options->snapshots)
        return refuse("the model weak runs the program anew for each graph: it has no snapshots");
    try {
        if (is_weak)
            weak::explore(*program, *options, *result);
        else
            Exploration(*program, *options, *result).run();
    } catch (const std::exception& error) {
        refuse(error.what());
    }
}

extern "C" void sfc_result_free(sfc_result* result) {
    for (size_t i = 0; i < result->outcome_count; ++i)
        std::free(result->outcomes[i].bytes);
    std::free(result->outcomes);
    std::free(result->schedule);
    result->schedule = nullptr;
    result->outcomes = nullptr;
    result->outcome_count = 0;
}
