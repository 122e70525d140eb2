#pragma once

// Backing memory of a Linux host: the frames are a memfd, so that stub processes and KVM can map
// them too; both ranges are reserved at once and filled as they are touched.

#include <memory>
#include <span>

#include "host/host.hpp"
#include "sync/sync.hpp"

namespace surefoot::inline SF_BUILD::host {

/// @param frame_bytes       page-aligned
/// @param descriptor_bytes  of the descriptor range
/// @param plan              may be null; each host call counts as one allocation
/// Fails: nomem, mfile, nfile; nothing is left behind.
Result<std::unique_ptr<BackingMemory>> make_memfd_memory(std::uint64_t frame_bytes,
                                                         std::uint64_t descriptor_bytes,
                                                         sync::FailPlan* plan = nullptr) noexcept;

/// Frames that stay the caller's; only the descriptors are made here. Fails: nomem.
/// @param frames  page-aligned and zeroed
/// @param fd      what other processes can map the frames from, or -1; stays the caller's
Result<std::unique_ptr<BackingMemory>> make_borrowed_memory(std::span<std::byte> frames, int fd,
                                                            std::uint64_t descriptor_bytes,
                                                            sync::FailPlan* plan = nullptr) noexcept;

}  // namespace surefoot::inline SF_BUILD::host
