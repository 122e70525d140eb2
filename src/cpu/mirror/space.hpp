#pragma once

// One guest address space on the mirror.

#include <sched.h>

#include <memory>
#include <vector>

#include "cpu/backend.hpp"
#include "cpu/mirror/mirror.hpp"
#include "cpu/mirror/monitor.hpp"
#include "cpu/mirror/protocol/server_side.hpp"
#include "cpu/mirror/stub_process.hpp"

namespace surefoot::inline SF_BUILD::cpu::mirror {

class MirrorSpace;

/// What all spaces of a back end share.
class Shared {
public:
    Shared(const MirrorOptions& options, std::unique_ptr<Zygote> zygote);

    struct Counters {
        sync::Atomic<std::uint64_t> exits_syscall, exits_fault, exits_exception, exits_kicked,
            shootdowns, shootdowns_lazy;
    };
    static void count(sync::Atomic<std::uint64_t>& counter) {
        counter.fetch_add(1, sync::Order::relaxed);
    }

    /// The CPU of the next guest thread: round robin over those that were allowed at the start.
    unsigned next_cpu();
    /// A blank stub, from the pool if there is one.
    Result<std::unique_ptr<StubProcess>> take_stub() noexcept;
    void fill_pool() noexcept;

    void add(MirrorSpace& space);
    void remove(MirrorSpace& space);
    BackendCounters counters() const;

    const MirrorOptions options;
    const std::unique_ptr<Zygote> zygote;
    Monitor* monitor = nullptr;
    Counters counted;

private:
    std::vector<unsigned> cpus_;
    sync::Atomic<std::uint32_t> next_cpu_{0};
    mutable sync::Mutex<sync::LockId::leaf> mutex_;
    std::vector<std::unique_ptr<StubProcess>> pool_;  // under mutex_
    std::vector<const MirrorSpace*> spaces_;          // under mutex_
    std::uint64_t retired_refills_ = 0;               // under mutex_
};

class MirrorSpace final : public Space, private DeathListener {
public:
    MirrorSpace(Shared& shared, std::unique_ptr<StubProcess> stub, PhysAddr root);
    ~MirrorSpace() override;

    /// The stub has started and its death is watched for.
    Result<void> prepare() noexcept;

    Result<std::unique_ptr<Vcpu>> create_vcpu() noexcept override;
    void set_root(PhysAddr root) noexcept override { side_.set_root(root); }
    int death_fd() const noexcept override { return stub_->pidfd(); }
    void invalidate(const host::Invalidation& what) noexcept override;
    void invalidate_all() noexcept override { count(side_.invalidate({}, true)); }

    Shared& shared() { return shared_; }
    NativePort& port() { return port_; }
    ServerSide<NativePort>& side() { return side_; }
    StubProcess& stub() { return *stub_; }
    SpaceControl& words() const { return stub_->control().space(); }
    std::uint64_t refills() const { return words().refills.load(sync::Order::relaxed); }
    void free_slot(std::uint32_t slot);

private:
    void stub_died() noexcept override { side_.mark_dead(); }
    void count(Shootdown done);
    Result<std::uint32_t> take_slot();
    Result<std::unique_ptr<Vcpu>> start_vcpu(std::uint32_t slot) noexcept;

    Shared& shared_;
    const std::unique_ptr<StubProcess> stub_;
    NativePort port_;
    ServerSide<NativePort> side_;
    std::uint64_t watch_ = 0;
    sync::Mutex<sync::LockId::leaf> mutex_;
    std::vector<std::uint32_t> free_slots_;  // under mutex_
    std::uint32_t slots_made_ = 0;           // under mutex_
};

}  // namespace surefoot::inline SF_BUILD::cpu::mirror
