// madvise(2) (protocol 4.19, 7.5). Advice that needs a feature which is not built yet (KSM, huge
// pages, lazy freeing, hole punching, guard markers) is EINVAL, as on a kernel without it.

#include <optional>

#include "mm/accounting.hpp"
#include "mm/operations.hpp"
#include "mm/fault/populate.hpp"
#include "mm/map/zap.hpp"

namespace surefoot::inline SF_BUILD::mm {
namespace {

using namespace uapi;
using vma::VmaFlag;

/// What an advice does, which decides the lock it runs under.
enum class Kind : std::uint8_t { flags, zap, hint, populate };

std::optional<Kind> kind_of(int advice) {
    switch (advice) {
        case MADV_NORMAL:
        case MADV_RANDOM:
        case MADV_SEQUENTIAL:
        case MADV_DONTFORK:
        case MADV_DOFORK:
        case MADV_DONTDUMP:
        case MADV_DODUMP:
        case MADV_WIPEONFORK:
        case MADV_KEEPONFORK:
        case MADV_HUGEPAGE:
        case MADV_NOHUGEPAGE:
            return Kind::flags;
        case MADV_DONTNEED:
        case MADV_DONTNEED_LOCKED:
            return Kind::zap;
        case MADV_WILLNEED:
        case MADV_COLD:
        case MADV_PAGEOUT:
            return Kind::hint;
        case MADV_POPULATE_READ:
        case MADV_POPULATE_WRITE:
            return Kind::populate;
        default:
            return std::nullopt;
    }
}

/// The flags of `vma` after the advice. Fails: inval where the advice does not apply.
Result<VmaFlags> advised_flags(const Vma& vma, int advice) {
    const VmaFlags flags = vma.flags();
    const VmaFlags reads = VmaFlag::rand_read | VmaFlag::seq_read;
    switch (advice) {
        case MADV_NORMAL:
            return flags.without(reads);
        case MADV_RANDOM:
            return flags.without(reads) | VmaFlag::rand_read;
        case MADV_SEQUENTIAL:
            return flags.without(reads) | VmaFlag::seq_read;
        case MADV_DONTFORK:
            return flags | VmaFlag::dontcopy;
        case MADV_DOFORK:
            return flags.without(VmaFlag::dontcopy);
        case MADV_DONTDUMP:
            return flags | VmaFlag::dontdump;
        case MADV_DODUMP:
            return flags.without(VmaFlag::dontdump);
        case MADV_WIPEONFORK:
            if (!vma.is_anonymous() || flags.has(VmaFlag::shared)) return Errno::inval;
            return flags | VmaFlag::wipeonfork;
        case MADV_KEEPONFORK:
            return flags.without(VmaFlag::wipeonfork);
        case MADV_HUGEPAGE:
            return flags.without(VmaFlag::nohugepage) | VmaFlag::hugepage;
        case MADV_NOHUGEPAGE:
            return flags.without(VmaFlag::hugepage) | VmaFlag::nohugepage;
        default:
            return Errno::inval;
    }
}

/// Calls `apply(Vma&, VaRange)` for each VMA's part of the range. A hole is passed over and
/// reported at the end; another error ends the walk.
template <class Apply>
Result<void> walk_vmas(const vma::MmapHeld& mmap, VaRange range, Apply&& apply) {
    bool hole = false;
    VirtAddr at = range.start;
    while (at < range.end) {
        Vma* vma = mmap.find(at);
        if (vma == nullptr || vma->start() >= range.end) return Errno::nomem;
        if (vma->start() > at) {
            hole = true;
            at = vma->start();
        }
        const VaRange part{at, vma->end() < range.end ? vma->end() : range.end};
        at = part.end;
        if (const auto done = apply(*vma, part); !done) return done;
    }
    if (hole) return Errno::nomem;
    return {};
}

Result<void> advise_flags(Mm& mm, VaRange range, int advice) {
    vma::MmapWriteGuard mmap(mm.vmas);
    return walk_vmas(mmap, range, [&](Vma& vma, VaRange part) -> Result<void> {
        const auto flags = advised_flags(vma, advice);
        if (!flags) return flags.error();
        if (*flags == vma.flags()) return {};
        auto change = vma::prepare_modify(mmap, vma, part, *flags);
        // Linux reports a lack of kernel memory here as "try again".
        if (!change) return Errno::again;
        vma::commit(mmap, std::move(*change));
        return {};
    });
}

Result<void> may_zap(const Vma& vma, int advice) {
    VmaFlags forbidden = VmaFlag::pfnmap;
    if (advice == MADV_DONTNEED) forbidden = forbidden | VmaFlag::locked;
    if (vma.flags().has_any(forbidden)) return Errno::inval;
    return {};
}

Result<void> zap_part(Mm& mm, const Vma& vma, VaRange part, int advice, VmaStable right) {
    if (const auto allowed = may_zap(vma, advice); !allowed) return allowed;
    pgtable::Gather gather(mm.tables);
    zap_range(mm, gather, vma, part, TableReclaim::yes, right);
    gather.finish();
    return {};
}

/// DONTNEED runs under the VMA lock if one VMA holds the whole range, else under mmap R.
Result<void> advise_zap(Mm& mm, VaRange range, int advice) {
    {
        vma::VmaReadGuard guard(mm.vmas, range.start);
        if (guard && range.end <= guard.vma().end()) {
            return zap_part(mm, guard.vma(), range, advice, VmaStable(guard));
        }
    }
    vma::MmapReadGuard mmap(mm.vmas);
    return walk_vmas(mmap, range, [&](Vma& vma, VaRange part) {
        return zap_part(mm, vma, part, advice, VmaStable(mmap));
    });
}

/// Nothing is to be done without swap and page cache, but the checks are Linux's.
Result<void> advise_hint(Mm& mm, VaRange range, int advice) {
    vma::MmapReadGuard mmap(mm.vmas);
    return walk_vmas(mmap, range, [&](Vma& vma, VaRange) -> Result<void> {
        const VmaFlags unmovable = VmaFlag::locked | VmaFlag::pfnmap | VmaFlag::hugetlb;
        if (advice != MADV_WILLNEED && vma.flags().has_any(unmovable)) return Errno::inval;
        return {};
    });
}

}  // namespace

Result<void> madvise(Mm& mm, VirtAddr start, std::uint64_t length, int advice) {
    const auto kind = kind_of(advice);
    if (!kind) return Errno::inval;
    if (!start.is_aligned(arch::kPageSize)) return Errno::inval;
    const std::uint64_t bytes = page_align(length);
    if (length != 0 && bytes == 0) return Errno::inval;
    const VaRange range{start, start + bytes};
    if (range.end < range.start) return Errno::inval;
    if (range.empty()) return {};
    switch (*kind) {
        case Kind::flags:
            return advise_flags(mm, range, advice);
        case Kind::zap:
            return advise_zap(mm, range, advice);
        case Kind::hint:
            return advise_hint(mm, range, advice);
        case Kind::populate:
            return populate_for(mm, range,
                                advice == MADV_POPULATE_WRITE ? Access::write : Access::read);
    }
    return {};
}

}  // namespace surefoot::inline SF_BUILD::mm
