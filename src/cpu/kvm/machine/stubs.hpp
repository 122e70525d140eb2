#pragma once

// The guest's kernel: two pages of code at privilege level 0, and what the processor needs around
// it. No instruction of it decides anything; `hlt` leaves to the host.

#include <cstdint>
#include <span>

#include "base/base.hpp"

namespace surefoot::inline SF_BUILD::cpu::kvm {

/// One `hlt` for each vector, this many bytes apart: the address after it tells the vector.
inline constexpr std::uint64_t kVectorStride = 16;
inline constexpr unsigned kVectors = 256;

// Offsets into the second page of code.
/// rsp: an interrupt frame. Enters the guest.
inline constexpr std::uint64_t kResumeStub = 0;
/// The same, after a flush of the processor's translations.
inline constexpr std::uint64_t kFlushAndResumeStub = 16;
/// Where the `syscall` instruction arrives.
inline constexpr std::uint64_t kSyscallStub = 48;
/// rsi: a list of rcx addresses. Writes to each without changing it: the four bytes there if the
/// address is even, the byte if it is odd.
inline constexpr std::uint64_t kTouchStub = 64;

std::span<const unsigned char> code_of_stubs();

struct Selector {
    static constexpr std::uint16_t kKernelCode = 0x10;
    static constexpr std::uint16_t kKernelData = 0x18;
    static constexpr std::uint16_t kUserData = 0x28 | 3;
    static constexpr std::uint16_t kUserCode = 0x30 | 3;
    static constexpr std::uint16_t kTaskState = 0x40;
};

/// Linux's order, on which `syscall` relies. Every descriptor is marked as accessed already.
inline constexpr std::uint64_t kGdt[] = {
    0, 0,
    0x00af'9b00'0000'ffff,  // kernel code
    0x00cf'9300'0000'ffff,  // kernel data
    0x00cf'fb00'0000'ffff,  // user code, 32 bits
    0x00cf'f300'0000'ffff,  // user data
    0x00af'fb00'0000'ffff,  // user code
    0, 0, 0};               // the task state is loaded without its descriptor

/// Kernel selectors for `syscall`; the second part serves `sysret`, which is not used.
inline constexpr std::uint64_t kStar =
    (0x23ULL << 48) | (std::uint64_t{Selector::kKernelCode} << 32);
/// `syscall` clears TF, IF, DF, IOPL, NT and AC, as in Linux.
inline constexpr std::uint64_t kSyscallFlagMask = 0x4'7700;

/// What the processor pushes at an exception, and pops at iretq.
struct InterruptFrame {
    std::uint64_t rip, cs, rflags, rsp, ss;
};
static_assert(sizeof(InterruptFrame) == 40);

struct Gate {
    std::uint64_t low, high;
};
/// An interrupt gate of level 0.
/// @param level the lowest privilege that may call it by an `int` instruction
constexpr Gate make_gate(std::uint64_t handler, unsigned level) {
    const std::uint64_t type = 0x8e00 | (level << 13);
    return {(handler & 0xffff) | (std::uint64_t{Selector::kKernelCode} << 16) | (type << 32) |
                ((handler >> 16 & 0xffff) << 48),
            handler >> 32};
}

}  // namespace surefoot::inline SF_BUILD::cpu::kvm
