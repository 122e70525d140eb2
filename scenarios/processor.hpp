#pragma once

// The processors of a scenario, as far as page tables concern them: walks, TLBs that go on using
// what they once found, and shootdowns by interrupt.

#include <cstdint>
#include <optional>

#include "mm/mm.hpp"

namespace surefoot::scenarios {

/// Those that run one address space. Attached, it is where the core has translations removed.
class Processors : public host::TlbShootdown {
  public:
    /// @param cpus  the scenario's tasks run on [0, cpus)
    Processors(mm::Mm& mm, unsigned cpus) : mm_(mm), cpus_(cpus) {}

    /// An instruction of the guest on the CPU that runs; nothing if it faults.
    std::optional<std::uint64_t> load(VirtAddr va);
    bool store(VirtAddr va, std::uint64_t value);

    void invalidate(const host::Invalidation& what) noexcept override;
    void invalidate_all() noexcept override;

  private:
    /// The word of `va` by way of a TLB; null for a fault. Interrupts are off.
    std::uint64_t* translate(VirtAddr va, sfc_translate access);
    /// On every CPU.
    void drop(VaRange range) noexcept;

    mm::Mm& mm_;
    unsigned cpus_;
};

}  // namespace surefoot::scenarios
