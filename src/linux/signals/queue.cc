#include "linux/signals/queue.hpp"

#include <algorithm>
#include <bit>

namespace surefoot::inline SF_BUILD::linux_abi {

namespace {

constexpr SigSet kSynchronous = sig_bit(SIGSEGV) | sig_bit(SIGBUS) | sig_bit(SIGILL) |
                                sig_bit(SIGTRAP) | sig_bit(SIGFPE) | sig_bit(SIGSYS);

}  // namespace

void SignalQueue::add(const Siginfo& info) {
    const SigSet bit = sig_bit(info.signo);
    if (info.signo < kFirstRealtime && (set_ & bit)) return;
    set_ |= bit;
    queue_.push_back(info);
}

std::optional<Siginfo> SignalQueue::take(SigSet wanted) {
    SigSet ready = set_ & wanted;
    if (ready == 0) return std::nullopt;
    if (ready & kSynchronous) ready &= kSynchronous;
    const int signal = std::countr_zero(ready) + 1;
    const auto match = [&](const Siginfo& info) { return info.signo == signal; };
    const auto found = std::ranges::find_if(queue_, match);
    const Siginfo info = *found;
    queue_.erase(found);
    if (std::ranges::none_of(queue_, match)) set_ &= ~sig_bit(signal);
    return info;
}

void SignalQueue::discard(SigSet which) {
    set_ &= ~which;
    std::erase_if(queue_, [&](const Siginfo& info) { return (sig_bit(info.signo) & which) != 0; });
}

}  // namespace surefoot::inline SF_BUILD::linux_abi
