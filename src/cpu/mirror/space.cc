#include "cpu/mirror/space.hpp"

#include <algorithm>

#include "cpu/mirror/vcpu.hpp"

namespace surefoot::inline SF_BUILD::cpu::mirror {

Shared::Shared(const MirrorOptions& chosen, std::unique_ptr<Zygote> made)
    : options(chosen), zygote(std::move(made)) {
    cpu_set_t allowed;
    CPU_ZERO(&allowed);
    ::sched_getaffinity(0, sizeof allowed, &allowed);
    for (unsigned cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
        if (CPU_ISSET(cpu, &allowed)) cpus_.push_back(cpu);
    }
    if (cpus_.empty()) cpus_.push_back(0);
}

unsigned Shared::next_cpu() {
    return cpus_[next_cpu_.fetch_add(1, sync::Order::relaxed) % cpus_.size()];
}

Result<std::unique_ptr<StubProcess>> Shared::take_stub() noexcept {
    std::unique_ptr<StubProcess> stub;
    {
        sync::Guard guard(mutex_);
        if (!pool_.empty()) {
            stub = std::move(pool_.back());
            pool_.pop_back();
        }
    }
    if (options.pool > 0) monitor->poke();
    if (stub) return stub;
    return zygote->spawn();
}

void Shared::fill_pool() noexcept {
    for (;;) {
        {
            sync::Guard guard(mutex_);
            if (pool_.size() >= options.pool) return;
        }
        Result<std::unique_ptr<StubProcess>> stub = zygote->spawn();
        if (!stub) return;  // whoever needs one tries again and gets the error
        sync::Guard guard(mutex_);
        pool_.push_back(std::move(*stub));
    }
}

void Shared::add(MirrorSpace& space) {
    sync::Guard guard(mutex_);
    spaces_.push_back(&space);
}

void Shared::remove(MirrorSpace& space) {
    sync::Guard guard(mutex_);
    if (std::erase(spaces_, &space) != 0) retired_refills_ += space.refills();
}

BackendCounters Shared::counters() const {
    using sync::Order;
    BackendCounters sum{.exits_syscall = counted.exits_syscall.load(Order::relaxed),
                        .exits_fault = counted.exits_fault.load(Order::relaxed),
                        .exits_exception = counted.exits_exception.load(Order::relaxed),
                        .exits_kicked = counted.exits_kicked.load(Order::relaxed),
                        .shootdowns = counted.shootdowns.load(Order::relaxed),
                        .shootdowns_lazy = counted.shootdowns_lazy.load(Order::relaxed)};
    sync::Guard guard(mutex_);
    sum.refills = retired_refills_;
    for (const MirrorSpace* space : spaces_) sum.refills += space->refills();
    return sum;
}

MirrorSpace::MirrorSpace(Shared& shared, std::unique_ptr<StubProcess> stub, PhysAddr root)
    : shared_(shared),
      stub_(std::move(stub)),
      side_(port_, stub_->control().space(), shared.options.lazy) {
    SpaceControl& w = words();
    w.arena_bytes.set(shared.options.arena_bytes);
    w.levels.set(shared.options.levels);
    w.fill_around.set(shared.options.fill_around);
    w.fault_around.set(shared.options.fault_around);
    w.root.store(root.raw(), sync::Order::relaxed);
    shared_.add(*this);
}

MirrorSpace::~MirrorSpace() {
    stub_->kill_and_wait();
    if (watch_ != 0) shared_.monitor->unwatch(watch_, stub_->pidfd());
    shared_.remove(*this);
}

Result<void> MirrorSpace::prepare() noexcept {
    if (sync::should_fail(shared_.options.fail)) return Errno::nomem;
    Result<std::uint64_t> id = shared_.monitor->watch(stub_->pidfd(), *this);
    if (!id) return id.error();
    watch_ = *id;
    if (const int e = side_.await_boot(); e != 0) return static_cast<Errno>(e);
    return {};
}

void MirrorSpace::count(Shootdown done) {
    Shared::count(shared_.counted.shootdowns);
    if (done == Shootdown::lazy) Shared::count(shared_.counted.shootdowns_lazy);
}

void MirrorSpace::invalidate(const host::Invalidation& what) noexcept {
    // Unlinked tables need no work of their own: a host mapping caches no table, and a walk that
    // may still read one holds the fill lock, which the agent takes.
    count(side_.invalidate(what.ranges, false));
}

Result<std::uint32_t> MirrorSpace::take_slot() {
    sync::Guard guard(mutex_);
    if (!free_slots_.empty()) {
        const std::uint32_t slot = free_slots_.back();
        free_slots_.pop_back();
        return slot;
    }
    if (slots_made_ == kMaxThreads) return Errno::again;
    return slots_made_++;
}

void MirrorSpace::free_slot(std::uint32_t slot) {
    sync::Guard guard(mutex_);
    free_slots_.push_back(slot);
}

Result<std::unique_ptr<Vcpu>> MirrorSpace::create_vcpu() noexcept {
    Result<std::uint32_t> slot = take_slot();
    if (!slot) return slot.error();
    if (sync::should_fail(shared_.options.fail)) {
        free_slot(*slot);
        return Errno::again;
    }
    Result<std::unique_ptr<Vcpu>> vcpu = start_vcpu(*slot);
    if (!vcpu) {
        side_.detach(stub_->control().slot(*slot));
        free_slot(*slot);
    }
    return vcpu;
}

Result<std::unique_ptr<Vcpu>> MirrorSpace::start_vcpu(std::uint32_t number) noexcept {
    Slot& slot = stub_->control().slot(number);
    if (!side_.attach(slot) || !side_.await_departure(slot)) return Errno::srch;
    slot.command.set(Command::run);
    slot.fill_wanted.set(0);
    if (const int e = side_.clone_thread(number); e != 0) return static_cast<Errno>(e);
    await_ownership(port_, slot.state, kServerOwns);
    if (side_.is_dead()) return Errno::srch;
    // A thread that can't be dispatched: the host kernel is too old.
    if (slot.event.get() != Event::ready) return Errno::nosys;
    auto vcpu = std::make_unique<MirrorVcpu>(*this, number);
    if (!vcpu->prepare()) return Errno::io;
    return vcpu;
}

}  // namespace surefoot::inline SF_BUILD::cpu::mirror
