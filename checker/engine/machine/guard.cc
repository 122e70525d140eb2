#include "engine/machine/guard.hpp"

#include <fmt/format.h>
#include <ucontext.h>
#include <unistd.h>

#include <stdexcept>
#include <string>
#include <utility>

#include "engine/machine/executor.hpp"
#include "engine/machine/fibers.hpp"

namespace surefoot::checker::engine {
namespace {

constexpr long kNanosecondsBetweenTicks = 500'000'000;
constexpr double kProcessorSeconds = 2;
constexpr unsigned kTicks = 20;  // of a program that sleeps: ten seconds
constexpr std::size_t kSignalStackBytes = std::size_t{64} << 10;

Guard* guard = nullptr;  // signal handlers have no other way to it

double processor_time() {
    timespec time{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

std::string words_for(int signal, const siginfo_t& info) {
    switch (signal) {
        case SIGFPE:
            return "arithmetic fault";
        case SIGILL:
            return "illegal instruction";
        case SIGABRT:
            return "abort()";
        default:
            break;
    }
    // The processor does not tell of addresses that no memory could have.
    if (info.si_code == SI_KERNEL) return "segmentation fault";
    return fmt::format("segmentation fault at address {}", fmt::ptr(info.si_addr));
}

}  // namespace

Guard::Guard(Executor& machine)
    : machine_(machine), stack_(std::make_unique<char[]>(kSignalStackBytes)) {
    guard = this;
    watch();
    stack_t stack{};
    stack.ss_sp = stack_.get();
    stack.ss_size = kSignalStackBytes;
    sigaltstack(&stack, &stack_before_);
    for (std::size_t i = 0; i < std::size(kSignals); ++i) {
        struct sigaction action{};
        action.sa_sigaction = kSignals[i] == SIGVTALRM ? tick : fault;
        action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER | SA_RESTART;  // it may not return
        sigaction(kSignals[i], &action, &before_[i]);
    }
}

Guard::~Guard() {
    timer_delete(timer_);
    for (std::size_t i = 0; i < std::size(kSignals); ++i)
        sigaction(kSignals[i], &before_[i], nullptr);
    sigaltstack(&stack_before_, nullptr);
    guard = nullptr;
}

void Guard::watch() {
    if (thread_ == gettid()) return;
    thread_ = gettid();
    begin_idling();
    sigevent event{};
    event.sigev_notify = SIGEV_THREAD_ID;
    event.sigev_signo = SIGVTALRM;
    event._sigev_un._tid = thread_;
    const itimerspec every{{0, kNanosecondsBetweenTicks}, {0, kNanosecondsBetweenTicks}};
    if (timer_create(CLOCK_MONOTONIC, &event, &timer_) != 0 ||
        timer_settime(timer_, 0, &every, nullptr) != 0)
        throw std::runtime_error("no timer for the checker");
}

void Guard::begin_idling() {
    progress_ = machine_.progress();
    processor_time_ = processor_time();
    idle_ticks_ = 0;
}

/// By the clock on the wall, but counted: a process that is stopped idles for one tick.
void Guard::tick(int /*signal*/, siginfo_t* /*info*/, void* /*context*/) {
    unpoison(guard->stack_.get(), kSignalStackBytes);
    if (!guard->is_here()) return;
    const Executor& machine = guard->machine_;
    if (!machine.in_program() || machine.progress() != guard->progress_)
        return guard->begin_idling();
    ++guard->idle_ticks_;
    if (processor_time() - guard->processor_time_ < kProcessorSeconds &&
        guard->idle_ticks_ < kTicks)
        return;
    guard->machine_.abandon(machine.who() + " runs on and on without a visible step",
                            machine.last_pc(), true);
}

void Guard::fault(int signal, siginfo_t* info, void* context) {
    unpoison(guard->stack_.get(), kSignalStackBytes);
    if (!guard->is_here()) return guard->hand_on(signal);
    Executor& machine = guard->machine_;
    const void* const pc = guard->place_of(context);
    std::string overflow = signal == SIGSEGV ? machine.overflow(info->si_addr) : std::string();
    if (!overflow.empty()) machine.abandon(std::move(overflow), pc, true);
    machine.abandon(fmt::format("{} in {}", words_for(signal, *info), machine.who()), pc, false);
}

/// Whether the signal came to the program under check.
bool Guard::is_here() const { return gettid() == thread_ && machine_.on_fiber(); }

/// To whoever handled it before.
void Guard::hand_on(int signal) const {
    for (std::size_t i = 0; i < std::size(kSignals); ++i)
        if (kSignals[i] == signal) sigaction(signal, &before_[i], nullptr);
    raise(signal);
}

const void* Guard::place_of(const void* context) const {
#if defined(__x86_64__)
    const auto& registers = static_cast<const ucontext_t*>(context)->uc_mcontext.gregs;
    if (machine_.in_program()) return reinterpret_cast<const void*>(registers[REG_RIP]);
#endif
    return machine_.last_pc();
}

}  // namespace surefoot::checker::engine
