#pragma once

// A program under check that runs on without a visible step never comes back by itself.

namespace surefoot::checker::engine {

class Executor;

/// While it lives, such a program fails after some seconds of processor time.
class Watchdog {
  public:
    explicit Watchdog(Executor& machine);
    ~Watchdog();
    Watchdog(const Watchdog&) = delete;
    Watchdog& operator=(const Watchdog&) = delete;
};

}  // namespace surefoot::checker::engine
