#pragma once

// Structures and numbers of Linux's x86-64 system-call interface as programs see them, where the
// host's own headers do not offer them in that form.

#include <csignal>
#include <cstddef>
#include <cstdint>

#include "base/base.hpp"

namespace surefoot::inline SF_BUILD::linux_abi {

/// First address that no program can have, whatever is mapped: a page below the middle. (TASK_SIZE_MAX)
inline constexpr std::uint64_t kTaskSizeMax = (std::uint64_t{1} << 47) - 4096;

/// What a system call returns: a value, a negative error number, or a negative restart code.
using SysResult = long;

/// Results that never reach a program: what becomes of an interrupted call is decided when the
/// signal is delivered (include/linux/errno.h).
inline constexpr SysResult kErestartsys = -512;
inline constexpr SysResult kErestartnohand = -514;

inline constexpr int kSignals = 64;

/// Signal n is bit n - 1.
using SigSet = std::uint64_t;
constexpr SigSet sig_bit(int signal) { return SigSet{1} << (signal - 1); }
inline constexpr SigSet kUnblockable = sig_bit(SIGKILL) | sig_bit(SIGSTOP);

struct KernelSigaction {
    std::uint64_t handler = 0;
    std::uint64_t flags = 0;
    std::uint64_t restorer = 0;
    SigSet mask = 0;
};
inline constexpr std::uint64_t kSigDfl = 0;
inline constexpr std::uint64_t kSigIgn = 1;
inline constexpr std::uint64_t kSaRestorer = 0x0400'0000;
inline constexpr std::uint64_t kSaOnstack = 0x0800'0000;
inline constexpr std::uint64_t kSaRestart = 0x1000'0000;
inline constexpr std::uint64_t kSaNodefer = 0x4000'0000;
inline constexpr std::uint64_t kSaResethand = 0x8000'0000;

/// siginfo_t: three numbers, then what the signal's kind asks for.
struct Siginfo {
    std::int32_t signo = 0;
    std::int32_t err = 0;
    std::int32_t code = 0;
    std::int32_t padding = 0;
    union {
        struct {
            std::int32_t pid;
            std::uint32_t uid;
            std::uint64_t value;
        } sender;
        struct {
            std::uint64_t address;
        } fault;
        struct {
            std::int64_t band;
            std::int32_t fd;
        } poll;
        std::byte bytes[112];
    } u{};
};
static_assert(sizeof(Siginfo) == 128);
static_assert(sizeof(Siginfo) == sizeof(siginfo_t));
static_assert(offsetof(Siginfo, u) == 16);

struct StackT {
    std::uint64_t sp = 0;
    std::int32_t flags = SS_DISABLE;
    std::int32_t padding = 0;
    std::uint64_t size = 0;
};
static_assert(sizeof(StackT) == sizeof(stack_t));
inline constexpr std::uint32_t kSsAutodisarm = 1U << 31;
inline constexpr std::uint64_t kMinSigStack = 2048;

/// struct sigcontext_64
struct SigContext {
    std::uint64_t r8, r9, r10, r11, r12, r13, r14, r15;
    std::uint64_t rdi, rsi, rbp, rbx, rdx, rax, rcx, rsp, rip, rflags;
    std::uint16_t cs, gs, fs, ss;
    std::uint64_t err, trapno, oldmask, cr2;
    std::uint64_t fpstate;
    std::uint64_t reserved[8];
};
static_assert(sizeof(SigContext) == 256);

struct UContext {
    std::uint64_t flags;
    std::uint64_t link;
    StackT stack;
    SigContext context;
    SigSet mask;
};
static_assert(offsetof(UContext, context) == 40);
static_assert(offsetof(UContext, mask) == 296);
inline constexpr std::uint64_t kUcFpXstate = 1;
inline constexpr std::uint64_t kUcSigcontextSs = 2;
inline constexpr std::uint64_t kUcStrictRestoreSs = 4;

/// What the stack holds at a handler's entry; the return address is `restorer`.
struct RtSigframe {
    std::uint64_t restorer;
    UContext uc;
    Siginfo info;
};
static_assert(offsetof(RtSigframe, uc) == 8);
static_assert(offsetof(RtSigframe, info) == 312);
static_assert(sizeof(RtSigframe) == 440);

/// struct _fpx_sw_bytes, in the bytes of the FXSAVE image that belong to software.
struct FpSoftwareBytes {
    std::uint32_t magic1;
    std::uint32_t extended_size;
    std::uint64_t features;
    std::uint32_t state_size;
    std::uint32_t padding[7];
};
static_assert(sizeof(FpSoftwareBytes) == 48);
inline constexpr std::size_t kFpSoftwareOffset = 464;
inline constexpr std::size_t kFxsaveBytes = 512;
inline constexpr std::size_t kXsaveHeaderBytes = 64;
inline constexpr std::uint32_t kFpMagic1 = 0x4650'5853;
inline constexpr std::uint32_t kFpMagic2 = 0x4650'5845;

/// struct clone_args up to its version 2.
struct CloneArgs {
    std::uint64_t flags = 0;
    std::uint64_t pidfd = 0;
    std::uint64_t child_tid = 0;
    std::uint64_t parent_tid = 0;
    std::uint64_t exit_signal = 0;
    std::uint64_t stack = 0;
    std::uint64_t stack_size = 0;
    std::uint64_t tls = 0;
    std::uint64_t set_tid = 0;
    std::uint64_t set_tid_size = 0;
    std::uint64_t cgroup = 0;
};
inline constexpr std::size_t kCloneArgsVersion0 = 64;
static_assert(offsetof(CloneArgs, set_tid) == kCloneArgsVersion0);

/// struct robust_list_head
struct RobustListHead {
    std::uint64_t next = 0;
    std::int64_t futex_offset = 0;
    std::uint64_t pending = 0;
};

}  // namespace surefoot::inline SF_BUILD::linux_abi
