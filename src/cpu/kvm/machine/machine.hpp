#pragma once

// The virtual machine: its memory, its processors, and the service processor that flushes.

#include <memory>
#include <utility>
#include <vector>

#include "cpu/backend.hpp"
#include "cpu/kvm/machine/area.hpp"
#include "cpu/kvm/machine/calls.h"
#include "cpu/kvm/kvm.hpp"
#include "cpu/kvm/machine/processor.hpp"

namespace surefoot::inline SF_BUILD::cpu::kvm {

/// What makes a changed table entry take effect. Found out at the start.
struct FlushMethod {
    /// KVM keeps shadows of the tables: writes from inside the guest tell it what changed.
    bool touch = true;
    /// Processors keep translations until they reload CR3.
    bool reload = true;
};

class Machine {
public:
    static Result<std::unique_ptr<Machine>> create(const KvmOptions& options) noexcept;
    Machine(const KvmOptions& options, Descriptor kvm, Descriptor vm, Area area)
        : options_(options),
          kvm_(std::move(kvm)),
          vm_(std::move(vm)),
          area_(std::move(area)) {}
    Machine(const Machine&) = delete;
    Machine& operator=(const Machine&) = delete;
    ~Machine();

    Result<std::unique_ptr<Processor>> take_processor() noexcept;
    void give_back(std::unique_ptr<Processor> processor) noexcept;

    const sf_kvm_facts& facts() const { return facts_; }
    const Area& area() const { return area_; }
    bool fails_now() const { return sync::should_fail(options_.fail); }

    /// Whether a whole table lies in guest-physical memory.
    bool is_table(PhysAddr pa) const {
        return pa.is_aligned(kPage) && (pa.raw() < options_.arena.size() || area_.contains(pa));
    }
    sync::Atomic<std::uint64_t>& entry(PhysAddr pa) const {
        std::byte* const at = area_.contains(pa) ? area_.at(pa) : options_.arena.data() + pa.raw();
        return *reinterpret_cast<sync::Atomic<std::uint64_t>*>(at);
    }
    /// Where level 0 of the guest sees guest-physical memory of tables.
    std::uint64_t window_va(PhysAddr pa) const {
        return area_.contains(pa) ? kAreaVa + (pa - area_.pa(0)) : kWindow + pa.raw();
    }

    /// Held while a touch list is filled and executed. Nothing is acquired under it.
    sync::SpinLock<sync::LockId::backend> service_lock;
    /// Executes the touch stub on the first `count` entries of the list. Under `service_lock`.
    void touch(std::size_t count) noexcept;

    FlushMethod flush;
    /// This KVM leaves a `syscall` of the guest at level 3: it arrives as a fault of fetching the
    /// entry point.
    bool syscall_faults = true;

private:
    Result<void> prepare() noexcept;

    const KvmOptions options_;
    Descriptor kvm_;
    Descriptor vm_;
    Area area_;
    sf_kvm_facts facts_{};
    sf_kvm_cpuid* cpuid_ = nullptr;
    std::unique_ptr<Processor> service_;
    sync::Mutex<sync::LockId::leaf> pool_lock_;
    std::vector<std::unique_ptr<Processor>> pool_;  // under pool_lock_
    unsigned processors_made_ = 0;                  // under pool_lock_
};

}  // namespace surefoot::inline SF_BUILD::cpu::kvm
