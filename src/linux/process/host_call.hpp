#pragma once

// System calls of the host that a signal ends even if it comes just before them: between a look at
// a flag and the call that follows, it would be lost.

#include <csignal>
#include <cstdint>

#include "base/base.hpp"

namespace surefoot::inline SF_BUILD::linux_abi {

/// Makes the call unless the byte at `stop` is not 0. @return what the kernel returns, or -EINTR
long call_unless(const void* stop, long number, long a, long b, long c, long d);

/// In the handler of the signal that ends such calls, after `stop` was set: one that has not been
/// entered yet will not be.
void leave_host_call(void* context);

}  // namespace surefoot::inline SF_BUILD::linux_abi
