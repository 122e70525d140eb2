#pragma once

// Linux's VM_* bits as a typed set. The values are ours; the names are Linux's.

#include <cstdint>

#include "base/base.hpp"

namespace surefoot::inline SF_BUILD::vma {

enum class VmaFlag : std::uint8_t {
    read,
    write,
    exec,
    shared,
    mayread,  // limits for mprotect
    maywrite,
    mayexec,
    mayshare,   // MAP_SHARED was asked for, whatever the rights are
    growsdown,  // a stack: the guard gap below it stays free
    uffd_missing,
    uffd_wp,
    uffd_minor,
    pfnmap,
    mixedmap,
    io,
    maybe_guard,  // guard markers may lie inside; set atomically under a read lock
    locked,
    lockonfault,
    seq_read,
    rand_read,
    dontcopy,  // MADV_DONTFORK
    dontexpand,
    account,  // charged to the commit limit
    noreserve,
    hugetlb,
    wipeonfork,
    dontdump,
    softdirty,
    hugepage,
    nohugepage,
    mergeable,  // KSM
    sealed,
    droppable,
    sync,
};

class VmaFlags {
  public:
    constexpr VmaFlags() = default;
    constexpr VmaFlags(VmaFlag flag) : raw_(std::uint64_t{1} << static_cast<unsigned>(flag)) {}
    static constexpr VmaFlags from_raw(std::uint64_t raw) {
        VmaFlags flags;
        flags.raw_ = raw;
        return flags;
    }

    constexpr std::uint64_t raw() const { return raw_; }
    constexpr bool empty() const { return raw_ == 0; }
    /// All of them are set.
    constexpr bool has(VmaFlags all) const { return (raw_ & all.raw_) == all.raw_; }
    constexpr bool has_any(VmaFlags some) const { return (raw_ & some.raw_) != 0; }
    constexpr VmaFlags with(VmaFlags more) const { return from_raw(raw_ | more.raw_); }
    constexpr VmaFlags without(VmaFlags some) const { return from_raw(raw_ & ~some.raw_); }

    friend constexpr VmaFlags operator|(VmaFlags a, VmaFlags b) { return a.with(b); }
    friend constexpr VmaFlags operator&(VmaFlags a, VmaFlags b) {
        return from_raw(a.raw_ & b.raw_);
    }
    friend constexpr bool operator==(VmaFlags, VmaFlags) = default;

  private:
    std::uint64_t raw_ = 0;
};

constexpr VmaFlags operator|(VmaFlag a, VmaFlag b) { return VmaFlags(a) | VmaFlags(b); }

inline constexpr VmaFlags kVmaAccess = VmaFlag::read | VmaFlag::write | VmaFlag::exec;
inline constexpr VmaFlags kVmaMayAccess = VmaFlag::mayread | VmaFlag::maywrite | VmaFlag::mayexec;
inline constexpr VmaFlags kVmaLockedMask = VmaFlag::locked | VmaFlag::lockonfault;
inline constexpr VmaFlags kVmaUffd = VmaFlag::uffd_missing | VmaFlag::uffd_wp | VmaFlag::uffd_minor;
/// Never merged or expanded (VM_SPECIAL).
inline constexpr VmaFlags kVmaSpecial =
    VmaFlag::io | VmaFlag::dontexpand | VmaFlag::pfnmap | VmaFlag::mixedmap;
/// May differ between regions that merge; the result has them when either had them.
inline constexpr VmaFlags kVmaIgnoredByMerge = VmaFlags(VmaFlag::softdirty) | VmaFlag::maybe_guard;

}  // namespace surefoot::inline SF_BUILD::vma
