// Directories, and the names in them.

#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <vector>

#include "linux/files/paths.hpp"
#include "linux/syscalls/registry.hpp"

namespace surefoot::inline SF_BUILD::linux_abi {

namespace {

SysResult sys_getdents64(Task& task, const SyscallArgs& args) {
    const auto file = task.process().files().get(args.as_int(0));
    if (!file) return fail(file.error());
    constexpr std::uint64_t kMost = 65536;
    std::vector<std::byte> entries(std::min<std::uint64_t>(args.as_u32(2), kMost));
    const off_t before = lseek((*file)->host_fd(), 0, SEEK_CUR);
    const long length = syscall(SYS_getdents64, (*file)->host_fd(), entries.data(), entries.size());
    if (length <= 0) return host_result(length);
    const auto bytes = std::span(entries).first(static_cast<std::size_t>(length));
    if (mm::copy_to_user(task.mm(), args.as_address(1), bytes) == bytes.size()) return length;
    lseek((*file)->host_fd(), before, SEEK_SET);
    return -EFAULT;
}

SysResult sys_getcwd(Task& task, const SyscallArgs& args) {
    std::array<char, PATH_MAX> path{};
    const long length = syscall(SYS_getcwd, path.data(), path.size());
    if (length < 0) return -errno;
    if (static_cast<std::uint64_t>(length) > args[1]) return -ERANGE;
    const auto bytes = std::as_bytes(std::span(path)).first(static_cast<std::size_t>(length));
    if (mm::copy_to_user(task.mm(), args.as_address(0), bytes) != bytes.size()) return -EFAULT;
    return length;
}

SysResult sys_chdir(Task& task, const SyscallArgs& args) {
    const auto path = resolve_path(task, AT_FDCWD, args.as_address(0));
    return path ? host_result(chdir(path->name.c_str())) : fail(path.error());
}

SysResult sys_fchdir(Task& task, const SyscallArgs& args) {
    const auto file = task.process().files().get(args.as_int(0));
    return file ? host_result(fchdir((*file)->host_fd())) : fail(file.error());
}

SysResult mkdir_at(Task& task, int directory, VirtAddr name, mode_t mode) {
    const auto path = resolve_path(task, directory, name, Follow::no);
    if (!path) return fail(path.error());
    return host_result(mkdirat(path->directory, path->name.c_str(), mode));
}
SysResult sys_mkdir(Task& task, const SyscallArgs& args) {
    return mkdir_at(task, AT_FDCWD, args.as_address(0), args.as_u32(1));
}
SysResult sys_mkdirat(Task& task, const SyscallArgs& args) {
    return mkdir_at(task, args.as_int(0), args.as_address(1), args.as_u32(2));
}

SysResult unlink_at(Task& task, int directory, VirtAddr name, int flags) {
    const auto path = resolve_path(task, directory, name, Follow::no);
    if (!path) return fail(path.error());
    return host_result(unlinkat(path->directory, path->name.c_str(), flags));
}
SysResult sys_unlink(Task& task, const SyscallArgs& args) {
    return unlink_at(task, AT_FDCWD, args.as_address(0), 0);
}
SysResult sys_rmdir(Task& task, const SyscallArgs& args) {
    return unlink_at(task, AT_FDCWD, args.as_address(0), AT_REMOVEDIR);
}
SysResult sys_unlinkat(Task& task, const SyscallArgs& args) {
    return unlink_at(task, args.as_int(0), args.as_address(1), args.as_int(2));
}

SysResult rename_at(Task& task, std::array<int, 2> directories, std::array<VirtAddr, 2> names,
                    std::uint32_t flags) {
    const auto from = resolve_path(task, directories[0], names[0], Follow::no);
    if (!from) return fail(from.error());
    const auto to = resolve_path(task, directories[1], names[1], Follow::no);
    if (!to) return fail(to.error());
    return host_result(syscall(SYS_renameat2, from->directory, from->name.c_str(), to->directory,
                               to->name.c_str(), flags));
}
SysResult sys_rename(Task& task, const SyscallArgs& args) {
    return rename_at(task, {AT_FDCWD, AT_FDCWD}, {args.as_address(0), args.as_address(1)}, 0);
}
SysResult sys_renameat(Task& task, const SyscallArgs& args) {
    return rename_at(task, {args.as_int(0), args.as_int(2)},
                     {args.as_address(1), args.as_address(3)}, 0);
}
SysResult sys_renameat2(Task& task, const SyscallArgs& args) {
    return rename_at(task, {args.as_int(0), args.as_int(2)},
                     {args.as_address(1), args.as_address(3)}, args.as_u32(4));
}

SysResult link_at(Task& task, std::array<int, 2> directories, std::array<VirtAddr, 2> names,
                  int flags) {
    const auto from = resolve_path(task, directories[0], names[0],
                                   flags & AT_SYMLINK_FOLLOW ? Follow::yes : Follow::no);
    if (!from) return fail(from.error());
    const auto to = resolve_path(task, directories[1], names[1], Follow::no);
    if (!to) return fail(to.error());
    return host_result(
        linkat(from->directory, from->name.c_str(), to->directory, to->name.c_str(), flags));
}
SysResult sys_link(Task& task, const SyscallArgs& args) {
    return link_at(task, {AT_FDCWD, AT_FDCWD}, {args.as_address(0), args.as_address(1)}, 0);
}
SysResult sys_linkat(Task& task, const SyscallArgs& args) {
    return link_at(task, {args.as_int(0), args.as_int(2)}, {args.as_address(1), args.as_address(3)},
                   args.as_int(4));
}

SysResult symlink_at(Task& task, VirtAddr target, int directory, VirtAddr name) {
    const auto text = mm::strncpy_from_user(task.mm(), target, PATH_MAX);
    if (!text) return fail(text.error());
    const auto path = resolve_path(task, directory, name, Follow::no);
    if (!path) return fail(path.error());
    return host_result(symlinkat(text->c_str(), path->directory, path->name.c_str()));
}
SysResult sys_symlink(Task& task, const SyscallArgs& args) {
    return symlink_at(task, args.as_address(0), AT_FDCWD, args.as_address(1));
}
SysResult sys_symlinkat(Task& task, const SyscallArgs& args) {
    return symlink_at(task, args.as_address(0), args.as_int(1), args.as_address(2));
}

SysResult chmod_at(Task& task, int directory, VirtAddr name, mode_t mode) {
    const auto path = resolve_path(task, directory, name);
    if (!path) return fail(path.error());
    return host_result(fchmodat(path->directory, path->name.c_str(), mode, 0));
}
SysResult sys_chmod(Task& task, const SyscallArgs& args) {
    return chmod_at(task, AT_FDCWD, args.as_address(0), args.as_u32(1));
}
SysResult sys_fchmodat(Task& task, const SyscallArgs& args) {
    return chmod_at(task, args.as_int(0), args.as_address(1), args.as_u32(2));
}
SysResult sys_fchmod(Task& task, const SyscallArgs& args) {
    const auto file = task.process().files().get(args.as_int(0));
    return file ? host_result(fchmod((*file)->host_fd(), args.as_u32(1))) : fail(file.error());
}
SysResult sys_fchown(Task& task, const SyscallArgs& args) {
    const auto file = task.process().files().get(args.as_int(0));
    if (!file) return fail(file.error());
    return host_result(fchown((*file)->host_fd(), args.as_u32(1), args.as_u32(2)));
}

/// utimensat: a null time means now, a null path the descriptor itself.
SysResult sys_utimensat(Task& task, const SyscallArgs& args) {
    std::array<timespec, 2> times{};
    const bool given = args[2] != 0;
    if (given) {
        const auto value = mm::get_user<std::array<timespec, 2>>(task.mm(), args.as_address(2));
        if (!value) return -EFAULT;
        times = *value;
    }
    const timespec* const when = given ? times.data() : nullptr;
    if (args[1] == 0) {
        const auto file = task.process().files().get(args.as_int(0));
        return file ? host_result(futimens((*file)->host_fd(), when)) : fail(file.error());
    }
    const auto path = resolve_path(task, args.as_int(0), args.as_address(1),
                                   args.as_int(3) & AT_SYMLINK_NOFOLLOW ? Follow::no : Follow::yes);
    if (!path) return fail(path.error());
    return host_result(utimensat(path->directory, path->name.c_str(), when, args.as_int(3)));
}

SysResult sys_umask(Task&, const SyscallArgs& args) {
    return static_cast<SysResult>(umask(args.as_u32(0)));
}

constexpr SyscallEntry kTable[] = {
    {SYS_getdents64, "getdents64", sys_getdents64},
    {SYS_getcwd, "getcwd", sys_getcwd},
    {SYS_chdir, "chdir", sys_chdir},
    {SYS_fchdir, "fchdir", sys_fchdir},
    {SYS_mkdir, "mkdir", sys_mkdir},
    {SYS_mkdirat, "mkdirat", sys_mkdirat},
    {SYS_rmdir, "rmdir", sys_rmdir},
    {SYS_unlink, "unlink", sys_unlink},
    {SYS_unlinkat, "unlinkat", sys_unlinkat},
    {SYS_rename, "rename", sys_rename},
    {SYS_renameat, "renameat", sys_renameat},
    {SYS_renameat2, "renameat2", sys_renameat2},
    {SYS_link, "link", sys_link},
    {SYS_linkat, "linkat", sys_linkat},
    {SYS_symlink, "symlink", sys_symlink},
    {SYS_symlinkat, "symlinkat", sys_symlinkat},
    {SYS_chmod, "chmod", sys_chmod},
    {SYS_fchmod, "fchmod", sys_fchmod},
    {SYS_fchmodat, "fchmodat", sys_fchmodat},
    {SYS_fchown, "fchown", sys_fchown},
    {SYS_utimensat, "utimensat", sys_utimensat},
    {SYS_umask, "umask", sys_umask},
};

}  // namespace

std::span<const SyscallEntry> directory_syscalls() { return kTable; }

}  // namespace surefoot::inline SF_BUILD::linux_abi
