#pragma once

// memops inside this process: its operations drive an address space of ours.

#include <string>

#include "memops_port.h"

namespace surefoot::testing {

struct TwinRun {
    int status = 0;
    std::string output;
    /// What check_mm says at the end.
    std::string inconsistency;
};

TwinRun run_twin(const memops_options& options);

}  // namespace surefoot::testing
