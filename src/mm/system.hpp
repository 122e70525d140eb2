#pragma once

// What all address spaces of one machine share: frames, object caches, the zero page, counters.

#include "mm/events.hpp"
#include "pgtable/pgtable.hpp"
#include "phys/phys.hpp"
#include "vma/vma.hpp"

namespace surefoot::inline SF_BUILD::mm {

/// Makes the objects behind MAP_SHARED | MAP_ANONYMOUS; `pagecache` implements it.
class SharedMemory {
public:
    virtual ~SharedMemory() = default;
    /// An object of `bytes` zero bytes with one reference, the caller's. Fails: nomem.
    virtual Result<vma::Backing*> create(std::uint64_t bytes) = 0;
};

class System {
public:
    /// @param frames   outlives the system
    /// @param plan     may be null; makes the n-th allocation of any kind fail
    System(phys::FrameAllocator& frames, sync::FailPlan* plan);
    /// Every address space is gone. Waits for grace periods; every frame is back but the zero
    /// page, which goes here.
    ~System();
    System(const System&) = delete;
    System& operator=(const System&) = delete;

    /// Allocates the zero page. Fails: nomem.
    Result<void> init();

    phys::FrameAllocator& frames;
    pgtable::DeferredTables deferred;
    vma::VmaCaches vma_caches;
    Events events;
    sync::FailPlan* const fail_plan;
    /// Null: MAP_SHARED | MAP_ANONYMOUS is ENODEV.
    SharedMemory* shared_memory = nullptr;

    Pfn zero_page() const { return zero_page_; }
    phys::Arena& arena() const { return frames.arena(); }

private:
    Pfn zero_page_ = Pfn::none();
};

}  // namespace surefoot::inline SF_BUILD::mm
