#pragma once

// The mirror back end. Each guest address space lives in a stub process of its own, whose host
// mappings are the TLB: filled on a fault by walking the guest's tables in the arena, emptied by
// shootdowns. Design and proof: docs/mirror.md.

#include <cstdint>
#include <memory>
#include <string>

#include "base/base.hpp"
#include "cpu/backend.hpp"
#include "sync/sync.hpp"

namespace surefoot::inline SF_BUILD::cpu {

struct MirrorOptions {
    enum class Pinning : std::uint8_t {
        none,
        /// A guest thread and the host thread that calls `run` share one CPU, chosen round robin
        /// when the Vcpu is made: a handoff across CPUs costs several times as much.
        pairs,
    };

    /// The arena's memfd; stays open as long as the back end.
    int arena_fd = -1;
    /// At most 256 GiB.
    std::uint64_t arena_bytes = 0;
    /// The zygote's executable. Empty: the environment's SUREFOOT_ZYGOTE, or else where the build
    /// or the installation puts it, relative to this program.
    std::string zygote_path{};
    Pinning pinning = Pinning::pairs;
    /// false: a shootdown goes through the stub even if nothing of the space is running.
    bool lazy = true;
    /// Blank stubs to keep ready.
    std::uint32_t pool = 4;
    /// Pages that one fill of a present entry may map: a power of two, 1 for no fill-around.
    std::uint32_t fill_around = 16;
    /// The same for the fill after a fault was resolved: what the memory manager may populate at
    /// once from the faulting page on.
    std::uint32_t fault_around = 1;
    /// Levels of the page tables, 4 or 5.
    std::uint32_t levels = 4;
    /// Makes the n-th host call fail. Outlives the back end.
    sync::FailPlan* fail = nullptr;
};

/// Starts the zygote and prepares everything but address spaces.
/// Fails: inval for bad options, noent without a zygote, nosys where the host kernel lacks system
/// call dispatch (Linux 5.11), nomem, again, mfile.
Result<std::unique_ptr<CpuBackend>> make_mirror(MirrorOptions options) noexcept;

}  // namespace surefoot::inline SF_BUILD::cpu
