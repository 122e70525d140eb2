#include "cpu/kvm/machine/machine.hpp"

#include <cerrno>

namespace surefoot::inline SF_BUILD::cpu::kvm {

namespace {

constexpr std::uint32_t kArenaSlot = 0;
constexpr std::uint32_t kAreaSlot = 1;

Errno error_of_open(int result) {
    const bool absent = result == -ENOENT || result == -ENXIO || result == -ENODEV;
    return absent ? Errno::nodev : error_of(result);
}

}  // namespace

Result<std::unique_ptr<Machine>> Machine::create(const KvmOptions& options) noexcept {
    if (sync::should_fail(options.fail)) return Errno::mfile;
    Descriptor kvm(sf_kvm_open());
    if (kvm.get() < 0) return error_of_open(kvm.get());
    if (sync::should_fail(options.fail)) return Errno::nomem;
    Descriptor vm(sf_kvm_create_vm(kvm.get()));
    if (vm.get() < 0) return error_of(vm.get());
    if (sync::should_fail(options.fail)) return Errno::nomem;
    // Far from the arena: an entry that leads past its end meets no memory at all.
    Result<Area> area = Area::create(PhysAddr(kArenaMax), options.arena.size());
    if (!area) return area.error();
    auto machine =
        std::make_unique<Machine>(options, std::move(kvm), std::move(vm), std::move(*area));
    if (Result<void> ready = machine->prepare(); !ready) return ready.error();
    return machine;
}

Machine::~Machine() { sf_kvm_free_cpuid(cpuid_); }

Result<void> Machine::prepare() noexcept {
    if (fails_now()) return Errno::nomem;
    if (const int e = sf_kvm_read_cpuid(kvm_.get(), &cpuid_); e < 0) return error_of(e);
    if (const int e = sf_kvm_examine(kvm_.get(), vm_.get(), cpuid_, &facts_); e < 0) {
        return error_of(e);
    }
    const std::span<std::byte> arena = options_.arena;
    if (fails_now()) return Errno::nomem;
    if (const int e = sf_kvm_add_memory(vm_.get(), kArenaSlot, 0, arena.data(), arena.size());
        e < 0) {
        return error_of(e);
    }
    if (fails_now()) return Errno::nomem;
    if (const int e = sf_kvm_add_memory(vm_.get(), kAreaSlot, area_.pa(0).raw(), area_.start(),
                                        kAreaBytes);
        e < 0) {
        return error_of(e);
    }
    Result<std::unique_ptr<Processor>> service = take_processor();
    if (!service) return service.error();
    service_ = std::move(*service);
    return {};
}

Result<std::unique_ptr<Processor>> Machine::take_processor() noexcept {
    unsigned number = 0;
    {
        sync::Guard guard(pool_lock_);
        if (!pool_.empty()) {
            std::unique_ptr<Processor> used = std::move(pool_.back());
            pool_.pop_back();
            return used;
        }
        if (processors_made_ == kMaxVcpus) return Errno::again;
        number = processors_made_++;
    }
    return Processor::create({.vm = vm_.get(),
                              .number = number,
                              .area = area_,
                              .facts = facts_,
                              .cpuid = cpuid_,
                              .fail = options_.fail});
}

void Machine::give_back(std::unique_ptr<Processor> processor) noexcept {
    sync::Guard guard(pool_lock_);
    pool_.push_back(std::move(processor));
}

void Machine::touch(std::size_t count) noexcept {
    sf_kvm_regs& regs = service_->regs();
    regs = {};
    regs.rip = area_va(AreaPage::kStubs) + kTouchStub;
    regs.rsi = area_va(AreaPage::kTouchList);
    regs.rcx = count;
    regs.rsp = service_->frame_va();
    regs.rflags = 2;
    sf_kvm_regs_changed(service_->run_page());
    int result = 0;
    // A signal of the calling thread only interrupts; what was done stays done.
    while ((result = sf_kvm_run(service_->fd())) == -EINTR) {
    }
    SF_ASSERT(result == 0);
    SF_ASSERT(sf_kvm_exit_reason(service_->run_page()) == SF_KVM_HALTED);
    SF_ASSERT(service_->regs().rcx == 0);
}

}  // namespace surefoot::inline SF_BUILD::cpu::kvm
