#pragma once

#include "linux/process/task.hpp"

namespace surefoot::inline SF_BUILD::linux_abi {

/// Marks the robust locks that an ending thread holds as left by a dead owner and wakes a waiter of
/// each. A list that makes no sense ends the walk. Linux: exit_robust_list
void exit_robust_list(Task& task);

}  // namespace surefoot::inline SF_BUILD::linux_abi
