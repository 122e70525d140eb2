#pragma once

namespace surefoot::checker::engine {

class Executor;

/// While it lives, the functions of the C interface speak to that machine.
class Activation {
  public:
    Activation(Executor& machine, bool flush_is_ipi);
    ~Activation();
    Activation(const Activation&) = delete;
    Activation& operator=(const Activation&) = delete;

    /// Whether there is one: a run is on.
    static bool exists();
};

}  // namespace surefoot::checker::engine
