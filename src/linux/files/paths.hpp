#pragma once

// Names of files as a guest gives them, made into what the host is to be asked.

#include <string>

#include "linux/files/fd_table.hpp"
#include "linux/process/task.hpp"

namespace surefoot::inline SF_BUILD::linux_abi {

/// A directory and a name relative to it, for the *at calls of the host.
struct HostPath {
    int directory = 0;
    std::string name;
    /// Keeps `directory` open.
    FilePtr hold;
};

/// Fails with fault, nametoolong or badf.
Result<HostPath> resolve_path(Task& task, int guest_directory, VirtAddr name);

/// The part of `/proc/self/NAME`, `/proc/PID/NAME` or `/proc/thread-self/NAME` after the process,
/// if it is the guest's own; else empty.
std::string own_proc_name(const Process& process, const std::string& path);

/// `/proc/self/fd/N`, `/dev/fd/N`, `/dev/stdin`...: the same with the host's number; other paths
/// as they are. A closed N gives a name that does not exist.
std::string translate_fd_path(Process& process, const std::string& path);

}  // namespace surefoot::inline SF_BUILD::linux_abi
