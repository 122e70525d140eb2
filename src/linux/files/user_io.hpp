#pragma once

// Reads and writes of host files straight into and out of the frames of guest memory.

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <span>

#include "linux/files/fd_table.hpp"
#include "linux/process/task.hpp"

namespace surefoot::inline SF_BUILD::linux_abi {

/// A piece of guest memory.
struct UserRange {
    VirtAddr start;
    std::uint64_t length = 0;
};

enum class Direction : std::uint8_t { read, write };

/// One read(2) or write(2) with its variants. A call that waits is interrupted by signals.
/// @param offset  none: the file's own position
/// @return bytes moved, a negative error number, or kErestartsys
SysResult transfer(Task& task, const OpenFile& file, std::span<const UserRange> ranges,
                   Direction direction, std::optional<off_t> offset);

}  // namespace surefoot::inline SF_BUILD::linux_abi
