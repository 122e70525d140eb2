#pragma once

// Getting a host thread out of KVM_RUN, from another thread, without losing a request and without
// a signal handler: the signal is blocked but for the time inside KVM_RUN, which it ends.

#include <cstdint>

#include "cpu/kvm/machine/processor.hpp"

namespace surefoot::inline SF_BUILD::cpu::kvm {

class Interrupter {
public:
    explicit Interrupter(Processor& processor) : processor_(processor) {}
    Interrupter(const Interrupter&) = delete;
    Interrupter& operator=(const Interrupter&) = delete;

    /// The calling thread is the one that runs, until `leave`.
    void enter() noexcept;
    void leave() noexcept;
    /// After KVM_RUN was interrupted: forgets every request so far.
    void acknowledge() noexcept;

    /// Any thread: ends the current KVM_RUN, or else the next one.
    void interrupt() noexcept;

private:
    enum class State : std::uint32_t {
        away,
        running,
        /// Somebody signals the running thread, which must not go away meanwhile.
        signalling,
    };

    void take_signal() noexcept;

    Processor& processor_;
    sync::Atomic<State> state_{State::away};
    sync::Atomic<bool> signalled_{false};
    sync::Atomic<int> tid_{0};
    std::uint64_t thread_mask_ = 0;
    std::uint64_t kvm_mask_ = ~std::uint64_t{0};
};

}  // namespace surefoot::inline SF_BUILD::cpu::kvm
