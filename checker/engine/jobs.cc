#include "engine/jobs.hpp"

#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <stdexcept>
#include <vector>

namespace surefoot::checker::engine {
namespace {

struct Job {
    pid_t process;
    int results;  // pipe
};

/// Moves all bytes. @return false at an early end
template <class Move>
bool move_all(Move move, int file, void* bytes, std::size_t count) {
    for (char* at = static_cast<char*>(bytes); count != 0;) {
        const ssize_t moved = move(file, at, count);
        if (moved < 0 && errno == EINTR) continue;
        if (moved <= 0) return false;
        at += moved;
        count -= static_cast<std::size_t>(moved);
    }
    return true;
}

[[noreturn]] void be_job(const sfc_program& program, const sfc_options& options, int results) {
    sfc_result result;
    sfc_run(&program, &options, &result);
    std::size_t length = result.schedule != nullptr ? std::strlen(result.schedule) + 1 : 0;
    const bool told = move_all(write, results, &result, sizeof result) &&
                      move_all(write, results, &length, sizeof length) &&
                      move_all(write, results, result.schedule, length);
    _exit(told ? 0 : 1);
}

Job start(const sfc_program& program, const sfc_options& options) {
    int ends[2];
    if (pipe(ends) != 0) throw std::runtime_error("no pipe for a job");
    const pid_t process = fork();
    if (process == 0) {
        close(ends[0]);
        be_job(program, options, ends[1]);
    }
    close(ends[1]);
    if (process < 0) {
        close(ends[0]);
        throw std::runtime_error("no process for a job");
    }
    return {process, ends[0]};
}

sfc_result finish(const Job& job) {
    sfc_result result{};
    std::size_t length = 0;
    bool told = move_all(read, job.results, &result, sizeof result) &&
                move_all(read, job.results, &length, sizeof length);
    result.schedule = told && length != 0 ? static_cast<char*>(std::malloc(length)) : nullptr;
    if (result.schedule != nullptr) told = move_all(read, job.results, result.schedule, length);
    close(job.results);
    waitpid(job.process, nullptr, 0);
    if (told) return result;
    std::free(result.schedule);
    result = {};
    result.verdict = SFC_WRONG;
    std::strcpy(result.message, "a job died");
    return result;
}

/// The first verdict that is not "incomplete" is kept, with what belongs to it.
void add(sfc_result& sum, sfc_result part) {
    sfc_result& told = sum.verdict == SFC_INCOMPLETE ? part : sum;
    sfc_result& other = &told == &part ? sum : part;
    told.complete += other.complete;
    told.blocked += other.blocked;
    told.redundant += other.redundant;
    told.violations += other.violations;
    told.steps += other.steps;
    told.trace_hash += other.trace_hash;
    told.max_depth = std::max(told.max_depth, other.max_depth);
    told.seconds = std::max(told.seconds, other.seconds);
    std::free(other.schedule);
    sum = told;
}

}  // namespace

void run_in_processes(const sfc_program& program, const sfc_options& options, sfc_result& result) {
    std::vector<Job> jobs;
    for (unsigned i = 0; i < options.jobs; ++i) {
        sfc_options share = options;
        share.jobs = 1;
        share.runs = options.runs / options.jobs + (i < options.runs % options.jobs ? 1 : 0);
        share.seed = options.seed + i * 0x9e3779b97f4a7c15ULL;
        if (share.runs != 0) jobs.push_back(start(program, share));
    }
    result.verdict = SFC_INCOMPLETE;
    for (const Job& job : jobs)
        add(result, finish(job));
}

}  // namespace surefoot::checker::engine
