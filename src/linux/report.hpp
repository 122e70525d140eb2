#pragma once

// What a run did, as `surefoot run --report` prints it.

#include <cstdint>
#include <string>
#include <vector>

#include "cpu/cpu.hpp"
#include "linux/process/process.hpp"

namespace surefoot::inline SF_BUILD::linux_abi {

struct CallCount {
    std::string name;
    std::uint64_t count = 0;
};

struct RunReport {
    std::vector<std::string> arguments;
    std::string cpu;
    ExitStatus status;
    double seconds = 0;
    unsigned peak_threads = 0;
    MemoryPeaks peaks;
    std::uint64_t rss_bytes_at_exit = 0;
    std::uint64_t table_bytes_at_exit = 0;
    std::uint32_t vmas_at_exit = 0;
    /// Name and value, as in /proc/vmstat.
    std::vector<CallCount> events;
    cpu::BackendCounters cpu_counters;
    /// Most frequent first.
    std::vector<CallCount> calls;
    /// Of these: answered by ENOSYS.
    std::vector<CallCount> refused;
};

/// Everything but the wall time; the process is over and its address space still there.
RunReport make_report(Process& process, const cpu::CpuBackend& backend, const ExitStatus& status);

std::string report_text(const RunReport& report);
std::string report_json(const RunReport& report);
/// --vmstat
std::string vmstat_text(const RunReport& report);

}  // namespace surefoot::inline SF_BUILD::linux_abi
