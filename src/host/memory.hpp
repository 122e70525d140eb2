#pragma once

// The port for the memory that stands behind the frames.

#include <cstddef>
#include <span>

#include "base/base.hpp"

namespace surefoot::inline SF_BUILD::host {

/// Memory for the arena: one contiguous range, whose byte n is physical address n. Sparse: a page
/// that was never written costs nothing. A file descriptor lets other processes map frames.
class BackingMemory {
public:
    virtual ~BackingMemory() = default;

    /// The frames as this process sees them, page-aligned.
    virtual std::span<std::byte> frames() noexcept = 0;
    /// A sparse zeroed range for the frame descriptors; the size was given when it was made.
    virtual std::span<std::byte> descriptors() noexcept = 0;
    /// -1 if the memory can't be mapped elsewhere.
    virtual int file_descriptor() const noexcept = 0;
};

}  // namespace surefoot::inline SF_BUILD::host
