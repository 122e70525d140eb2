// Reading, writing and descriptors.

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <termios.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <climits>
#include <vector>

#include "linux/files/user_io.hpp"
#include "linux/syscalls/registry.hpp"

namespace surefoot::inline SF_BUILD::linux_abi {

namespace {

SysResult move_one(Task& task, const SyscallArgs& args, Direction direction,
                   std::optional<off_t> offset) {
    const auto file = task.process().files().get(args.as_int(0));
    if (!file) return fail(file.error());
    const UserRange range{args.as_address(1), args[2]};
    return transfer(task, **file, std::span(&range, 1), direction, offset);
}

SysResult move_vector(Task& task, const SyscallArgs& args, Direction direction,
                      std::optional<off_t> offset) {
    const auto file = task.process().files().get(args.as_int(0));
    if (!file) return fail(file.error());
    const std::uint64_t count = args[2];
    if (count > IOV_MAX) return -EINVAL;
    std::vector<iovec> raw(count);
    const auto bytes = std::as_writable_bytes(std::span(raw));
    if (mm::copy_from_user(task.mm(), bytes, args.as_address(1)) != bytes.size()) return -EFAULT;
    std::vector<UserRange> ranges;
    for (const iovec& v : raw) {
        if (static_cast<std::int64_t>(v.iov_len) < 0) return -EINVAL;
        ranges.push_back({VirtAddr(reinterpret_cast<std::uintptr_t>(v.iov_base)), v.iov_len});
    }
    return transfer(task, **file, ranges, direction, offset);
}

/// An offset that preadv and friends accept. @return false: EINVAL
bool is_offset(std::uint64_t raw) { return static_cast<std::int64_t>(raw) >= 0; }

SysResult sys_read(Task& task, const SyscallArgs& args) {
    return move_one(task, args, Direction::read, std::nullopt);
}
SysResult sys_write(Task& task, const SyscallArgs& args) {
    return move_one(task, args, Direction::write, std::nullopt);
}
SysResult sys_pread64(Task& task, const SyscallArgs& args) {
    if (!is_offset(args[3])) return -EINVAL;
    return move_one(task, args, Direction::read, static_cast<off_t>(args[3]));
}
SysResult sys_pwrite64(Task& task, const SyscallArgs& args) {
    if (!is_offset(args[3])) return -EINVAL;
    return move_one(task, args, Direction::write, static_cast<off_t>(args[3]));
}
SysResult sys_readv(Task& task, const SyscallArgs& args) {
    return move_vector(task, args, Direction::read, std::nullopt);
}
SysResult sys_writev(Task& task, const SyscallArgs& args) {
    return move_vector(task, args, Direction::write, std::nullopt);
}
SysResult sys_preadv(Task& task, const SyscallArgs& args) {
    if (!is_offset(args[3])) return -EINVAL;
    return move_vector(task, args, Direction::read, static_cast<off_t>(args[3]));
}
SysResult sys_pwritev(Task& task, const SyscallArgs& args) {
    if (!is_offset(args[3])) return -EINVAL;
    return move_vector(task, args, Direction::write, static_cast<off_t>(args[3]));
}

SysResult sys_lseek(Task& task, const SyscallArgs& args) {
    const auto file = task.process().files().get(args.as_int(0));
    if (!file) return fail(file.error());
    return host_result(lseek((*file)->host_fd(), static_cast<off_t>(args[1]), args.as_int(2)));
}

SysResult sys_close(Task& task, const SyscallArgs& args) {
    return to_sys_result(task.process().files().close(args.as_int(0)));
}

SysResult sys_close_range(Task& task, const SyscallArgs& args) {
    if (args.as_u32(0) > args.as_u32(1) || args.as_u32(2) != 0) return -EINVAL;
    task.process().files().close_range(args.as_u32(0), args.as_u32(1));
    return 0;
}

/// A second host descriptor for the same open file. @return it, or a negative error number
int host_dup(const OpenFile& file) {
    const int fd = fcntl(file.host_fd(), F_DUPFD_CLOEXEC, 3);
    return fd < 0 ? -errno : fd;
}

SysResult duplicate(Task& task, int fd, bool close_on_exec, int from) {
    FdTable& files = task.process().files();
    const auto file = files.get(fd);
    if (!file) return fail(file.error());
    if (from < 0 || static_cast<std::uint64_t>(from) >= files.limit()) return -EINVAL;
    const int host_fd = host_dup(**file);
    if (host_fd < 0) return host_fd;
    return to_sys_result(files.install(host_fd, close_on_exec, from));
}

SysResult duplicate_at(Task& task, int fd, int to, bool close_on_exec) {
    FdTable& files = task.process().files();
    const auto file = files.get(fd);
    if (!file) return fail(file.error());
    if (to < 0 || static_cast<std::uint64_t>(to) >= files.limit()) return -EBADF;
    const int host_fd = host_dup(**file);
    if (host_fd < 0) return host_fd;
    if (const auto done = files.install_at(to, host_fd, close_on_exec); !done) {
        return fail(done.error());
    }
    return to;
}

SysResult sys_dup(Task& task, const SyscallArgs& args) {
    return duplicate(task, args.as_int(0), false, 0);
}
SysResult sys_dup2(Task& task, const SyscallArgs& args) {
    if (args.as_int(0) == args.as_int(1)) {
        const auto file = task.process().files().get(args.as_int(0));
        return file ? args.as_int(0) : fail(file.error());
    }
    return duplicate_at(task, args.as_int(0), args.as_int(1), false);
}
SysResult sys_dup3(Task& task, const SyscallArgs& args) {
    const int flags = args.as_int(2);
    if ((flags & ~O_CLOEXEC) != 0 || args.as_int(0) == args.as_int(1)) return -EINVAL;
    return duplicate_at(task, args.as_int(0), args.as_int(1), (flags & O_CLOEXEC) != 0);
}

SysResult make_pipe(Task& task, VirtAddr result, int flags) {
    std::array<int, 2> host{};
    if (pipe2(host.data(), flags | O_CLOEXEC) != 0) return -errno;
    FdTable& files = task.process().files();
    const bool close_on_exec = (flags & O_CLOEXEC) != 0;
    const auto reader = files.install(host[0], close_on_exec);
    const auto writer = files.install(host[1], close_on_exec);
    SysResult outcome = !reader ? fail(reader.error()) : writer ? 0 : fail(writer.error());
    if (outcome == 0 && !mm::put_user(task.mm(), result, std::array<int, 2>{*reader, *writer})) {
        outcome = -EFAULT;
    }
    if (outcome == 0) return 0;
    for (const auto& fd : {reader, writer}) {
        if (fd) static_cast<void>(files.close(*fd));
    }
    return outcome;
}

SysResult sys_pipe(Task& task, const SyscallArgs& args) {
    return make_pipe(task, args.as_address(0), 0);
}
SysResult sys_pipe2(Task& task, const SyscallArgs& args) {
    const int flags = args.as_int(1);
    if ((flags & ~(O_CLOEXEC | O_NONBLOCK | O_DIRECT)) != 0) return -EINVAL;
    return make_pipe(task, args.as_address(0), flags);
}

SysResult lock_file(Task& task, const OpenFile& file, int command, VirtAddr argument) {
    // Without waiting only: a lock that blocks could not be interrupted. Record locks belong to a
    // process, and the server is the guest's.
    auto lock = mm::get_user<struct flock>(task.mm(), argument);
    if (!lock) return -EFAULT;
    if (const int result = fcntl(file.host_fd(), command, &*lock); result != 0) return -errno;
    if (command == F_GETLK && !mm::put_user(task.mm(), argument, *lock)) return -EFAULT;
    return 0;
}

SysResult sys_fcntl(Task& task, const SyscallArgs& args) {
    FdTable& files = task.process().files();
    const int fd = args.as_int(0);
    const auto file = files.get(fd);
    if (!file) return fail(file.error());
    switch (args.as_int(1)) {
        case F_DUPFD:
            return duplicate(task, fd, false, args.as_int(2));
        case F_DUPFD_CLOEXEC:
            return duplicate(task, fd, true, args.as_int(2));
        case F_GETFD: {
            const auto on = files.close_on_exec(fd);
            return !on ? fail(on.error()) : *on ? FD_CLOEXEC : 0;
        }
        case F_SETFD:
            return to_sys_result(files.set_close_on_exec(fd, args[2] & FD_CLOEXEC));
        case F_GETFL:
        case F_SETFL:
        case F_GETPIPE_SZ:
        case F_SETPIPE_SZ:
        case F_GET_SEALS:
        case F_ADD_SEALS:
            return host_result(fcntl((*file)->host_fd(), args.as_int(1), args[2]));
        case F_GETLK:
        case F_SETLK:
            return lock_file(task, **file, args.as_int(1), args.as_address(2));
        default:
            return -EINVAL;
    }
}

template <class T>
SysResult ioctl_out(Task& task, const OpenFile& file, unsigned long request, VirtAddr to) {
    T value{};
    if (ioctl(file.host_fd(), request, &value) != 0) return -errno;
    return to_sys_result(mm::put_user(task.mm(), to, value));
}

// The kernel's struct termios, which is shorter than the C library's.
using KernelTermios = std::array<std::byte, 36>;

SysResult sys_ioctl(Task& task, const SyscallArgs& args) {
    const auto file = task.process().files().get(args.as_int(0));
    if (!file) return fail(file.error());
    const VirtAddr where = args.as_address(2);
    switch (args[1]) {
        case TCGETS:
            return ioctl_out<KernelTermios>(task, **file, TCGETS, where);
        case TIOCGWINSZ:
            return ioctl_out<winsize>(task, **file, TIOCGWINSZ, where);
        case TIOCGPGRP:
            return ioctl_out<int>(task, **file, TIOCGPGRP, where);
        case FIONREAD:
            return ioctl_out<int>(task, **file, FIONREAD, where);
        case TCSETS:
        case TCSETSW:
        case TCSETSF: {
            auto value = mm::get_user<KernelTermios>(task.mm(), where);
            if (!value) return -EFAULT;
            return host_result(ioctl((*file)->host_fd(), args[1], value->data()));
        }
        default:
            return -ENOTTY;
    }
}

constexpr SyscallEntry kTable[] = {
    {SYS_read, "read", sys_read},
    {SYS_write, "write", sys_write},
    {SYS_readv, "readv", sys_readv},
    {SYS_writev, "writev", sys_writev},
    {SYS_pread64, "pread64", sys_pread64},
    {SYS_pwrite64, "pwrite64", sys_pwrite64},
    {SYS_preadv, "preadv", sys_preadv},
    {SYS_pwritev, "pwritev", sys_pwritev},
    {SYS_lseek, "lseek", sys_lseek},
    {SYS_close, "close", sys_close},
    {SYS_close_range, "close_range", sys_close_range},
    {SYS_dup, "dup", sys_dup},
    {SYS_dup2, "dup2", sys_dup2},
    {SYS_dup3, "dup3", sys_dup3},
    {SYS_pipe, "pipe", sys_pipe},
    {SYS_pipe2, "pipe2", sys_pipe2},
    {SYS_fcntl, "fcntl", sys_fcntl},
    {SYS_ioctl, "ioctl", sys_ioctl},
};

}  // namespace

std::span<const SyscallEntry> io_syscalls() { return kTable; }

}  // namespace surefoot::inline SF_BUILD::linux_abi
