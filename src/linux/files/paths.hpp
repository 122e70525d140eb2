#pragma once

// Names of files as a guest gives them, made into what the host is to be asked.

#include <string>

#include "linux/files/fd_table.hpp"
#include "linux/process/task.hpp"

namespace surefoot::inline SF_BUILD::linux_abi {

/// Whether a call follows the symbolic link that its name ends in.
enum class Follow : bool { no, yes };

/// A directory and a name relative to it, for the *at calls of the host.
struct HostPath {
    int directory = 0;
    std::string name;
    /// Keeps `directory` open.
    FilePtr hold;
    /// What the name is below the process's own folder of /proc ("maps", "fd/3"); else empty. The
    /// host's file of that name is the server's.
    std::string own_proc_name;
};

/// Knows the guest's own files of /proc by what the host resolves the name to, however it is spelt:
/// through a descriptor, the current directory or symbolic links. `fd/N` gets the host's number
/// (a closed N a name that does not exist), `exe` the program's path.
/// Fails with fault, nametoolong or badf.
Result<HostPath> resolve_path(Task& task, int guest_directory, VirtAddr name,
                              Follow follow = Follow::yes);

}  // namespace surefoot::inline SF_BUILD::linux_abi
