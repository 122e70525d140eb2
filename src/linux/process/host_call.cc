#include "linux/process/host_call.hpp"

#include <ucontext.h>

// From the first instruction to the system call itself, the handler may turn to `refused`; at the
// instruction after it, the result is there.
asm(R"(
    .text
    .balign 16
surefoot_host_call:
    cmpb $0, (%rdi)
    jne surefoot_host_call_refused
    mov %rsi, %rax
    mov %rdx, %rdi
    mov %rcx, %rsi
    mov %r8, %rdx
    mov %r9, %r10
    syscall
surefoot_host_call_made:
    ret
surefoot_host_call_refused:
    mov $-4, %rax
    ret
)");

#pragma GCC visibility push(hidden)
extern "C" {
long surefoot_host_call(const void* stop, long number, long a, long b, long c,
                        long d);
extern const char surefoot_host_call_made[];
extern const char surefoot_host_call_refused[];
}
#pragma GCC visibility pop

namespace surefoot::inline SF_BUILD::linux_abi {

long call_unless(const void* stop, long number, long a, long b, long c, long d) {
    return surefoot_host_call(stop, number, a, b, c, d);
}

void leave_host_call(void* context) {
    auto& rip = static_cast<ucontext_t*>(context)->uc_mcontext.gregs[REG_RIP];
    const auto start = reinterpret_cast<greg_t>(&surefoot_host_call);
    const auto made = reinterpret_cast<greg_t>(surefoot_host_call_made);
    if (rip >= start && rip < made) rip = reinterpret_cast<greg_t>(surefoot_host_call_refused);
}

}  // namespace surefoot::inline SF_BUILD::linux_abi
