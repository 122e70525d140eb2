#pragma once

#include <cstdint>
#include <string_view>

#include "base/base.hpp"

namespace surefoot::inline SF_BUILD::linux_abi {

/// Names of calls that are not offered but that programs are known to try; empty if not known.
std::string_view host_syscall_name(std::uint64_t number);

}  // namespace surefoot::inline SF_BUILD::linux_abi
