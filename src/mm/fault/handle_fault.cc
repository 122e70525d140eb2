// The fault entry: which lock a fault runs under, and stack growth (protocol 4.2).

#include "mm/accounting.hpp"
#include "mm/fault/fault.hpp"

namespace surefoot::inline SF_BUILD::mm {
namespace {

using vma::VmaFlag;

FaultResult result_of(FaultOutcome outcome) {
    switch (outcome) {
        case FaultOutcome::handled:
            return FaultResult::handled;
        case FaultOutcome::bus:
            return FaultResult::bus;
        case FaultOutcome::oom:
            return FaultResult::oom;
        case FaultOutcome::retry:
            break;
    }
    SF_UNREACHABLE("a retry is not a result");
}

void count_vma_lock(Mm& mm, const vma::VmaReadGuard& guard) {
    for (std::uint32_t i = 0; i < guard.misses(); ++i) mm.count(Event::vma_lock_miss);
    mm.count(guard ? Event::vma_lock_success : Event::vma_lock_abort);
}

/// Grows the stack above `va` down to it. The mmap lock can't be upgraded: everything is looked
/// up again under W (T3). (Linux: expand_downwards)
FaultResult grow_stack(Mm& mm, VirtAddr va) {
    vma::MmapWriteGuard mmap(mm.vmas);
    Vma* vma = mmap.find(va);
    if (vma == nullptr) return FaultResult::maperr;
    if (vma->start() <= va) return FaultResult::handled;
    if (!vma->has(VmaFlag::growsdown)) return FaultResult::maperr;
    if (va.raw() < mm.options.mmap_min_addr) return FaultResult::maperr;

    const VaRange range{va.align_down(arch::kPageSize), vma->end()};
    const Vma* below = mmap.find_prev(vma->start());
    const bool accessible_below =
        below != nullptr && below->flags().has_any(vma::kVmaAccess) &&
        !below->has(VmaFlag::growsdown);
    const std::uint64_t gap = mm.vmas.options().stack_guard_gap;
    if (below != nullptr && below->end() > range.start) return FaultResult::maperr;
    if (accessible_below && range.start - below->end() < gap) return FaultResult::maperr;

    if (prepare_anon_vma(mm, *vma, mmap) != FaultOutcome::handled) return FaultResult::oom;
    const std::uint64_t pages = (vma->start() - range.start) >> arch::kPageShift;
    if (range.bytes() > mm.limits.stack.load(Order::relaxed)) return FaultResult::maperr;
    if (!may_expand(mm, vma->flags(), pages)) return FaultResult::maperr;
    if (vma->has(VmaFlag::locked) && !may_lock(mm, pages)) return FaultResult::maperr;

    auto change = vma::prepare_resize(mmap, *vma, range);
    if (!change) return FaultResult::oom;
    const VmaFlags flags = vma->flags();
    vma::commit(mmap, std::move(*change));
    account(mm, flags, static_cast<std::int64_t>(pages));
    mm.count(Event::stack_growth);
    return FaultResult::handled;
}

FaultResult fault_under_mmap(Mm& mm, VirtAddr va, Access access) {
    for (;;) {
        {
            vma::MmapReadGuard mmap(mm.vmas);
            Vma* vma = mmap.find(va);
            if (vma == nullptr) return FaultResult::maperr;
            if (vma->start() <= va) {
                if (!permits(vma->flags(), access)) return FaultResult::accerr;
                return result_of(fault_in_vma({.mm = mm,
                                               .vma = *vma,
                                               .va = va.align_down(arch::kPageSize),
                                               .access = access,
                                               .right = MayInstall(mmap),
                                               .mmap = &mmap}));
            }
            if (!vma->has(VmaFlag::growsdown)) return FaultResult::maperr;
        }
        const FaultResult grown = grow_stack(mm, va);
        if (grown != FaultResult::handled) return grown;
    }
}

FaultResult fault_once(Mm& mm, VirtAddr va, Access access) {
    {
        vma::VmaReadGuard guard(mm.vmas, va);
        count_vma_lock(mm, guard);
        if (guard) {
            if (!permits(guard.vma().flags(), access)) return FaultResult::accerr;
            const FaultOutcome outcome = fault_in_vma({.mm = mm,
                                                       .vma = guard.vma(),
                                                       .va = va.align_down(arch::kPageSize),
                                                       .access = access,
                                                       .right = MayInstall(guard),
                                                       .mmap = nullptr});
            if (outcome != FaultOutcome::retry) return result_of(outcome);
            mm.count(Event::vma_lock_retry);
        }
    }
    return fault_under_mmap(mm, va, access);
}

}  // namespace

FaultResult handle_fault(Mm& mm, VirtAddr va, Access access) {
    mm.count(Event::pgfault);
    if (va >= mm.options.task_size) return FaultResult::maperr;
    const std::uint64_t tables_freed = mm.system.deferred.freed();
    FaultResult result = fault_once(mm, va, access);
    if (result == FaultResult::accerr && access == Access::exec) {
        // x86 brings the page in as for a read, and refuses the fetch when it comes again.
        result = fault_once(mm, va, Access::read);
        if (result == FaultResult::handled) return FaultResult::accerr;
    }
    // The last frames may be tables that wait for their grace period.
    if (result == FaultResult::oom && mm.system.deferred.reclaim(tables_freed)) {
        return fault_once(mm, va, access);
    }
    return result;
}

}  // namespace surefoot::inline SF_BUILD::mm
