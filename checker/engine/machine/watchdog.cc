#include "engine/machine/watchdog.hpp"

#include <sys/time.h>
#include <csignal>
#include <cstdint>

#include "engine/machine/executor.hpp"

namespace surefoot::checker::engine {
namespace {

constexpr int kTicks = 4;  // of half a second

Executor* watched = nullptr;
std::uint64_t progress = 0;
int idle_ticks = 0;

/// It interrupts the task that does not end, and leaves its stack for good.
void tick(int /*signal*/) {
    if (watched == nullptr || !watched->running()) return;
    if (watched->progress() != progress) {
        progress = watched->progress();
        idle_ticks = 0;
    } else if (++idle_ticks >= kTicks) {
        idle_ticks = 0;
        watched->fail("a task runs on and on without a visible step", watched->last_pc(), true);
    }
}

void set_timer(int milliseconds) {
    itimerval every{};
    every.it_interval.tv_usec = every.it_value.tv_usec = milliseconds * 1000;
    setitimer(ITIMER_VIRTUAL, &every, nullptr);
}

}  // namespace

Watchdog::Watchdog(Executor& machine) {
    watched = &machine;
    idle_ticks = 0;
    struct sigaction action{};
    action.sa_handler = tick;
    action.sa_flags = SA_NODEFER | SA_RESTART;  // the handler need not return
    sigaction(SIGVTALRM, &action, nullptr);
    set_timer(500);
}

Watchdog::~Watchdog() {
    set_timer(0);
    std::signal(SIGVTALRM, SIG_DFL);
    watched = nullptr;
}

}  // namespace surefoot::checker::engine
