#pragma once

// One guest thread on KVM: a processor of the virtual machine while the thread lives.

#include <memory>

#include "cpu/backend.hpp"
#include "cpu/kvm/machine/interrupt.hpp"
#include "cpu/kvm/space.hpp"

namespace surefoot::inline SF_BUILD::cpu::kvm {

class KvmVcpu final : public Vcpu {
public:
    KvmVcpu(KvmSpace& space, std::unique_ptr<Processor> processor);
    ~KvmVcpu() override;

    Exit run(Regs& regs) noexcept override;
    void kick() noexcept override;
    std::size_t fp_state_size() const noexcept override;
    void save_fp_state(std::span<std::byte> out) noexcept override;
    Result<void> load_fp_state(std::span<const std::byte> in) noexcept override;
    void reset_fp_state() noexcept override;

    /// Whether it may use translations now. seq_cst: pairs with `enter`.
    bool is_inside() const { return inside_.load(sync::Order::seq_cst) != kOutside; }
    /// Returns when it uses no translation from before this generation of its space.
    void wait_until_flushed(std::uint64_t generation) noexcept;

private:
    /// Values of `inside_`; greater ones are the generation that it has flushed for.
    static constexpr std::uint64_t kOutside = 0;
    static constexpr std::uint64_t kEntering = 1;

    /// What an interrupted KVM_RUN left.
    enum class Stop {
        /// The guest's registers are in `regs`.
        in_guest,
        /// Guest code has not been reached: `regs` hold still.
        before_guest,
        /// On its way to a `hlt` of ours.
        leaving_guest,
    };

    Exit run_inside(Regs& regs);
    int run_once(bool fresh, const Regs& regs);
    /// @return whether the entry has to flush
    bool enter();
    void leave();
    void put_registers(const Regs& regs, bool flush);
    void put_special_registers(const Regs& regs);
    void take_general_registers(Regs& regs) const;
    void take_frame(const InterruptFrame& frame, Regs& regs) const;
    void take_system_call(Regs& regs) const;
    Stop take_stop(Regs& regs);
    Exit take_exit(Regs& regs);
    Exit take_vector(unsigned vector, Regs& regs);
    Exit system_call(Regs& regs);
    Exit dead();

    KvmSpace& space_;
    Machine& machine_;
    std::unique_ptr<Processor> processor_;
    Interrupter interrupter_;
    sync::Atomic<bool> kicked_{false};
    sync::Atomic<std::uint64_t> inside_{kOutside};
    std::uint64_t flushed_ = 0;
    // What the processor has: KVM takes special registers slowly.
    PhysAddr root_;
    std::uint64_t fs_base_ = 0;
    std::uint64_t gs_base_ = 0;
    bool special_stale_ = true;
};

}  // namespace surefoot::inline SF_BUILD::cpu::kvm
