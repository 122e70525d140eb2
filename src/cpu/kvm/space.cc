#include "cpu/kvm/space.hpp"

#include <algorithm>

#include "cpu/kvm/toucher.hpp"
#include "cpu/kvm/vcpu.hpp"

namespace surefoot::inline SF_BUILD::cpu::kvm {

using sync::Order;

BackendCounters Counters::read() const {
    return {.exits_syscall = exits_syscall.load(Order::relaxed),
            .exits_fault = exits_fault.load(Order::relaxed),
            .exits_exception = exits_exception.load(Order::relaxed),
            .exits_kicked = exits_kicked.load(Order::relaxed),
            .refills = 0,  // KVM does not tell
            .shootdowns = shootdowns.load(Order::relaxed),
            .shootdowns_lazy = shootdowns_lazy.load(Order::relaxed)};
}

KvmSpace::KvmSpace(Machine& machine, Counters& counters, PhysAddr root)
    : machine_(machine), counters_(counters), root_(root) {
    claim_root();
}

KvmSpace::~KvmSpace() {
    SF_ASSERT(vcpus_.empty());
    release_root();
}

void KvmSpace::claim_root() {
    const PhysAddr entry = root_ + kLastEntry * sizeof(std::uint64_t);
    machine_.entry(entry).store(machine_.area().root_entry(), Order::release);
}

/// The tables may be freed and used again without another word: no shadow of them may stay.
void KvmSpace::release_root() {
    const PhysAddr entry = root_ + kLastEntry * sizeof(std::uint64_t);
    machine_.entry(entry).store(0, Order::release);
    if (machine_.flush.touch) Toucher(machine_).tree(root_);
}

void KvmSpace::set_root(PhysAddr root) noexcept {
    SF_ASSERT(machine_.is_table(root));
    release_root();
    root_ = root;
    claim_root();
    // A vCPU loads the new root at its next entry, and flushes.
    generation_.fetch_add(1, Order::seq_cst);
}

Result<std::unique_ptr<Vcpu>> KvmSpace::create_vcpu() noexcept {
    Result<std::unique_ptr<Processor>> processor = machine_.take_processor();
    if (!processor) return processor.error();
    auto vcpu = std::make_unique<KvmVcpu>(*this, std::move(*processor));
    vcpu->reset_fp_state();
    sync::Guard guard(vcpus_lock_);
    vcpus_.push_back(vcpu.get());
    return vcpu;
}

void KvmSpace::remove(KvmVcpu& vcpu) {
    sync::Guard guard(vcpus_lock_);
    std::erase(vcpus_, &vcpu);
}

void KvmSpace::touch(const host::Invalidation& what) {
    Toucher toucher(machine_);
    for (const VaRange& range : what.ranges) toucher.range(root_, range);
    for (const Pfn table : what.unlinked_tables) toucher.table(arch::to_phys(table));
}

void KvmSpace::invalidate(const host::Invalidation& what) noexcept {
    if (machine_.flush.touch) touch(what);
    count_shootdown(reload_everywhere());
}

void KvmSpace::invalidate_all() noexcept {
    if (machine_.flush.touch) Toucher(machine_).tree(root_);
    count_shootdown(reload_everywhere());
}

bool KvmSpace::reload_everywhere() {
    // seq_cst, before the loads below: a vCPU first says that it enters, then reads the
    // generation. Either it sees the new one and flushes, or its entry is seen here.
    const std::uint64_t wanted = generation_.fetch_add(1, Order::seq_cst) + 1;
    bool any = false;
    sync::Guard guard(vcpus_lock_);
    for (KvmVcpu* vcpu : vcpus_) {
        if (!vcpu->is_inside()) continue;
        any = true;
        // Where KVM shadows the tables, the touches have interrupted the vCPU already.
        if (machine_.flush.reload) vcpu->wait_until_flushed(wanted);
    }
    return any;
}

void KvmSpace::count_shootdown(bool was_running) {
    Counters::count(counters_.shootdowns);
    if (!was_running) Counters::count(counters_.shootdowns_lazy);
}

}  // namespace surefoot::inline SF_BUILD::cpu::kvm
