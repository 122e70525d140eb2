// Identity, limits and attributes of the process.

#include <linux/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <vector>

#include "linux/syscalls/registry.hpp"

namespace surefoot::inline SF_BUILD::linux_abi {

namespace {

SysResult sys_getpid(Task& task, const SyscallArgs&) { return task.process().pid(); }
SysResult sys_gettid(Task& task, const SyscallArgs&) { return task.tid(); }
SysResult sys_getppid(Task&, const SyscallArgs&) { return getppid(); }
SysResult sys_getuid(Task&, const SyscallArgs&) { return getuid(); }
SysResult sys_geteuid(Task&, const SyscallArgs&) { return geteuid(); }
SysResult sys_getgid(Task&, const SyscallArgs&) { return getgid(); }
SysResult sys_getegid(Task&, const SyscallArgs&) { return getegid(); }
SysResult sys_getpgrp(Task&, const SyscallArgs&) { return getpgrp(); }
SysResult sys_getpgid(Task&, const SyscallArgs& args) {
    return host_result(getpgid(args.as_int(0)));
}
SysResult sys_getsid(Task&, const SyscallArgs& args) { return host_result(getsid(args.as_int(0))); }

SysResult put_ids(Task& task, const SyscallArgs& args, const std::array<std::uint32_t, 3>& ids) {
    for (std::size_t i = 0; i < ids.size(); ++i) {
        if (!mm::put_user(task.mm(), args.as_address(i), ids[i])) return -EFAULT;
    }
    return 0;
}
SysResult sys_getresuid(Task& task, const SyscallArgs& args) {
    std::array<std::uint32_t, 3> ids{};
    if (getresuid(&ids[0], &ids[1], &ids[2]) != 0) return -errno;
    return put_ids(task, args, ids);
}
SysResult sys_getresgid(Task& task, const SyscallArgs& args) {
    std::array<std::uint32_t, 3> ids{};
    if (getresgid(&ids[0], &ids[1], &ids[2]) != 0) return -errno;
    return put_ids(task, args, ids);
}

SysResult sys_getgroups(Task& task, const SyscallArgs& args) {
    const int count = getgroups(0, nullptr);
    if (count < 0) return -errno;
    if (args.as_int(0) == 0) return count;
    if (args.as_int(0) < count) return -EINVAL;
    std::vector<gid_t> groups(static_cast<std::size_t>(count));
    if (getgroups(count, groups.data()) < 0) return -errno;
    const auto bytes = std::as_bytes(std::span(groups));
    if (mm::copy_to_user(task.mm(), args.as_address(1), bytes) != bytes.size()) return -EFAULT;
    return count;
}

// arch/x86/include/uapi/asm/prctl.h
constexpr int ARCH_SET_GS = 0x1001;
constexpr int ARCH_SET_FS = 0x1002;
constexpr int ARCH_GET_FS = 0x1003;
constexpr int ARCH_GET_GS = 0x1004;

SysResult set_base(std::uint64_t& base, std::uint64_t value) {
    if (value >= kTaskSizeMax) return -EPERM;
    base = value;
    return 0;
}

SysResult sys_arch_prctl(Task& task, const SyscallArgs& args) {
    switch (args.as_int(0)) {
        case ARCH_SET_GS:
            return set_base(task.regs.gs_base, args[1]);
        case ARCH_SET_FS:
            return set_base(task.regs.fs_base, args[1]);
        case ARCH_GET_FS:
            return to_sys_result(mm::put_user(task.mm(), args.as_address(1), task.regs.fs_base));
        case ARCH_GET_GS:
            return to_sys_result(mm::put_user(task.mm(), args.as_address(1), task.regs.gs_base));
        default:
            return -EINVAL;
    }
}

constexpr std::size_t kNameBytes = 16;

SysResult set_name(Task& task, VirtAddr where) {
    auto name = mm::strncpy_from_user(task.mm(), where, kNameBytes);
    if (name) {
        task.name = *name;
        return 0;
    }
    if (name.error() != Errno::nametoolong) return fail(name.error());
    std::array<char, kNameBytes - 1> head{};
    const auto bytes = std::as_writable_bytes(std::span(head));
    if (mm::copy_from_user(task.mm(), bytes, where) != bytes.size()) return -EFAULT;
    task.name.assign(head.data(), head.size());
    return 0;
}

SysResult get_name(Task& task, VirtAddr where) {
    std::array<char, kNameBytes> name{};
    task.name.copy(name.data(), name.size() - 1);
    return to_sys_result(mm::put_user(task.mm(), where, name));
}

SysResult sys_prctl(Task& task, const SyscallArgs& args) {
    switch (args.as_int(0)) {
        case PR_SET_NAME:
            return set_name(task, args.as_address(1));
        case PR_GET_NAME:
            return get_name(task, args.as_address(1));
        case PR_GET_DUMPABLE:
            return 1;
        // Huge pages are not built: there is nothing to switch off.
        case PR_SET_THP_DISABLE:
            return 0;
        case PR_GET_THP_DISABLE:
            return 0;
        case PR_SET_PDEATHSIG:
            return 0;
        default:
            return -EINVAL;
    }
}

/// The limits that the memory manager keeps; they hold from the next call on.
sync::Atomic<std::uint64_t>* memory_limit(Task& task, int resource) {
    auto& limits = task.mm().limits;
    switch (resource) {
        case RLIMIT_AS:
            return &limits.address_space;
        case RLIMIT_DATA:
            return &limits.data;
        case RLIMIT_STACK:
            return &limits.stack;
        case RLIMIT_MEMLOCK:
            return &limits.memlock;
        default:
            return nullptr;
    }
}

/// RLIMIT_NOFILE and those of memory are the guest's own, the others are the host's.
SysResult get_limit(Task& task, int resource, rlimit& limit) {
    if (getrlimit(static_cast<__rlimit_resource>(resource), &limit) != 0) return -errno;
    if (resource == RLIMIT_NOFILE) limit.rlim_cur = task.process().files().limit();
    if (const auto* mine = memory_limit(task, resource)) {
        limit.rlim_cur = mine->load(sync::Order::relaxed);
    }
    return 0;
}

SysResult set_limit(Task& task, int resource, const rlimit& limit) {
    if (limit.rlim_cur > limit.rlim_max) return -EINVAL;
    rlimit now{};
    if (const SysResult result = get_limit(task, resource, now); result != 0) return result;
    if (limit.rlim_max > now.rlim_max) return -EPERM;
    if (resource == RLIMIT_NOFILE) task.process().files().set_limit(limit.rlim_cur);
    if (resource == RLIMIT_CORE || resource == RLIMIT_NOFILE) return 0;
    if (auto* mine = memory_limit(task, resource)) {
        mine->store(limit.rlim_cur, sync::Order::relaxed);
        return 0;
    }
    if (resource == RLIMIT_FSIZE || resource == RLIMIT_NPROC) {
        return host_result(setrlimit(static_cast<__rlimit_resource>(resource), &limit));
    }
    // The others bound the server.
    return limit.rlim_cur == now.rlim_cur ? 0 : -EPERM;
}

SysResult sys_getrlimit(Task& task, const SyscallArgs& args) {
    rlimit limit{};
    if (const SysResult result = get_limit(task, args.as_int(0), limit); result != 0) return result;
    return to_sys_result(mm::put_user(task.mm(), args.as_address(1), limit));
}
SysResult sys_setrlimit(Task& task, const SyscallArgs& args) {
    const auto limit = mm::get_user<rlimit>(task.mm(), args.as_address(1));
    return limit ? set_limit(task, args.as_int(0), *limit) : -EFAULT;
}
SysResult sys_prlimit64(Task& task, const SyscallArgs& args) {
    const int pid = args.as_int(0);
    if (pid != 0 && pid != task.process().pid()) return -ESRCH;
    rlimit before{};
    if (const SysResult result = get_limit(task, args.as_int(1), before); result != 0) {
        return result;
    }
    if (args[2] != 0) {
        const auto limit = mm::get_user<rlimit>(task.mm(), args.as_address(2));
        if (!limit) return -EFAULT;
        const SysResult result = set_limit(task, args.as_int(1), *limit);
        if (result != 0) return result;
    }
    if (args[3] == 0) return 0;
    return to_sys_result(mm::put_user(task.mm(), args.as_address(3), before));
}

SysResult sys_getrusage(Task& task, const SyscallArgs& args) {
    rusage usage{};
    if (getrusage(static_cast<__rusage_who>(args.as_int(0)), &usage) != 0) return -errno;
    return to_sys_result(mm::put_user(task.mm(), args.as_address(1), usage));
}

constexpr SyscallEntry kTable[] = {
    {SYS_getpid, "getpid", sys_getpid},
    {SYS_gettid, "gettid", sys_gettid},
    {SYS_getppid, "getppid", sys_getppid},
    {SYS_getuid, "getuid", sys_getuid},
    {SYS_geteuid, "geteuid", sys_geteuid},
    {SYS_getgid, "getgid", sys_getgid},
    {SYS_getegid, "getegid", sys_getegid},
    {SYS_getresuid, "getresuid", sys_getresuid},
    {SYS_getresgid, "getresgid", sys_getresgid},
    {SYS_getgroups, "getgroups", sys_getgroups},
    {SYS_getpgrp, "getpgrp", sys_getpgrp},
    {SYS_getpgid, "getpgid", sys_getpgid},
    {SYS_getsid, "getsid", sys_getsid},
    {SYS_arch_prctl, "arch_prctl", sys_arch_prctl},
    {SYS_prctl, "prctl", sys_prctl},
    {SYS_getrlimit, "getrlimit", sys_getrlimit},
    {SYS_setrlimit, "setrlimit", sys_setrlimit},
    {SYS_prlimit64, "prlimit64", sys_prlimit64},
    {SYS_getrusage, "getrusage", sys_getrusage},
};

}  // namespace

std::span<const SyscallEntry> process_syscalls() { return kTable; }

}  // namespace surefoot::inline SF_BUILD::linux_abi
