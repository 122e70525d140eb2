#include "cpu/mirror/vcpu.hpp"

#include <signal.h>

#include <cerrno>
#include <cstring>

#include "cpu/xsave.hpp"

namespace surefoot::inline SF_BUILD::cpu::mirror {

namespace {

constexpr std::size_t kMxcsrMaskOffset = 28;
constexpr std::uint32_t kDefaultMxcsrMask = 0xffbf;

/// Something of the calling thread's own; a thread that reuses it after the end of another one
/// merely stays unpinned.
const void* this_thread() { return &errno; }

}  // namespace

MirrorVcpu::MirrorVcpu(MirrorSpace& space, std::uint32_t slot)
    : space_(space),
      number_(slot),
      slot_(space.stub().control().slot(slot)),
      block_(space.stub().control().block(slot)),
      cpu_(space.shared().next_cpu()),
      tid_(static_cast<pid_t>(slot_.tid.load(sync::Order::relaxed))) {}

MirrorVcpu::~MirrorVcpu() {
    // The thread leaves without touching guest memory; whoever uses the slot next waits for it.
    slot_.command.set(Command::leave);
    space_.side().enter(slot_);
    space_.side().detach(slot_);
    space_.free_slot(number_);
    if (runner_ == this_thread()) {
        ::sched_setaffinity(0, sizeof runner_cpus_, &runner_cpus_);
    }
}

bool MirrorVcpu::prepare() noexcept {
    if (frame() == nullptr) return false;
    fp_bytes_ = kFpLegacyBytes;
    fp_features_ = kLegacyFeatures;
    std::span<std::byte> area = fp_area();
    if (area.empty()) return false;
    const auto software = load_at<FpSoftwareBytes>(area, kFpSoftwareOffset);
    if (software.magic == FpSoftwareBytes::kMagic) {
        fp_bytes_ = software.state_size;
        fp_features_ = software.features;
        if (fp_bytes_ < kFpLegacyBytes + kFpHeaderBytes || fp_area().empty()) return false;
    }
    reset_fp_state();
    if (space_.shared().options.pinning == MirrorOptions::Pinning::pairs) {
        cpu_set_t set;
        CPU_ZERO(&set);
        CPU_SET(cpu_, &set);
        ::sched_setaffinity(tid_, sizeof set, &set);  // a hint
    }
    return true;
}

SignalContext* MirrorVcpu::frame() const {
    const std::uint32_t offset = slot_.frame.get();
    const bool inside = offset >= kSignalStackOffset &&
                        offset <= kBlockBytes - sizeof(SignalContext) && offset % 8 == 0;
    return inside ? reinterpret_cast<SignalContext*>(block_ + offset) : nullptr;
}

std::span<std::byte> MirrorVcpu::fp_area() const {
    const SignalContext* context = frame();
    if (context == nullptr) return {};
    const std::uint64_t offset =
        context->machine.fpstate - (kControlBase + block_offset(number_));
    if (offset < kSignalStackOffset || offset > kBlockBytes - fp_bytes_) return {};
    return {block_ + offset, fp_bytes_};
}

void MirrorVcpu::put_registers(SignalContext& frame, const Regs& r) {
    MachineContext& m = frame.machine;
    m.r8 = r.r8, m.r9 = r.r9, m.r10 = r.r10, m.r11 = r.r11;
    m.r12 = r.r12, m.r13 = r.r13, m.r14 = r.r14, m.r15 = r.r15;
    m.rdi = r.rdi, m.rsi = r.rsi, m.rbp = r.rbp, m.rbx = r.rbx;
    m.rdx = r.rdx, m.rax = r.rax, m.rcx = r.rcx, m.rsp = r.rsp;
    m.rip = r.rip, m.rflags = r.rflags;
    slot_.fs_base.set(r.fs_base);
    slot_.gs_base.set(r.gs_base);
}

void MirrorVcpu::take_registers(const SignalContext& frame, Regs& r) const {
    const MachineContext& m = frame.machine;
    r.r8 = m.r8, r.r9 = m.r9, r.r10 = m.r10, r.r11 = m.r11;
    r.r12 = m.r12, r.r13 = m.r13, r.r14 = m.r14, r.r15 = m.r15;
    r.rdi = m.rdi, r.rsi = m.rsi, r.rbp = m.rbp, r.rbx = m.rbx;
    r.rdx = m.rdx, r.rax = m.rax, r.rcx = m.rcx, r.rsp = m.rsp;
    r.rip = m.rip, r.rflags = m.rflags;
    r.fs_base = slot_.fs_base.get();
    r.gs_base = slot_.gs_base.get();
}

Exit MirrorVcpu::run(Regs& regs) noexcept {
    using sync::Order;
    ServerSide<NativePort>& side = space_.side();
    pin();
    if (kicked_.exchange(0, Order::seq_cst) != 0) {
        Shared::count(space_.shared().counted.exits_kicked);
        return {.kind = Exit::Kind::kicked};
    }
    SignalContext* context = frame();
    if (context == nullptr) return dead();
    put_registers(*context, regs);
    slot_.fill_wanted.set(fill_next_ ? 1 : 0);
    if (fill_next_) slot_.fill_va.set(fill_va_);
    fill_next_ = false;
    for (;;) {
        if (!side.enter(slot_)) return dead();
        // A kick either saw the thread running, or is seen here: both sides store, then load.
        if (kicked_.load(Order::seq_cst) != 0) signal_thread();
        await_ownership(space_.port(), slot_.state, kServerOwns);
        if (side.is_dead()) return dead();
        Exit exit;
        if (take_exit(regs, exit)) return exit;
    }
}

bool MirrorVcpu::take_exit(Regs& regs, Exit& exit) {
    Shared::Counters& counted = space_.shared().counted;
    const SignalContext* context = frame();
    const Event event = slot_.event.get();
    if (context == nullptr || event == Event::failed || event == Event::ready) {
        exit = dead();
        return true;
    }
    switch (event) {
        case Event::kicked:
            // The signal of an earlier kick, which an exit for another reason overtook.
            if (kicked_.exchange(0, sync::Order::seq_cst) == 0) return false;
            Shared::count(counted.exits_kicked);
            exit.kind = Exit::Kind::kicked;
            break;
        case Event::syscall:
            Shared::count(counted.exits_syscall);
            exit.kind = Exit::Kind::syscall;
            break;
        case Event::fault:
            Shared::count(counted.exits_fault);
            exit = {.kind = Exit::Kind::fault, .code = slot_.code.get(), .va = slot_.va.get()};
            fill_next_ = true;
            fill_va_ = exit.va;
            break;
        default:
            Shared::count(counted.exits_exception);
            exit = {.kind = Exit::Kind::exception,
                    .vector = static_cast<std::uint8_t>(slot_.vector.get()),
                    .code = slot_.code.get()};
            break;
    }
    take_registers(*context, regs);
    return true;
}

/// The guest wrote over the control memory, the host gave out of memory, or the stub is gone.
Exit MirrorVcpu::dead() {
    space_.stub().kill();
    return {.kind = Exit::Kind::dead};
}

void MirrorVcpu::pin() {
    if (space_.shared().options.pinning == MirrorOptions::Pinning::none) return;
    const void* thread = this_thread();
    if (runner_ == thread) return;
    runner_ = thread;
    ::sched_getaffinity(0, sizeof runner_cpus_, &runner_cpus_);
    sync::pin_this_thread(cpu_);
}

void MirrorVcpu::kick() noexcept {
    using sync::Order;
    // seq_cst: pairs with `run`, which gives the slot away and then looks at the flag.
    kicked_.store(1, Order::seq_cst);
    if ((slot_.state.load(Order::seq_cst) & kOwnerMask) == kStubOwns) signal_thread();
}

void MirrorVcpu::signal_thread() {
    ::syscall(SYS_tgkill, space_.stub().pid(), tid_, SIGUSR1);
}

void MirrorVcpu::save_fp_state(std::span<std::byte> out) noexcept {
    const std::span<std::byte> area = fp_area();
    if (area.empty()) return;
    const std::size_t n = std::min(out.size(), area.size());
    std::memcpy(out.data(), area.data(), n);
    // What belongs to software is the host's in this frame, and none of the guest's business.
    if (n >= kFpLegacyBytes) {
        std::memset(out.data() + kFpSoftwareOffset, 0, sizeof(FpSoftwareBytes));
    }
}

Result<void> MirrorVcpu::load_fp_state(std::span<const std::byte> in) noexcept {
    const std::span<std::byte> area = fp_area();
    const bool legacy = in.size() == kFpLegacyBytes;
    if (area.empty() || (!legacy && in.size() < fp_bytes_)) return Errno::inval;
    std::uint32_t mask = load_at<std::uint32_t>(area, kMxcsrMaskOffset);
    if (mask == 0) mask = kDefaultMxcsrMask;
    if ((load_at<std::uint32_t>(in, kMxcsrOffset) & ~mask) != 0) return Errno::inval;
    if (!legacy && fp_bytes_ > kFpLegacyBytes) {
        if ((load_at<std::uint64_t>(in, kFpLegacyBytes) & ~fp_features_) != 0) return Errno::inval;
        // The rest of the header is reserved in the standard format.
        for (std::size_t i = 8; i < kFpHeaderBytes; ++i) {
            if (in[kFpLegacyBytes + i] != std::byte{0}) return Errno::inval;
        }
    }
    std::memcpy(area.data(), in.data(), kFpSoftwareOffset);
    store_at(area, kMxcsrMaskOffset, mask);
    if (!legacy) {
        std::memcpy(area.data() + kFpLegacyBytes, in.data() + kFpLegacyBytes,
                    fp_bytes_ - kFpLegacyBytes);
    } else if (fp_bytes_ > kFpLegacyBytes) {
        std::memset(area.data() + kFpLegacyBytes, 0, fp_bytes_ - kFpLegacyBytes);
        store_at(area, kFpLegacyBytes, kLegacyFeatures);
    }
    return {};
}

void MirrorVcpu::reset_fp_state() noexcept {
    const std::span<std::byte> area = fp_area();
    if (area.empty()) return;
    const auto mask = load_at<std::uint32_t>(area, kMxcsrMaskOffset);
    std::memset(area.data(), 0, kFpSoftwareOffset);
    std::memset(area.data() + kFpLegacyBytes, 0, fp_bytes_ - kFpLegacyBytes);
    store_at(area, 0, kInitialControlWord);
    store_at(area, kMxcsrOffset, kInitialMxcsr);
    store_at(area, kMxcsrMaskOffset, mask);
    // Every component is marked as in its initial state; MXCSR alone is loaded all the same.
}

}  // namespace surefoot::inline SF_BUILD::cpu::mirror
