#pragma once

// One guest thread on the mirror: a thread of the stub, and the host thread that calls `run`.

#include <sched.h>

#include <memory>

#include "cpu/backend.hpp"
#include "cpu/mirror/space.hpp"

namespace surefoot::inline SF_BUILD::cpu::mirror {

class MirrorVcpu final : public Vcpu {
public:
    /// The slot's thread is ready.
    MirrorVcpu(MirrorSpace& space, std::uint32_t slot);
    ~MirrorVcpu() override;

    /// @return false if the stub wrote nonsense
    bool prepare() noexcept;

    Exit run(Regs& regs) noexcept override;
    void kick() noexcept override;
    std::size_t fp_state_size() const noexcept override { return fp_bytes_; }
    void save_fp_state(std::span<std::byte> out) noexcept override;
    Result<void> load_fp_state(std::span<const std::byte> in) noexcept override;
    void reset_fp_state() noexcept override;

private:
    SignalContext* frame() const;
    /// Empty if the stub wrote nonsense.
    std::span<std::byte> fp_area() const;
    void put_registers(SignalContext& frame, const Regs& regs);
    void take_registers(const SignalContext& frame, Regs& regs) const;
    /// @return false if this was a kick that somebody took already
    bool take_exit(Regs& regs, Exit& exit);
    Exit dead();
    void pin();
    void signal_thread();

    MirrorSpace& space_;
    const std::uint32_t number_;
    Slot& slot_;
    std::byte* const block_;
    const unsigned cpu_;
    const pid_t tid_;
    sync::Atomic<std::uint32_t> kicked_{0};
    std::size_t fp_bytes_ = 0;
    std::uint64_t fp_features_ = 0;
    bool fill_next_ = false;
    VirtAddr fill_va_;
    /// The thread that `run` was called from last, and the CPUs it had before it was pinned.
    const void* runner_ = nullptr;
    cpu_set_t runner_cpus_{};
};

}  // namespace surefoot::inline SF_BUILD::cpu::mirror
