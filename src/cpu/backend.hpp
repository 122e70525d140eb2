#pragma once

// What runs guest code. A back end is one of: the mirror (a stub process whose host mappings are
// the TLB) and KVM (the processor walks the tables). The Linux personality above sees only this.
//
// Contract with the memory manager: store, then invalidate, then free. Spurious faults are legal.
// Accessed and dirty bits in the tables are exact after an invalidation. No call of
// TlbShootdown implies an interrupt on another CPU.

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "base/base.hpp"
#include "host/host.hpp"

namespace surefoot::inline SF_BUILD::cpu {

/// The integer registers of a guest thread. Vector and x87 state stays with the Vcpu.
struct Regs {
    std::uint64_t r15, r14, r13, r12, r11, r10, r9, r8;
    std::uint64_t rax, rbx, rcx, rdx, rsi, rdi, rbp, rsp;
    std::uint64_t rip, rflags;
    std::uint64_t fs_base, gs_base;
};

/// Bits of a page-fault error code (Intel SDM volume 3A, figure 5-12).
struct FaultCode {
    static constexpr std::uint32_t kPresent = 1;
    static constexpr std::uint32_t kWrite = 2;
    static constexpr std::uint32_t kUser = 4;
    static constexpr std::uint32_t kFetch = 16;
};

/// Why a guest thread stopped.
struct Exit {
    enum class Kind : std::uint8_t {
        /// `regs.rax` holds the number, the arguments are where Linux's ABI has them; `regs.rip`
        /// is after the instruction. The result goes to `regs.rax`.
        syscall,
        /// Page fault at `va` with error code `code`; `regs.rip` is at the instruction.
        fault,
        /// Another processor exception; `vector` is its number (0 #DE, 1 #DB, 3 #BP, 6 #UD, 12 #SS,
        /// 13 #GP, 16 #MF, 17 #AC, 19 #XM), `code` its error code or 0.
        exception,
        /// `kick` was called; the registers are those of an instruction boundary.
        kicked,
        /// The guest thread is gone (its stub process was killed from outside); run it no more.
        dead,
    };
    Kind kind = Kind::kicked;
    std::uint8_t vector = 0;
    std::uint32_t code = 0;
    VirtAddr va{};
};

/// One guest thread's processor. Used by one host thread at a time, but for `kick`.
class Vcpu {
public:
    virtual ~Vcpu() = default;

    /// Runs guest code until it stops. Blocks the calling host thread.
    /// Locks: none may be held.
    virtual Exit run(Regs& regs) noexcept = 0;

    /// Makes the current `run`, or else the next one, return `kicked`. Callable from any thread,
    /// takes no lock that a caller of `invalidate` may hold.
    virtual void kick() noexcept = 0;

    /// The size in bytes of the XSAVE area (standard format, with its header).
    virtual std::size_t fp_state_size() const noexcept = 0;
    /// Copies the thread's XSAVE area out; the thread is not running.
    virtual void save_fp_state(std::span<std::byte> out) noexcept = 0;
    /// Takes effect at the next `run`. Malformed areas (reserved bits) give `Errno::inval` and
    /// change nothing.
    virtual Result<void> load_fp_state(std::span<const std::byte> in) noexcept = 0;
    /// The state of a new program: x87 control word 0x37f, MXCSR 0x1f80, everything else zero.
    virtual void reset_fp_state() noexcept = 0;
};

/// One guest address space: where its translations are cached and invalidated.
class Space : public host::TlbShootdown {
public:
    /// Returns when no CPU can use any translation of the space. All its Vcpus are destroyed
    /// before.
    ~Space() override = default;

    /// A processor for one more guest thread of this space. Fails with nomem or again.
    virtual Result<std::unique_ptr<Vcpu>> create_vcpu() noexcept = 0;

    /// Another table tree from the next `run` on; implies `invalidate_all`. No Vcpu is running.
    virtual void set_root(PhysAddr root) noexcept = 0;

    /// A host descriptor that becomes readable when the space can run no guest any more (then
    /// `run` returns `dead`), for those who wait for something else. -1: that can't happen.
    virtual int death_fd() const noexcept { return -1; }
};

/// Counted since the back end was made.
struct BackendCounters {
    std::uint64_t exits_syscall = 0;
    std::uint64_t exits_fault = 0;
    std::uint64_t exits_exception = 0;
    std::uint64_t exits_kicked = 0;
    /// Present entries made usable without leaving the guest's side.
    std::uint64_t refills = 0;
    std::uint64_t shootdowns = 0;
    /// Of these: nothing of the space was running, so the work was left to its next entry.
    std::uint64_t shootdowns_lazy = 0;
};

class CpuBackend {
public:
    virtual ~CpuBackend() = default;

    virtual std::string_view name() const noexcept = 0;
    /// @param root     the frame of the root table, as a byte offset into the arena
    virtual Result<std::unique_ptr<Space>> create_space(PhysAddr root) noexcept = 0;
    /// First address that a guest of this back end can't use.
    virtual VirtAddr guest_end() const noexcept = 0;
    virtual BackendCounters counters() const noexcept = 0;
};

}  // namespace surefoot::inline SF_BUILD::cpu
