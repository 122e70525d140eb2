#pragma once

// Small guest programs, position independent, to be copied into a frame.

#include <span>

/// The bytes between two labels of guest_code.cc.
#define GUEST_CODE(name)                                       \
    extern "C" const unsigned char guest_##name[];             \
    extern "C" const unsigned char guest_##name##_end[];       \
    inline std::span<const unsigned char> name##_code() {      \
        return {guest_##name, guest_##name##_end};             \
    }

GUEST_CODE(syscalls)    // forever: rax = 39, syscall; rbx counts
GUEST_CODE(load)        // rax = [rdi]; syscall; again
GUEST_CODE(store)       // [rdi] = rsi; syscall; again
GUEST_CODE(spin)        // forever: rbx += 1
GUEST_CODE(watch)       // until [rdi] != rsi: then syscall, rax = what was seen
GUEST_CODE(count)       // rcx times lock inc [rdi]; syscall
GUEST_CODE(ud2)
GUEST_CODE(int3)
GUEST_CODE(divide)
GUEST_CODE(privileged)  // hlt
GUEST_CODE(noncanonical)
GUEST_CODE(segment)     // ds = 0x1230, which names no segment
GUEST_CODE(int80)
GUEST_CODE(vectors)     // xmm0 += xmm1; syscall; again
GUEST_CODE(sweep)       // rdx pages from rdi on: [page] must be its address + rsi; syscall, rax = faults
GUEST_CODE(fs)          // rax = fs:[0]; syscall; again
GUEST_CODE(gs)          // rax = gs:[0]; syscall; again
GUEST_CODE(touch)       // rcx times: rax = [rdi]; then syscall; again
