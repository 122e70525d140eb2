// The seccomp filter of a stub. It bounds what a guest can do that jumps into the stub's code;
// Surefoot is not a sandbox, such a guest can still map any frame of the arena.

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/prctl.h>
#include <linux/seccomp.h>

#include <cstddef>

#include "cpu/mirror/zygote/stub.hpp"
#include "cpu/mirror/zygote/syscalls.hpp"

namespace surefoot::zygote {

namespace {

constexpr sock_filter statement(std::uint16_t code, std::uint32_t k) { return {code, 0, 0, k}; }
constexpr sock_filter skip_if(std::uint32_t k, std::uint8_t yes, std::uint8_t no) {
    return {BPF_JMP | BPF_JEQ | BPF_K, yes, no, k};
}
constexpr sock_filter load(std::uint32_t offset) {
    return statement(BPF_LD | BPF_W | BPF_ABS, offset);
}
constexpr sock_filter give(std::uint32_t verdict) { return statement(BPF_RET | BPF_K, verdict); }

}  // namespace

long install_filter(bool fsgsbase) {
    // A refused call arrives as SIGSYS and is shown to the server as #GP, so that a guest which
    // found the stub's `syscall` instruction sees an exception there.
    const sock_filter program[] = {
        load(offsetof(seccomp_data, arch)),
        skip_if(AUDIT_ARCH_X86_64, 1, 0),
        give(SECCOMP_RET_TRAP),
        load(offsetof(seccomp_data, nr)),
        skip_if(__NR_futex, 13, 0),
        skip_if(__NR_rt_sigreturn, 12, 0),
        skip_if(__NR_mmap, 11, 0),
        skip_if(__NR_munmap, 10, 0),
        skip_if(__NR_clone, 9, 0),
        skip_if(__NR_sigaltstack, 8, 0),
        skip_if(__NR_exit, 7, 0),
        // Without the FSGSBASE instructions a thread's FS base is set by a call.
        skip_if(fsgsbase ? 0xffff'ffffU : __NR_arch_prctl, 6, 0),
        skip_if(__NR_restart_syscall, 5, 0),
        skip_if(__NR_prctl, 1, 0),
        give(SECCOMP_RET_TRAP),
        load(offsetof(seccomp_data, args)),
        skip_if(PR_SET_SYSCALL_USER_DISPATCH, 1, 0),
        give(SECCOMP_RET_TRAP),
        give(SECCOMP_RET_ALLOW),
    };
    const sock_fprog filter{sizeof program / sizeof program[0],
                            const_cast<sock_filter*>(program)};
    if (const long e = call(__NR_prctl, PR_SET_NO_NEW_PRIVS, 1); e < 0) return e;
    // Not mitigated more than the server is: the filter is no defence against speculation.
    return call(__NR_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_SPEC_ALLOW,
                address(&filter));
}

}  // namespace surefoot::zygote
