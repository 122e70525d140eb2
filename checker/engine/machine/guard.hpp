#pragma once

// What the program under check does wrong in the middle of its own code: it runs on without a
// visible step, or faults.

#include <sys/types.h>

#include <csignal>
#include <cstdint>
#include <ctime>
#include <iterator>
#include <memory>

namespace surefoot::checker::engine {

class Executor;

/// While it lives, a program that makes no step for some seconds fails, and so does one that
/// overflows its stack or is sent SIGSEGV, SIGBUS, SIGFPE, SIGILL or SIGABRT by what it does
/// itself.
class Guard {
  public:
    explicit Guard(Executor& machine);
    ~Guard();
    Guard(const Guard&) = delete;
    Guard& operator=(const Guard&) = delete;

    /// Watches this thread: again in a new process, which begins without timers. Throws
    /// std::runtime_error when there are none to be had.
    void watch();

  private:
    static constexpr int kSignals[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGVTALRM};

    static void fault(int signal, siginfo_t* info, void* context);
    static void tick(int signal, siginfo_t* info, void* context);
    bool is_here() const;
    void hand_on(int signal) const;
    void begin_idling();
    const void* place_of(const void* context) const;

    Executor& machine_;
    pid_t thread_ = 0;
    timer_t timer_{};
    std::unique_ptr<char[]> stack_;  // a fiber's own may be full
    stack_t stack_before_{};
    struct sigaction before_[std::size(kSignals)];

    // What tick() saw when the program last got on.
    std::uint64_t progress_ = 0;
    double processor_time_ = 0;
    unsigned idle_ticks_ = 0;
};

}  // namespace surefoot::checker::engine
