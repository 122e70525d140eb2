#include "linux/report.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <string_view>

#include "linux/syscalls/registry.hpp"

namespace surefoot::inline SF_BUILD::linux_abi {

namespace {

constexpr std::size_t kTopCalls = 12;

std::uint64_t event_of(const RunReport& report, std::string_view name) {
    const auto found = std::ranges::find(report.events, name, &CallCount::name);
    return found == report.events.end() ? 0 : found->count;
}

std::string ending(const ExitStatus& status) {
    if (!status.failure.empty()) return "surefoot failed: " + status.failure;
    if (status.out_of_memory) return "killed: out of memory";
    if (status.signal != 0) return fmt::format("killed by signal {}", status.signal);
    return fmt::format("exit status {}", status.code & 0xff);
}

std::string counted(std::uint64_t count, std::string_view what) {
    return fmt::format("{} {}{}", count, what, count == 1 ? "" : "s");
}

std::string kib(std::uint64_t bytes) { return fmt::format("{} KiB", bytes / 1024); }

void collect_calls(const Process& process, RunReport& report) {
    for (std::size_t number = 0; number < kSyscallNumbers; ++number) {
        const std::uint64_t count = process.counts()[number];
        if (count == 0) continue;
        report.calls.push_back({syscall_name(number), count});
        const std::uint64_t refused = process.refused()[number];
        if (refused != 0) report.refused.push_back({syscall_name(number), refused});
    }
    const auto order = [](const CallCount& a, const CallCount& b) {
        return a.count != b.count ? a.count > b.count : a.name < b.name;
    };
    std::ranges::sort(report.calls, order);
    std::ranges::sort(report.refused, order);
}

std::string list(const std::vector<CallCount>& calls, std::size_t most) {
    std::string text;
    for (std::size_t i = 0; i < calls.size() && i < most; ++i) {
        text += fmt::format("{}{} {}", i == 0 ? "" : ", ", calls[i].name, calls[i].count);
    }
    if (calls.size() > most) text += ", " + counted(calls.size() - most, "other");
    return text.empty() ? "none" : text;
}

nlohmann::ordered_json object_of(const std::vector<CallCount>& calls) {
    nlohmann::ordered_json object = nlohmann::ordered_json::object();
    for (const CallCount& call : calls)
        object[call.name] = call.count;
    return object;
}

}  // namespace

RunReport make_report(Process& process, const cpu::CpuBackend& backend, const ExitStatus& status) {
    process.sample_memory();
    const mm::Mm& mm = process.mm();
    RunReport report;
    report.arguments = process.program().arguments;
    report.cpu = backend.name();
    report.status = status;
    report.peak_threads = process.peak_threads();
    report.peaks = process.peaks();
    report.rss_bytes_at_exit = static_cast<std::uint64_t>(mm.rss.total()) * arch::kPageSize;
    report.table_bytes_at_exit = mm.tables.bytes();
    report.vmas_at_exit = mm.vmas.map_count();
    report.cpu_counters = backend.counters();
    for (std::size_t i = 0; i < static_cast<std::size_t>(mm::Event::kCount); ++i) {
        const auto event = static_cast<mm::Event>(i);
        report.events.push_back({mm::name_of(event), mm.system.events.read(event)});
    }
    collect_calls(process, report);
    return report;
}

std::string report_text(const RunReport& report) {
    const auto event = [&](std::string_view name) { return event_of(report, name); };
    const cpu::BackendCounters& cpu = report.cpu_counters;
    std::string text;
    const auto line = [&](std::string_view name, const std::string& value) {
        text += fmt::format("{:<16}{}\n", name, value);
    };
    line("program", fmt::format("{}", fmt::join(report.arguments, " ")));
    line("ended", fmt::format("{}, after {:.3f} s", ending(report.status), report.seconds));
    line("cpu", fmt::format("{}, at most {}", report.cpu, counted(report.peak_threads, "thread")));
    line("faults", fmt::format("{} ({} anonymous, {} zero page, {} file, {} shared memory, "
                               "{} reused, {} spurious)",
                               event("pgfault"), event("fault_anon"), event("fault_zero_page"),
                               event("fault_file"), event("fault_shmem"), event("pgreuse"),
                               event("fault_spurious")));
    line("resident", fmt::format("{} at exit, peak {}", kib(report.rss_bytes_at_exit),
                                 kib(report.peaks.rss_pages * arch::kPageSize)));
    line("page tables", fmt::format("{} at exit, peak {}", kib(report.table_bytes_at_exit),
                                    kib(report.peaks.table_bytes)));
    line("regions", fmt::format("{} at exit, peak {}", report.vmas_at_exit, report.peaks.vmas));
    line("vma locks",
         fmt::format("{} taken, {} aborted, {} retried, {} missed", event("vma_lock_success"),
                     event("vma_lock_abort"), event("vma_lock_retry"), event("vma_lock_miss")));
    line("exits",
         fmt::format("{}, {}, {}, {}", counted(cpu.exits_syscall, "system call"),
                     counted(cpu.exits_fault, "fault"), counted(cpu.exits_exception, "exception"),
                     counted(cpu.exits_kicked, "kick")));
    line("translations", fmt::format("{}, {} ({} lazy, {} active)", counted(cpu.refills, "refill"),
                                     counted(cpu.shootdowns, "shootdown"), cpu.shootdowns_lazy,
                                     cpu.shootdowns - cpu.shootdowns_lazy));
    line("system calls", list(report.calls, kTopCalls));
    line("not offered", list(report.refused, report.refused.size()));
    return text;
}

std::string report_json(const RunReport& report) {
    const cpu::BackendCounters& cpu = report.cpu_counters;
    nlohmann::ordered_json json;
    json["program"] = report.arguments;
    json["cpu"] = report.cpu;
    json["exit"] = {{"status", report.status.shell_status()},
                    {"code", report.status.code & 0xff},
                    {"signal", report.status.signal},
                    {"out_of_memory", report.status.out_of_memory}};
    if (!report.status.failure.empty()) json["exit"]["failure"] = report.status.failure;
    json["seconds"] = report.seconds;
    json["threads_peak"] = report.peak_threads;
    json["memory"] = {{"rss_bytes", report.rss_bytes_at_exit},
                      {"rss_peak_bytes", report.peaks.rss_pages * arch::kPageSize},
                      {"table_bytes", report.table_bytes_at_exit},
                      {"table_peak_bytes", report.peaks.table_bytes},
                      {"vmas", report.vmas_at_exit},
                      {"vmas_peak", report.peaks.vmas}};
    json["events"] = object_of(report.events);
    json["exits"] = {{"syscall", cpu.exits_syscall},
                     {"fault", cpu.exits_fault},
                     {"exception", cpu.exits_exception},
                     {"kicked", cpu.exits_kicked}};
    json["refills"] = cpu.refills;
    json["shootdowns"] = {{"lazy", cpu.shootdowns_lazy},
                          {"active", cpu.shootdowns - cpu.shootdowns_lazy}};
    json["syscalls"] = object_of(report.calls);
    json["syscalls_refused"] = object_of(report.refused);
    // A name that is not UTF-8 must not cost the report.
    return json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

std::string vmstat_text(const RunReport& report) {
    std::string text;
    for (const CallCount& event : report.events) {
        text += fmt::format("{} {}\n", event.name, event.count);
    }
    return text;
}

}  // namespace surefoot::inline SF_BUILD::linux_abi
