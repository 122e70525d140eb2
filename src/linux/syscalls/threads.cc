// Threads and futexes.

#include <linux/futex.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "linux/syscalls/registry.hpp"
#include "linux/syscalls/times.hpp"

namespace surefoot::inline SF_BUILD::linux_abi {

namespace {

constexpr std::uint64_t kThreadFlags = CLONE_VM | CLONE_SIGHAND | CLONE_THREAD | CLONE_FILES;
constexpr std::uint64_t kAcceptedFlags = kThreadFlags | CLONE_FS | CLONE_SYSVSEM | CLONE_SETTLS |
                                         CLONE_PARENT_SETTID | CLONE_CHILD_SETTID |
                                         CLONE_CHILD_CLEARTID | CLONE_DETACHED;

/// Threads only: a new process (fork, vfork) is refused by ENOSYS.
SysResult start_thread(Task& task, const ThreadRequest& request) {
    const std::uint64_t flags = request.flags & ~std::uint64_t{CSIGNAL};
    if ((flags & CLONE_THREAD) && !(flags & CLONE_SIGHAND)) return -EINVAL;
    if ((flags & CLONE_SIGHAND) && !(flags & CLONE_VM)) return -EINVAL;
    if ((flags & kThreadFlags) != kThreadFlags || (flags & ~kAcceptedFlags) != 0) return -ENOSYS;
    return to_sys_result(task.process().clone_thread(task, request));
}

SysResult sys_clone(Task& task, const SyscallArgs& args) {
    return start_thread(task, {.flags = args[0],
                               .stack = args[1],
                               .parent_tid = args.as_address(2),
                               .child_tid = args.as_address(3),
                               .tls = args[4]});
}

SysResult sys_clone3(Task& task, const SyscallArgs& args) {
    const std::uint64_t size = args[1];
    if (size < kCloneArgsVersion0) return -EINVAL;
    if (size > sizeof(CloneArgs)) return -E2BIG;
    CloneArgs given;
    const auto bytes = std::as_writable_bytes(std::span(&given, 1)).first(size);
    if (mm::copy_from_user(task.mm(), bytes, args.as_address(0)) != size) return -EFAULT;
    if ((given.flags & CSIGNAL) || given.exit_signal > kSignals) return -EINVAL;
    if ((given.flags & CLONE_THREAD) && given.exit_signal != 0) return -EINVAL;
    if ((given.stack == 0) != (given.stack_size == 0)) return -EINVAL;
    if (given.set_tid_size != 0) return -ENOSYS;
    return start_thread(task, {.flags = given.flags,
                               .stack = given.stack + given.stack_size,
                               .parent_tid = VirtAddr(given.parent_tid),
                               .child_tid = VirtAddr(given.child_tid),
                               .tls = given.tls});
}

SysResult sys_exit(Task& task, const SyscallArgs& args) {
    task.exit(args.as_int(0) & 0xff);
    return 0;
}
SysResult sys_exit_group(Task& task, const SyscallArgs& args) {
    task.process().exit_group({.code = args.as_int(0) & 0xff});
    return 0;
}

SysResult sys_set_tid_address(Task& task, const SyscallArgs& args) {
    task.clear_child_tid = args.as_address(0);
    return task.tid();
}

SysResult sys_set_robust_list(Task& task, const SyscallArgs& args) {
    if (args[1] != sizeof(RobustListHead)) return -EINVAL;
    task.robust_list = args.as_address(0);
    return 0;
}

/// The deadline of a wait. FUTEX_WAIT gives a length of time, the others a point.
Result<std::optional<Deadline>> futex_deadline(Task& task, VirtAddr where, int operation) {
    if (where == VirtAddr()) return std::optional<Deadline>();
    const auto time = mm::get_user<timespec>(task.mm(), where);
    if (!time) return Errno::fault;
    if (!is_valid_time(*time)) return Errno::inval;
    if ((operation & FUTEX_CMD_MASK) == FUTEX_WAIT) {
        return std::optional<Deadline>(deadline_after(*time));
    }
    return std::optional<Deadline>(
        Deadline{.when = *time, .realtime = (operation & FUTEX_CLOCK_REALTIME) != 0});
}

SysResult futex_wait(Task& task, const SyscallArgs& args, std::uint32_t bitset) {
    if (bitset == 0) return -EINVAL;
    const auto deadline = futex_deadline(task, args.as_address(3), args.as_int(1));
    if (!deadline) return fail(deadline.error());
    const SysResult result =
        task.process().futexes().wait(task, {.address = args.as_address(0),
                                             .shared = !(args[1] & FUTEX_PRIVATE_FLAG),
                                             .expected = args.as_u32(2),
                                             .bitset = bitset,
                                             .deadline = *deadline});
    // A length of time would start anew if the call were repeated.
    const bool relative = *deadline && (args.as_int(1) & FUTEX_CMD_MASK) == FUTEX_WAIT;
    return result == kErestartsys && relative ? -EINTR : result;
}

/// Linux wakes one for "wake 0".
std::uint32_t wake_count(int asked) { return asked <= 0 ? 1 : static_cast<std::uint32_t>(asked); }

SysResult futex_wake(Task& task, const SyscallArgs& args, std::uint32_t bitset) {
    if (bitset == 0) return -EINVAL;
    return task.process().futexes().wake(task.mm(), args.as_address(0),
                                         !(args[1] & FUTEX_PRIVATE_FLAG),
                                         wake_count(args.as_int(2)), bitset);
}

SysResult futex_requeue(Task& task, const SyscallArgs& args, bool compare) {
    if (args.as_int(2) < 0 || args.as_int(3) < 0) return -EINVAL;
    FutexRequeue request{.from = args.as_address(0),
                         .to = args.as_address(4),
                         .shared = !(args[1] & FUTEX_PRIVATE_FLAG),
                         .nr_wake = args.as_u32(2),
                         .nr_requeue = args.as_u32(3),
                         .expected = {}};
    if (compare) request.expected = args.as_u32(5);
    return task.process().futexes().requeue(task.mm(), request);
}

SysResult sys_futex(Task& task, const SyscallArgs& args) {
    if (!args.as_address(0).is_aligned(sizeof(std::uint32_t))) return -EINVAL;
    switch (args.as_int(1) & FUTEX_CMD_MASK) {
        case FUTEX_WAIT:
            return futex_wait(task, args, FUTEX_BITSET_MATCH_ANY);
        case FUTEX_WAIT_BITSET:
            return futex_wait(task, args, args.as_u32(5));
        case FUTEX_WAKE:
            return futex_wake(task, args, FUTEX_BITSET_MATCH_ANY);
        case FUTEX_WAKE_BITSET:
            return futex_wake(task, args, args.as_u32(5));
        case FUTEX_REQUEUE:
            return futex_requeue(task, args, false);
        case FUTEX_CMP_REQUEUE:
            return futex_requeue(task, args, true);
        case FUTEX_WAKE_OP:
            return task.process().futexes().wake_op(task.mm(),
                                                    {.first = args.as_address(0),
                                                     .second = args.as_address(4),
                                                     .shared = !(args[1] & FUTEX_PRIVATE_FLAG),
                                                     .nr_first = wake_count(args.as_int(2)),
                                                     .nr_second = wake_count(args.as_int(3)),
                                                     .operation = args.as_u32(5)});
        default:
            return -ENOSYS;
    }
}

SysResult sys_sched_yield(Task&, const SyscallArgs&) { return host_result(sched_yield()); }

SysResult sys_sched_getaffinity(Task& task, const SyscallArgs& args) {
    const int tid = args.as_int(0);
    if (tid != 0 && !task.process().has_thread(tid)) return -ESRCH;
    // What this server may use as a whole; server threads themselves may be bound to one CPU.
    cpu_set_t set;
    const long bytes = syscall(SYS_sched_getaffinity, getpid(), sizeof set, &set);
    if (bytes < 0) return -errno;
    if (args[1] < static_cast<std::uint64_t>(bytes) || args[1] % 8 != 0) return -EINVAL;
    const auto mask = std::as_bytes(std::span(&set, 1)).first(static_cast<std::size_t>(bytes));
    if (mm::copy_to_user(task.mm(), args.as_address(2), mask) != mask.size()) return -EFAULT;
    return bytes;
}

/// A hint that surefoot's own placement overrules.
SysResult sys_sched_setaffinity(Task& task, const SyscallArgs& args) {
    cpu_set_t allowed;
    const long size = syscall(SYS_sched_getaffinity, getpid(), sizeof allowed, &allowed);
    if (size < 0) return -errno;
    cpu_set_t wanted;
    CPU_ZERO(&wanted);
    const auto bytes = std::as_writable_bytes(std::span(&wanted, 1))
                           .first(std::min(args.as_u32(1), static_cast<std::uint32_t>(size)));
    if (mm::copy_from_user(task.mm(), bytes, args.as_address(2)) != bytes.size()) return -EFAULT;
    const int tid = args.as_int(0);
    if (tid != 0 && !task.process().has_thread(tid)) return -ESRCH;
    CPU_AND(&wanted, &wanted, &allowed);
    return CPU_COUNT(&wanted) == 0 ? -EINVAL : 0;
}

SysResult sys_sched_getscheduler(Task& task, const SyscallArgs& args) {
    const int tid = args.as_int(0);
    return tid != 0 && !task.process().has_thread(tid) ? -ESRCH : SCHED_OTHER;
}

SysResult sys_sched_getparam(Task& task, const SyscallArgs& args) {
    const int tid = args.as_int(0);
    if (tid != 0 && !task.process().has_thread(tid)) return -ESRCH;
    return to_sys_result(mm::put_user(task.mm(), args.as_address(1), sched_param{}));
}

SysResult sys_getcpu(Task& task, const SyscallArgs& args) {
    unsigned cpu = 0;
    unsigned node = 0;
    if (syscall(SYS_getcpu, &cpu, &node, nullptr) != 0) return -errno;
    if (args[0] != 0 && !mm::put_user(task.mm(), args.as_address(0), cpu)) return -EFAULT;
    if (args[1] != 0 && !mm::put_user(task.mm(), args.as_address(1), node)) return -EFAULT;
    return 0;
}

constexpr SyscallEntry kTable[] = {
    {SYS_clone, "clone", sys_clone},
    {SYS_clone3, "clone3", sys_clone3},
    {SYS_exit, "exit", sys_exit},
    {SYS_exit_group, "exit_group", sys_exit_group},
    {SYS_set_tid_address, "set_tid_address", sys_set_tid_address},
    {SYS_set_robust_list, "set_robust_list", sys_set_robust_list},
    {SYS_futex, "futex", sys_futex},
    {SYS_sched_yield, "sched_yield", sys_sched_yield},
    {SYS_sched_getaffinity, "sched_getaffinity", sys_sched_getaffinity},
    {SYS_sched_setaffinity, "sched_setaffinity", sys_sched_setaffinity},
    {SYS_sched_getscheduler, "sched_getscheduler", sys_sched_getscheduler},
    {SYS_sched_getparam, "sched_getparam", sys_sched_getparam},
    {SYS_getcpu, "getcpu", sys_getcpu},
};

}  // namespace

std::span<const SyscallEntry> thread_syscalls() { return kTable; }

}  // namespace surefoot::inline SF_BUILD::linux_abi
