#pragma once

#include "base/base.hpp"

namespace surefoot::inline SF_BUILD::sync {

/// Every access spells its order. An order other than relaxed names its partner at the call.
enum class Order : int { relaxed = 0, acquire = 2, release = 3, acq_rel = 4, seq_cst = 5 };

}  // namespace surefoot::inline SF_BUILD::sync
