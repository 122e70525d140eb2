#include "cpu/kvm/kvm.hpp"

#include "cpu/kvm/machine/machine.hpp"
#include "cpu/kvm/probe.hpp"
#include "cpu/kvm/space.hpp"
#include "cpu/mirror/layout.hpp"

namespace surefoot::inline SF_BUILD::cpu {

namespace kvm {
namespace {

class KvmBackend final : public CpuBackend {
public:
    explicit KvmBackend(std::unique_ptr<Machine> machine) : machine_(std::move(machine)) {}

    std::string_view name() const noexcept override { return "kvm"; }

    Result<std::unique_ptr<Space>> create_space(PhysAddr root) noexcept override {
        if (!machine_->is_table(root)) return Errno::inval;
        if (machine_->fails_now()) return Errno::nomem;
        return std::make_unique<KvmSpace>(*machine_, counters_, root);
    }

    /// The mirror's end, so that programs see one address space on both.
    VirtAddr guest_end() const noexcept override { return VirtAddr(mirror::kGuestEnd); }
    BackendCounters counters() const noexcept override { return counters_.read(); }

private:
    const std::unique_ptr<Machine> machine_;
    Counters counters_;
};

}  // namespace
}  // namespace kvm

Result<std::unique_ptr<CpuBackend>> make_kvm(const KvmOptions& options) noexcept {
    using namespace kvm;
    const std::uint64_t bytes = options.arena.size();
    const bool aligned = reinterpret_cast<std::uintptr_t>(options.arena.data()) % kPage == 0;
    if (bytes == 0 || bytes % kPage != 0 || bytes > kArenaMax || !aligned) return Errno::inval;
    if (options.levels == 5) return Errno::opnotsupp;
    if (options.levels != 4) return Errno::inval;
    Result<std::unique_ptr<Machine>> machine = Machine::create(options);
    if (!machine) return machine.error();
    if (Result<void> probed = probe(**machine); !probed) return probed.error();
    return std::make_unique<KvmBackend>(std::move(*machine));
}

}  // namespace surefoot::inline SF_BUILD::cpu
