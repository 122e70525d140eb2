#include "vma/merge_rules.hpp"

namespace surefoot::inline SF_BUILD::vma {

bool anon_vmas_compatible(const Region& a, const Region& b) {
    if (a.anon_vma() == b.anon_vma()) return true;
    if (a.anon_vma() != nullptr && b.anon_vma() != nullptr) return false;
    return !a.is_fork_child() && !b.is_fork_child();
}

bool can_merge(const Region& low, const Region& high) {
    if (low.range.end != high.range.start) return false;
    if (low.flags.has_any(kVmaSpecial) || high.flags.has_any(kVmaSpecial)) return false;
    if (!flags_mergeable(low.flags, high.flags)) return false;
    if (low.backing != high.backing || low.uffd != high.uffd) return false;
    if (low.end_pgoff() != high.pgoff) return false;
    return anon_vmas_compatible(low, high);
}

AnonVma* reusable_anon_vma(const Vma* near, const Vma* low, const Vma* high) {
    if (near == nullptr || near->anon_vma() == nullptr || near->is_fork_child()) return nullptr;
    Region a = Region::of(*low);
    Region b = Region::of(*high);
    a.flags = a.flags.without(kVmaAccess);
    b.flags = b.flags.without(kVmaAccess);
    return can_merge(a, b) ? near->anon_vma() : nullptr;
}

}  // namespace surefoot::inline SF_BUILD::vma
