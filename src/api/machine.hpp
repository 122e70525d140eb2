#pragma once

// A machine: memory, allocators and the features, put together. What address spaces share.

#include <memory>

#include "host/host.hpp"
#include "mm/mm.hpp"
#include "pagecache/pagecache.hpp"
#include "phys/phys.hpp"

namespace surefoot::inline SF_BUILD::api {

struct MachineOptions {
    /// Bytes of the arena, rounded down to whole pages.
    std::uint64_t memory_bytes = 1ULL << 30;
    /// Null, or that many zeroed bytes of the caller's, page-aligned, which outlive the machine.
    std::byte* memory = nullptr;
    /// With `memory`: a descriptor from which it can be mapped, or -1.
    int memory_fd = -1;
    /// Makes the n-th allocation of any kind fail; outlives the machine.
    sync::FailPlan* fail_plan = nullptr;
};

class Machine {
public:
    /// The smallest arena that is of any use.
    static constexpr std::uint64_t kMinMemory = 16 * arch::kPageSize;
    /// A frame number has 32 bits, one of which means "none".
    static constexpr std::uint64_t kMaxMemory = static_cast<std::uint64_t>(Pfn::none().raw() - 1)
                                                << arch::kPageShift;

    /// Fails: inval for too little, too much or misaligned memory, nomem, mfile.
    static Result<std::unique_ptr<Machine>> create(const MachineOptions& options) noexcept;
    /// Every address space is gone; asserts that every frame, table and object is back.
    ~Machine() = default;
    Machine(const Machine&) = delete;
    Machine& operator=(const Machine&) = delete;

    mm::System& system() { return system_; }
    phys::FrameAllocator& frames() { return frames_; }
    /// For a back end that maps the arena elsewhere.
    int arena_fd() const { return memory_->file_descriptor(); }
    std::byte* arena_base() const { return memory_->frames().data(); }
    std::uint64_t arena_bytes() const { return memory_->frames().size(); }

private:
    Machine(std::unique_ptr<host::BackingMemory> memory, const MachineOptions& options);

    std::unique_ptr<host::BackingMemory> memory_;
    phys::Arena arena_;
    phys::FrameAllocator frames_;
    mm::System system_;
    pagecache::ShmemProvider shmem_;
};

}  // namespace surefoot::inline SF_BUILD::api
