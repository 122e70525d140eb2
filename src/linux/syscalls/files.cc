// Opening files and asking about them.

#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "linux/files/paths.hpp"
#include "linux/files/proc_files.hpp"
#include "linux/syscalls/registry.hpp"

namespace surefoot::inline SF_BUILD::linux_abi {

namespace {

/// What a *at call names: a path, or with AT_EMPTY_PATH a descriptor.
Result<HostPath> resolve_at(Task& task, int directory, VirtAddr name, int flags) {
    auto path =
        resolve_path(task, directory, name, flags & AT_SYMLINK_NOFOLLOW ? Follow::no : Follow::yes);
    if (!path || !path->name.empty() || !(flags & AT_EMPTY_PATH) || directory == AT_FDCWD) {
        return path;
    }
    auto file = task.process().files().get(directory);
    if (!file) return file.error();
    path->hold = std::move(*file);
    path->directory = path->hold->host_fd();
    return path;
}

SysResult open_at(Task& task, int directory, VirtAddr name, int flags, mode_t mode) {
    const bool no_follow =
        (flags & O_NOFOLLOW) || (flags & (O_CREAT | O_EXCL)) == (O_CREAT | O_EXCL);
    const auto path = resolve_path(task, directory, name, no_follow ? Follow::no : Follow::yes);
    if (!path) return fail(path.error());
    int host_fd = open_proc_file(task.process(), path->own_proc_name, flags);
    if (host_fd == -ENOSYS) {
        // A FIFO waits for its other end.
        const auto text = reinterpret_cast<long>(path->name.c_str());
        const long opened =
            task.call_host(SYS_openat, path->directory, text, flags | O_CLOEXEC | O_LARGEFILE, mode);
        if (opened == -EINTR) return kErestartsys;
        host_fd = static_cast<int>(opened);
    }
    if (host_fd < 0) return host_fd;
    return to_sys_result(task.process().files().install(host_fd, (flags & O_CLOEXEC) != 0));
}

SysResult sys_open(Task& task, const SyscallArgs& args) {
    return open_at(task, AT_FDCWD, args.as_address(0), args.as_int(1), args.as_u32(2));
}
SysResult sys_creat(Task& task, const SyscallArgs& args) {
    return open_at(task, AT_FDCWD, args.as_address(0), O_CREAT | O_WRONLY | O_TRUNC,
                   args.as_u32(1));
}
SysResult sys_openat(Task& task, const SyscallArgs& args) {
    return open_at(task, args.as_int(0), args.as_address(1), args.as_int(2), args.as_u32(3));
}

SysResult stat_at(Task& task, int directory, VirtAddr name, VirtAddr result, int flags) {
    const auto path = resolve_at(task, directory, name, flags);
    if (!path) return fail(path.error());
    struct stat status{};
    if (fstatat(path->directory, path->name.c_str(), &status, flags) != 0) return -errno;
    return to_sys_result(mm::put_user(task.mm(), result, status));
}

SysResult sys_stat(Task& task, const SyscallArgs& args) {
    return stat_at(task, AT_FDCWD, args.as_address(0), args.as_address(1), 0);
}
SysResult sys_lstat(Task& task, const SyscallArgs& args) {
    return stat_at(task, AT_FDCWD, args.as_address(0), args.as_address(1), AT_SYMLINK_NOFOLLOW);
}
SysResult sys_newfstatat(Task& task, const SyscallArgs& args) {
    return stat_at(task, args.as_int(0), args.as_address(1), args.as_address(2), args.as_int(3));
}
SysResult sys_fstat(Task& task, const SyscallArgs& args) {
    const auto file = task.process().files().get(args.as_int(0));
    if (!file) return fail(file.error());
    struct stat status{};
    if (fstat((*file)->host_fd(), &status) != 0) return -errno;
    return to_sys_result(mm::put_user(task.mm(), args.as_address(1), status));
}
SysResult sys_statx(Task& task, const SyscallArgs& args) {
    const auto path = resolve_at(task, args.as_int(0), args.as_address(1), args.as_int(2));
    if (!path) return fail(path.error());
    struct statx status{};
    if (statx(path->directory, path->name.c_str(), args.as_int(2), args.as_u32(3), &status) != 0) {
        return -errno;
    }
    return to_sys_result(mm::put_user(task.mm(), args.as_address(4), status));
}

SysResult access_at(Task& task, int directory, VirtAddr name, int mode, int flags) {
    const auto path = resolve_at(task, directory, name, flags);
    if (!path) return fail(path.error());
    return host_result(syscall(SYS_faccessat2, path->directory, path->name.c_str(), mode, flags));
}
SysResult sys_access(Task& task, const SyscallArgs& args) {
    return access_at(task, AT_FDCWD, args.as_address(0), args.as_int(1), 0);
}
SysResult sys_faccessat(Task& task, const SyscallArgs& args) {
    return access_at(task, args.as_int(0), args.as_address(1), args.as_int(2), 0);
}
SysResult sys_faccessat2(Task& task, const SyscallArgs& args) {
    return access_at(task, args.as_int(0), args.as_address(1), args.as_int(2), args.as_int(3));
}

SysResult readlink_at(Task& task, int directory, VirtAddr name, VirtAddr result, int size) {
    const auto path = resolve_at(task, directory, name, AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW);
    if (!path) return fail(path.error());
    if (size <= 0) return -EINVAL;
    std::array<char, PATH_MAX> target{};
    ssize_t length = 0;
    if (path->own_proc_name == "exe") {
        length =
            static_cast<ssize_t>(task.process().program().path.copy(target.data(), target.size()));
    } else {
        length = readlinkat(path->directory, path->name.c_str(), target.data(), target.size());
        if (length < 0) return -errno;
    }
    const auto bytes = std::as_bytes(std::span(target))
                           .first(static_cast<std::size_t>(std::min<ssize_t>(length, size)));
    if (mm::copy_to_user(task.mm(), result, bytes) != bytes.size()) return -EFAULT;
    return static_cast<SysResult>(bytes.size());
}
SysResult sys_readlink(Task& task, const SyscallArgs& args) {
    return readlink_at(task, AT_FDCWD, args.as_address(0), args.as_address(1), args.as_int(2));
}
SysResult sys_readlinkat(Task& task, const SyscallArgs& args) {
    return readlink_at(task, args.as_int(0), args.as_address(1), args.as_address(2),
                       args.as_int(3));
}

SysResult with_file(Task& task, int fd, int (*call)(int)) {
    const auto file = task.process().files().get(fd);
    return file ? host_result(call((*file)->host_fd())) : fail(file.error());
}
SysResult sys_fsync(Task& task, const SyscallArgs& args) {
    return with_file(task, args.as_int(0), fsync);
}
SysResult sys_fdatasync(Task& task, const SyscallArgs& args) {
    return with_file(task, args.as_int(0), fdatasync);
}
/// A length beyond RLIMIT_FSIZE also raises SIGXFSZ.
SysResult resized(Task& task, long result) {
    const SysResult outcome = host_result(result);
    if (outcome == -EFBIG) task.take_raised_signal();
    return outcome;
}
SysResult sys_ftruncate(Task& task, const SyscallArgs& args) {
    const auto file = task.process().files().get(args.as_int(0));
    if (!file) return fail(file.error());
    return resized(task, ftruncate((*file)->host_fd(), static_cast<off_t>(args[1])));
}
SysResult sys_truncate(Task& task, const SyscallArgs& args) {
    const auto path = resolve_path(task, AT_FDCWD, args.as_address(0));
    if (!path) return fail(path.error());
    return resized(task, truncate(path->name.c_str(), static_cast<off_t>(args[1])));
}
SysResult sys_fallocate(Task& task, const SyscallArgs& args) {
    const auto file = task.process().files().get(args.as_int(0));
    if (!file) return fail(file.error());
    return resized(task, fallocate((*file)->host_fd(), args.as_int(1), static_cast<off_t>(args[2]),
                                   static_cast<off_t>(args[3])));
}
SysResult sys_fadvise64(Task& task, const SyscallArgs& args) {
    const auto file = task.process().files().get(args.as_int(0));
    if (!file) return fail(file.error());
    return -posix_fadvise((*file)->host_fd(), static_cast<off_t>(args[1]),
                          static_cast<off_t>(args[2]), args.as_int(3));
}

SysResult sys_statfs(Task& task, const SyscallArgs& args) {
    const auto path = resolve_path(task, AT_FDCWD, args.as_address(0));
    if (!path) return fail(path.error());
    struct statfs status{};
    if (statfs(path->name.c_str(), &status) != 0) return -errno;
    return to_sys_result(mm::put_user(task.mm(), args.as_address(1), status));
}
SysResult sys_fstatfs(Task& task, const SyscallArgs& args) {
    const auto file = task.process().files().get(args.as_int(0));
    if (!file) return fail(file.error());
    struct statfs status{};
    if (fstatfs((*file)->host_fd(), &status) != 0) return -errno;
    return to_sys_result(mm::put_user(task.mm(), args.as_address(1), status));
}

SysResult sys_memfd_create(Task& task, const SyscallArgs& args) {
    const auto name = mm::strncpy_from_user(task.mm(), args.as_address(0), 250);
    if (!name) return name.error() == Errno::nametoolong ? -EINVAL : fail(name.error());
    const auto flags = args.as_u32(1);
    const long fd = syscall(SYS_memfd_create, name->c_str(), flags | 1U);
    if (fd < 0) return -errno;
    return to_sys_result(task.process().files().install(static_cast<int>(fd), (flags & 1U) != 0));
}

constexpr SyscallEntry kTable[] = {
    {SYS_open, "open", sys_open},
    {SYS_creat, "creat", sys_creat},
    {SYS_openat, "openat", sys_openat},
    {SYS_stat, "stat", sys_stat},
    {SYS_lstat, "lstat", sys_lstat},
    {SYS_fstat, "fstat", sys_fstat},
    {SYS_newfstatat, "newfstatat", sys_newfstatat},
    {SYS_statx, "statx", sys_statx},
    {SYS_access, "access", sys_access},
    {SYS_faccessat, "faccessat", sys_faccessat},
    {SYS_faccessat2, "faccessat2", sys_faccessat2},
    {SYS_readlink, "readlink", sys_readlink},
    {SYS_readlinkat, "readlinkat", sys_readlinkat},
    {SYS_fsync, "fsync", sys_fsync},
    {SYS_fdatasync, "fdatasync", sys_fdatasync},
    {SYS_truncate, "truncate", sys_truncate},
    {SYS_ftruncate, "ftruncate", sys_ftruncate},
    {SYS_fallocate, "fallocate", sys_fallocate},
    {SYS_fadvise64, "fadvise64", sys_fadvise64},
    {SYS_statfs, "statfs", sys_statfs},
    {SYS_fstatfs, "fstatfs", sys_fstatfs},
    {SYS_memfd_create, "memfd_create", sys_memfd_create},
};

}  // namespace

std::span<const SyscallEntry> file_syscalls() { return kTable; }

}  // namespace surefoot::inline SF_BUILD::linux_abi
