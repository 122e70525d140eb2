// Signals.

#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>

#include "linux/signals/deliver.hpp"
#include "linux/signals/frame.hpp"
#include "linux/syscalls/registry.hpp"
#include "linux/syscalls/times.hpp"

namespace surefoot::inline SF_BUILD::linux_abi {

namespace {

bool is_signal(int signal) { return signal >= 1 && signal <= kSignals; }

SysResult sys_rt_sigaction(Task& task, const SyscallArgs& args) {
    const int signal = args.as_int(0);
    if (args[3] != sizeof(SigSet) || !is_signal(signal)) return -EINVAL;
    KernelSigaction next;
    if (args[1] != 0) {
        const auto given = mm::get_user<KernelSigaction>(task.mm(), args.as_address(1));
        if (!given) return -EFAULT;
        if (sig_bit(signal) & kUnblockable) return -EINVAL;
        next = *given;
    }
    const KernelSigaction before = task.process().action(signal);
    if (args[1] != 0) task.process().set_action(signal, next);
    if (args[2] == 0) return 0;
    return to_sys_result(mm::put_user(task.mm(), args.as_address(2), before));
}

SysResult sys_rt_sigprocmask(Task& task, const SyscallArgs& args) {
    if (args[3] != sizeof(SigSet)) return -EINVAL;
    const SigSet before = task.signals.blocked;
    if (args[1] != 0) {
        const auto given = mm::get_user<SigSet>(task.mm(), args.as_address(1));
        if (!given) return -EFAULT;
        SigSet next = *given;
        switch (args.as_int(0)) {
            case SIG_BLOCK:
                next = before | *given;
                break;
            case SIG_UNBLOCK:
                next = before & ~*given;
                break;
            case SIG_SETMASK:
                break;
            default:
                return -EINVAL;
        }
        task.process().set_blocked(task, next);
    }
    if (args[2] == 0) return 0;
    return to_sys_result(mm::put_user(task.mm(), args.as_address(2), before));
}

SysResult sys_sigaltstack(Task& task, const SyscallArgs& args) {
    StackT& stack = task.signals.stack;
    StackT before = stack;
    const bool on_it = is_on_stack(task.regs.rsp, stack);
    if (stack.size == 0) {
        before.flags = SS_DISABLE;
    } else if (on_it) {
        before.flags |= SS_ONSTACK;
    }
    if (args[0] != 0) {
        const auto given = mm::get_user<StackT>(task.mm(), args.as_address(0));
        if (!given) return -EFAULT;
        const auto flags = static_cast<std::uint32_t>(given->flags);
        const std::uint32_t mode = flags & ~kSsAutodisarm;
        if (on_it) return -EPERM;
        if (mode != SS_DISABLE && mode != SS_ONSTACK && mode != 0) return -EINVAL;
        if (mode == SS_DISABLE) {
            stack = StackT{};
        } else {
            if (given->size < kMinSigStack) return -ENOMEM;
            stack = *given;
            stack.flags = static_cast<std::int32_t>(flags & kSsAutodisarm);
        }
    }
    if (args[1] == 0) return 0;
    return to_sys_result(mm::put_user(task.mm(), args.as_address(1), before));
}

SysResult sys_rt_sigreturn(Task& task, const SyscallArgs&) {
    SignalDelivery(task).sigreturn();
    return 0;
}

SysResult sys_rt_sigpending(Task& task, const SyscallArgs& args) {
    if (args[1] > sizeof(SigSet)) return -EINVAL;
    const SigSet pending = task.process().pending(task);
    const auto bytes = std::as_bytes(std::span(&pending, 1)).first(args[1]);
    return mm::copy_to_user(task.mm(), args.as_address(0), bytes) == bytes.size() ? 0 : -EFAULT;
}

SysResult wait_for_notice(Task& task) {
    while (!task.must_stop_waiting())
        task.park(std::nullopt);
    return kErestartnohand;
}

SysResult sys_rt_sigsuspend(Task& task, const SyscallArgs& args) {
    if (args[1] != sizeof(SigSet)) return -EINVAL;
    const auto mask = mm::get_user<SigSet>(task.mm(), args.as_address(0));
    if (!mask) return -EFAULT;
    task.process().suspend_with(task, *mask);
    return wait_for_notice(task);
}

SysResult sys_pause(Task& task, const SyscallArgs&) { return wait_for_notice(task); }

SysResult sys_rt_sigtimedwait(Task& task, const SyscallArgs& args) {
    if (args[3] != sizeof(SigSet)) return -EINVAL;
    const auto wanted = mm::get_user<SigSet>(task.mm(), args.as_address(0));
    if (!wanted) return -EFAULT;
    std::optional<Deadline> deadline;
    if (args[2] != 0) {
        const auto time = mm::get_user<timespec>(task.mm(), args.as_address(2));
        if (!time) return -EFAULT;
        if (!is_valid_time(*time)) return -EINVAL;
        deadline = deadline_after(*time);
    }
    // As in Linux, the awaited signals are unblocked while the thread sleeps, so that they wake it.
    const SigSet before = task.signals.blocked;
    bool in_time = true;
    for (;;) {
        const auto info = task.process().take_pending(task, *wanted & ~kUnblockable);
        if (info) {
            task.process().set_blocked(task, before);
            if (args[1] != 0 && !mm::put_user(task.mm(), args.as_address(1), *info)) {
                return -EFAULT;
            }
            return info->signo;
        }
        if (!in_time || task.must_stop_waiting()) break;
        task.process().set_blocked(task, before & ~*wanted);
        if (!task.must_stop_waiting()) in_time = task.park(deadline);
    }
    task.process().set_blocked(task, before);
    return in_time ? -EINTR : -EAGAIN;
}

Siginfo from_user(Task& task, int signal, int code) {
    Siginfo info;
    info.signo = signal;
    info.code = code;
    info.u.sender = {task.process().pid(), getuid(), 0};
    return info;
}

/// Signals of the guest to itself; other processes are the host's.
SysResult sys_kill(Task& task, const SyscallArgs& args) {
    const int pid = args.as_int(0);
    const int signal = args.as_int(1);
    if (signal < 0 || signal > kSignals) return -EINVAL;
    const bool own = pid == task.process().pid() || pid == 0 || pid == -1;
    if (!own) return host_result(kill(pid, signal));
    if (signal != 0) task.process().send(from_user(task, signal, SI_USER));
    return 0;
}

SysResult send_to_thread(Task& task, int tid, int signal) {
    if (tid <= 0 || signal < 0 || signal > kSignals) return -EINVAL;
    return to_sys_result(task.process().send_to(tid, from_user(task, signal, SI_TKILL)));
}
SysResult sys_tkill(Task& task, const SyscallArgs& args) {
    return send_to_thread(task, args.as_int(0), args.as_int(1));
}
SysResult sys_tgkill(Task& task, const SyscallArgs& args) {
    if (args.as_int(0) <= 0) return -EINVAL;
    if (args.as_int(0) != task.process().pid()) return -ESRCH;
    return send_to_thread(task, args.as_int(1), args.as_int(2));
}

/// rt_sigqueueinfo and its thread variant, to the own process.
SysResult queue_info(Task& task, int signal, VirtAddr where, std::optional<int> tid) {
    auto info = mm::get_user<Siginfo>(task.mm(), where);
    if (!info) return -EFAULT;
    if (signal < 0 || signal > kSignals) return -EINVAL;
    info->signo = signal;
    if (tid) return to_sys_result(task.process().send_to(*tid, *info));
    if (signal != 0) task.process().send(*info);
    return 0;
}
SysResult sys_rt_sigqueueinfo(Task& task, const SyscallArgs& args) {
    if (args.as_int(0) != task.process().pid()) return -EPERM;
    return queue_info(task, args.as_int(1), args.as_address(2), std::nullopt);
}
SysResult sys_rt_tgsigqueueinfo(Task& task, const SyscallArgs& args) {
    if (args.as_int(0) != task.process().pid()) return -ESRCH;
    return queue_info(task, args.as_int(2), args.as_address(3), args.as_int(1));
}

constexpr SyscallEntry kTable[] = {
    {SYS_rt_sigaction, "rt_sigaction", sys_rt_sigaction},
    {SYS_rt_sigprocmask, "rt_sigprocmask", sys_rt_sigprocmask},
    {SYS_rt_sigreturn, "rt_sigreturn", sys_rt_sigreturn},
    {SYS_rt_sigpending, "rt_sigpending", sys_rt_sigpending},
    {SYS_rt_sigsuspend, "rt_sigsuspend", sys_rt_sigsuspend},
    {SYS_rt_sigtimedwait, "rt_sigtimedwait", sys_rt_sigtimedwait},
    {SYS_rt_sigqueueinfo, "rt_sigqueueinfo", sys_rt_sigqueueinfo},
    {SYS_rt_tgsigqueueinfo, "rt_tgsigqueueinfo", sys_rt_tgsigqueueinfo},
    {SYS_sigaltstack, "sigaltstack", sys_sigaltstack},
    {SYS_pause, "pause", sys_pause},
    {SYS_kill, "kill", sys_kill},
    {SYS_tkill, "tkill", sys_tkill},
    {SYS_tgkill, "tgkill", sys_tgkill},
};

}  // namespace

std::span<const SyscallEntry> signal_syscalls() { return kTable; }

}  // namespace surefoot::inline SF_BUILD::linux_abi
