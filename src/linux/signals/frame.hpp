#pragma once

// Where a signal frame lies, and what the floating-point area in it holds. Pure.
//
//   high   interrupted stack (128 bytes of red zone are left alone), or top of the signal stack
//          XSAVE area, then FP_XSTATE_MAGIC2                             64-byte aligned
//   sp ->  return address, ucontext, siginfo             16-byte aligned but for the return address

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "linux/abi.hpp"

namespace surefoot::inline SF_BUILD::linux_abi {

struct FramePlace {
    std::uint64_t fpstate = 0;
    std::uint64_t sp = 0;
    /// The frame goes to the alternate stack.
    bool on_stack = false;
    /// It does not fit there.
    bool overflow = false;
};

/// @param rsp  of the interrupted code
FramePlace place_frame(std::uint64_t rsp, const StackT& stack, bool wants_stack,
                       std::size_t xsave_bytes);

/// Whether `rsp` is inside the alternate stack; never for SS_AUTODISARM, as in Linux.
bool is_on_stack(std::uint64_t rsp, const StackT& stack);

/// Writes the software bytes and the trailing magic. @param area xsave_bytes + 4
void mark_fp_area(std::span<std::byte> area);

/// How much of an area a program handed to rt_sigreturn counts: the whole (true) or the FXSAVE
/// part. @param head the first 512 bytes
bool has_extended_state(std::span<const std::byte> head, std::size_t xsave_bytes);

/// Components that the processor and the host have on, as XGETBV would tell, without AMX.
std::uint64_t fp_features();

}  // namespace surefoot::inline SF_BUILD::linux_abi
