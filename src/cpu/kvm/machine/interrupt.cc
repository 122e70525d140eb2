#include "cpu/kvm/machine/interrupt.hpp"

#include <signal.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

namespace surefoot::inline SF_BUILD::cpu::kvm {

using sync::Order;

namespace {

// The system calls themselves: libc's signal sets are larger than the kernel's, which KVM takes.

int kick_signal() { return SIGRTMAX - 2; }
std::uint64_t kick_bit() { return std::uint64_t{1} << (kick_signal() - 1); }

void change_mask(int how, std::uint64_t mask, std::uint64_t* before) {
    ::syscall(SYS_rt_sigprocmask, how, &mask, before, sizeof mask);
}

}  // namespace

void Interrupter::enter() noexcept {
    change_mask(SIG_BLOCK, kick_bit(), &thread_mask_);
    const std::uint64_t inside = thread_mask_ & ~kick_bit();
    if (inside != kvm_mask_) {
        const int set = sf_kvm_set_signal_mask(processor_.fd(), inside);
        SF_ASSERT(set == 0);
        kvm_mask_ = inside;
    }
    tid_.store(static_cast<int>(::syscall(SYS_gettid)), Order::relaxed);
    // Release: whoever sees `running` sees the thread.
    state_.store(State::running, Order::release);
}

void Interrupter::leave() noexcept {
    for (State seen = State::running;
         !state_.compare_exchange(seen, State::away, Order::acq_rel, Order::relaxed);
         seen = State::running) {
        sync::cpu_relax();
    }
    take_signal();
    if ((thread_mask_ & kick_bit()) == 0) change_mask(SIG_SETMASK, thread_mask_, nullptr);
}

/// A signal that was sent is pending: it must not meet the thread when it is unblocked.
void Interrupter::take_signal() noexcept {
    if (!signalled_.exchange(false, Order::acquire)) return;
    const std::uint64_t set = kick_bit();
    const timespec now{};
    // Signals of this kind queue.
    while (::syscall(SYS_rt_sigtimedwait, &set, nullptr, &now, sizeof set) > 0) {
    }
}

void Interrupter::acknowledge() noexcept {
    // seq_cst: the caller looks for the reasons of requests afterwards, which are stored before
    // the request is.
    processor_.immediate_exit().store(0, Order::seq_cst);
    take_signal();
}

void Interrupter::interrupt() noexcept {
    processor_.immediate_exit().store(1, Order::seq_cst);
    // Acquire: pairs with `enter`. A thread that is signalling already is waited for: what it sent
    // may have been taken before the store above.
    for (State seen = State::running;
         !state_.compare_exchange(seen, State::signalling, Order::acq_rel, Order::relaxed);
         seen = State::running) {
        if (seen == State::away) return;
        sync::cpu_relax();
    }
    ::syscall(SYS_tgkill, ::getpid(), tid_.load(Order::relaxed), kick_signal());
    // Afterwards: whoever sees it finds the signal pending.
    signalled_.store(true, Order::release);
    state_.store(State::running, Order::release);
}

}  // namespace surefoot::inline SF_BUILD::cpu::kvm
