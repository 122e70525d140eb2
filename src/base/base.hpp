#pragma once

// Layer 0: strong types and helpers with no threads and no state.

#include "base/fixed_vector.hpp"
#include "base/macros.hpp"
#include "base/result.hpp"
#include "base/types.hpp"
