// sfc_run() and check(): one search from options to result.

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <memory>
#include <stdexcept>

#include "engine/abi.hpp"
#include "engine/jobs.hpp"
#include "engine/machine/machine.hpp"
#include "engine/machine/watchdog.hpp"
#include "engine/search/replay.hpp"
#include "engine/search/search.hpp"
#include "engine/weak/search.hpp"
#include "surefoot/checker/checker.hpp"

namespace surefoot::checker::engine {
namespace {

constexpr std::size_t kArenaBytes = std::size_t{64} << 20;
constexpr std::uint32_t kSteps = 20000;
constexpr std::uint64_t kRepeatEvery = 1000;

/// Of an execution whose steps are all given.
class Repetition final : public Search {
  public:
    int next(Machine& machine) override {
        for (ProcSet left = machine.active(); left != 0; left &= left - 1)
            if (machine.can_run(static_cast<unsigned>(__builtin_ctzll(left))))
                machine.fail("the program is not deterministic: it takes more steps than before",
                             nullptr, true);
        return machine.stuck_or_complete();
    }
    unsigned choose(Machine&, unsigned) override { return 0; }
    bool backtrack(const Machine&, int, std::uint32_t&) override { return false; }
};

double now() {
    timespec time{};
    clock_gettime(CLOCK_MONOTONIC, &time);
    return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

void copy_text(char* to, std::size_t size, const std::string& text) {
    std::snprintf(to, size, "%s", text.c_str());
}

/// Counts executions and decides when to stop.
class Exploration {
  public:
    Exploration(const sfc_program& program, const sfc_options& options, sfc_result& result)
        : program_(program),
          options_(options),
          result_(result),
          memory_(options.arena_bytes != 0 ? options.arena_bytes : kArenaBytes, options.reuse),
          machine_(options.model, memory_,
                   Limits{options.max_steps != 0 ? options.max_steps : kSteps}) {}

    void run() {
        const std::unique_ptr<Search> search = make_search(options_);
        set_active_machine(&machine_);
        set_flush_is_ipi(options_.flush_is_ipi);
        start_ = now();
        {
            const Watchdog watchdog(machine_);
            explore(*search);
        }
        result_.seconds = now() - start_;
        result_.steps = machine_.steps();
        set_active_machine(nullptr);
        if (result_.verdict == SFC_WRONG) return;
        result_.verdict = result_.violations != 0         ? SFC_VIOLATED
                          : finished_ && search->covers() ? SFC_HOLDS
                                                          : SFC_INCOMPLETE;
    }

  private:
    void explore(Search& search) {
        std::uint32_t fixed = 0;
        result_.verdict = SFC_HOLDS;
        for (std::uint64_t run = 0;; ++run) {
            const int end = machine_.run(program_, search, fixed);
            if (!count(end)) return;
            const bool more = search.backtrack(machine_, end, fixed);
            if (end == kComplete && run % kRepeatEvery == 0 && !repeats()) return;
            if (!more) break;
        }
        finished_ = true;
    }

    /// Whether the execution, run again step for step, is the same.
    bool repeats() {
        Repetition again;
        sfc_program unfinished = program_;
        unfinished.finish = nullptr;  // called once for each execution
        const int end = machine_.run(unfinished, again, machine_.depth());
        machine_.forget_steps();
        return end == kComplete || failed();
    }

    /// @return false when the search is to end
    bool count(int end) {
        if (machine_.depth() > result_.max_depth) result_.max_depth = machine_.depth();
        switch (end) {
            case kComplete:
                ++result_.complete;
                if (options_.hash_traces) result_.trace_hash += machine_.trace_hash();
                break;
            case kStuck:
                if (machine_.waits_for_others() && options_.deadlock_is_error)
                    return violation(machine_.describe_stuck(), nullptr);
                ++result_.blocked;
                break;
            case kRedundant:
                ++result_.redundant;
                break;
            default:
                return failed();
        }
        return within_limits();
    }

    bool failed() {
        const Failure& failure = machine_.failure();
        if (!failure.mistake) return violation(failure.message, failure.pc);
        result_.verdict = SFC_WRONG;
        copy_text(result_.message, sizeof result_.message, failure.message);
        copy_text(result_.place, sizeof result_.place, place_of(failure.pc));
        return false;
    }

    bool violation(const std::string& message, const void* pc) {
        if (result_.violations++ == 0) {
            copy_text(result_.message, sizeof result_.message, message);
            copy_text(result_.place, sizeof result_.place, place_of(pc));
            const std::string schedule = schedule_text(machine_);
            if (schedule.size() < sizeof result_.replay)
                copy_text(result_.replay, sizeof result_.replay, schedule);
            result_.schedule = strdup(machine_.describe().c_str());
        }
        return !options_.stop_at_error && within_limits();
    }

    bool within_limits() {
        const std::uint64_t runs = result_.complete + result_.blocked + result_.redundant;
        if (options_.max_executions != 0 && runs >= options_.max_executions) return false;
        if (options_.max_seconds > 0 && (runs & 255) == 0 && now() - start_ > options_.max_seconds)
            return false;
        return true;
    }

    static std::string place_of(const void* pc) {
        char text[32];
        std::snprintf(text, sizeof text, "%p", pc);
        return pc != nullptr ? text : "";
    }

    const sfc_program& program_;
    const sfc_options& options_;
    sfc_result& result_;
    Memory memory_;
    Machine machine_;
    double start_ = 0;
    bool finished_ = false;
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
    plain.stop_at_error = options.stop_at_error;
    plain.deadlock_is_error = options.deadlock_is_error;
    plain.hash_traces = options.hash_traces;
    plain.flush_is_ipi = options.flush_is_ipi;
    plain.reuse = options.reuse;
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
        copy_text(result->message, sizeof result->message, why);
    };
    const bool by_chance = options->strategy == SFC_RANDOM || options->strategy == SFC_PCT ||
                           options->strategy == SFC_POS;
    const bool in_processes = options->jobs > 1 && options->replay == nullptr;
    if (in_processes && !by_chance) return refuse("only searches by chance have several jobs");
    const bool is_weak = options->model == SFC_WEAK;
    if (is_weak && (options->strategy != SFC_EXHAUSTIVE || options->replay != nullptr))
        return refuse("the model weak has the exhaustive search alone, and no replays");
    if (is_weak && options->reuse != SFC_REUSE_NEVER)
        return refuse("the model weak gives freed memory out no more: reuse is to be never");
    try {
        if (is_weak)
            weak::explore(*program, *options, *result);
        else if (in_processes)
            run_in_processes(*program, *options, *result);
        else
            Exploration(*program, *options, *result).run();
    } catch (const std::exception& error) {
        refuse(error.what());
    }
}

extern "C" void sfc_result_free(sfc_result* result) {
    std::free(result->schedule);
    result->schedule = nullptr;
}
