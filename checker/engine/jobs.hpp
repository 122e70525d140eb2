#pragma once

// A search by chance, spread over processes: each has its share of the runs and a seed of its own.

#include "surefoot/checker/engine.h"

namespace surefoot::checker::engine {

/// Throws std::runtime_error when there are no processes to be had.
void run_in_processes(const sfc_program& program, const sfc_options& options, sfc_result& result);

}  // namespace surefoot::checker::engine
