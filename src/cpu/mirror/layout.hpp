#pragma once

// Where things lie in a stub process, and the messages between server and zygote. Shared by the
// server and the zygote: constants and plain structures only.

#include <cstddef>
#include <cstdint>

#include "base/base.hpp"
#include "cpu/mirror/protocol/words.hpp"

namespace surefoot::inline SF_BUILD::cpu::mirror {

// The guest range ends below everything that the host kernel places by itself in a process of the
// zygote (vdso, stack: at most 1 TiB below 2^47), so that one constant serves every stub.
inline constexpr std::uint64_t kGuestEnd = 0x7e90'0000'0000;
/// Unprivileged processes can't map lower (vm.mmap_min_addr); Linux guests don't either.
inline constexpr std::uint64_t kGuestBegin = 0x1'0000;

inline constexpr std::uint64_t kArenaBase = kGuestEnd;
inline constexpr std::uint64_t kArenaMax = 256ULL << 30;
/// The zygote's image is linked to this address: src/cpu/CMakeLists.txt says so to the linker.
inline constexpr std::uint64_t kImageBase = 0x7ed0'0000'0000;
inline constexpr std::uint64_t kImageMax = 1ULL << 20;
static_assert(kArenaBase + kArenaMax <= kImageBase);

// Control memory: a memfd of each space, shared by its stub and the server.
inline constexpr std::uint64_t kControlBase = 0x7ed0'1000'0000;
inline constexpr std::uint64_t kBlockBytes = 64ULL << 10;
/// Blocks before the first thread's: the words of the space.
inline constexpr std::uint64_t kSpaceBlocks = 4;
inline constexpr std::uint64_t kControlBytes = (kSpaceBlocks + kMaxThreads) * kBlockBytes;
/// A thread's block: its slot, then its signal stack. The host kernel writes the frame of the
/// exit there, so that the server reads and writes registers in place.
inline constexpr std::uint64_t kSignalStackOffset = 4096;

constexpr std::uint64_t block_offset(std::uint32_t slot) {
    return (kSpaceBlocks + slot) * kBlockBytes;
}

/// The machine context of the host's signal frame (asm/sigcontext.h, struct sigcontext_64).
struct MachineContext {
    std::uint64_t r8, r9, r10, r11, r12, r13, r14, r15;
    std::uint64_t rdi, rsi, rbp, rbx, rdx, rax, rcx, rsp, rip, rflags;
    std::uint16_t cs, gs, fs, ss;
    std::uint64_t err, trapno, oldmask, cr2;
    std::uint64_t fpstate;
    std::uint64_t reserved[8];
};
static_assert(sizeof(MachineContext) == 256);

/// The host's `struct ucontext` of a signal frame.
struct SignalContext {
    std::uint64_t flags;
    std::uint64_t link;
    std::uint64_t stack[3];
    MachineContext machine;
    std::uint64_t mask;
};
static_assert(offsetof(SignalContext, machine) == 40);

/// Bytes 464 to 511 of the FXSAVE image belong to software; the host kernel describes the extended
/// area there (struct _fpx_sw_bytes).
struct FpSoftwareBytes {
    static constexpr std::uint32_t kMagic = 0x4650'5853;
    std::uint32_t magic;
    std::uint32_t extended_size;
    std::uint64_t features;
    std::uint32_t state_size;
    std::uint32_t padding[7];
};
inline constexpr std::size_t kFpSoftwareOffset = 464;
inline constexpr std::size_t kFpLegacyBytes = 512;
inline constexpr std::size_t kFpHeaderBytes = 64;
static_assert(kFpSoftwareOffset + sizeof(FpSoftwareBytes) == kFpLegacyBytes);

// The zygote's descriptors, as the server's spawn places them.
inline constexpr int kZygoteSocket = 3;
inline constexpr int kZygoteArena = 4;
inline constexpr int kZygoteServer = 5;  // a pidfd: readable once the server is gone

/// Server to zygote, in one packet. The first packet says hello; every later one carries the
/// control memfd of a stub to make.
struct ZygoteRequest {
    std::uint64_t arena_bytes;
};

/// Zygote to server; `error` is 0 or a positive error number. Carries the stub's pidfd.
struct ZygoteReply {
    std::int32_t error;
    std::int32_t pid;
};

}  // namespace surefoot::inline SF_BUILD::cpu::mirror
