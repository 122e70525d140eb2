// The machine as a whole.

#include <sys/random.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "linux/syscalls/registry.hpp"

namespace surefoot::inline SF_BUILD::linux_abi {

namespace {

SysResult sys_uname(Task& task, const SyscallArgs& args) {
    utsname name{};
    if (uname(&name) != 0) return -errno;
    return to_sys_result(mm::put_user(task.mm(), args.as_address(0), name));
}

SysResult sys_sysinfo(Task& task, const SyscallArgs& args) {
    struct sysinfo info{};
    if (sysinfo(&info) != 0) return -errno;
    return to_sys_result(mm::put_user(task.mm(), args.as_address(0), info));
}

SysResult sys_getrandom(Task& task, const SyscallArgs& args) {
    constexpr std::uint32_t kKnownFlags = GRND_NONBLOCK | GRND_RANDOM | 4;
    if ((args.as_u32(2) & ~kKnownFlags) != 0) return -EINVAL;
    // Linux fills 256 bytes without looking at signals; more may come back short.
    std::array<std::byte, 256> bytes{};
    std::uint64_t done = 0;
    while (done < args[1]) {
        const auto wanted = std::min<std::uint64_t>(args[1] - done, bytes.size());
        const ssize_t got = getrandom(bytes.data(), wanted, args.as_u32(2));
        if (got < 0) return done != 0 ? static_cast<SysResult>(done) : -errno;
        const auto part = std::span(bytes).first(static_cast<std::size_t>(got));
        const std::size_t copied = mm::copy_to_user(task.mm(), args.as_address(0) + done, part);
        done += copied;
        if (copied != part.size()) return done != 0 ? static_cast<SysResult>(done) : -EFAULT;
    }
    return static_cast<SysResult>(done);
}

SysResult sys_sync(Task&, const SyscallArgs&) {
    ::sync();
    return 0;
}

constexpr SyscallEntry kTable[] = {
    {SYS_uname, "uname", sys_uname},
    {SYS_sysinfo, "sysinfo", sys_sysinfo},
    {SYS_getrandom, "getrandom", sys_getrandom},
    {SYS_sync, "sync", sys_sync},
};

}  // namespace

std::span<const SyscallEntry> system_syscalls() { return kTable; }

}  // namespace surefoot::inline SF_BUILD::linux_abi
