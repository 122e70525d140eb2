#pragma once

// Signals that the host sends to the server but that are meant for the guest.

#include <chrono>
#include <optional>

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
    /// If a second SIGTERM or SIGINT finds, after a while, that the guest could have taken the
    /// first and has not, it ends the server by its default action: the guest's host process may be
    /// stopped or spoilt.
    void forward_until_done(Process& process);

  private:
    void forward(Process& process, const Siginfo& info);

    InheritedSignals inherited_;
    int fd_ = -1;
    /// When the first SIGTERM or SIGINT came that the guest still has to take.
    std::optional<std::chrono::steady_clock::time_point> asked_to_end_;
};

}  // namespace surefoot::inline SF_BUILD::linux_abi
