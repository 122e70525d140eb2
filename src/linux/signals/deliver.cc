#include "linux/signals/deliver.hpp"

#include <unistd.h>

#include <csignal>
#include <cstring>
#include <vector>

#include "linux/signals/defaults.hpp"
#include "linux/signals/frame.hpp"

namespace surefoot::inline SF_BUILD::linux_abi {

namespace {

constexpr std::uint64_t kSyscallBytes = 2;
constexpr std::uint64_t kFlagTrap = 1ULL << 8;
constexpr std::uint64_t kFlagDirection = 1ULL << 10;
constexpr std::uint64_t kFlagResume = 1ULL << 16;
// What sigreturn may change: OF DF TF SF ZF AF PF CF, RF and AC.
constexpr std::uint64_t kUserFlags = 0xdd5 | kFlagResume | (1ULL << 18);
constexpr std::uint16_t kUserCs = 0x33;
constexpr std::uint16_t kUserSs = 0x2b;

Siginfo kernel_signal(int signal) {
    Siginfo info;
    info.signo = signal;
    info.code = SI_KERNEL;
    return info;
}

}  // namespace

void SignalDelivery::run() {
    if (task_.must_stop_waiting()) {
        while (!task_.process().is_exiting()) {
            const auto delivery = task_.process().dequeue(task_);
            if (!delivery) break;
            act(*delivery);
        }
    }
    settle_interrupted(nullptr);
    if (task_.signals.saved_blocked) {
        const SigSet mask = *task_.signals.saved_blocked;
        task_.signals.saved_blocked.reset();
        task_.process().set_blocked(task_, mask);
    }
}

void SignalDelivery::act(const Process::Delivery& delivery) {
    if (delivery.action.handler == kSigDfl) return default_act(delivery.info.signo);
    settle_interrupted(&delivery.action);
    if (call_handler(delivery)) return;
    // As Linux: a SIGSEGV whose own frame can't be written is final.
    if (delivery.info.signo == SIGSEGV) task_.process().set_action(SIGSEGV, {});
    task_.process().force(task_, kernel_signal(SIGSEGV));
}

void SignalDelivery::default_act(int signal) {
    if (default_action(signal) == DefaultAction::stop) {
        kill(getpid(), SIGSTOP);  // the server stops as a whole, and its guests with it
        return;
    }
    task_.process().exit_group({.signal = signal});
}

void SignalDelivery::settle_interrupted(const KernelSigaction* handler) {
    if (!task_.interrupted_) return;
    const auto [number, reason] = *task_.interrupted_;
    task_.interrupted_.reset();
    const bool repeat =
        handler == nullptr || (reason == kErestartsys && (handler->flags & kSaRestart) != 0);
    if (repeat) {
        task_.regs.rip -= kSyscallBytes;
        task_.regs.rax = number;
    } else {
        task_.regs.rax = static_cast<std::uint64_t>(-EINTR);
    }
}

bool SignalDelivery::write_fp_state(std::uint64_t address) {
    const std::size_t bytes = task_.vcpu().fp_state_size();
    std::vector<std::byte> area(bytes + sizeof kFpMagic2);
    task_.vcpu().save_fp_state(std::span(area).first(bytes));
    mark_fp_area(area);
    return mm::copy_to_user(task_.mm(), VirtAddr(address), area) == area.size();
}

void SignalDelivery::write_context(SigContext& context, std::uint64_t fpstate) const {
    const cpu::Regs& r = task_.regs;
    context = {.r8 = r.r8,
               .r9 = r.r9,
               .r10 = r.r10,
               .r11 = r.r11,
               .r12 = r.r12,
               .r13 = r.r13,
               .r14 = r.r14,
               .r15 = r.r15,
               .rdi = r.rdi,
               .rsi = r.rsi,
               .rbp = r.rbp,
               .rbx = r.rbx,
               .rdx = r.rdx,
               .rax = r.rax,
               .rcx = r.rcx,
               .rsp = r.rsp,
               .rip = r.rip,
               .rflags = r.rflags,
               .cs = kUserCs,
               .gs = 0,
               .fs = 0,
               .ss = kUserSs,
               .err = task_.last_fault_.code,
               .trapno = task_.last_fault_.vector,
               .oldmask = task_.signals.blocked,
               .cr2 = task_.last_fault_.address,
               .fpstate = fpstate,
               .reserved = {}};
}

bool SignalDelivery::call_handler(const Process::Delivery& delivery) {
    TaskSignals& signals = task_.signals;
    const bool wants_stack = (delivery.action.flags & kSaOnstack) != 0;
    const FramePlace place =
        place_frame(task_.regs.rsp, signals.stack, wants_stack, task_.vcpu().fp_state_size());
    if (place.overflow || !(delivery.action.flags & kSaRestorer)) return false;

    RtSigframe frame{};
    frame.restorer = delivery.action.restorer;
    frame.uc.flags = kUcFpXstate | kUcSigcontextSs | kUcStrictRestoreSs;
    frame.uc.stack = signals.stack;
    if (signals.stack.size == 0) {
        frame.uc.stack.flags = SS_DISABLE;
    } else if (is_on_stack(task_.regs.rsp, signals.stack)) {
        frame.uc.stack.flags |= SS_ONSTACK;
    }
    write_context(frame.uc.context, place.fpstate);
    frame.uc.mask = signals.saved_blocked.value_or(signals.blocked);
    frame.info = delivery.info;
    if (!write_fp_state(place.fpstate)) return false;
    if (!mm::put_user(task_.mm(), VirtAddr(place.sp), frame)) return false;
    enter_handler(delivery, place.sp);
    return true;
}

void SignalDelivery::enter_handler(const Process::Delivery& delivery, std::uint64_t frame) {
    cpu::Regs& regs = task_.regs;
    regs.rdi = static_cast<std::uint64_t>(delivery.info.signo);
    regs.rsi = frame + offsetof(RtSigframe, info);
    regs.rdx = frame + offsetof(RtSigframe, uc);
    regs.rax = 0;
    regs.rsp = frame;
    regs.rip = delivery.action.handler;
    regs.rflags &= ~(kFlagDirection | kFlagResume | kFlagTrap);
    task_.vcpu().reset_fp_state();

    TaskSignals& signals = task_.signals;
    if (static_cast<std::uint32_t>(signals.stack.flags) & kSsAutodisarm) signals.stack = StackT{};
    signals.saved_blocked.reset();  // the frame has it
    SigSet blocked = signals.blocked | delivery.action.mask;
    if (!(delivery.action.flags & kSaNodefer)) blocked |= sig_bit(delivery.info.signo);
    task_.process().set_blocked(task_, blocked);
}

void SignalDelivery::read_context(const SigContext& c) {
    cpu::Regs& r = task_.regs;
    const cpu::Regs before = r;
    const std::uint64_t flags = (r.rflags & ~kUserFlags) | (c.rflags & kUserFlags);
    r = {.r15 = c.r15,
         .r14 = c.r14,
         .r13 = c.r13,
         .r12 = c.r12,
         .r11 = c.r11,
         .r10 = c.r10,
         .r9 = c.r9,
         .r8 = c.r8,
         .rax = c.rax,
         .rbx = c.rbx,
         .rcx = c.rcx,
         .rdx = c.rdx,
         .rsi = c.rsi,
         .rdi = c.rdi,
         .rbp = c.rbp,
         .rsp = c.rsp,
         .rip = c.rip,
         .rflags = flags,
         .fs_base = before.fs_base,
         .gs_base = before.gs_base};
}

bool SignalDelivery::read_fp_state(std::uint64_t address) {
    if (address == 0) {
        task_.vcpu().reset_fp_state();
        return true;
    }
    const std::size_t bytes = task_.vcpu().fp_state_size();
    std::vector<std::byte> area(bytes + sizeof kFpMagic2);
    const std::span<std::byte> all(area);
    const std::span<std::byte> legacy = all.first(kFxsaveBytes);
    if (mm::copy_from_user(task_.mm(), legacy, VirtAddr(address)) != kFxsaveBytes) return false;
    if (has_extended_state(legacy, bytes)) {
        if (mm::copy_from_user(task_.mm(), all, VirtAddr(address)) != area.size()) return false;
        std::uint32_t magic = 0;
        std::memcpy(&magic, area.data() + bytes, sizeof magic);
        if (magic == kFpMagic2) return task_.vcpu().load_fp_state(all.first(bytes)).has_value();
    }
    // Only x87 and SSE are there; everything else gets its initial value.
    std::memset(area.data() + kFxsaveBytes, 0, area.size() - kFxsaveBytes);
    const std::uint64_t components = 3;
    std::memcpy(area.data() + kFxsaveBytes, &components, sizeof components);
    return task_.vcpu().load_fp_state(all.first(bytes)).has_value();
}

/// Linux returns through an `iret` that loads what the frame names: another segment than the usual
/// one is a general protection fault there.
void SignalDelivery::check_selectors(const UContext& uc) {
    constexpr std::uint16_t kUserLevel = 3;
    constexpr std::uint8_t kGeneralProtection = 13;
    const auto cs = static_cast<std::uint16_t>(uc.context.cs | kUserLevel);
    const auto ss = static_cast<std::uint16_t>(uc.context.ss | kUserLevel);
    const bool strict = (uc.flags & kUcStrictRestoreSs) != 0;
    if (cs == kUserCs && (ss == kUserSs || !strict)) return;
    const std::uint32_t refused = cs != kUserCs ? cs : ss;
    task_.handle_exception({.kind = cpu::Exit::Kind::exception,
                            .vector = kGeneralProtection,
                            .code = refused - kUserLevel});
}

void SignalDelivery::sigreturn() {
    // The handler's `ret` has popped the return address.
    const VirtAddr frame(task_.regs.rsp - offsetof(RtSigframe, uc));
    const auto uc = mm::get_user<UContext>(task_.mm(), frame + offsetof(RtSigframe, uc));
    if (!uc || !read_fp_state(uc->context.fpstate)) {
        task_.process().force(task_, kernel_signal(SIGSEGV));
        return;
    }
    read_context(uc->context);
    task_.frame_restored_ = true;
    task_.signals.stack = uc->stack;
    task_.signals.stack.flags &= ~SS_ONSTACK;
    if (uc->stack.flags & SS_DISABLE) task_.signals.stack = StackT{};
    task_.process().set_blocked(task_, uc->mask);
    check_selectors(*uc);
}

}  // namespace surefoot::inline SF_BUILD::linux_abi
