// The address space. The work is in `mm`; here are arguments and files.

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <vector>

#include "linux/files/file_backing.hpp"
#include "linux/syscalls/registry.hpp"

namespace surefoot::inline SF_BUILD::linux_abi {

namespace {

namespace uapi = mm::uapi;

constexpr std::uint64_t kPage = arch::kPageSize;

/// A private mapping of /dev/zero is anonymous memory.
bool is_dev_zero(int host_fd) {
    struct stat status{};
    return fstat(host_fd, &status) == 0 && S_ISCHR(status.st_mode) &&
           status.st_rdev == makedev(1, 5);
}

SysResult map_file(Task& task, mm::MmapRequest request, int fd) {
    const auto file = task.process().files().get(fd);
    if (!file) return fail(file.error());
    if (!(*file)->is_readable()) return -EACCES;
    const std::uint32_t type = request.flags & uapi::MAP_TYPE;
    const bool shared = type == uapi::MAP_SHARED || type == uapi::MAP_SHARED_VALIDATE;
    if (shared && (request.prot & uapi::PROT_WRITE) && !(*file)->is_writable()) return -EACCES;
    if (is_dev_zero((*file)->host_fd())) {
        request.flags |= uapi::MAP_ANONYMOUS;
        request.may_write = (*file)->is_writable();
        return to_sys_result(mm::mmap(task.mm(), request));
    }
    const auto backing = (*file)->backing();
    if (!backing) return fail(backing.error());
    request.backing = *backing;
    const auto mapped = mm::mmap(task.mm(), request);
    (*backing)->put();
    return to_sys_result(mapped);
}

SysResult sys_mmap(Task& task, const SyscallArgs& args) {
    const std::uint64_t offset = args[5];
    if (offset % kPage != 0) return -EINVAL;
    const mm::MmapRequest request{.addr = args.as_address(0),
                                  .length = args[1],
                                  .prot = args.as_u32(2),
                                  .flags = args.as_u32(3),
                                  .backing = nullptr,
                                  .offset = offset};
    if (!(request.flags & uapi::MAP_ANONYMOUS)) return map_file(task, request, args.as_int(4));
    return to_sys_result(mm::mmap(task.mm(), request));
}

SysResult sys_munmap(Task& task, const SyscallArgs& args) {
    task.process().sample_memory();
    return to_sys_result(mm::munmap(task.mm(), args.as_address(0), args[1]));
}
SysResult sys_mprotect(Task& task, const SyscallArgs& args) {
    return to_sys_result(mm::mprotect(task.mm(), args.as_address(0), args[1], args.as_u32(2)));
}
SysResult sys_brk(Task& task, const SyscallArgs& args) {
    task.process().sample_memory();
    return static_cast<SysResult>(mm::brk(task.mm(), args.as_address(0)).raw());
}
SysResult sys_madvise(Task& task, const SyscallArgs& args) {
    task.process().sample_memory();
    return to_sys_result(mm::madvise(task.mm(), args.as_address(0), args[1], args.as_int(2)));
}

SysResult sys_mincore(Task& task, const SyscallArgs& args) {
    const VirtAddr start = args.as_address(0);
    if (!start.is_aligned(kPage)) return -EINVAL;
    if (args[1] > ~std::uint64_t{0} - kPage) return -ENOMEM;
    std::uint64_t pages = align_up(args[1], kPage) / kPage;
    std::array<std::byte, 4096> residency{};
    // Linux reports mapping by mapping: a bad vector is found before a later hole.
    std::size_t room = 1;
    for (std::uint64_t done = 0; done < pages; room = residency.size()) {
        const auto part = std::span(residency).first(
            static_cast<std::size_t>(std::min<std::uint64_t>(pages - done, room)));
        const auto asked = mm::mincore(task.mm(), start + done * kPage, part.size() * kPage, part);
        if (!asked) return fail(asked.error());
        if (mm::copy_to_user(task.mm(), args.as_address(2) + done, part) != part.size()) {
            return -EFAULT;
        }
        done += part.size();
    }
    return 0;
}

SysResult sys_mremap(Task& task, const SyscallArgs& args) {
    task.process().sample_memory();
    const mm::MremapRequest request{.addr = args.as_address(0),
                                    .old_length = args[1],
                                    .new_length = args[2],
                                    .flags = args.as_u32(3),
                                    .new_addr = args.as_address(4)};
    return to_sys_result(mm::mremap(task.mm(), request));
}

SysResult sys_mlock(Task& task, const SyscallArgs& args) {
    return to_sys_result(mm::mlock(task.mm(), args.as_address(0), args[1], 0));
}
SysResult sys_mlock2(Task& task, const SyscallArgs& args) {
    return to_sys_result(mm::mlock(task.mm(), args.as_address(0), args[1], args.as_u32(2)));
}
SysResult sys_munlock(Task& task, const SyscallArgs& args) {
    return to_sys_result(mm::munlock(task.mm(), args.as_address(0), args[1]));
}
SysResult sys_mlockall(Task& task, const SyscallArgs& args) {
    return to_sys_result(mm::mlockall(task.mm(), args.as_u32(0)));
}
SysResult sys_munlockall(Task& task, const SyscallArgs&) {
    return to_sys_result(mm::munlockall(task.mm()));
}

/// Nothing is ever dirty against a file: only private mappings of files exist. What is left is the
/// check of the arguments.
SysResult sys_msync(Task& task, const SyscallArgs& args) {
    constexpr std::uint32_t kAsync = 1;
    constexpr std::uint32_t kInvalidate = 2;
    constexpr std::uint32_t kSync = 4;
    const std::uint32_t flags = args.as_u32(2);
    const VirtAddr start = args.as_address(0);
    if ((flags & ~(kAsync | kInvalidate | kSync)) != 0 || !start.is_aligned(kPage)) return -EINVAL;
    if ((flags & kAsync) && (flags & kSync)) return -EINVAL;
    const VirtAddr end = start + align_up(args[1], kPage);
    if (end < start) return -ENOMEM;
    VirtAddr covered = start;
    bool locked = false;
    mm::for_each_vma(task.mm(), false, [&](const mm::VmaStats& vma) {
        if (!vma.range.overlaps({start, end})) return;
        if (vma.range.contains(covered)) covered = vma.range.end;
        locked |= vma.flags.has(vma::VmaFlag::locked);
    });
    if (locked && (flags & kInvalidate)) return -EBUSY;
    return covered < end ? -ENOMEM : 0;
}

constexpr SyscallEntry kTable[] = {
    {SYS_mmap, "mmap", sys_mmap},
    {SYS_munmap, "munmap", sys_munmap},
    {SYS_mprotect, "mprotect", sys_mprotect},
    {SYS_mremap, "mremap", sys_mremap},
    {SYS_brk, "brk", sys_brk},
    {SYS_madvise, "madvise", sys_madvise},
    {SYS_mincore, "mincore", sys_mincore},
    {SYS_mlock, "mlock", sys_mlock},
    {SYS_mlock2, "mlock2", sys_mlock2},
    {SYS_munlock, "munlock", sys_munlock},
    {SYS_mlockall, "mlockall", sys_mlockall},
    {SYS_munlockall, "munlockall", sys_munlockall},
    {SYS_msync, "msync", sys_msync},
};

}  // namespace

std::span<const SyscallEntry> memory_syscalls() { return kTable; }

}  // namespace surefoot::inline SF_BUILD::linux_abi
