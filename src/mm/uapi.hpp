#pragma once

// Linux's numbers of the memory calls on x86-64, as programs pass them (uapi/asm-generic/mman*.h).

#include <cstdint>

#include "base/base.hpp"

namespace surefoot::inline SF_BUILD::mm::uapi {

inline constexpr std::uint32_t PROT_NONE = 0;
inline constexpr std::uint32_t PROT_READ = 1;
inline constexpr std::uint32_t PROT_WRITE = 2;
inline constexpr std::uint32_t PROT_EXEC = 4;
inline constexpr std::uint32_t PROT_SEM = 8;
inline constexpr std::uint32_t PROT_GROWSDOWN = 0x0100'0000;
inline constexpr std::uint32_t PROT_GROWSUP = 0x0200'0000;

inline constexpr std::uint32_t MAP_SHARED = 0x01;
inline constexpr std::uint32_t MAP_PRIVATE = 0x02;
inline constexpr std::uint32_t MAP_SHARED_VALIDATE = 0x03;
inline constexpr std::uint32_t MAP_TYPE = 0x0f;
inline constexpr std::uint32_t MAP_DROPPABLE = 0x08;
inline constexpr std::uint32_t MAP_FIXED = 0x10;
inline constexpr std::uint32_t MAP_ANONYMOUS = 0x20;
inline constexpr std::uint32_t MAP_32BIT = 0x40;
inline constexpr std::uint32_t MAP_GROWSDOWN = 0x0100;
inline constexpr std::uint32_t MAP_DENYWRITE = 0x0800;
inline constexpr std::uint32_t MAP_EXECUTABLE = 0x1000;
inline constexpr std::uint32_t MAP_LOCKED = 0x2000;
inline constexpr std::uint32_t MAP_NORESERVE = 0x4000;
inline constexpr std::uint32_t MAP_POPULATE = 0x8000;
inline constexpr std::uint32_t MAP_NONBLOCK = 0x1'0000;
inline constexpr std::uint32_t MAP_STACK = 0x2'0000;
inline constexpr std::uint32_t MAP_HUGETLB = 0x4'0000;
inline constexpr std::uint32_t MAP_SYNC = 0x8'0000;
inline constexpr std::uint32_t MAP_FIXED_NOREPLACE = 0x10'0000;

inline constexpr std::uint32_t MREMAP_MAYMOVE = 1;
inline constexpr std::uint32_t MREMAP_FIXED = 2;
inline constexpr std::uint32_t MREMAP_DONTUNMAP = 4;

inline constexpr int MADV_NORMAL = 0;
inline constexpr int MADV_RANDOM = 1;
inline constexpr int MADV_SEQUENTIAL = 2;
inline constexpr int MADV_WILLNEED = 3;
inline constexpr int MADV_DONTNEED = 4;
inline constexpr int MADV_FREE = 8;
inline constexpr int MADV_REMOVE = 9;
inline constexpr int MADV_DONTFORK = 10;
inline constexpr int MADV_DOFORK = 11;
inline constexpr int MADV_MERGEABLE = 12;
inline constexpr int MADV_UNMERGEABLE = 13;
inline constexpr int MADV_HUGEPAGE = 14;
inline constexpr int MADV_NOHUGEPAGE = 15;
inline constexpr int MADV_DONTDUMP = 16;
inline constexpr int MADV_DODUMP = 17;
inline constexpr int MADV_WIPEONFORK = 18;
inline constexpr int MADV_KEEPONFORK = 19;
inline constexpr int MADV_COLD = 20;
inline constexpr int MADV_PAGEOUT = 21;
inline constexpr int MADV_POPULATE_READ = 22;
inline constexpr int MADV_POPULATE_WRITE = 23;
inline constexpr int MADV_DONTNEED_LOCKED = 24;
inline constexpr int MADV_COLLAPSE = 25;
inline constexpr int MADV_GUARD_INSTALL = 102;
inline constexpr int MADV_GUARD_REMOVE = 103;

inline constexpr std::uint32_t MLOCK_ONFAULT = 1;
inline constexpr std::uint32_t MCL_CURRENT = 1;
inline constexpr std::uint32_t MCL_FUTURE = 2;
inline constexpr std::uint32_t MCL_ONFAULT = 4;

}  // namespace surefoot::inline SF_BUILD::mm::uapi
