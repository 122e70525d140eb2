// Waiting for files: poll and select in their variants.

#include <poll.h>
#include <sys/select.h>
#include <sys/syscall.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <vector>

#include "linux/syscalls/registry.hpp"
#include "linux/syscalls/times.hpp"

namespace surefoot::inline SF_BUILD::linux_abi {

namespace {

/// Polls host descriptors for guest ones; a closed one answers POLLNVAL, as Linux does.
int poll_guest(Task& task, std::span<pollfd> fds, const std::optional<Deadline>& deadline) {
    std::vector<pollfd> host;
    std::vector<FilePtr> hold;
    std::vector<std::size_t> origin;
    int invalid = 0;
    for (std::size_t i = 0; i < fds.size(); ++i) {
        fds[i].revents = 0;
        if (fds[i].fd < 0) continue;
        auto file = task.process().files().get(fds[i].fd);
        if (!file) {
            fds[i].revents = POLLNVAL;
            ++invalid;
            continue;
        }
        host.push_back({(*file)->host_fd(), fds[i].events, 0});
        hold.push_back(std::move(*file));
        origin.push_back(i);
    }
    const std::optional<Deadline> at_once = deadline_after({});
    const int ready = task.poll_host(host, invalid != 0 ? at_once : deadline);
    if (ready < 0) return ready;
    for (std::size_t i = 0; i < host.size(); ++i)
        fds[origin[i]].revents = host[i].revents;
    return ready + invalid;
}

SysResult poll_user(Task& task, VirtAddr where, std::uint64_t count,
                    const std::optional<Deadline>& deadline) {
    if (count > task.process().files().limit()) return -EINVAL;
    std::vector<pollfd> fds(count);
    const auto bytes = std::as_writable_bytes(std::span(fds));
    if (mm::copy_from_user(task.mm(), bytes, where) != bytes.size()) return -EFAULT;
    const int ready = poll_guest(task, fds, deadline);
    if (ready < 0) return ready == -EINTR ? kErestartnohand : ready;
    if (mm::copy_to_user(task.mm(), where, bytes) != bytes.size()) return -EFAULT;
    return ready;
}

SysResult sys_poll(Task& task, const SyscallArgs& args) {
    std::optional<Deadline> deadline;
    const int milliseconds = args.as_int(2);
    if (milliseconds >= 0) {
        deadline = deadline_after({milliseconds / 1000, milliseconds % 1000 * 1'000'000L});
    }
    return poll_user(task, args.as_address(0), args.as_u32(1), deadline);
}

/// The relative timeout of ppoll and pselect6; null: for ever.
Result<std::optional<Deadline>> read_timeout(Task& task, VirtAddr where) {
    if (where == VirtAddr()) return std::optional<Deadline>();
    const auto time = mm::get_user<timespec>(task.mm(), where);
    if (!time) return Errno::fault;
    if (!is_valid_time(*time)) return Errno::inval;
    return std::optional<Deadline>(deadline_after(*time));
}

/// For the length of the call. Without a signal to act on, the old mask comes back when the call
/// has returned.
Result<void> use_mask(Task& task, VirtAddr where, std::uint64_t size) {
    if (where == VirtAddr()) return {};
    if (size != sizeof(SigSet)) return Errno::inval;
    const auto mask = mm::get_user<SigSet>(task.mm(), where);
    if (!mask) return Errno::fault;
    task.process().suspend_with(task, *mask);
    return {};
}

/// The mask stays only for a call that a signal has interrupted: its handler's frame restores it.
SysResult end_mask(Task& task, SysResult result) {
    if (result == kErestartnohand || !task.signals.saved_blocked) return result;
    const SigSet before = *task.signals.saved_blocked;
    task.signals.saved_blocked.reset();
    task.process().set_blocked(task, before);
    return result;
}

SysResult sys_ppoll(Task& task, const SyscallArgs& args) {
    const auto deadline = read_timeout(task, args.as_address(2));
    if (!deadline) return fail(deadline.error());
    if (const auto masked = use_mask(task, args.as_address(3), args[4]); !masked) {
        return fail(masked.error());
    }
    return end_mask(task, poll_user(task, args.as_address(0), args.as_u32(1), *deadline));
}

// select's three sets, in poll's words.
constexpr std::array<short, 3> kWanted{POLLRDNORM | POLLRDBAND | POLLIN,
                                       POLLWRNORM | POLLWRBAND | POLLOUT, POLLPRI};
constexpr std::array<short, 3> kFound{POLLRDNORM | POLLRDBAND | POLLIN | POLLHUP | POLLERR,
                                      POLLWRNORM | POLLWRBAND | POLLOUT | POLLERR, POLLPRI};
using FdWords = std::vector<std::uint64_t>;

struct Select {
    std::uint32_t count = 0;
    std::array<VirtAddr, 3> where;
    std::array<FdWords, 3> sets;
};

bool is_member(const FdWords& set, std::uint32_t fd) {
    return !set.empty() && ((set[fd / 64] >> (fd % 64)) & 1) != 0;
}

Result<Select> read_sets(Task& task, const SyscallArgs& args) {
    Select select;
    if (args.as_int(0) < 0) return Errno::inval;
    const auto limit = static_cast<std::uint32_t>(task.process().files().limit());
    select.count = std::min(args.as_u32(0), limit);
    for (std::size_t i = 0; i < select.where.size(); ++i) {
        select.where[i] = args.as_address(i + 1);
        if (select.where[i] == VirtAddr()) continue;
        select.sets[i].resize((select.count + 63) / 64);
        const auto bytes = std::as_writable_bytes(std::span(select.sets[i]));
        if (mm::copy_from_user(task.mm(), bytes, select.where[i]) != bytes.size()) {
            return Errno::fault;
        }
    }
    return select;
}

SysResult do_select(Task& task, Select& select, const std::optional<Deadline>& deadline) {
    std::vector<pollfd> fds;
    for (std::uint32_t fd = 0; fd < select.count; ++fd) {
        short events = 0;
        for (std::size_t i = 0; i < kWanted.size(); ++i) {
            if (is_member(select.sets[i], fd)) events = static_cast<short>(events | kWanted[i]);
        }
        if (events != 0) fds.push_back({static_cast<int>(fd), events, 0});
    }
    const int ready = poll_guest(task, fds, deadline);
    if (ready < 0) return ready == -EINTR ? kErestartnohand : ready;
    std::array<FdWords, 3> found;
    for (std::size_t i = 0; i < found.size(); ++i)
        found[i].resize(select.sets[i].size());
    int total = 0;
    for (const pollfd& p : fds) {
        if (p.revents & POLLNVAL) return -EBADF;
        const auto fd = static_cast<std::uint32_t>(p.fd);
        for (std::size_t i = 0; i < found.size(); ++i) {
            if (!(p.revents & kFound[i]) || !is_member(select.sets[i], fd)) continue;
            found[i][fd / 64] |= std::uint64_t{1} << (fd % 64);
            ++total;
        }
    }
    for (std::size_t i = 0; i < found.size(); ++i) {
        if (select.where[i] == VirtAddr()) continue;
        const auto bytes = std::as_bytes(std::span(found[i]));
        if (mm::copy_to_user(task.mm(), select.where[i], bytes) != bytes.size()) return -EFAULT;
    }
    return total;
}

SysResult sys_select(Task& task, const SyscallArgs& args) {
    auto select = read_sets(task, args);
    if (!select) return fail(select.error());
    std::optional<Deadline> deadline;
    if (args[4] != 0) {
        const auto time = mm::get_user<timeval>(task.mm(), args.as_address(4));
        if (!time) return -EFAULT;
        if (time->tv_sec < 0 || time->tv_usec < 0) return -EINVAL;
        deadline = deadline_after(
            {time->tv_sec + time->tv_usec / 1'000'000, time->tv_usec % 1'000'000 * 1000});
    }
    return do_select(task, *select, deadline);
}

SysResult sys_pselect6(Task& task, const SyscallArgs& args) {
    auto select = read_sets(task, args);
    if (!select) return fail(select.error());
    const auto deadline = read_timeout(task, args.as_address(4));
    if (!deadline) return fail(deadline.error());
    if (args[5] != 0) {
        // A pointer to {mask, its size}.
        const auto pair = mm::get_user<std::array<std::uint64_t, 2>>(task.mm(), args.as_address(5));
        if (!pair) return -EFAULT;
        const auto masked = use_mask(task, VirtAddr((*pair)[0]), (*pair)[1]);
        if (!masked) return fail(masked.error());
    }
    return end_mask(task, do_select(task, *select, *deadline));
}

constexpr SyscallEntry kTable[] = {
    {SYS_poll, "poll", sys_poll},
    {SYS_ppoll, "ppoll", sys_ppoll},
    {SYS_select, "select", sys_select},
    {SYS_pselect6, "pselect6", sys_pselect6},
};

}  // namespace

std::span<const SyscallEntry> poll_syscalls() { return kTable; }

}  // namespace surefoot::inline SF_BUILD::linux_abi
