#include "mm/fault/populate.hpp"

#include "mm/fault/fault.hpp"

namespace surefoot::inline SF_BUILD::mm {
namespace {

using vma::VmaFlag;

/// mlock and MAP_POPULATE write to private writable memory, so that a later write copies nothing.
Access populate_access(VmaFlags flags) {
    const bool copies = flags.has(VmaFlag::write) && !flags.has(VmaFlag::shared);
    return copies ? Access::write : Access::read;
}

bool is_populated(const Mm& mm, VirtAddr va, Access access, VmaStable right) {
    const auto pmd = pgtable::find_pmd(mm.tables, va, right);
    if (!pmd) return false;
    const pgtable::PteMapRcu map(mm.tables, *pmd, right);
    return map && entry_permits(map.load(va), access);
}

/// Until the page is there: each attempt may lose a race.
Result<void> fault_until_present(const Fault& fault) {
    while (!is_populated(fault.mm, fault.va, fault.access, fault.right)) {
        switch (fault_in_vma(fault)) {
            case FaultOutcome::handled:
                break;
            case FaultOutcome::oom:
                return Errno::nomem;
            case FaultOutcome::bus:
                return Errno::fault;
            case FaultOutcome::retry:
                SF_UNREACHABLE("the mmap lock is held");
        }
    }
    return {};
}

struct Choice {
    Access access = Access::read;
    /// The page stays as it is.
    bool skip = false;
};

/// @param choose  VmaFlags -> Result<Choice>; decides or refuses
template <class Choose>
Result<void> populate_page(Mm& mm, VirtAddr va, Choose& choose) {
    vma::MmapReadGuard mmap(mm.vmas);
    Vma* vma = mmap.lookup(va);
    if (vma == nullptr) return Errno::nomem;
    const Result<Choice> choice = choose(vma->flags());
    if (!choice) return choice.error();
    if (choice->skip) return {};
    return fault_until_present({.mm = mm,
                                .vma = *vma,
                                .va = va,
                                .access = choice->access,
                                .right = MayInstall(mmap),
                                .mmap = &mmap});
}

/// One page a hold of the mmap lock: writers are not kept waiting for the whole range.
template <class Choose>
Result<void> populate_pages(Mm& mm, VaRange range, Choose&& choose) {
    for (VirtAddr va = range.start; va < range.end; va += arch::kPageSize) {
        const std::uint64_t tables_freed = mm.system.deferred.freed();
        Result<void> done = populate_page(mm, va, choose);
        // The last frames may be tables that wait for their grace period.
        if (!done && done.error() == Errno::nomem && mm.system.deferred.reclaim(tables_freed)) {
            done = populate_page(mm, va, choose);
        }
        if (!done) return done;
    }
    return {};
}

}  // namespace

Result<void> populate(Mm& mm, VaRange range) {
    return populate_pages(mm, range, [](VmaFlags flags) -> Result<Choice> {
        if (flags.has(VmaFlag::lockonfault)) return Choice{.skip = true};
        if (!flags.has_any(vma::kVmaAccess)) return Errno::fault;
        return Choice{.access = populate_access(flags)};
    });
}

void populate_ignoring_errors(Mm& mm, VaRange range) {
    // An error shows when the program touches the page.
    static_cast<void>(populate(mm, range));
}

void populate_locked(Mm& mm, VaRange range) {
    VirtAddr at = range.start;
    while (at < range.end) {
        VaRange part;
        bool wanted = false;
        {
            vma::MmapReadGuard mmap(mm.vmas);
            const Vma* vma = mmap.find(at);
            if (vma == nullptr) return;
            part = intersect(vma->range(), range);
            wanted = vma->has(VmaFlag::locked) && !vma->has(VmaFlag::lockonfault);
        }
        if (wanted) populate_ignoring_errors(mm, part);
        at = part.end;
    }
}

void populate_writable(Mm& mm, const vma::MmapWriteGuard& mmap, Vma& vma, VaRange range) {
    for (VirtAddr va = range.start; va < range.end; va += arch::kPageSize) {
        const auto present = fault_until_present({.mm = mm,
                                                  .vma = vma,
                                                  .va = va,
                                                  .access = Access::write,
                                                  .right = MayInstall(mmap),
                                                  .mmap = &mmap});
        if (!present) return;
    }
}

Result<void> populate_for(Mm& mm, VaRange range, Access access) {
    return populate_pages(mm, range, [access](VmaFlags flags) -> Result<Choice> {
        const VmaFlag needed = access == Access::write ? VmaFlag::write : VmaFlag::read;
        if (!flags.has(needed)) return Errno::inval;
        return Choice{.access = access};
    });
}

}  // namespace surefoot::inline SF_BUILD::mm
