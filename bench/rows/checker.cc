// The checker: executions and visible steps in a second, where the number of executions is known.

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

std::vector<Known> programs_of_known_size() {
    return {
        {"ainc7", programs::increments(7, 1), 5040, 0, 200e3},
        {"ainc8", programs::increments(8, 1), 40320, 40320 / 2.2},
        {"fib_bench5", programs::fib_bench(5), 218243, 218243 / 2.4, 200e3},
        {"casrot10", programs::casrot(10), 38486, 38486 / 0.5, 200e3},
        {"lastzero10", programs::lastzero(10), 3328, 3328 / 0.4},
        {"readers13", programs::readers(13), 8192},
        {"2x200", two_times_200(), 924},
    };
}

/// Seconds of thread-CPU time are what the row divides by: the search is one thread.
Reading per_second(std::uint64_t count, const Reading& nanoseconds) {
    const auto n = static_cast<double>(count);
    return {n * 1e9 / nanoseconds.wall, n * 1e9 / nanoseconds.cpu};
}

Reading explore(const Known& known, bool steps) {
    checker::Result result;
    const Reading time = timed(1, [&](std::uint64_t) { result = checker::check(known.body); });
    must(result.complete == known.executions, "the number of executions");
    return per_second(steps ? result.steps : result.complete, time);
}

Row row_of(const Known& known, bool steps) {
    Row row{.name = std::string("checker.") + known.name + (steps ? ".steps" : ""),
            .unit = "1/s",
            .what = steps ? "visible steps a second, those run again included"
                          : "executions a second, " + std::to_string(known.executions) + " in all",
            .target = std::nullopt,
            .rounds = 5,
            .make = [known, steps](const Scale&) {
                std::vector<Case> cases{
                    {Column::surefoot, [known, steps] { return explore(known, steps); }}};
                if (!steps && known.published != 0)
                    cases.push_back({Column::published, [known] {
                                         return Reading{known.published, known.published};
                                     }});
                return cases;
            }};
    if (!steps && known.target != 0) row.target = Target{Target::Kind::at_least, known.target};
    if (steps && known.name == std::string_view("2x200"))
        row.target = Target{Target::Kind::at_least, 20e6};
    return row;
}

}  // namespace

void add_checker_rows(std::vector<Row>& rows) {
    for (const Known& known : programs_of_known_size()) {
        rows.push_back(row_of(known, false));
        rows.push_back(row_of(known, true));
    }
}

}  // namespace surefoot::bench
