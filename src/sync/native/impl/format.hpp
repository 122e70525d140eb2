#pragma once

#include "arch/x86_64.hpp"

namespace surefoot::inline SF_BUILD::arch {

/// The entry format of this build.
using Format = X86_64;

}  // namespace surefoot::inline SF_BUILD::arch
