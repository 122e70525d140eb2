#pragma once

#include "surefoot/checker/engine.h"

namespace surefoot::checker::engine::weak {

/// Explores every execution of the model `weak`, each once, and fills in `result`.
void explore(const sfc_program& program, const sfc_options& options, sfc_result& result);

}  // namespace surefoot::checker::engine::weak
