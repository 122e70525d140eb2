// Clocks, sleeping, timers.

#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/times.h>
#include <unistd.h>

#include <cerrno>
#include <ctime>

#include "linux/syscalls/registry.hpp"
#include "linux/syscalls/times.hpp"

namespace surefoot::inline SF_BUILD::linux_abi {

namespace {

SysResult sys_clock_gettime(Task& task, const SyscallArgs& args) {
    timespec now{};
    if (syscall(SYS_clock_gettime, args.as_int(0), &now) != 0) return -errno;
    return to_sys_result(mm::put_user(task.mm(), args.as_address(1), now));
}

SysResult sys_clock_getres(Task& task, const SyscallArgs& args) {
    timespec resolution{};
    if (syscall(SYS_clock_getres, args.as_int(0), &resolution) != 0) return -errno;
    if (args[1] == 0) return 0;
    return to_sys_result(mm::put_user(task.mm(), args.as_address(1), resolution));
}

SysResult sys_gettimeofday(Task& task, const SyscallArgs& args) {
    timeval now{};
    struct timezone zone{};
    if (syscall(SYS_gettimeofday, &now, &zone) != 0) return -errno;
    if (args[0] != 0 && !mm::put_user(task.mm(), args.as_address(0), now)) return -EFAULT;
    if (args[1] != 0 && !mm::put_user(task.mm(), args.as_address(1), zone)) return -EFAULT;
    return 0;
}

SysResult sys_time(Task& task, const SyscallArgs& args) {
    const std::int64_t now = ::time(nullptr);
    if (args[0] != 0 && !mm::put_user(task.mm(), args.as_address(0), now)) return -EFAULT;
    return now;
}

SysResult sys_times(Task& task, const SyscallArgs& args) {
    tms used{};
    const clock_t ticks = ::times(&used);
    if (args[0] != 0 && !mm::put_user(task.mm(), args.as_address(0), used)) return -EFAULT;
    return ticks;
}

/// Sleeps until the deadline. @param left  where the rest goes when a signal interrupts; may be
/// null
SysResult sleep_until_deadline(Task& task, const Deadline& deadline, VirtAddr left) {
    while (!task.must_stop_waiting()) {
        if (!task.park(deadline)) return 0;
    }
    if (left == VirtAddr()) return -EINTR;
    return mm::put_user(task.mm(), left, time_left(deadline)) ? -EINTR : -EFAULT;
}

SysResult sys_nanosleep(Task& task, const SyscallArgs& args) {
    const auto time = mm::get_user<timespec>(task.mm(), args.as_address(0));
    if (!time) return -EFAULT;
    if (!is_valid_time(*time)) return -EINVAL;
    return sleep_until_deadline(task, deadline_after(*time), args.as_address(1));
}

SysResult sys_clock_nanosleep(Task& task, const SyscallArgs& args) {
    const int clock = args.as_int(0);
    const bool realtime = clock == CLOCK_REALTIME || clock == CLOCK_TAI;
    const bool monotonic = clock == CLOCK_MONOTONIC || clock == CLOCK_BOOTTIME;
    if (!realtime && !monotonic) return clock == CLOCK_THREAD_CPUTIME_ID ? -EOPNOTSUPP : -EINVAL;
    const auto time = mm::get_user<timespec>(task.mm(), args.as_address(2));
    if (!time) return -EFAULT;
    if (!is_valid_time(*time)) return -EINVAL;
    if (!(args.as_int(1) & TIMER_ABSTIME)) {
        return sleep_until_deadline(task, deadline_after(*time), args.as_address(3));
    }
    const SysResult result =
        sleep_until_deadline(task, {.when = *time, .realtime = realtime}, VirtAddr());
    return result == -EINTR ? kErestartnohand : result;
}

SysResult sys_alarm(Task&, const SyscallArgs& args) {
    return static_cast<SysResult>(alarm(args.as_u32(0)));
}

/// The real timer is the server's own: its SIGALRM is passed on. Processor time of the guest is not
/// the server's, so the other two are refused.
SysResult sys_setitimer(Task& task, const SyscallArgs& args) {
    if (args.as_int(0) != ITIMER_REAL) return -EINVAL;
    itimerval next{};
    itimerval before{};
    if (args[1] != 0) {
        const auto given = mm::get_user<itimerval>(task.mm(), args.as_address(1));
        if (!given) return -EFAULT;
        next = *given;
    }
    if (setitimer(ITIMER_REAL, &next, &before) != 0) return -errno;
    if (args[2] == 0) return 0;
    return to_sys_result(mm::put_user(task.mm(), args.as_address(2), before));
}

SysResult sys_getitimer(Task& task, const SyscallArgs& args) {
    if (args.as_int(0) != ITIMER_REAL) return -EINVAL;
    itimerval now{};
    if (getitimer(ITIMER_REAL, &now) != 0) return -errno;
    return to_sys_result(mm::put_user(task.mm(), args.as_address(1), now));
}

constexpr SyscallEntry kTable[] = {
    {SYS_clock_gettime, "clock_gettime", sys_clock_gettime},
    {SYS_clock_getres, "clock_getres", sys_clock_getres},
    {SYS_clock_nanosleep, "clock_nanosleep", sys_clock_nanosleep},
    {SYS_nanosleep, "nanosleep", sys_nanosleep},
    {SYS_gettimeofday, "gettimeofday", sys_gettimeofday},
    {SYS_time, "time", sys_time},
    {SYS_times, "times", sys_times},
    {SYS_alarm, "alarm", sys_alarm},
    {SYS_setitimer, "setitimer", sys_setitimer},
    {SYS_getitimer, "getitimer", sys_getitimer},
};

}  // namespace

std::span<const SyscallEntry> time_syscalls() { return kTable; }

}  // namespace surefoot::inline SF_BUILD::linux_abi
