#pragma once

// Layer 1: page-table entry formats behind one concept. `arch::Format` is the format of this
// build, chosen by include path together with the sync layer.

#include "arch/entry.hpp"
#include "arch/format.hpp"
#include "arch/toy.hpp"
#include "arch/x86_64.hpp"
#include "impl/format.hpp"

namespace surefoot::inline SF_BUILD::arch {

inline constexpr std::uint64_t kPageSize = Format::kPageSize;
inline constexpr unsigned kPageShift = Format::kPageShift;

constexpr PhysAddr to_phys(Pfn pfn) {
    return PhysAddr(static_cast<std::uint64_t>(pfn.raw()) << kPageShift);
}
constexpr Pfn to_pfn(PhysAddr pa) { return Pfn(static_cast<std::uint32_t>(pa.raw() >> kPageShift)); }

}  // namespace surefoot::inline SF_BUILD::arch
