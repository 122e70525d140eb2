#pragma once

// A virtual processor as KVM shows it: a descriptor, a page shared with KVM, a page of the area.

#include <memory>
#include <utility>

#include "cpu/descriptor.hpp"
#include "cpu/kvm/machine/area.hpp"
#include "cpu/kvm/machine/calls.h"
#include "sync/sync.hpp"

namespace surefoot::inline SF_BUILD::cpu::kvm {

inline Errno error_of(int result) { return static_cast<Errno>(-result); }

/// A processor of the virtual machine. KVM can't take one back: they are used again.
class Processor {
public:
    struct Plan {
        int vm = -1;
        unsigned number = 0;
        const Area& area;
        const sf_kvm_facts& facts;
        const sf_kvm_cpuid* cpuid = nullptr;
        sync::FailPlan* fail = nullptr;
    };
    /// At rest in the service address space.
    static Result<std::unique_ptr<Processor>> create(const Plan& plan) noexcept;
    Processor(unsigned number, Descriptor fd, std::byte* area_page)
        : number_(number), fd_(std::move(fd)), area_page_(area_page) {}
    Processor(const Processor&) = delete;
    Processor& operator=(const Processor&) = delete;
    ~Processor();

    int fd() const { return fd_.get(); }
    void* run_page() const { return run_page_; }
    sf_kvm_regs& regs() const { return *sf_kvm_registers(run_page_); }
    const sf_kvm_sregs& first_sregs() const { return first_sregs_; }
    sync::Atomic<std::uint8_t>& immediate_exit() const {
        return *reinterpret_cast<sync::Atomic<std::uint8_t>*>(sf_kvm_immediate_exit(run_page_));
    }
    /// Where the interrupt frame of an entry lies, and of an exit without error code.
    std::uint64_t frame_va() const { return area_va(AreaPage::kVcpus + number_) + kFrameOffset; }
    InterruptFrame& frame() const {
        return *reinterpret_cast<InterruptFrame*>(area_page_ + kFrameOffset);
    }
    /// Of an exception with an error code, just below.
    std::uint64_t error_code() const {
        return reinterpret_cast<const std::uint64_t*>(&frame())[-1];
    }

private:
    static constexpr std::uint64_t kFrameOffset = kPage - sizeof(InterruptFrame);

    Result<void> map_run_page(std::size_t bytes) noexcept;
    Result<void> start(const Plan& plan) noexcept;
    void write_task_state();

    const unsigned number_;
    Descriptor fd_;
    std::byte* const area_page_;
    void* run_page_ = nullptr;
    std::size_t run_bytes_ = 0;
    sf_kvm_sregs first_sregs_{};
};

}  // namespace surefoot::inline SF_BUILD::cpu::kvm
