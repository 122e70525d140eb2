// The zygote: forks blank stubs for one server. A program of its own, without libc, so that a stub
// starts with nothing in its address space but this image, the arena and its control memory, and
// so that no sanitizer of the server reaches guest processes.

#include <linux/auxvec.h>
#include <linux/errno.h>
#include <linux/mman.h>
#include <linux/poll.h>
#include <linux/sched.h>
#include <linux/socket.h>

#include <cstddef>
#include <cstdint>

#include "cpu/mirror/layout.hpp"
#include "cpu/mirror/zygote/host_abi.hpp"
#include "cpu/mirror/zygote/stub.hpp"
#include "cpu/mirror/zygote/syscalls.hpp"

// Hidden, so that they are reached relative to the instruction: the image lies above 4 GiB.
#pragma GCC visibility push(hidden)
extern "C" {
extern const char __executable_start[];
extern const char _end[];
void surefoot_zygote_main(const std::uint64_t* initial_stack);

// What the compiler may call by itself.
void* memcpy(void* to, const void* from, std::size_t n) {
    void* start = to;
    asm volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(n)::"memory");
    return start;
}
void* memset(void* to, int byte, std::size_t n) {
    void* start = to;
    asm volatile("rep stosb" : "+D"(to), "+c"(n) : "a"(byte) : "memory");
    return start;
}
}
#pragma GCC visibility pop

// The stack that the host kernel gave lies in what is unmapped first; ours is part of the image.
asm(R"(
    .bss
    .balign 16
surefoot_zygote_stack:
    .skip 16384
surefoot_zygote_stack_end:
    .text
    .globl _start
_start:
    xor %ebp, %ebp
    mov %rsp, %rdi
    lea surefoot_zygote_stack_end(%rip), %rsp
    call surefoot_zygote_main
    ud2
)");

namespace surefoot::inline SF_BUILD {

void assertion_failed(const char*, const char*, int) noexcept { zygote::leave(1); }

}  // namespace surefoot::inline SF_BUILD

namespace surefoot::zygote {

namespace {

using namespace cpu::mirror;

constexpr std::uint64_t kPage = 4096;
constexpr std::uint64_t kHostEnd = 0x7fff'ffff'f000;

// Kernel structures that no exported header defines without libc.
struct IoVec {
    const void* base;
    std::uint64_t size;
};
struct MessageHeader {
    void* name;
    std::uint32_t name_size;
    IoVec* parts;
    std::uint64_t nr_parts;
    void* control;
    std::uint64_t control_size;
    std::uint32_t flags;
};
/// One descriptor in transit: struct cmsghdr and its payload.
struct DescriptorMessage {
    std::uint64_t size = 16 + sizeof(int);
    std::int32_t level = 1;  // SOL_SOCKET
    std::int32_t type = 1;   // SCM_RIGHTS
    std::int32_t descriptor = -1;
    std::int32_t padding = 0;
};
constexpr long kCloseOnExec = 0x4000'0000;  // MSG_CMSG_CLOEXEC
constexpr long kNoSignal = 0x4000;          // MSG_NOSIGNAL
constexpr long kLimitCore = 4;              // RLIMIT_CORE
constexpr long kSetName = 15;               // PR_SET_NAME

std::uint64_t auxiliary_value(const std::uint64_t* stack, std::uint64_t type) {
    const std::uint64_t* p = stack + 1 + stack[0] + 1;  // past argc, argv and its null
    while (*p != 0) ++p;                                // environment
    for (++p; p[0] != AT_NULL; p += 2) {
        if (p[0] == type) return p[1];
    }
    return 0;
}

/// Removes everything but this image. A host that seals its vdso keeps it above the guest range.
/// @return false if the guest range or the arena's place is not free
bool clear_address_space() {
    const auto start = align_down(reinterpret_cast<std::uint64_t>(__executable_start), kPage);
    const auto end = align_up(reinterpret_cast<std::uint64_t>(_end), kPage);
    call(__NR_munmap, static_cast<long>(end), static_cast<long>(kHostEnd - end));
    return start == kImageBase && end <= kImageBase + kImageMax &&
           call(__NR_munmap, 0, static_cast<long>(start)) == 0;
}

bool map_arena(std::uint64_t bytes) {
    return call(__NR_mmap, static_cast<long>(kArenaBase), static_cast<long>(bytes), PROT_READ,
                MAP_SHARED | MAP_FIXED_NOREPLACE | MAP_NORESERVE, kZygoteArena,
                0) == static_cast<long>(kArenaBase);
}

/// The terminal's signals are for the server. Stubs that end are reaped by the host kernel; none
/// leaves a core file, which would hold all of the arena.
void settle_signals() {
    const SignalAction ignore{.handler = kIgnore, .flags = 0, .restorer = 0, .mask = 0};
    for (const int signal : {kSigHup, kSigInt, kSigQuit, kSigPipe, kSigTerm, kSigChld}) {
        call(__NR_rt_sigaction, signal, address(&ignore), 0, sizeof ignore.mask);
    }
    const std::uint64_t no_core[2] = {0, 0};
    call(__NR_setrlimit, kLimitCore, address(no_core));
}

/// @return bytes received; 0 at the end of the server
long receive(ZygoteRequest& request, int& descriptor) {
    IoVec part{&request, sizeof request};
    DescriptorMessage rights;
    MessageHeader header{nullptr, 0, &part, 1, &rights, sizeof rights, 0};
    const long n = call(__NR_recvmsg, kZygoteSocket, address(&header), kCloseOnExec);
    descriptor = n > 0 && header.control_size >= rights.size ? rights.descriptor : -1;
    return n;
}

void reply(ZygoteReply answer, int descriptor) {
    IoVec part{&answer, sizeof answer};
    DescriptorMessage rights;
    rights.descriptor = descriptor;
    MessageHeader header{nullptr, 0, &part, 1, nullptr, 0, 0};
    if (descriptor >= 0) {
        header.control = &rights;
        header.control_size = sizeof rights;
    }
    call(__NR_sendmsg, kZygoteSocket, address(&header), kNoSignal);
}

/// Sleeps until there is a request. @return false when the server is gone: its pidfd says so even
/// while a copy of its socket lives on in a process that it forked
bool await_request() {
    pollfd wanted[2] = {{kZygoteSocket, POLLIN, 0}, {kZygoteServer, POLLIN, 0}};
    for (;;) {
        const long n = call(__NR_poll, address(wanted), 2, -1);
        if (n == -EINTR) continue;
        return n > 0 && wanted[1].revents == 0;
    }
}

void make_stub(int control, bool fsgsbase) {
    const auto self = static_cast<int>(call(__NR_getpid));
    int pidfd = -1;
    const long pid = call(__NR_clone, CLONE_PIDFD | kSigChld, 0, address(&pidfd));
    if (pid == 0) become_stub(control, self, fsgsbase);
    if (pid < 0) {
        reply({.error = static_cast<std::int32_t>(-pid), .pid = 0}, -1);
        return;
    }
    reply({.error = 0, .pid = static_cast<std::int32_t>(pid)}, pidfd);
    call(__NR_close, pidfd);
}

}  // namespace

}  // namespace surefoot::zygote

void surefoot_zygote_main(const std::uint64_t* initial_stack) {
    using namespace surefoot::zygote;
    constexpr std::uint64_t kFsGsBase = 2;  // of AT_HWCAP2
    const bool fsgsbase = (auxiliary_value(initial_stack, AT_HWCAP2) & kFsGsBase) != 0;
    call(__NR_close_range, 0, kZygoteSocket - 1, 0);
    call(__NR_close_range, kZygoteServer + 1, ~0U, 0);
    call(__NR_prctl, kSetName, address("surefoot-zygote"));
    settle_signals();
    const bool clear = clear_address_space();

    ZygoteRequest request{};
    int descriptor = -1;
    if (!await_request() || receive(request, descriptor) != sizeof request) leave(1);
    const bool good = clear && map_arena(request.arena_bytes);
    reply({.error = good ? 0 : EEXIST, .pid = 0}, -1);
    if (!good) leave(1);

    while (await_request()) {
        if (receive(request, descriptor) <= 0) break;
        make_stub(descriptor, fsgsbase);
        call(__NR_close, descriptor);
    }
    leave(0);
}
