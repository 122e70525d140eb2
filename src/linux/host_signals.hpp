#pragma once

// Signals that the host sends to the server but that are meant for the guest.

#include "linux/process/process.hpp"

namespace surefoot::inline SF_BUILD::linux_abi {

class HostSignals {
  public:
    HostSignals() = default;
    ~HostSignals();
    HostSignals(const HostSignals&) = delete;
    HostSignals& operator=(const HostSignals&) = delete;

    /// Blocks them in this thread, and so in every thread that it starts. @return false: errno
    bool take_over();
    /// What the guest starts with, known after `take_over`.
    const InheritedSignals& inherited() const { return inherited_; }

    /// Passes them on until the process has ended, or its host process has died. SIGINT is one of them: unless the program
    /// handles it, the run ends, and its report tells what is known so far.
    void forward_until_done(Process& process);

  private:
    InheritedSignals inherited_;
    int fd_ = -1;
};

}  // namespace surefoot::inline SF_BUILD::linux_abi
