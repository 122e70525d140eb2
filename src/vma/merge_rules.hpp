#pragma once

// Which neighbouring regions may become one. Internal to the folder.

#include "vma/area.hpp"

namespace surefoot::inline SF_BUILD::vma {

constexpr bool flags_mergeable(VmaFlags a, VmaFlags b) {
    return a.without(kVmaIgnoredByMerge) == b.without(kVmaIgnoredByMerge);
}

/// A region as merging sees it; `anon` has the anon_vma, null for one that never had.
struct Region {
    VaRange range;
    VmaFlags flags;
    std::uint64_t pgoff = 0;
    Backing* backing = nullptr;
    UserfaultCtx* uffd = nullptr;
    const Vma* anon = nullptr;

    static Region of(const Vma& vma) {
        return {vma.range(), vma.flags(), vma.pgoff(), vma.backing(), vma.uffd(), &vma};
    }
    AnonVma* anon_vma() const { return anon == nullptr ? nullptr : anon->anon_vma(); }
    bool is_fork_child() const { return anon != nullptr && anon->is_fork_child(); }
    std::uint64_t end_pgoff() const { return pgoff + (range.bytes() >> arch::kPageShift); }
};

/// Equal, or one never faulted and the other one's not inherited by fork: pages of the merged
/// region would be looked for in the parent's anon_vma too. (is_mergeable_anon_vma)
bool anon_vmas_compatible(const Region& a, const Region& b);

/// `low` ends where `high` starts, and nothing tells them apart. (can_vma_merge_left, _right)
bool can_merge(const Region& low, const Region& high);

/// The anon_vma of `near`, one of the two, if they could merge some day but for access rights and
/// soft-dirty, which mprotect may make equal. The other one had none, but may be given one by
/// another fault meanwhile. (anon_vma_compatible, reusable_anon_vma)
AnonVma* reusable_anon_vma(const Vma* near, const Vma* low, const Vma* high);

}  // namespace surefoot::inline SF_BUILD::vma
