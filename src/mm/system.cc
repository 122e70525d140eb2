#include "mm/system.hpp"

namespace surefoot::inline SF_BUILD::mm {

System::System(phys::FrameAllocator& frame_allocator, sync::FailPlan* plan)
    : frames(frame_allocator), deferred(frame_allocator), vma_caches(plan), fail_plan(plan) {}

System::~System() {
    deferred.drain();
    if (zero_page_) frames.put(zero_page_);
    SF_ASSERT(frames.in_use() == 0);
}

Result<void> System::init() {
    zero_page_ = frames.alloc(phys::Fill::zero);
    if (!zero_page_) return Errno::nomem;
    return {};
}

}  // namespace surefoot::inline SF_BUILD::mm
