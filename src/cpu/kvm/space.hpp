#pragma once

// One guest address space on KVM.

#include <vector>

#include "cpu/backend.hpp"
#include "cpu/kvm/machine/machine.hpp"

namespace surefoot::inline SF_BUILD::cpu::kvm {

class KvmVcpu;

struct Counters {
    sync::Atomic<std::uint64_t> exits_syscall, exits_fault, exits_exception, exits_kicked,
        shootdowns, shootdowns_lazy;

    static void count(sync::Atomic<std::uint64_t>& counter) {
        counter.fetch_add(1, sync::Order::relaxed);
    }
    BackendCounters read() const;
};

class KvmSpace final : public Space {
public:
    /// @param root  a table, as `Machine::is_table` says
    KvmSpace(Machine& machine, Counters& counters, PhysAddr root);
    ~KvmSpace() override;

    Result<std::unique_ptr<Vcpu>> create_vcpu() noexcept override;
    void set_root(PhysAddr root) noexcept override;
    void invalidate(const host::Invalidation& what) noexcept override;
    void invalidate_all() noexcept override;

    Machine& machine() { return machine_; }
    Counters& counters() { return counters_; }
    /// Changes only while no vCPU runs.
    PhysAddr root() const { return root_; }
    /// Raised by every invalidation: a vCPU that has not flushed since flushes at its next entry.
    std::uint64_t generation() const {
        // seq_cst: pairs with `reload_everywhere`; see KvmVcpu::enter.
        return generation_.load(sync::Order::seq_cst);
    }

    /// A table led out of guest-physical memory, or the guest's side broke: nothing runs here any
    /// more.
    void mark_dead() { dead_.store(true, sync::Order::relaxed); }
    bool is_dead() const { return dead_.load(sync::Order::relaxed); }

    void remove(KvmVcpu& vcpu);

private:
    void claim_root();
    void release_root();
    void touch(const host::Invalidation& what);
    /// Returns when no vCPU uses a translation that it cached before the call.
    /// @return whether any vCPU was running
    bool reload_everywhere();
    void count_shootdown(bool was_running);

    Machine& machine_;
    Counters& counters_;
    PhysAddr root_;
    /// 0 and 1 have a meaning of their own in KvmVcpu.
    sync::Atomic<std::uint64_t> generation_{2};
    sync::Atomic<bool> dead_{false};
    sync::Mutex<sync::LockId::backend> vcpus_lock_;
    std::vector<KvmVcpu*> vcpus_;  // under vcpus_lock_
};

}  // namespace surefoot::inline SF_BUILD::cpu::kvm
