#pragma once

// One program from its name to its exit status: the machine, the back end, the process, the report.

#include <cstdint>
#include <string>
#include <vector>

#include "base/base.hpp"

namespace surefoot::inline SF_BUILD::linux_abi {

struct RunOptions {
    enum class Cpu : std::uint8_t { mirror, kvm };
    Cpu cpu = Cpu::mirror;
    std::uint64_t memory_bytes = 1ULL << 30;
    /// See mm::MmOptions. A power of two, up to kMaxFaultAround.
    static constexpr std::uint32_t kMaxFaultAround = 512;
    std::uint32_t fault_around = 64;

    /// The program (looked up in PATH unless it has a slash) and its arguments.
    std::vector<std::string> command;
    /// K=V, over the environment.
    std::vector<std::string> environment;
    std::string directory;

    bool report = false;
    /// Empty: standard error.
    std::string report_file;
    bool json = false;
    bool maps = false;
    bool smaps = false;
    bool vmstat = false;
    bool verify = false;
    /// No line of our own but for failures of surefoot itself.
    bool quiet = false;
};

/// Runs to the end. Says what went wrong on standard error, one line each.
/// @return the exit status that cli.md promises
int run_program(const RunOptions& options);

/// `surefoot: WHAT: WHY` on standard error.
void print_failure(const std::string& what, const std::string& why);

inline constexpr int kExitFailure = 125;

}  // namespace surefoot::inline SF_BUILD::linux_abi
