#pragma once

#include "sync/sync.hpp"

namespace surefoot::inline SF_BUILD::linux_abi {

using sync::Deadline;

/// Not negative.
timespec time_left(const Deadline& deadline);
/// Now plus `interval`.
Deadline deadline_after(const timespec& interval);

}  // namespace surefoot::inline SF_BUILD::linux_abi
