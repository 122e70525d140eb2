#pragma once

// memops inside this process: its operations drive an address space of ours.

#include <cstdint>
#include <string>

#include "memops_port.h"

namespace surefoot::testing {

struct TwinRun {
    int status = 0;
    std::string output;
    /// What check_mm says at the end.
    std::string inconsistency;
    /// Pages that faults populated beside the one asked for.
    std::uint64_t pages_around = 0;
};

TwinRun run_twin(const memops_options& options, std::uint32_t fault_around);

}  // namespace surefoot::testing
