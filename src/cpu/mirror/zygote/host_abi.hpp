#pragma once

// Signal structures and numbers of the host kernel, x86-64. The kernel's own asm/signal.h does not
// go together with the C library's headers, which the standard library includes.

#include <cstdint>

namespace surefoot::zygote {

inline constexpr int kSigHup = 1, kSigInt = 2, kSigQuit = 3, kSigIll = 4, kSigTrap = 5, kSigBus = 7,
                     kSigFpe = 8, kSigKill = 9, kSigUsr1 = 10, kSigSegv = 11, kSigPipe = 13,
                     kSigTerm = 15, kSigChld = 17, kSigSys = 31;

/// struct sigaction of rt_sigaction.
struct SignalAction {
    std::uint64_t handler;
    std::uint64_t flags;
    std::uint64_t restorer;
    std::uint64_t mask;
};
inline constexpr std::uint64_t kIgnore = 1;           // SIG_IGN
inline constexpr std::uint64_t kWithInfo = 4;         // SA_SIGINFO
inline constexpr std::uint64_t kOnStack = 0x0800'0000;   // SA_ONSTACK
inline constexpr std::uint64_t kWithRestorer = 0x0400'0000;  // SA_RESTORER
inline constexpr int kSetMask = 2;                    // SIG_SETMASK

/// stack_t
struct SignalStack {
    std::uint64_t start;
    std::uint64_t flags;
    std::uint64_t bytes;
};

/// siginfo_t as SIGSYS fills it.
struct SignalInfo {
    std::int32_t signal, error, code, padding;
    std::uint64_t call_address;
    std::int32_t number;
    std::uint32_t arch;
};

}  // namespace surefoot::zygote
