// mlock(2) and its family (protocol 7.6).

#include "mm/accounting.hpp"
#include "mm/operations.hpp"
#include "mm/fault/populate.hpp"

namespace surefoot::inline SF_BUILD::mm {
namespace {

using namespace uapi;
using vma::MmapWriteGuard;
using vma::VmaFlag;

/// Gives `part`, inside `vma`, the lock flags. (mlock_fixup)
Result<void> lock_part(Mm& mm, const MmapWriteGuard& mmap, Vma& vma, VaRange part,
                       VmaFlags lock_flags) {
    const VmaFlags old = vma.flags();
    const VmaFlags flags = old.without(vma::kVmaLockedMask) | lock_flags;
    if (flags == old || old.has_any(vma::kVmaSpecial)) return {};
    auto change = vma::prepare_modify(mmap, vma, part, flags);
    if (!change) return change.error();
    vma::commit(mmap, std::move(*change));
    const auto pages = static_cast<std::int64_t>(part.bytes() >> arch::kPageShift);
    account(mm, old, -pages);
    account(mm, flags, pages);
    return {};
}

/// What lies before a hole has been changed when nomem is returned. (apply_vma_lock_flags)
Result<void> lock_range(Mm& mm, const MmapWriteGuard& mmap, VaRange range, VmaFlags lock_flags) {
    VirtAddr at = range.start;
    while (at < range.end) {
        Vma* vma = mmap.find(at);
        if (vma == nullptr || vma->start() > at) return Errno::nomem;
        const VaRange part{at, vma->end() < range.end ? vma->end() : range.end};
        at = part.end;
        if (const auto locked = lock_part(mm, mmap, *vma, part, lock_flags); !locked) {
            return locked;
        }
    }
    return {};
}

std::uint64_t locked_pages(const MmapWriteGuard& mmap, VaRange range) {
    std::uint64_t pages = 0;
    mmap.for_each(range, [&](const Vma& vma) {
        if (!vma.has(VmaFlag::locked)) return;
        pages += intersect(vma.range(), range).bytes() >> arch::kPageShift;
    });
    return pages;
}

/// POSIX wants other numbers than those of a failed fault. (__mlock_posix_error_return)
Errno posix_error(Errno error) {
    if (error == Errno::fault) return Errno::nomem;
    return error == Errno::nomem ? Errno::again : error;
}

/// The pages of [start, start + length), rounded outwards.
VaRange pages_around(VirtAddr start, std::uint64_t length) {
    const std::uint64_t bytes = page_align(length + start.raw() % arch::kPageSize);
    const VirtAddr first = start.align_down(arch::kPageSize);
    return {first, first + bytes};
}

}  // namespace

Result<void> mlock(Mm& mm, VirtAddr start, std::uint64_t length, std::uint32_t flags) {
    if ((flags & ~MLOCK_ONFAULT) != 0) return Errno::inval;
    if (!may_lock_any(mm)) return Errno::perm;
    const VaRange range = pages_around(start, length);
    VmaFlags lock_flags = VmaFlag::locked;
    if ((flags & MLOCK_ONFAULT) != 0) lock_flags = lock_flags | VmaFlag::lockonfault;
    {
        MmapWriteGuard mmap(mm.vmas);
        const std::uint64_t pages = range.bytes() >> arch::kPageShift;
        if (!may_lock(mm, pages) && !may_lock(mm, pages - locked_pages(mmap, range))) {
            return Errno::nomem;
        }
        // The limit comes first, as in Linux.
        if (range.end < range.start) return Errno::inval;
        if (const auto locked = lock_range(mm, mmap, range, lock_flags); !locked) return locked;
    }
    if ((flags & MLOCK_ONFAULT) != 0) return {};
    if (const auto present = populate(mm, range); !present) return posix_error(present.error());
    return {};
}

Result<void> munlock(Mm& mm, VirtAddr start, std::uint64_t length) {
    const VaRange range = pages_around(start, length);
    if (range.end < range.start) return Errno::inval;
    MmapWriteGuard mmap(mm.vmas);
    return lock_range(mm, mmap, range, {});
}

Result<void> mlockall(Mm& mm, std::uint32_t flags) {
    if (flags == 0 || flags == MCL_ONFAULT) return Errno::inval;
    if ((flags & ~(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT)) != 0) return Errno::inval;
    if (!may_lock_any(mm)) return Errno::perm;
    VmaFlags lock_flags = VmaFlag::locked;
    if ((flags & MCL_ONFAULT) != 0) lock_flags = lock_flags | VmaFlag::lockonfault;
    const VaRange all{VirtAddr(0), mm.options.task_size};
    {
        MmapWriteGuard mmap(mm.vmas);
        const std::uint64_t total = mm.total_vm.load(Order::relaxed);
        if ((flags & MCL_CURRENT) != 0 && !mm.options.may_lock_all &&
            total > mm.limits.memlock.load(Order::relaxed) >> arch::kPageShift) {
            return Errno::nomem;
        }
        mm.def_flags.set((flags & MCL_FUTURE) != 0 ? lock_flags : VmaFlags{});
        if ((flags & MCL_CURRENT) == 0) return {};
        mmap.for_each(all, [&](Vma& vma) {
            // A VMA that can't be changed for lack of memory stays as it is, as in Linux.
            static_cast<void>(lock_part(mm, mmap, vma, vma.range(), lock_flags));
        });
    }
    populate_locked(mm, all);
    return {};
}

Result<void> munlockall(Mm& mm) {
    MmapWriteGuard mmap(mm.vmas);
    mm.def_flags.set({});
    mmap.for_each({VirtAddr(0), mm.options.task_size}, [&](Vma& vma) {
        static_cast<void>(lock_part(mm, mmap, vma, vma.range(), {}));
    });
    return {};
}

}  // namespace surefoot::inline SF_BUILD::mm
