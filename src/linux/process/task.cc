#include "linux/process/task.hpp"

#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <bit>
#include <csignal>
#include <cstring>
#include <utility>
#include <vector>

#include "linux/process/host_call.hpp"
#include "linux/process/process.hpp"
#include "linux/process/robust_list.hpp"
#include "linux/signals/deliver.hpp"
#include "linux/syscalls/registry.hpp"

namespace surefoot::inline SF_BUILD::linux_abi {

namespace {

int host_gettid() { return static_cast<int>(syscall(SYS_gettid)); }

Siginfo fault_info(int signal, int code, std::uint64_t address) {
    Siginfo info;
    info.signo = signal;
    info.code = code;
    info.u.fault.address = address;
    return info;
}

constexpr std::uint8_t kVectorPageFault = 14;
constexpr std::uint8_t kVectorX87 = 16;
constexpr std::uint8_t kVectorSse = 19;
constexpr std::uint64_t kFaultsPerSample = 256;

/// Which exception the program had unmasked. @return 0: none that is still there
/// (fpu__exception_code)
int fp_exception_code(cpu::Vcpu& vcpu, std::uint8_t vector) {
    std::vector<std::byte> area(vcpu.fp_state_size());
    vcpu.save_fp_state(area);
    std::array<std::uint16_t, 2> x87{};  // control word, status word
    std::uint32_t mxcsr = 0;
    std::memcpy(x87.data(), area.data(), sizeof x87);
    std::memcpy(&mxcsr, area.data() + 24, sizeof mxcsr);
    const unsigned raised =
        vector == kVectorX87 ? x87[1] & ~unsigned{x87[0]} : mxcsr & ~(mxcsr >> 7);
    if (raised & 0x01) return FPE_FLTINV;
    if (raised & 0x04) return FPE_FLTDIV;
    if (raised & 0x08) return FPE_FLTOVF;
    if (raised & 0x12) return FPE_FLTUND;  // and denormal operands
    return (raised & 0x20) != 0 ? FPE_FLTRES : 0;
}

}  // namespace

int notice_signal() { return SIGRTMAX - 1; }

Result<void> install_notice_handler() {
    struct sigaction action{};
    action.sa_sigaction = [](int, siginfo_t*, void* context) { leave_host_call(context); };
    action.sa_flags = SA_SIGINFO;
    if (sigaction(notice_signal(), &action, nullptr) != 0) return Errno::inval;
    return {};
}

Task::Task(Process& process, std::unique_ptr<cpu::Vcpu> vcpu, int tid)
    : process_(process), vcpu_(std::move(vcpu)), tid_(tid) {}

mm::Mm& Task::mm() { return process_.mm(); }

void Task::exit(int code) {
    exiting_ = true;
    exit_code_ = code;
}

void Task::announce() {
    host_tid_.store(host_gettid(), sync::Order::seq_cst);
    if (tid() == 0) tid_.store(host_gettid(), sync::Order::relaxed);
    // As in Linux, the parent's copy is there before clone returns, the child's before it runs; a
    // bad address is not reported.
    for (const VirtAddr where : {birth_.parent_tid, birth_.child_tid}) {
        if (where != VirtAddr()) static_cast<void>(mm::put_user(mm(), where, tid()));
    }
    // Release: pairs with the acquire in Process::clone_thread.
    announced_.store(tid(), sync::Order::release);
    announced_.notify_all();
}

void Task::run() {
    announce();
    while (!exiting_) {
        SignalDelivery(*this).run();
        if (process_.is_exiting()) break;
        handle(vcpu_->run(regs));
    }
    leave();
}

void Task::handle(const cpu::Exit& exit) {
    switch (exit.kind) {
        case cpu::Exit::Kind::syscall:
            return handle_syscall();
        case cpu::Exit::Kind::fault:
            return handle_fault(exit);
        case cpu::Exit::Kind::exception:
            return handle_exception(exit);
        case cpu::Exit::Kind::kicked:
            return;
        case cpu::Exit::Kind::dead:
            return process_.on_host_death();
    }
}

void Task::handle_syscall() {
    // The kernel looks at the lower half.
    const std::uint64_t number = static_cast<std::uint32_t>(regs.rax);
    if (number < kSyscallNumbers) ++counts[number];
    const SyscallArgs args{{regs.rdi, regs.rsi, regs.rdx, regs.r10, regs.r8, regs.r9}};
    const SysResult result = dispatch(*this, number, args);
    if (number < kSyscallNumbers && result == -ENOSYS) ++refused[number];
    if (result == kErestartsys || result == kErestartnohand) interrupted_ = {number, result};
    if (!frame_restored_) regs.rax = static_cast<std::uint64_t>(result);
    frame_restored_ = false;
}

void Task::handle_fault(const cpu::Exit& exit) {
    if (++faults_ % kFaultsPerSample == 0) {
        process_.sample_memory();
        process_.verify();
    }
    mm::Access access = mm::Access::read;
    if (exit.code & cpu::FaultCode::kWrite) access = mm::Access::write;
    if (exit.code & cpu::FaultCode::kFetch) access = mm::Access::exec;
    last_fault_ = {.address = exit.va.raw(), .code = exit.code, .vector = kVectorPageFault};
    switch (mm::handle_fault(mm(), exit.va, access)) {
        case mm::FaultResult::handled:
            return;
        case mm::FaultResult::maperr:
            return process_.force(*this, fault_info(SIGSEGV, SEGV_MAPERR, exit.va.raw()));
        case mm::FaultResult::accerr:
            return process_.force(*this, fault_info(SIGSEGV, SEGV_ACCERR, exit.va.raw()));
        case mm::FaultResult::bus:
            return process_.force(*this, fault_info(SIGBUS, BUS_ADRERR, exit.va.raw()));
        case mm::FaultResult::oom:
            // Linux's OOM killer would choose a process; there is one.
            return process_.exit_group({.signal = SIGKILL, .out_of_memory = true});
    }
}

void Task::handle_exception(const cpu::Exit& exit) {
    last_fault_.code = exit.code;
    last_fault_.vector = exit.vector;
    switch (exit.vector) {
        case 0:
            return process_.force(*this, fault_info(SIGFPE, FPE_INTDIV, regs.rip));
        case 1:
            return process_.force(*this, fault_info(SIGTRAP, TRAP_TRACE, regs.rip));
        case 3:
            return process_.force(*this, fault_info(SIGTRAP, SI_KERNEL, 0));
        case 6:
            return process_.force(*this, fault_info(SIGILL, ILL_ILLOPN, regs.rip));
        case 11:
        case 12:
            return process_.force(*this, fault_info(SIGBUS, SI_KERNEL, 0));
        case kVectorX87:
        case kVectorSse:
            if (const int code = fp_exception_code(*vcpu_, exit.vector); code != 0) {
                process_.force(*this, fault_info(SIGFPE, code, regs.rip));
            }
            return;
        case 17:
            return process_.force(*this, fault_info(SIGBUS, BUS_ADRALN, 0));
        default:
            return process_.force(*this, fault_info(SIGSEGV, SI_KERNEL, 0));
    }
}

void Task::leave() {
    if (!process_.is_exiting() || exiting_) {
        exit_robust_list(*this);
        if (clear_child_tid != VirtAddr() && process_.nr_threads() > 1) {
            if (mm::put_user(mm(), clear_child_tid, std::uint32_t{0})) {
                process_.futexes().wake(mm(), clear_child_tid, true, 1, ~0U);
            }
        }
    }
    process_.take_vcpu(*this).reset();
    process_.on_task_end(*this);
}

void Task::notify() {
    parker_.unpark();
    if (vcpu_) vcpu_->kick();
    if (in_host_call_.load(sync::Order::seq_cst)) {
        syscall(SYS_tgkill, getpid(), host_tid_.load(sync::Order::seq_cst), notice_signal());
    }
}

long Task::call_host(long number, long a, long b, long c, long d) {
    static_assert(sizeof notice_ == 1);
    const void* const stop = &notice_;
    sigset_t notice;
    sigemptyset(&notice);
    sigaddset(&notice, notice_signal());
    // seq_cst: as in `poll_host`; the call itself looks at notice_.
    in_host_call_.store(true, sync::Order::seq_cst);
    sigprocmask(SIG_UNBLOCK, &notice, nullptr);
    long result = 0;
    do {
        result = call_unless(stop, number, a, b, c, d);
    } while (result == -EINTR && !must_stop_waiting());
    sigprocmask(SIG_BLOCK, &notice, nullptr);
    in_host_call_.store(false, sync::Order::seq_cst);
    return result;
}

void Task::take_raised_signal() {
    sigset_t raised;
    sigemptyset(&raised);
    sigaddset(&raised, SIGPIPE);
    sigaddset(&raised, SIGXFSZ);
    constexpr timespec kNow{};
    siginfo_t host;
    if (sigtimedwait(&raised, &host, &kNow) < 0) return;
    process_.send_to(*this, std::bit_cast<Siginfo>(host));
}

int Task::poll_host(std::span<pollfd> fds, const std::optional<Deadline>& deadline) {
    sigset_t mask;
    sigfillset(&mask);
    sigdelset(&mask, notice_signal());
    for (;;) {
        timespec left{};
        const timespec* timeout = nullptr;
        if (deadline) {
            left = time_left(*deadline);
            timeout = &left;
        }
        in_host_call_.store(true, sync::Order::seq_cst);
        // seq_cst: pairs with `notify`, which stores the notice before it looks at in_host_call_.
        const bool stop = notice_.load(sync::Order::seq_cst);
        const int ready = stop ? -1 : ppoll(fds.data(), fds.size(), timeout, &mask);
        const int error = stop ? EINTR : errno;
        in_host_call_.store(false, sync::Order::seq_cst);
        if (ready >= 0) return ready;
        if (error != EINTR) return -error;
        if (must_stop_waiting()) return -EINTR;
    }
}

}  // namespace surefoot::inline SF_BUILD::linux_abi
