#include "linux/files/proc_files.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <iterator>
#include <sstream>

namespace surefoot::inline SF_BUILD::linux_abi {

namespace {

using vma::VmaFlag;

constexpr std::uint64_t kKib = 1024;

/// What the last column says of memory without a file.
std::string_view special_name(Process& process, const mm::VmaStats& vma) {
    const VirtAddr heap_start = process.mm().start_brk.get();
    const VirtAddr heap_end = process.mm().brk.get();
    if (vma.range.overlaps({heap_start, heap_end})) return "[heap]";
    if (vma.range.contains(process.program().stack.end - 1)) return "[stack]";
    return {};
}

std::string format_line(Process& process, const mm::VmaStats& vma) {
    const vma::BackingId id = vma.backing != nullptr ? vma.backing->id() : vma::BackingId{};
    std::string line = fmt::format(
        "{:08x}-{:08x} {}{}{}{} {:08x} {:02x}:{:02x} {} ", vma.range.start.raw(),
        vma.range.end.raw(), vma.flags.has(VmaFlag::read) ? 'r' : '-',
        vma.flags.has(VmaFlag::write) ? 'w' : '-', vma.flags.has(VmaFlag::exec) ? 'x' : '-',
        vma.flags.has(VmaFlag::mayshare) ? 's' : 'p',
        vma.backing != nullptr ? vma.pgoff * arch::kPageSize : 0, id.dev_major, id.dev_minor,
        id.inode);
    const std::string_view name =
        vma.backing != nullptr ? vma.backing->name() : special_name(process, vma);
    if (!name.empty()) line = fmt::format("{:<72} {}", line, name);
    return line + "\n";
}

std::string format_flags(vma::VmaFlags flags) {
    struct Letters {
        VmaFlag flag;
        std::string_view letters;
    };
    constexpr Letters kLetters[] = {
        {VmaFlag::read, "rd"},       {VmaFlag::write, "wr"},    {VmaFlag::exec, "ex"},
        {VmaFlag::shared, "sh"},     {VmaFlag::mayread, "mr"},  {VmaFlag::maywrite, "mw"},
        {VmaFlag::mayexec, "me"},    {VmaFlag::mayshare, "ms"}, {VmaFlag::growsdown, "gd"},
        {VmaFlag::locked, "lo"},     {VmaFlag::seq_read, "sr"}, {VmaFlag::rand_read, "rr"},
        {VmaFlag::dontcopy, "dc"},   {VmaFlag::account, "ac"},  {VmaFlag::noreserve, "nr"},
        {VmaFlag::wipeonfork, "wf"}, {VmaFlag::dontdump, "dd"}, {VmaFlag::hugepage, "hg"},
        {VmaFlag::nohugepage, "nh"}, {VmaFlag::mergeable, "mg"}};
    std::string text;
    for (const auto& [flag, letters] : kLetters) {
        if (flags.has(flag)) text += fmt::format("{} ", letters);
    }
    return text;
}

std::string format_smaps_entry(Process& process, const mm::VmaStats& vma) {
    std::string text = format_line(process, vma);
    const auto line = [&](std::string_view name, std::uint64_t bytes) {
        // Linux's widths: the name in 16 columns, the number in 8, "Private_Hugetlb:" runs on.
        text += fmt::format("{:<16}{:>8} kB\n", fmt::format("{}:", name), bytes / kKib);
    };
    line("Size", vma.range.bytes());
    line("KernelPageSize", arch::kPageSize);
    line("MMUPageSize", arch::kPageSize);
    line("Rss", vma.rss);
    // One process: what is shared is shared with the page cache alone.
    line("Pss", vma.rss);
    line("Pss_Dirty", vma.private_dirty + vma.shared_dirty);
    line("Shared_Clean", vma.shared_clean);
    line("Shared_Dirty", vma.shared_dirty);
    line("Private_Clean", vma.private_clean);
    line("Private_Dirty", vma.private_dirty);
    line("Referenced", vma.referenced);
    line("Anonymous", vma.anonymous);
    line("KSM", 0);
    line("LazyFree", 0);
    line("AnonHugePages", 0);
    line("ShmemPmdMapped", 0);
    line("FilePmdMapped", 0);
    line("Shared_Hugetlb", 0);
    line("Private_Hugetlb", 0);
    line("Swap", 0);
    line("SwapPss", 0);
    line("Locked", vma.locked);
    text += fmt::format("THPeligible:    {:>8}\n", 0);
    return text + fmt::format("VmFlags: {}\n", format_flags(vma.flags));
}

/// What Linux shows as the task's name (TASK_COMM_LEN).
std::string program_name(const Process& process) {
    const std::string& path = process.program().path;
    return path.substr(path.rfind('/') + 1).substr(0, 15);
}

std::string format_status(Process& process) {
    const mm::Mm& mm = process.mm();
    const auto kib = [](std::int64_t pages) {
        return static_cast<std::uint64_t>(pages) * arch::kPageSize / kKib;
    };
    const auto in_kib = [](std::uint64_t pages) { return pages * arch::kPageSize / kKib; };
    return fmt::format(
        "Name:\t{}\nUmask:\t0022\nState:\tR (running)\nTgid:\t{}\nNgid:\t0\nPid:\t{}\nPPid:\t{}\n"
        "TracerPid:\t0\nUid:\t{}\t{}\t{}\t{}\nGid:\t{}\t{}\t{}\t{}\nFDSize:\t64\n"
        "VmSize:\t{:>8} kB\nVmLck:\t{:>8} kB\nVmRSS:\t{:>8} kB\nRssAnon:\t{:>8} kB\n"
        "RssFile:\t{:>8} kB\nRssShmem:\t{:>8} kB\nVmData:\t{:>8} kB\nVmStk:\t{:>8} kB\n"
        "Threads:\t{}\n",
        program_name(process), process.pid(), process.pid(), getppid(), getuid(), geteuid(),
        geteuid(), geteuid(), getgid(), getegid(), getegid(), getegid(),
        in_kib(mm.total_vm.load(sync::Order::relaxed)),
        in_kib(mm.locked_vm.load(sync::Order::relaxed)), kib(mm.rss.total()),
        kib(mm.rss.read(mm::RssKind::anon)), kib(mm.rss.read(mm::RssKind::file)),
        kib(mm.rss.read(mm::RssKind::shmem)), in_kib(mm.data_vm.load(sync::Order::relaxed)),
        in_kib(mm.stack_vm.load(sync::Order::relaxed)), process.nr_threads());
}

std::string format_statm(Process& process) {
    const mm::Mm& mm = process.mm();
    return fmt::format("{} {} {} 0 0 {} 0\n", mm.total_vm.load(sync::Order::relaxed),
                       mm.rss.total(),
                       mm.rss.read(mm::RssKind::file) + mm.rss.read(mm::RssKind::shmem),
                       mm.data_vm.load(sync::Order::relaxed));
}

/// The host's line with the guest's name, threads and memory. Addresses are 0, as Linux shows them
/// to those who may not know.
std::string format_stat(Process& process) {
    const mm::Mm& mm = process.mm();
    std::ifstream host("/proc/self/stat");
    std::string line{std::istreambuf_iterator<char>(host), {}};
    std::istringstream fields(line.substr(line.rfind(')') + 1));
    std::string text = fmt::format("{} ({})", process.pid(), program_name(process));
    std::string field;
    // Numbered as in proc(5).
    for (int number = 3; fields >> field; ++number) {
        if (number == 20) field = fmt::format("{}", process.nr_threads());
        if (number == 23) {
            field = fmt::format("{}", mm.total_vm.load(sync::Order::relaxed) * arch::kPageSize);
        }
        if (number == 24) field = fmt::format("{}", mm.rss.total());
        if ((number >= 26 && number <= 30) || (number >= 45 && number <= 51)) field = "0";
        text += " " + field;
    }
    return text + "\n";
}

std::string join_zero(const std::vector<std::string>& strings) {
    std::string text;
    for (const std::string& s : strings)
        text.append(s.c_str(), s.size() + 1);
    return text;
}

/// A snapshot that reads like a file.
int open_text(const std::string& text, int flags) {
    if ((flags & O_ACCMODE) != O_RDONLY) return -EACCES;
    const int writer = memfd_create("proc", MFD_CLOEXEC);
    if (writer < 0) return -errno;
    std::size_t done = 0;
    while (done < text.size()) {
        const ssize_t n = write(writer, text.data() + done, text.size() - done);
        if (n <= 0) break;
        done += static_cast<std::size_t>(n);
    }
    const int reader = open(fmt::format("/proc/self/fd/{}", writer).c_str(), O_RDONLY | O_CLOEXEC);
    const int error = errno;
    ::close(writer);
    return reader < 0 ? -error : reader;
}

}  // namespace

std::string format_maps(Process& process) {
    std::string text;
    mm::for_each_vma(process.mm(), false,
                     [&](const mm::VmaStats& vma) { text += format_line(process, vma); });
    return text;
}

std::string format_smaps(Process& process) {
    std::string text;
    mm::for_each_vma(process.mm(), true,
                     [&](const mm::VmaStats& vma) { text += format_smaps_entry(process, vma); });
    return text;
}

int open_proc_file(Process& process, const std::string& name, int flags) {
    if (name == "maps") return open_text(format_maps(process), flags);
    if (name == "smaps") return open_text(format_smaps(process), flags);
    if (name == "status") return open_text(format_status(process), flags);
    if (name == "stat") return open_text(format_stat(process), flags);
    if (name == "statm") return open_text(format_statm(process), flags);
    if (name == "comm") return open_text(program_name(process) + "\n", flags);
    if (name == "cmdline") return open_text(join_zero(process.program().arguments), flags);
    if (name == "environ") return open_text(join_zero(process.program().environment), flags);
    // They would give the server's memory.
    constexpr std::string_view kRefused[] = {"mem",  "pagemap",   "clear_refs", "smaps_rollup",
                                             "auxv", "numa_maps", "syscall",    "stack"};
    if (std::ranges::find(kRefused, name) != std::end(kRefused)) return -EACCES;
    return name.starts_with("map_files") ? -EACCES : -ENOSYS;
}

}  // namespace surefoot::inline SF_BUILD::linux_abi
