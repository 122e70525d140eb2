#pragma once

// The files of /proc/self that a guest must not get from the host, since they would show the
// server. Contents are made when the file is opened, in Linux's own format.

#include <string>

#include "linux/process/process.hpp"

namespace surefoot::inline SF_BUILD::linux_abi {

/// @param name  HostPath::own_proc_name
/// @return a host descriptor with the contents, a negative error number, or -ENOSYS: not one of
/// ours
int open_proc_file(Process& process, const std::string& name, int flags);

/// /proc/PID/maps, smaps.
std::string format_maps(Process& process);
std::string format_smaps(Process& process);

}  // namespace surefoot::inline SF_BUILD::linux_abi
