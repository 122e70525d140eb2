#pragma once

// Which guards prove which right on page tables: the lock table of protocol rules G1, G6 and G8
// as code. An rmap lock lets its holder zap, never install.

#include "pgtable/pgtable.hpp"
#include "vma/vma.hpp"

namespace surefoot::inline SF_BUILD::pgtable {

template <>
inline constexpr bool kProvesVmaStable<vma::MmapReadGuard> = true;
template <>
inline constexpr bool kProvesVmaStable<vma::MmapTryReadGuard> = true;
template <>
inline constexpr bool kProvesVmaStable<vma::MmapWriteGuard> = true;
template <>
inline constexpr bool kProvesVmaStable<vma::VmaReadGuard> = true;
template <>
inline constexpr bool kProvesVmaStable<vma::RmapReadGuard> = true;
template <>
inline constexpr bool kProvesVmaStable<vma::RmapWriteGuard> = true;

template <>
inline constexpr bool kProvesMayInstall<vma::MmapReadGuard> = true;
template <>
inline constexpr bool kProvesMayInstall<vma::MmapWriteGuard> = true;
template <>
inline constexpr bool kProvesMayInstall<vma::VmaReadGuard> = true;

/// The VMAs of a range that left the tree: nobody can fault there any more.
template <>
inline constexpr bool kProvesMayFreeTables<vma::DetachedVmas> = true;

}  // namespace surefoot::inline SF_BUILD::pgtable

namespace surefoot::inline SF_BUILD::mm {
using pgtable::MayFreeTables;
using pgtable::MayInstall;
using pgtable::VmaStable;
}  // namespace surefoot::inline SF_BUILD::mm
