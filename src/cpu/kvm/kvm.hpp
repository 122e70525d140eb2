#pragma once

// The KVM back end: the processor (or KVM's shadow MMU) walks the guest's tables in the arena
// itself. The arena is guest-physical memory from address 0, so that entries mean what they say.

#include <cstddef>
#include <memory>
#include <span>

#include "base/base.hpp"
#include "cpu/backend.hpp"
#include "sync/sync.hpp"

namespace surefoot::inline SF_BUILD::cpu {

struct KvmOptions {
    /// The arena as this process sees it, page-aligned; stays mapped as long as the back end.
    std::span<std::byte> arena{};
    /// Levels of the page tables: 4.
    std::uint32_t levels = 4;
    /// Makes the n-th host call fail. Outlives the back end.
    sync::FailPlan* fail = nullptr;
};

/// Opens /dev/kvm, makes a virtual machine and finds out what flushes its translations.
///
/// The last entry of the root table of every space belongs to the back end from `create_space` (or
/// `set_root`) on; guests use the lower half only. It is cleared when the space ends. A host
/// thread that calls `run` has the signal SIGRTMAX - 2 blocked meanwhile; nothing is to be done
/// with this signal elsewhere.
///
/// Fails: nodev without /dev/kvm, acces without the right to open it, opnotsupp for a KVM that
/// lacks what is needed and for 5 levels, inval for bad options, nomem, mfile.
Result<std::unique_ptr<CpuBackend>> make_kvm(const KvmOptions& options) noexcept;

}  // namespace surefoot::inline SF_BUILD::cpu
