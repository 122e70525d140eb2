#include <new>

#include "mm/map/layout.hpp"
#include "mm/map/zap.hpp"

namespace surefoot::inline SF_BUILD::mm {

Mm::Mm(System& owner, const MmOptions& wanted)
    : system(owner),
      options(wanted),
      vmas(owner.vma_caches, {.max_map_count = wanted.max_map_count}),
      tables(owner.frames, owner.deferred, wanted.format),
      mmap_base(mmap_base_for(wanted)),
      limits{sync::Atomic(wanted.limits.address_space), sync::Atomic(wanted.limits.data),
             sync::Atomic(wanted.limits.stack), sync::Atomic(wanted.limits.memlock)} {}

Result<MmPtr> Mm::create(System& system, const MmOptions& options) {
    SF_ASSERT(options.task_size <= options.format.end());
    SF_ASSERT(is_power_of_two(options.fault_around));
    if (sync::should_fail(system.fail_plan)) return Errno::nomem;
    MmPtr mm(new (std::nothrow) Mm(system, options));
    if (mm == nullptr) return Errno::nomem;
    if (const auto root = mm->tables.init(); !root) return root.error();
    return mm;
}

void Mm::exit_mmap() noexcept {
    vma::MmapWriteGuard mmap(vmas);
    vma::DetachedVmas detached = vma::detach_all(mmap);
    unmap_detached(*this, std::move(detached), VmaStable(mmap));
}

void MmDeleter::operator()(Mm* mm) const noexcept {
    mm->exit_mmap();
    SF_ASSERT(mm->rss.total() == 0);
    // A look-up under RCU may still compare this space's address.
    sync::rcu_synchronize();
    delete mm;
}

}  // namespace surefoot::inline SF_BUILD::mm
