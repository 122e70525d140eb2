// The half of the signal code that makes signals pending: Process's members for senders and masks.

#include <algorithm>

#include "linux/process/process.hpp"
#include "linux/signals/defaults.hpp"

namespace surefoot::inline SF_BUILD::linux_abi {

bool Process::is_ignored(int signal) const {
    const std::uint64_t handler = actions_[static_cast<std::size_t>(signal)].handler;
    return handler == kSigIgn ||
           (handler == kSigDfl && default_action(signal) == DefaultAction::ignore);
}

bool Process::wants(const Task& task, int signal) const {
    return (task.signals.blocked & sig_bit(signal)) == 0;
}

void Process::update_notice(Task& task) {
    const SigSet pending = task.signals.pending.set() | shared_pending_.set();
    task.set_notice(is_exiting() || (pending & ~task.signals.blocked) != 0);
}

void Process::post(Task& task, const Siginfo& info) {
    // A blocked one stays pending even if ignored: the action may change before it is unblocked.
    if (wants(task, info.signo) && is_ignored(info.signo)) return;
    task.signals.pending.add(info);
    if (!wants(task, info.signo)) return;
    task.set_notice(true);
    task.notify();
}

void Process::send(const Siginfo& info) {
    sync::Guard guard(lock_);
    const auto can_take = [&](const auto& thread) {
        return !thread->finished && wants(*thread->task, info.signo);
    };
    const auto found = std::ranges::find_if(threads_, can_take);
    if (found != threads_.end() && is_ignored(info.signo)) return;
    shared_pending_.add(info);
    if (found == threads_.end()) return;
    (*found)->task->set_notice(true);
    (*found)->task->notify();
}

bool Process::has_to_take(SigSet signals) const {
    sync::Guard guard(lock_);
    const SigSet pending = shared_pending_.set() & signals;
    return is_exiting() || std::ranges::any_of(threads_, [&](const auto& thread) {
               return !thread->finished && (pending & ~thread->task->signals.blocked) != 0;
           });
}

Result<void> Process::send_to(int tid, const Siginfo& info) {
    sync::Guard guard(lock_);
    for (const auto& thread : threads_) {
        if (thread->finished || thread->task->tid() != tid) continue;
        if (info.signo != 0) post(*thread->task, info);
        return {};
    }
    return Errno::srch;
}

void Process::send_to(Task& task, const Siginfo& info) {
    sync::Guard guard(lock_);
    post(task, info);
}

void Process::force(Task& task, const Siginfo& info) {
    sync::Guard guard(lock_);
    const SigSet bit = sig_bit(info.signo);
    KernelSigaction& action = actions_[static_cast<std::size_t>(info.signo)];
    // A fault can't be put off: blocked or ignored means the end.
    if ((task.signals.blocked & bit) != 0 || action.handler == kSigIgn) {
        action.handler = kSigDfl;
        task.signals.blocked &= ~bit;
    }
    task.signals.pending.add(info);
    task.set_notice(true);
}

std::optional<Process::Delivery> Process::dequeue(Task& task) {
    sync::Guard guard(lock_);
    for (;;) {
        const SigSet wanted = ~task.signals.blocked;
        auto info = task.signals.pending.take(wanted);
        if (!info) info = shared_pending_.take(wanted);
        update_notice(task);
        if (!info) return std::nullopt;
        if (is_ignored(info->signo)) continue;
        KernelSigaction& action = actions_[static_cast<std::size_t>(info->signo)];
        const Delivery delivery{*info, action};
        if (action.handler != kSigDfl && (action.flags & kSaResethand)) action.handler = kSigDfl;
        return delivery;
    }
}

KernelSigaction Process::action(int signal) const {
    sync::Guard guard(lock_);
    return actions_[static_cast<std::size_t>(signal)];
}

void Process::set_action(int signal, const KernelSigaction& action) {
    sync::Guard guard(lock_);
    actions_[static_cast<std::size_t>(signal)] = action;
    actions_[static_cast<std::size_t>(signal)].mask &= ~kUnblockable;
    if (!is_ignored(signal)) return;
    shared_pending_.discard(sig_bit(signal));
    for (const auto& thread : threads_)
        thread->task->signals.pending.discard(sig_bit(signal));
}

void Process::set_blocked(Task& task, SigSet blocked) {
    sync::Guard guard(lock_);
    task.signals.blocked = blocked & ~kUnblockable;
    update_notice(task);
}

void Process::suspend_with(Task& task, SigSet blocked) {
    sync::Guard guard(lock_);
    if (!task.signals.saved_blocked) task.signals.saved_blocked = task.signals.blocked;
    task.signals.blocked = blocked & ~kUnblockable;
    update_notice(task);
}

SigSet Process::pending(const Task& task) const {
    sync::Guard guard(lock_);
    return (task.signals.pending.set() | shared_pending_.set()) & task.signals.blocked;
}

std::optional<Siginfo> Process::take_pending(Task& task, SigSet wanted) {
    sync::Guard guard(lock_);
    auto info = task.signals.pending.take(wanted);
    if (!info) info = shared_pending_.take(wanted);
    update_notice(task);
    return info;
}

}  // namespace surefoot::inline SF_BUILD::linux_abi
