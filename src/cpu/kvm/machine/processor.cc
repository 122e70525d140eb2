#include "cpu/kvm/machine/processor.hpp"

#include <sys/mman.h>

#include <cerrno>
#include <cstring>

namespace surefoot::inline SF_BUILD::cpu::kvm {

Processor::~Processor() {
    if (run_page_ != nullptr) ::munmap(run_page_, run_bytes_);
}

void Processor::write_task_state() {
    // Intel SDM volume 3A, figure 8-11: RSP0, and the offset of an I/O map that is not there.
    const std::uint64_t stack = area_va(AreaPage::kVcpus + number_) + kPage;
    const std::uint16_t io_map = 104;
    std::memcpy(area_page_ + 4, &stack, sizeof stack);
    std::memcpy(area_page_ + 102, &io_map, sizeof io_map);
}

Result<std::unique_ptr<Processor>> Processor::create(const Plan& plan) noexcept {
    if (sync::should_fail(plan.fail)) return Errno::again;
    Descriptor fd(sf_kvm_create_vcpu(plan.vm, plan.number));
    if (fd.get() < 0) return error_of(fd.get());
    auto processor = std::make_unique<Processor>(
        plan.number, std::move(fd), plan.area.page(AreaPage::kVcpus + plan.number));
    if (sync::should_fail(plan.fail)) return Errno::nomem;
    if (Result<void> mapped = processor->map_run_page(plan.facts.run_bytes); !mapped) {
        return mapped.error();
    }
    if (sync::should_fail(plan.fail)) return Errno::nomem;
    if (Result<void> started = processor->start(plan); !started) return started.error();
    return processor;
}

Result<void> Processor::map_run_page(std::size_t bytes) noexcept {
    void* const page =
        ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd_.get(), 0);
    if (page == MAP_FAILED) return static_cast<Errno>(errno);
    run_page_ = page;
    run_bytes_ = bytes;
    sf_kvm_prepare_run(page);
    return {};
}

Result<void> Processor::start(const Plan& plan) noexcept {
    write_task_state();
    const sf_kvm_start start{
        .cr3 = plan.area.pa(AreaPage::kServiceRoot).raw(),
        .gdt = area_va(AreaPage::kGdt),
        .idt = area_va(AreaPage::kIdt),
        .tss = area_va(AreaPage::kVcpus + number_),
        .gdt_limit = sizeof kGdt - 1,
        .idt_limit = sizeof(Gate) * kVectors - 1,
        .star = kStar,
        .lstar = kSyscallEntry,
        .sfmask = kSyscallFlagMask,
        .kernel_cs = Selector::kKernelCode,
        .kernel_ss = Selector::kKernelData,
        .tss_selector = Selector::kTaskState,
    };
    const int e = sf_kvm_start_vcpu(fd_.get(), plan.cpuid, plan.facts.fp_features, &start,
                                    &first_sregs_);
    if (e < 0) return error_of(e);
    return {};
}

}  // namespace surefoot::inline SF_BUILD::cpu::kvm
