#pragma once

// The half of the signal code that acts on pending signals, in the thread that they hit.

#include <span>

#include "linux/process/process.hpp"

namespace surefoot::inline SF_BUILD::linux_abi {

class SignalDelivery {
  public:
    explicit SignalDelivery(Task& task) : task_(task) {}

    /// Before a return to guest code: calls handlers, dies or stops, and settles what becomes of an
    /// interrupted system call.
    void run();

    /// rt_sigreturn(2). A frame that can't be read ends in SIGSEGV.
    void sigreturn();

  private:
    void act(const Process::Delivery& delivery);
    void default_act(int signal);
    /// @return false: the frame can't be written
    bool call_handler(const Process::Delivery& delivery);
    bool write_fp_state(std::uint64_t address);
    void write_context(SigContext& context, std::uint64_t fpstate) const;
    void read_context(const SigContext& context);
    void check_selectors(const UContext& uc);
    bool read_fp_state(std::uint64_t address);
    void enter_handler(const Process::Delivery& delivery, std::uint64_t frame);
    void settle_interrupted(const KernelSigaction* handler);

    Task& task_;
};

}  // namespace surefoot::inline SF_BUILD::linux_abi
