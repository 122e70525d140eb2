#pragma once

// Raw system calls. The zygote has no libc, and the stub's calls must come from its own image: the
// host's system-call dispatch lets those pass and sends all others to the server.

#include <asm/unistd.h>

#include <cstdint>

namespace surefoot::zygote {

inline long call(long number, long a = 0, long b = 0, long c = 0, long d = 0, long e = 0,
                 long f = 0) {
    register long r10 asm("r10") = d;
    register long r8 asm("r8") = e;
    register long r9 asm("r9") = f;
    long result;
    asm volatile("syscall"
                 : "=a"(result)
                 : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                 : "rcx", "r11", "memory");
    return result;
}

inline long address(const void* p) { return reinterpret_cast<long>(p); }

[[noreturn]] inline void leave(int status) {
    for (;;) call(__NR_exit, status);
}

}  // namespace surefoot::zygote
