#pragma once

// What the runner can't beat: a futex handoff between two processes on one CPU, a system call that
// is dispatched to a signal handler, and a page that a signal handler maps.

#include <signal.h>
#include <sys/types.h>

#include <cstddef>
#include <cstdint>

namespace surefoot::bench {

/// A partner process that answers each handoff at once. Both sides are pinned to the caller's CPU.
class HandoffPair {
public:
    HandoffPair();
    ~HandoffPair();
    HandoffPair(const HandoffPair&) = delete;
    HandoffPair& operator=(const HandoffPair&) = delete;
    /// There and back, `n` times, on the partner's CPU.
    void round_trips(std::uint64_t n);

private:
    std::uint32_t* word_;
    int cpu_;
    pid_t partner_;
};

/// Makes `n` system calls that the host dispatches to a handler of SIGSYS.
void dispatched_calls(std::uint64_t n);

/// Pages of a file that a handler of SIGSEGV maps when they are touched.
class SignalFiller {
public:
    explicit SignalFiller(std::size_t pages);
    ~SignalFiller();
    SignalFiller(const SignalFiller&) = delete;
    SignalFiller& operator=(const SignalFiller&) = delete;

    /// Unmaps all of them.
    void empty();
    void touch_all();

private:
    static void on_fault(int, siginfo_t* info, void*);

    std::size_t bytes_;
    int file_ = -1;
    std::byte* start_ = nullptr;
};

}  // namespace surefoot::bench
