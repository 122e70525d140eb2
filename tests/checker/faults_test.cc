// Programs that go wrong in the middle of their own code: each ends as an answer, and the process
// lives on. Calls that nothing but a program under check may make.

#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>
#include <stdexcept>
#include <string>
#include <utility>

#include "surefoot/checker/checker.hpp"

namespace surefoot::checker {
namespace {

constexpr Model kModels[] = {Model::sc, Model::tso, Model::weak};

/// Where a program does something.
enum class Place : std::uint8_t { setup, task, later_task, finish };
constexpr Place kPlaces[] = {Place::setup, Place::task, Place::later_task, Place::finish};

const char* name_of(Place place) {
    constexpr const char* kNames[] = {"setup", "writer", "reader", "finish"};
    return kNames[static_cast<int>(place)];
}

/// A program that does it there.
Result run(Place place, const std::function<void()>& act, const Options& options) {
    return check(
        [&](Program& program) {
            auto& x = program.make<Word<int>>(0);
            if (place == Place::setup) act();
            program.spawn(
                [&] {
                    x.store(1);
                    if (place == Place::task) act();
                },
                "writer");
            program.spawn(
                [&] {
                    if (x.load() == 1 && place == Place::later_task) act();
                },
                "reader");
            program.finish([&] {
                if (place == Place::finish) act();
            });
        },
        options);
}

/// Expects the same of every model and place. @param words  of the message, in front of the place
void expect_everywhere(const std::function<void()>& act, Verdict verdict,
                       const std::string& words) {
    for (const Model model : kModels) {
        for (const Place place : kPlaces) {
            SCOPED_TRACE(name_of(place));
            const Result result = run(place, act, {.model = model});
            EXPECT_EQ(result.verdict, verdict) << result.message;
            EXPECT_NE(result.message.find(words + name_of(place)), std::string::npos)
                << result.message;
        }
    }
}

volatile int zero = 0, one = 1;
volatile int* volatile nowhere = nullptr;

// What sanitizers would see first.
__attribute__((no_sanitize("address", "undefined"))) void store_nowhere() { *nowhere = 1; }
__attribute__((no_sanitize("undefined"))) void divide_by_zero() { zero = one / zero; }

int overflow(int depth) {
    volatile char frame[512];
    frame[0] = static_cast<char>(depth);
    return zero != 0 ? 0 : overflow(depth + 1) + frame[0];
}

void run_on() {
    while (zero == 0)
        continue;
}

TEST(Faults, a_segmentation_fault_is_a_violation) {
    expect_everywhere(store_nowhere, Verdict::violated, "segmentation fault at address 0x0 in ");
}

TEST(Faults, the_engine_meets_are_the_program_s) {
    for (const Model model : kModels) {
        const Result result =
            run(Place::task, [] { sfc_load(nullptr, 4, SFC_RELAXED, nullptr); }, {.model = model});
        EXPECT_EQ(result.verdict, Verdict::violated);
        EXPECT_EQ(result.message, "segmentation fault at address 0x0 in writer");
    }
}

TEST(Faults, arithmetic_faults_are_violations) {
    expect_everywhere(divide_by_zero, Verdict::violated, "arithmetic fault in ");
}

TEST(Faults, illegal_instructions_are_violations) {
    expect_everywhere([] { asm volatile("ud2"); }, Verdict::violated, "illegal instruction in ");
}

TEST(Faults, abort_is_a_violation) {
    expect_everywhere([] { std::abort(); }, Verdict::violated, "abort() in ");
}

TEST(Faults, a_stack_overflow_is_refused) {
    expect_everywhere([] { overflow(0); }, Verdict::wrong, "the stack of ");
}

TEST(Faults, an_exception_is_a_violation) {
    expect_everywhere([] { throw std::runtime_error("what it says"); }, Verdict::violated,
                      "an exception leaves ");
    expect_everywhere([] { throw 7; }, Verdict::violated, "an exception leaves ");
    const Result result = run(Place::task, [] { throw std::runtime_error("what it says"); }, {});
    EXPECT_EQ(result.message, "an exception leaves writer: what it says");
}

/// All executions run to their end: what is thrown in one that is left in the middle leaks.
void handle_exceptions(Program& program) {
    auto& x = program.make<Word<int>>(0);
    for (int self = 0; self < 2; ++self) {
        program.spawn([&x, self] {
            x.fetch_add(1);
            try {
                throw self;
            } catch (const int& thrown) {
                for (int i = 0; i < 3; ++i)
                    x.fetch_add(1);
                require(thrown == self, "the exception is gone");
                try {
                    throw;
                } catch (int again) {
                    require(again == self, "the exception of the other task");
                }
            }
        });
    }
}

TEST(Faults, a_task_handles_its_own_exceptions) {
    for (const Model model : {Model::sc, Model::tso}) {
        for (const bool snapshots : {false, true}) {
            const Result result =
                check(handle_exceptions, {.model = model, .snapshots = snapshots});
            EXPECT_EQ(result.verdict, Verdict::holds) << result.message;
            EXPECT_EQ(result.complete, 70u);
        }
    }
}

TEST(Faults, an_exception_out_of_an_interrupt_is_a_violation) {
    const Result result = check([](Program& program) {
        program.spawn([] { sfc_ipi(2, [](void*) { throw 7; }, nullptr, nullptr); });
        program.spawn([] { sfc_self(); });
    });
    EXPECT_EQ(result.verdict, Verdict::violated);
    EXPECT_NE(result.message.find("an exception leaves "), std::string::npos) << result.message;
}

TEST(Faults, an_exception_out_of_a_read_modify_write_is_a_violation) {
    for (const Model model : kModels) {
        const auto change = [](std::uint64_t, void*) -> std::uint64_t { throw 7; };
        const Result result = check(
            [change](Program& program) {
                auto& x = program.make<Word<int>>(0);
                program.spawn(
                    [&x, change] { sfc_rmw_call(&x, 4, change, nullptr, SFC_RELAXED, nullptr); });
            },
            {.model = model});
        EXPECT_EQ(result.verdict, Verdict::violated);
        EXPECT_NE(result.message.find("an exception leaves task 0"), std::string::npos)
            << result.message;
    }
}

TEST(Faults, have_a_schedule_and_a_replay) {
    for (const Model model : {Model::sc, Model::tso}) {
        const auto act = store_nowhere;
        const Result found = run(Place::later_task, act, {.model = model});
        EXPECT_NE(found.schedule.find("reader       load"), std::string::npos) << found.schedule;
        EXPECT_FALSE(found.place.empty());
        const Result again = run(Place::later_task, act, {.model = model, .replay = found.replay});
        EXPECT_EQ(again.message, found.message);
        EXPECT_EQ(again.schedule, found.schedule);
    }
}

TEST(Faults, in_a_part_of_the_search_are_told) {
    const auto run_elsewhere = [](void (*act)(), Model model) {
        return check(
            [act, first = getpid()](Program& program) {
                auto& x = program.make<Word<int>>(0);
                for (int i = 0; i < 3; ++i)
                    program.spawn(
                        [&x, act, first] {
                            x.fetch_add(1);
                            if (getpid() != first) act();
                        },
                        "adder");
            },
            {.model = model, .jobs = 2, .executions_between_parts = 1});
    };
    for (const Model model : kModels) {
        const std::string fault = run_elsewhere(store_nowhere, model).message;
        EXPECT_NE(fault.find("segmentation fault at address 0x0 in adder"), std::string::npos)
            << fault;
    }
    const std::string endless = run_elsewhere(run_on, Model::weak).message;
    EXPECT_NE(endless.find("runs on and on without a visible step"), std::string::npos) << endless;
}

TEST(Faults, loops_without_a_step_are_refused) {
    // Each takes seconds.
    constexpr std::pair<Place, Model> kCases[] = {{Place::setup, Model::sc},
                                                  {Place::task, Model::sc},
                                                  {Place::later_task, Model::tso},
                                                  {Place::task, Model::weak},
                                                  {Place::finish, Model::weak}};
    for (const auto& [place, model] : kCases) {
        const Result result = run(place, run_on, {.model = model});
        EXPECT_EQ(result.verdict, Verdict::wrong);
        EXPECT_EQ(result.message,
                  std::string(name_of(place)) + " runs on and on without a visible step");
    }
}

TEST(Faults, leave_the_process_s_own_handlers_alone) {
    const auto own = [](int) {};
    struct sigaction mine{};
    mine.sa_handler = own;
    struct sigaction before{};
    sigaction(SIGSEGV, &mine, &before);
    run(Place::task, store_nowhere, {});
    struct sigaction after{};
    sigaction(SIGSEGV, &before, &after);
    EXPECT_EQ(after.sa_handler, mine.sa_handler);
}

// --- outside of a run ----------------------------------------------------------------------------

TEST(CallsDeathTest, outside_of_a_run_name_themselves_and_abort) {
    std::uint64_t word = 0;
    EXPECT_DEATH(sfc_load(&word, 8, SFC_RELAXED, nullptr), "sfc_load\\(\\) outside of a run");
    EXPECT_DEATH(sfc_fence(SFC_MB, nullptr), "sfc_fence\\(\\) outside of a run");
    EXPECT_DEATH(sfc_alloc(8, 8, nullptr), "sfc_alloc\\(\\) outside of a run");
    EXPECT_DEATH(sfc_rcu_read_lock(nullptr, nullptr), "sfc_rcu_read_lock\\(\\) outside of a run");
    EXPECT_DEATH(sfc_spawn([](void*) {}, nullptr, 0, nullptr), "sfc_spawn\\(\\) outside of a run");
}

TEST(Calls, outside_of_a_run_that_wait_lock_or_tell_do_nothing) {
    std::uint64_t word = 0;
    sfc_lock(&word, SFC_LOCK_SPIN, nullptr);
    sfc_unlock(&word, SFC_LOCK_SPIN, nullptr);
    sfc_plain_write(&word, 8, nullptr);
    sfc_wait(&word, nullptr, nullptr);
    EXPECT_EQ(sfc_wake(&word, 1, nullptr), 0U);
    sfc_assume(false, nullptr);
    EXPECT_EQ(sfc_choose(3, nullptr), 0U);
    EXPECT_FALSE(sfc_running());
}

TEST(Calls, of_a_run_inside_of_another_one_are_refused) {
    Result inner;
    const Result outer = check([&inner](Program&) { inner = check([](Program&) {}); });
    EXPECT_EQ(inner.message, "a run inside of another one");
    EXPECT_EQ(outer.verdict, Verdict::holds) << outer.message;
}

}  // namespace
}  // namespace surefoot::checker
