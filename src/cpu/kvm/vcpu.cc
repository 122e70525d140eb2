#include "cpu/kvm/vcpu.hpp"

#include <cerrno>

namespace surefoot::inline SF_BUILD::cpu::kvm {

using sync::Order;

namespace {

constexpr unsigned kPageFault = 14;
constexpr unsigned kGeneralProtection = 13;
/// Reserved bits of an entry are set: no page fault that anybody could resolve.
constexpr std::uint64_t kReservedBits = 8;
constexpr std::uint64_t kFaultBits =
    FaultCode::kPresent | FaultCode::kWrite | FaultCode::kUser | FaultCode::kFetch;

/// What a program can change: CF PF AF ZF SF TF DF OF NT RF AC ID. Bit 1 and IF are always set.
constexpr std::uint64_t kUserFlags = 0x25'4dd5;
constexpr std::uint64_t kFixedFlags = 0x202;

constexpr std::uint64_t stub_va(std::uint64_t stub) { return area_va(AreaPage::kStubs) + stub; }

bool is_resume_stub(std::uint64_t rip) {
    return rip >= stub_va(kResumeStub) && rip < stub_va(kSyscallStub);
}

}  // namespace

KvmVcpu::KvmVcpu(KvmSpace& space, std::unique_ptr<Processor> processor)
    : space_(space),
      machine_(space.machine()),
      processor_(std::move(processor)),
      interrupter_(*processor_) {}

KvmVcpu::~KvmVcpu() {
    space_.remove(*this);
    machine_.give_back(std::move(processor_));
}

Exit KvmVcpu::run(Regs& regs) noexcept {
    if (space_.is_dead()) return {.kind = Exit::Kind::dead};
    if (kicked_.exchange(false, Order::seq_cst)) {
        Counters::count(space_.counters().exits_kicked);
        return {.kind = Exit::Kind::kicked};
    }
    interrupter_.enter();
    const Exit exit = run_inside(regs);
    interrupter_.leave();
    return exit;
}

Exit KvmVcpu::run_inside(Regs& regs) {
    bool fresh = true;
    for (;;) {
        const int result = run_once(fresh, regs);
        if (result == 0) return take_exit(regs);
        if (result != -EINTR) return dead();
        interrupter_.acknowledge();
        const Stop stop = take_stop(regs);
        fresh = stop != Stop::leaving_guest;
        // The stub may not have come to its flush.
        if (stop == Stop::before_guest) flushed_ = 0;
        // The `hlt` comes first: the kick stays for the next run.
        if (fresh && kicked_.exchange(false, Order::seq_cst)) {
            Counters::count(space_.counters().exits_kicked);
            return {.kind = Exit::Kind::kicked};
        }
    }
}

/// @param fresh  the guest is to be entered with `regs`; else level 0 goes on where it was
int KvmVcpu::run_once(bool fresh, const Regs& regs) {
    const bool flush = enter();
    if (fresh) put_registers(regs, flush);
    const int result = sf_kvm_run(processor_->fd());
    leave();
    return result;
}

bool KvmVcpu::enter() {
    // seq_cst: pairs with KvmSpace::reload_everywhere. This store first, then the load.
    inside_.store(kEntering, Order::seq_cst);
    const std::uint64_t generation = space_.generation();
    const bool flush = machine_.flush.reload && generation != flushed_;
    flushed_ = generation;
    inside_.store(generation, Order::release);
    return flush;
}

void KvmVcpu::leave() {
    // Release: what the guest did comes before; pairs with `is_inside`.
    inside_.store(kOutside, Order::release);
    if (machine_.flush.reload) inside_.notify_all();
}

void KvmVcpu::wait_until_flushed(std::uint64_t generation) noexcept {
    std::uint64_t seen = inside_.load(Order::seq_cst);
    if (seen == kOutside || seen >= generation) return;
    interrupter_.interrupt();
    while (seen != kOutside && seen < generation) {
        inside_.wait(seen, Order::acquire);
        seen = inside_.load(Order::acquire);
    }
}

void KvmVcpu::kick() noexcept {
    // seq_cst, before the request: pairs with Interrupter::acknowledge.
    kicked_.store(true, Order::seq_cst);
    interrupter_.interrupt();
}

void KvmVcpu::put_registers(const Regs& r, bool flush) {
    processor_->frame() = {.rip = r.rip,
                           .cs = Selector::kUserCode,
                           .rflags = (r.rflags & kUserFlags) | kFixedFlags,
                           .rsp = r.rsp,
                           .ss = Selector::kUserData};
    processor_->regs() = {.rax = r.rax, .rbx = r.rbx, .rcx = r.rcx, .rdx = r.rdx,
                          .rsi = r.rsi, .rdi = r.rdi, .rsp = processor_->frame_va(),
                          .rbp = r.rbp, .r8 = r.r8, .r9 = r.r9, .r10 = r.r10, .r11 = r.r11,
                          .r12 = r.r12, .r13 = r.r13, .r14 = r.r14, .r15 = r.r15,
                          .rip = stub_va(flush ? kFlushAndResumeStub : kResumeStub),
                          .rflags = 2};
    sf_kvm_regs_changed(processor_->run_page());
    put_special_registers(r);
}

void KvmVcpu::put_special_registers(const Regs& r) {
    const bool same = fs_base_ == r.fs_base && gs_base_ == r.gs_base && root_ == space_.root();
    if (!special_stale_ && same) return;
    special_stale_ = false;
    fs_base_ = r.fs_base;
    gs_base_ = r.gs_base;
    root_ = space_.root();
    sf_kvm_put_sregs(processor_->run_page(), &processor_->first_sregs(), root_.raw(), fs_base_,
                     gs_base_);
}

void KvmVcpu::take_general_registers(Regs& r) const {
    const sf_kvm_regs& k = processor_->regs();
    r.rax = k.rax, r.rbx = k.rbx, r.rcx = k.rcx, r.rdx = k.rdx;
    r.rsi = k.rsi, r.rdi = k.rdi, r.rsp = k.rsp, r.rbp = k.rbp;
    r.r8 = k.r8, r.r9 = k.r9, r.r10 = k.r10, r.r11 = k.r11;
    r.r12 = k.r12, r.r13 = k.r13, r.r14 = k.r14, r.r15 = k.r15;
    r.rip = k.rip, r.rflags = k.rflags;
    r.fs_base = fs_base_;
    r.gs_base = gs_base_;
}

void KvmVcpu::take_frame(const InterruptFrame& frame, Regs& r) const {
    take_general_registers(r);
    r.rip = frame.rip, r.rflags = frame.rflags, r.rsp = frame.rsp;
}

/// The `syscall` instruction has put rip and rflags into two registers, and left rsp.
void KvmVcpu::take_system_call(Regs& r) const {
    take_general_registers(r);
    r.rip = r.rcx, r.rflags = r.r11;
}

KvmVcpu::Stop KvmVcpu::take_stop(Regs& regs) {
    const void* const run = processor_->run_page();
    // An exception that KVM holds for the next entry would hit whatever runs then.
    if (sf_kvm_has_pending_event(processor_->fd()) != 0) return Stop::leaving_guest;
    const std::uint64_t rip = processor_->regs().rip;
    const bool in_kernel = sf_kvm_privilege_level(run) == 0;
    if (in_kernel && is_resume_stub(rip)) return Stop::before_guest;
    // The second is a system call that will fault: see Machine::syscall_faults.
    if (in_kernel || rip == kSyscallEntry) return Stop::leaving_guest;
    fs_base_ = sf_kvm_fs_base(run);
    gs_base_ = sf_kvm_gs_base(run);
    // The next entry starts at level 0 again.
    special_stale_ = true;
    take_general_registers(regs);
    return Stop::in_guest;
}

Exit KvmVcpu::take_exit(Regs& regs) {
    const void* const run = processor_->run_page();
    if (sf_kvm_exit_reason(run) != SF_KVM_HALTED) return dead();
    fs_base_ = sf_kvm_fs_base(run);
    gs_base_ = sf_kvm_gs_base(run);
    const std::uint64_t stub = processor_->regs().rip - 1;
    if (stub == kSyscallEntry) return system_call(regs);
    const std::uint64_t offset = stub - area_va(AreaPage::kVectorStubs);
    if (offset >= kVectors * kVectorStride) return dead();
    return take_vector(static_cast<unsigned>(offset / kVectorStride), regs);
}

Exit KvmVcpu::system_call(Regs& regs) {
    take_system_call(regs);
    Counters::count(space_.counters().exits_syscall);
    return {.kind = Exit::Kind::syscall};
}

Exit KvmVcpu::take_vector(unsigned vector, Regs& regs) {
    const InterruptFrame& frame = processor_->frame();
    const std::uint64_t rsp = processor_->regs().rsp;
    const std::uint64_t top = processor_->frame_va();
    if (rsp != top && rsp != top - sizeof(std::uint64_t)) {
        // iretq itself faulted: the guest's rip or flags can't be entered.
        Counters::count(space_.counters().exits_exception);
        return {.kind = Exit::Kind::exception, .vector = kGeneralProtection};
    }
    if (vector != kPageFault) {
        take_frame(frame, regs);
        Counters::count(space_.counters().exits_exception);
        const std::uint64_t code = rsp != top ? processor_->error_code() : 0;
        return {.kind = Exit::Kind::exception,
                .vector = static_cast<std::uint8_t>(vector),
                .code = static_cast<std::uint32_t>(code)};
    }
    const std::uint64_t address = sf_kvm_cr2(processor_->run_page());
    if (machine_.syscall_faults && address == kSyscallEntry && frame.rip == kSyscallEntry) {
        processor_->regs().rsp = frame.rsp;
        return system_call(regs);
    }
    const std::uint64_t code = processor_->error_code();
    if ((code & kReservedBits) != 0) return dead();
    take_frame(frame, regs);
    Counters::count(space_.counters().exits_fault);
    return {.kind = Exit::Kind::fault,
            .code = static_cast<std::uint32_t>(code & kFaultBits),
            .va = VirtAddr(address)};
}

Exit KvmVcpu::dead() {
    space_.mark_dead();
    return {.kind = Exit::Kind::dead};
}

}  // namespace surefoot::inline SF_BUILD::cpu::kvm
