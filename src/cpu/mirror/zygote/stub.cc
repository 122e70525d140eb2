// A stub process: its agent (the first thread), and the threads that run guest code. Guest code
// leaves through a host signal only; every handler runs on the signal stack of the thread's block
// with all signals masked, and uses no thread-local storage: FS belongs to the guest.

#include "cpu/mirror/zygote/stub.hpp"


#include <asm/prctl.h>
#include <linux/audit.h>
#include <linux/prctl.h>
#include <linux/sched.h>

#include "cpu/mirror/zygote/host_abi.hpp"
#include "cpu/mirror/zygote/port.hpp"

// Hidden, so that they are reached relative to the instruction: the image lies above 4 GiB.
#pragma GCC visibility push(hidden)
extern "C" {
// Ends of this executable, from the linker: the range whose system calls are not dispatched.
extern const char __executable_start[];
extern const char _end[];
void surefoot_restore_signal_frame();
void surefoot_thread_main(std::uint64_t block);
}
#pragma GCC visibility pop

asm(R"(
    .text
    .globl surefoot_restore_signal_frame
surefoot_restore_signal_frame:
    movl $15, %eax
    syscall
)");

namespace surefoot::zygote {

namespace {

using namespace cpu::mirror;
using Order = StubPort::Order;

constexpr int kSignals[] = {kSigSegv, kSigSys, kSigIll, kSigTrap, kSigFpe, kSigBus, kSigUsr1};
constexpr unsigned kPageFault = 14;
constexpr unsigned kGeneralProtection = 13;

Space& space() { return *reinterpret_cast<Space*>(kControlBase); }

StubPort port() { return {.arena_bytes = space().arena_bytes.get()}; }

std::uint64_t block_of(std::uint32_t slot) { return kControlBase + block_offset(slot); }

/// The running thread's block: handlers run on its signal stack.
std::uint64_t this_block() {
    return align_down(reinterpret_cast<std::uint64_t>(__builtin_frame_address(0)), kBlockBytes);
}

/// Where the guest's FS and GS segments begin.
struct Bases {
    std::uint64_t fs = 0, gs = 0;
};

Bases read_bases() {
    Bases bases;
    if (space().fsgsbase.get() != 0) {
        asm volatile("rdfsbase %0\n\trdgsbase %1" : "=r"(bases.fs), "=r"(bases.gs));
    } else {
        call(__NR_arch_prctl, ARCH_GET_FS, address(&bases.fs));
        call(__NR_arch_prctl, ARCH_GET_GS, address(&bases.gs));
    }
    return bases;
}

void write_bases(Bases bases) {
    if (space().fsgsbase.get() != 0) {
        asm volatile("wrfsbase %0\n\twrgsbase %1" ::"r"(bases.fs), "r"(bases.gs));
    } else {
        call(__NR_arch_prctl, ARCH_SET_FS, static_cast<long>(bases.fs));
        call(__NR_arch_prctl, ARCH_SET_GS, static_cast<long>(bases.gs));
    }
}

Access access_of(std::uint64_t host_code) {
    if ((host_code & 16) != 0) return Access::fetch;
    return (host_code & 2) != 0 ? Access::write : Access::read;
}

void tell_exception(Slot& slot, std::uint64_t vector, std::uint64_t code) {
    slot.event.set(Event::exception);
    slot.vector.set(static_cast<std::uint32_t>(vector));
    slot.code.set(static_cast<std::uint32_t>(code));
}

/// @return false if the access is possible now and the guest goes on at once
bool take_page_fault(Slot& slot, const MachineContext& m) {
    StubPort p = port();
    const VirtAddr va(m.cr2);
    const Access access = access_of(m.err);
    const Fill fill =
        StubSide(p, space(), arch::Format(space().levels.get())).fill(va, access);
    if (fill.kind == Fill::Kind::mapped) {
        space().refills.fetch_add(1, Order::relaxed);
        return false;
    }
    slot.event.set(fill.kind == Fill::Kind::fault ? Event::fault : Event::failed);
    slot.code.set(fill.code);
    slot.va.set(va);
    slot.fill_access.set(access);
    return true;
}

void take_system_call(Slot& slot, const SignalInfo& info, MachineContext& m) {
    constexpr int kDispatched = 2;  // SYS_USER_DISPATCH; else the seccomp filter refused
    if (info.code == kDispatched && info.arch == AUDIT_ARCH_X86_64) {
        slot.event.set(Event::syscall);
        return;
    }
    // `int 0x80`, as on a processor whose gate 0x80 is closed to users. A call that the filter
    // refused has left the instruction too; both instructions are two bytes long.
    constexpr std::uint64_t kGate = 0x80 << 3 | 2;
    m.rip -= 2;
    tell_exception(slot, kGeneralProtection, kGate);
}

/// Writes down why the guest left. @return false if it goes on at once
bool take_event(Slot& slot, int signal, const SignalInfo& info, MachineContext& m) {
    switch (signal) {
        case kSigSegv:
            if (m.trapno == kPageFault) return take_page_fault(slot, m);
            tell_exception(slot, m.trapno, m.err);
            return true;
        case kSigSys:
            take_system_call(slot, info, m);
            return true;
        case kSigUsr1:
            slot.event.set(Event::kicked);
            return true;
        case kSigBus:
            // A page fault: the host has no memory for a frame.
            if (m.trapno == kPageFault) {
                slot.event.set(Event::failed);
                return true;
            }
            [[fallthrough]];
        default:
            tell_exception(slot, m.trapno, m.err);
            return true;
    }
}

/// The server has let this thread go on.
void resume(Slot& slot) {
    if (slot.command.get() == Command::leave) leave(0);
    StubPort p = port();
    StubSide side(p, space(), arch::Format(space().levels.get()));
    side.catch_up();
    // A hint: the server has resolved a fault there. If it has not, the guest faults again.
    if (slot.fill_wanted.get() != 0) {
        slot.fill_wanted.set(0);
        side.fill_resolved(slot.fill_va.get(), slot.fill_access.get());
    }
}

void serve(Slot& slot) {
    StubPort p = port();
    const Bases before = read_bases();
    slot.fs_base.set(before.fs);
    slot.gs_base.set(before.gs);
    hand_over(p, slot.state, kServerOwns);
    await_ownership(p, slot.state, kStubOwns);
    resume(slot);
    const Bases wanted{slot.fs_base.get(), slot.gs_base.get()};
    if (wanted.fs != before.fs || wanted.gs != before.gs) write_bases(wanted);
}

/// Every signal of a guest thread. The first one is its own `ud2`: the thread is ready.
void on_signal(int signal, SignalInfo* info, void* frame) {
    const std::uint64_t block = this_block();
    auto& slot = *reinterpret_cast<Slot*>(block);
    auto& context = *static_cast<SignalContext*>(frame);
    slot.frame.set(static_cast<std::uint32_t>(reinterpret_cast<std::uint64_t>(frame) - block));
    if (slot.starting.get() != 0) {
        slot.starting.set(0);
        slot.event.set(Event::ready);
        context.mask = 0;
    } else if (!take_event(slot, signal, *info, context.machine)) {
        return;
    }
    serve(slot);
}

long install_handlers() {
    const SignalAction action{
        .handler = reinterpret_cast<std::uint64_t>(on_signal),
        .flags = kWithInfo | kOnStack | kWithRestorer,
        .restorer = reinterpret_cast<std::uint64_t>(surefoot_restore_signal_frame),
        .mask = ~std::uint64_t{0}};
    for (const int signal : kSignals) {
        const long e = call(__NR_rt_sigaction, signal, address(&action), 0, sizeof action.mask);
        if (e < 0) return e;
    }
    return 0;
}

/// What the agent and a starting thread must be able to take; everything else waits until a
/// thread runs guest code.
long mask_other_signals() {
    std::uint64_t mask = ~std::uint64_t{0};
    for (const int signal : kSignals) {
        if (signal != kSigUsr1) mask &= ~(std::uint64_t{1} << (signal - 1));
    }
    return call(__NR_rt_sigprocmask, kSetMask, address(&mask), 0, sizeof mask);
}

/// A thread that can't be prepared says so and leaves.
[[noreturn]] void fail_to_start(Slot& slot) {
    StubPort p = port();
    slot.event.set(Event::failed);
    hand_over(p, slot.state, kServerOwns);
    leave(1);
}

/// The host kernel stores the thread's id in the slot, and a zero when it has gone.
long start_thread(std::uint32_t number) {
    if (number >= kMaxThreads) return -EINVAL;
    const std::uint64_t block = block_of(number);
    auto& slot = *reinterpret_cast<Slot*>(block);
    constexpr long kFlags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD |
                            CLONE_SYSVSEM | CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID;
    register long tid asm("r10") = address(&slot.tid);
    register long tls asm("r8") = 0;
    long result;
    // Until its first signal the thread runs on the end of the slot's page. It never returns here.
    asm volatile(
        "syscall\n\t"
        "test %%rax, %%rax\n\t"
        "jnz 1f\n\t"
        "xor %%ebp, %%ebp\n\t"
        "mov %[block], %%rdi\n\t"
        "call surefoot_thread_main\n\t"
        "ud2\n"
        "1:"
        : "=a"(result)
        : "a"(static_cast<long>(__NR_clone)), "D"(kFlags), "S"(block + kSignalStackOffset),
          "d"(address(&slot.tid)), "r"(tid), "r"(tls), [block] "b"(block)
        : "rcx", "r11", "memory");
    return result < 0 ? result : 0;
}

[[noreturn]] void serve_as_agent() {
    StubPort p = port();
    Space& s = space();
    for (;;) {
        hand_over(p, s.agent_state, kServerOwns);
        await_ownership(p, s.agent_state, kStubOwns);
        p = port();
        switch (s.agent_call.get()) {
            case AgentCall::unmap:
                StubSide(p, s, arch::Format(s.levels.get())).unmap_for_server();
                break;
            case AgentCall::clone:
                s.agent_error.set(static_cast<std::int32_t>(-start_thread(s.agent_slot.get())));
                break;
            case AgentCall::boot:
                break;
        }
    }
}

long prepare(bool fsgsbase) {
    call(__NR_prctl, PR_SET_NAME, address("surefoot-guest"));
    if (const long e = install_handlers(); e < 0) return e;
    if (const long e = mask_other_signals(); e < 0) return e;
    return install_filter(fsgsbase);
}

}  // namespace

void become_stub(int control, int zygote_pid, bool fsgsbase) {
    // Dies with the zygote, which dies with the server; the zygote may be gone already.
    if (call(__NR_prctl, PR_SET_PDEATHSIG, kSigKill) < 0) leave(1);
    if (call(__NR_getppid) != zygote_pid) leave(1);
    call(__NR_close, kZygoteSocket);
    call(__NR_close, kZygoteServer);
    const long base = call(__NR_mmap, static_cast<long>(kControlBase), kControlBytes,
                           PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED_NOREPLACE, control, 0);
    if (base != static_cast<long>(kControlBase)) leave(1);
    call(__NR_close, control);
    space().fsgsbase.set(fsgsbase ? 1 : 0);
    space().agent_error.set(static_cast<std::int32_t>(-prepare(fsgsbase)));
    serve_as_agent();
}

}  // namespace surefoot::zygote

/// Where a new thread begins; it leaves through `exit` alone.
void surefoot_thread_main(std::uint64_t block) {
    using namespace surefoot::zygote;
    auto& slot = *reinterpret_cast<Slot*>(block);
    const SignalStack stack{block + kSignalStackOffset, 0, kBlockBytes - kSignalStackOffset};
    if (call(__NR_sigaltstack, address(&stack)) < 0) fail_to_start(slot);
    const auto start = reinterpret_cast<long>(__executable_start);
    // No selector byte: nothing that a guest could flip.
    if (call(__NR_prctl, PR_SET_SYSCALL_USER_DISPATCH, PR_SYS_DISPATCH_ON, start,
             reinterpret_cast<long>(_end) - start, 0) < 0) {
        fail_to_start(slot);
    }
    slot.starting.set(1);
    // The frame of this exception is the one that the server fills with the first registers.
    asm volatile("ud2");
    leave(1);
}
