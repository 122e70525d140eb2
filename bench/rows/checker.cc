// The checker: executions and visible steps in a second, where the number of executions is known.

#include <string>

#include "programs.hpp"

#include "harness/clock.hpp"
#include "harness/fail.hpp"
#include "rows/rows.hpp"

namespace surefoot::bench {
namespace {

using checker::Program;
namespace programs = checker::programs;

struct Known {
    const char* name;
    programs::Body body;
    std::uint64_t executions;
    double published = 0;  // executions/s of GenMC, release build, on a machine like this
    double target = 0;
};

/// Two tasks of 200 steps each, the last six of which race.
programs::Body two_times_200() {
    return [](Program& program) {
        auto& words = program.make<programs::Ints>();
        for (int task = 1; task <= 2; ++task) {
            program.spawn([&words, task] {
                for (int i = 0; i < 194; ++i)
                    words.at[task].load();
                for (int i = 0; i < 6; ++i)
                    words.at[0].fetch_add(1);
            });
        }
    };
}

/// Two tasks of 150 steps each, in a space of so many bytes that setup builds.
programs::Body in_a_space_of(std::size_t bytes) {
    return [bytes](Program& program) {
        auto& words = program.make<programs::Ints>();
        auto* const space = static_cast<std::uint64_t*>(sfc_alloc(bytes, 64, nullptr));
        for (std::size_t i = 0; i < bytes / sizeof *space; i += 8)
            space[i] = i;
        for (int task = 1; task <= 2; ++task) {
            program.spawn([&words, space, task] {
                for (int i = 0; i < 144; ++i)
                    sfc_store(space + 64 * task + i % 60, 8, static_cast<std::uint64_t>(i),
                              SFC_RELAXED, nullptr);
                for (int i = 0; i < 6; ++i)
                    words.at[0].fetch_add(1);
            });
        }
    };
}

std::vector<Known> programs_of_known_size() {
    return {
        {"ainc7", programs::increments(7, 1), 5040, 0, 200e3},
        {"ainc8", programs::increments(8, 1), 40320, 40320 / 2.2},
        {"fib_bench5", programs::fib_bench(5), 218243, 218243 / 2.4, 200e3},
        {"casrot10", programs::casrot(10), 38486, 38486 / 0.5, 200e3},
        {"lastzero10", programs::lastzero(10), 3328, 3328 / 0.4},
        {"readers13", programs::readers(13), 8192},
        {"2x200", two_times_200(), 924},
        {"2x150in64k", in_a_space_of(64 << 10), 924},
        {"2x150in1m", in_a_space_of(1 << 20), 924},
    };
}

/// Seconds of thread-CPU time are what the row divides by: the search is one thread.
Reading per_second(std::uint64_t count, const Reading& nanoseconds) {
    const auto n = static_cast<double>(count);
    return {n * 1e9 / nanoseconds.wall, n * 1e9 / nanoseconds.cpu};
}

/// How a program is searched, and what of it a row tells.
struct Way {
    const char* suffix;
    std::string what;
    checker::Options options = {};
    bool steps = false;
};

Reading explore(const Known& known, const Way& way) {
    checker::Result result;
    const Reading time =
        timed(1, [&](std::uint64_t) { result = checker::check(known.body, way.options); });
    must(result.complete == known.executions, "the number of executions");
    return per_second(way.steps ? result.steps : result.complete, time);
}

Row row_of(const Known& known, const Way& way) {
    return {.name = std::string("checker.") + known.name + way.suffix,
            .unit = "1/s",
            .what = way.what,
            .target = std::nullopt,
            .clock = way.options.jobs > 1 ? Row::Clock::wall : Row::Clock::cpu,
            .rounds = 5,
            .make = [known, way](const Scale&) {
                return std::vector<Case>{
                    {Column::surefoot, [known, way] { return explore(known, way); }}};
            }};
}

Row executions_row(const Known& known) {
    Row row =
        row_of(known, {"", "executions a second, " + std::to_string(known.executions) + " in all"});
    if (known.target != 0) row.target = Target{Target::Kind::at_least, known.target};
    if (known.published == 0) return row;
    row.make = [known, make = row.make](const Scale& scale) {
        std::vector<Case> cases = make(scale);
        cases.push_back(
            {Column::published, [known] { return Reading{known.published, known.published}; }});
        return cases;
    };
    return row;
}

Row steps_row(const Known& known) {
    Row row =
        row_of(known, {".steps", "visible steps a second, those run again included", {}, true});
    if (known.name == std::string_view("2x200")) row.target = Target{Target::Kind::at_least, 20e6};
    return row;
}

}  // namespace

void add_checker_rows(std::vector<Row>& rows) {
    for (const Known& known : programs_of_known_size()) {
        rows.push_back(executions_row(known));
        rows.push_back(steps_row(known));
        rows.push_back(row_of(
            known,
            {".snapshots", "the same executions a second, with snapshots", {.snapshots = true}}));
        if (known.name == std::string_view("fib_bench5"))
            rows.push_back(row_of(
                known, {".jobs2", "the same executions a second of two processes", {.jobs = 2}}));
    }
}

}  // namespace surefoot::bench
