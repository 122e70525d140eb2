#pragma once

// Tells a KVM that shadows the tables what changed in them. KVM write-protects a table that it
// shadows, for the guest but not for the host: a change becomes known when the guest writes to the
// entry. A write that is not aligned within a table makes KVM drop its shadow of the whole table.

#include <cstddef>

#include "cpu/kvm/machine/machine.hpp"
#include "host/host.hpp"

namespace surefoot::inline SF_BUILD::cpu::kvm {

/// One batch. What was noted is done when it is destroyed.
class Toucher {
public:
    explicit Toucher(Machine& machine) : machine_(machine), guard_(machine.service_lock) {}
    Toucher(const Toucher&) = delete;
    Toucher& operator=(const Toucher&) = delete;
    ~Toucher() { flush(); }

    void entry(PhysAddr entry) { add(machine_.window_va(entry)); }
    /// Shadows of tables below it stay, linked nowhere.
    void table(PhysAddr table) { add(machine_.window_va(table) + 1); }

    /// Everything in the range, below the tables of this root.
    void range(PhysAddr root, VaRange range);
    /// Every table that can be reached through the lower half.
    void tree(PhysAddr root);

private:
    /// More entries than this in one table: its whole shadow goes, which costs less than the third
    /// touch; what else it held comes back at a small part of a fault.
    static constexpr unsigned kEntriesTouched = 2;

    void add(std::uint64_t va);
    void flush();
    void visit(PhysAddr table, arch::PtLevel level, VirtAddr base, VaRange range);
    void visit_tree(PhysAddr table, arch::PtLevel level, unsigned entries);
    /// The table that an entry links, 0 if it links none.
    PhysAddr linked_table(std::uint64_t raw, arch::PtLevel level) const;

    Machine& machine_;
    sync::Guard<sync::SpinLock<sync::LockId::backend>> guard_;
    std::size_t count_ = 0;
};

}  // namespace surefoot::inline SF_BUILD::cpu::kvm
