// The same search in another process, spread over several, with snapshots, with other addresses,
// another environment and time zone: equal counts, outcomes and trace hashes.
//
// usage: checker_same_again_test [print JOBS SNAPSHOTS]
//
// Without arguments it runs itself with them, in different surroundings, and compares what it says.

#include <sys/personality.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <functional>
#include <iostream>
#include <string>
#include <vector>

#include "programs.hpp"

namespace surefoot::checker {
namespace {

using namespace programs;

/// Tasks that others spawn, in an order that hangs on who comes first; the words hold addresses of
/// the heap, of code and of the stack.
void family(Program& program) {
    auto& words = program.make<Ints>();
    auto& pointer = program.make<Word<const void*>>();
    auto& seen = program.make<Ints>();
    for (int i = 0; i < 2; ++i) {
        program.spawn([&words, &pointer, &seen, i] {
            words.at[i].store(1);
            pointer.store(i == 0 ? static_cast<const void*>(&i) : &words);
            if (words.at[1 - i].load() == 0) return;
            const unsigned child =
                sfc_spawn([](void* at) { static_cast<Ints*>(at)->at[2].fetch_add(1); }, &words,
                          SFC_ANY_CPU, nullptr);
            sfc_join(child, nullptr);
            seen.at[i].store(1 + words.at[2].load());
        });
    }
    program.finish(
        [&seen] { outcome(std::to_string(seen.at[0].get()) + std::to_string(seen.at[1].get())); });
}

struct Named {
    const char* name;
    Body body;
};

std::vector<Named> programs_to_run() {
    return {{"fib3", fib_bench(3)},
            {"lastzero8", lastzero(8)},
            {"casw3", casw(3)},
            {"lockinc5", locked_increments<Mutex>(5)},
            {"spininc4", locked_increments<Spinlock>(4)},
            {"ticket_lock3", ticket_lock(3)},
            {"gup", gup_against_collapse({.recheck_pmd = true, .readers = 2})},
            {"family", family}};
}

void print(const char* name, const char* how, const Result& result) {
    std::printf("%s %s: %d %lu+%lu+%lu %016lx", name, how, static_cast<int>(result.verdict),
                result.complete, result.blocked, result.violations, result.trace_hash);
    for (const auto& [outcome, count] : result.outcomes)
        std::printf(" %s*%lu", outcome.c_str(), count);
    std::printf("\n");
}

int print_all(unsigned jobs, bool snapshots) {
    for (const Named& program : programs_to_run()) {
        Options options{.jobs = jobs,
                        .executions_between_parts = 20,
                        .stop_at_error = false,
                        .hash_traces = true};
        options.model = Model::weak;  // has no snapshots
        print(program.name, "weak", check(program.body, options));
        options.snapshots = snapshots;
        options.model = Model::sc;
        print(program.name, "sc", check(program.body, options));
        options.model = Model::tso;
        print(program.name, "tso", check(program.body, options));
        options.model = Model::sc;
        options.strategy = Strategy::bounded;
        print(program.name, "bounded", check(program.body, options));
    }
    return 0;
}

/// What the program prints when it runs with these arguments and this environment.
std::string said(const char* self, const char* jobs, const char* snapshots, bool randomised,
                 const std::vector<std::string>& environment) {
    int ends[2];
    if (pipe(ends) != 0) return "no pipe";
    const pid_t child = fork();
    if (child == 0) {
        dup2(ends[1], 1);
        if (!randomised) personality(ADDR_NO_RANDOMIZE);
        std::vector<char*> variables;
        for (const std::string& variable : environment)
            variables.push_back(const_cast<char*>(variable.c_str()));
        variables.push_back(nullptr);
        char* const arguments[] = {const_cast<char*>(self), const_cast<char*>("print"),
                                   const_cast<char*>(jobs), const_cast<char*>(snapshots), nullptr};
        execve("/proc/self/exe", arguments, variables.data());
        _exit(127);
    }
    close(ends[1]);
    std::string text;
    char buffer[4096];
    for (ssize_t got; (got = read(ends[0], buffer, sizeof buffer)) > 0;)
        text.append(buffer, static_cast<std::size_t>(got));
    close(ends[0]);
    int status = 0;
    waitpid(child, &status, 0);
    return status == 0 ? text : text + "status " + std::to_string(status);
}

int compare(const char* self) {
    const std::string one = said(self, "1", "0", false, {"TZ=UTC"});
    const std::vector<std::string> other{"TZ=Asia/Kathmandu", "LC_ALL=C",
                                         "PADDING=" + std::string(3000, 'x')};
    int differences = 0;
    for (const char* jobs : {"1", "4"}) {
        for (const char* snapshots : {"0", "1"}) {
            const std::string again = said(self, jobs, snapshots, true, other);
            if (again == one) continue;
            ++differences;
            std::cout << "first:\n"
                      << one << "with " << jobs << " jobs, snapshots " << snapshots << ":\n"
                      << again;
        }
    }
    return one.find("family bounded") == one.npos || differences != 0;
}

}  // namespace
}  // namespace surefoot::checker

int main(int count, char** arguments) {
    if (count == 4)
        return surefoot::checker::print_all(static_cast<unsigned>(std::atoi(arguments[2])),
                                            std::atoi(arguments[3]) != 0);
    return surefoot::checker::compare(arguments[0]);
}
