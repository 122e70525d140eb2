// The per-VMA lock, and attaching and detaching, which are part of its protocol.

#include "vma/vma_access.hpp"

namespace surefoot::inline SF_BUILD::vma {

using sync::holds;
using sync::LockId;
using sync::Order;
using sync::Rule;
namespace lockdep = sync::lockdep;

VmaAccess::Raised VmaAccess::raise(Vma& vma) {
    std::uint32_t seen = vma.refcnt_.load(Order::relaxed);
    for (;;) {
        if (seen == 0) return Raised::detached;
        if (seen >= kReaderLimit) return Raised::excluded;
        // Acquire: pairs with the release of `attach` (the fields) and of `readmit` (the sequence).
        if (vma.refcnt_.compare_exchange(seen, seen + 1, Order::acquire, Order::relaxed)) {
            return Raised::yes;
        }
    }
}

void VmaAccess::lower(Vma& vma) {
    // Release: pairs with the acquire of the load that a writer waits with.
    const std::uint32_t before = vma.refcnt_.fetch_sub(1, Order::release);
    SF_DEBUG_ASSERT((before & ~kExcludeReaders) != 0);
    // The object may be free or another region by now. Its memory stays a Vma, so that a late
    // wake-up goes to nobody, or to a waiter that looks again.
    if ((before & kExcludeReaders) != 0) vma.refcnt_.notify_all();
}

bool VmaAccess::exclude(Vma& vma, std::uint32_t rest) {
    std::uint32_t seen = vma.refcnt_.load(Order::relaxed);
    do {
        if (seen == 0) return false;
        SF_DEBUG_ASSERT((seen & kExcludeReaders) == 0);  // one writer at a time: mmap W
        // Acquire: pairs with the release in `lower`; what readers did is behind us.
    } while (!vma.refcnt_.compare_exchange(seen, seen + kExcludeReaders, Order::acquire,
                                           Order::relaxed));
    seen += kExcludeReaders;
    while (seen != kExcludeReaders + rest && holds<Rule::vma_write_waits_for_readers>()) {
        vma.refcnt_.wait(seen, Order::relaxed);
        seen = vma.refcnt_.load(Order::acquire);
    }
    return true;
}

void VmaAccess::readmit(Vma& vma, std::uint32_t rest) {
    // A store: with the readers kept out and gone, the count is the writer's. Release: a reader
    // that raises it from here on (acquire) sees the sequence.
    vma.refcnt_.store(rest, Order::release);
}

void vma_start_write(const MmapWriteGuard& mmap, Vma& vma) {
    SF_ASSERT(mmap.is_exclusive());
    SF_DEBUG_ASSERT(vma.space() == &mmap.space());
    const std::uint32_t seq = mmap.space().mm_lock_seq();
    if (VmaAccess::lock_seq(vma) == seq) return;

    // Checks the order only: there may be thousands, and mmap W stands for all of them.
    lockdep::acquire(LockId::vma_lock, &vma, lockdep::Mode::exclusive, false);
    const bool attached = VmaAccess::exclude(vma, 1);
    SF_ASSERT(attached);
    VmaAccess::set_lock_seq(vma, seq);
    VmaAccess::readmit(vma, 1);
    lockdep::release(LockId::vma_lock, &vma);
}

bool Vma::is_write_locked() const {
    const VmaSpace* owner = space();
    return owner != nullptr && VmaAccess::lock_seq(*this) == owner->mm_lock_seq();
}

void VmaAccess::attach(VmaSpace& space, Vma& vma) {
    SF_ASSERT(!vma.is_attached());
    set_lock_seq(vma, space.mm_lock_seq());
    // Release: pairs with the acquire in `raise`, whose caller reads the fields.
    vma.refcnt_.store(1, Order::release);
}

void VmaAccess::detach(Vma& vma) {
    SF_ASSERT(vma.is_write_locked());
    // Acquire: as in `exclude`, for the case that no reader is left.
    const std::uint32_t before = vma.refcnt_.fetch_sub(1, Order::acquire);
    SF_ASSERT(before != 0);
    if (before != 1 && exclude(vma, 0)) readmit(vma, 0);
    SF_DEBUG_ASSERT(!vma.is_attached());
}

namespace {

/// One attempt under RCU; nothing if the VMA that was found is detached.
std::optional<VmaReadOutcome> start_read(VmaSpace& space, VirtAddr va, Vma*& locked) {
    const sync::RcuReadGuard rcu;
    Vma* vma = space.tree().lookup(va).vma;
    if (vma == nullptr) return VmaReadOutcome::none;
    // A peek that may be wrong: the comparison below decides.
    if (VmaAccess::lock_seq(*vma) == space.mm_lock_seq()) return VmaReadOutcome::write_locked;

    const VmaAccess::Raised raised = VmaAccess::raise(*vma);
    if (raised == VmaAccess::Raised::detached) return std::nullopt;
    if (raised == VmaAccess::Raised::excluded) return VmaReadOutcome::excluded;

    VmaReadOutcome outcome = VmaReadOutcome::locked;
    if (vma->space() != &space) {
        outcome = VmaReadOutcome::foreign;
    } else if (VmaAccess::lock_seq(*vma) == VmaAccess::mm_lock_seq_acquire(space) &&
               holds<Rule::vma_read_rechecks_sequence>()) {
        outcome = VmaReadOutcome::raced_writer;
    } else if (!vma->contains(va)) {
        outcome = VmaReadOutcome::moved;
    }
    if (outcome != VmaReadOutcome::locked) {
        VmaAccess::lower(*vma);
        return outcome;
    }
    locked = vma;
    return outcome;
}

}  // namespace

VmaReadGuard::VmaReadGuard(VmaSpace& space, VirtAddr va) {
    std::optional<VmaReadOutcome> outcome = start_read(space, va, vma_);
    while (!outcome) {
        ++misses_;
        outcome = start_read(space, va, vma_);
    }
    outcome_ = *outcome;
    if (vma_ != nullptr) {
        lockdep::acquire(LockId::vma_lock, vma_, lockdep::Mode::shared, true);
    }
}

VmaReadGuard::VmaReadGuard(const MmapHeld& mmap, Vma& vma) {
    SF_DEBUG_ASSERT(vma.space() == &mmap.space());
    const VmaAccess::Raised raised = VmaAccess::raise(vma);
    SF_ASSERT(raised != VmaAccess::Raised::detached);
    if (raised == VmaAccess::Raised::excluded) {
        outcome_ = VmaReadOutcome::excluded;
        return;
    }
    // The mmap lock keeps writers out, so no sequence needs comparing.
    vma_ = &vma;
    outcome_ = VmaReadOutcome::locked;
    lockdep::acquire(LockId::vma_lock, vma_, lockdep::Mode::shared, true);
}

VmaReadGuard::~VmaReadGuard() { drop(); }

void VmaReadGuard::drop() {
    if (vma_ == nullptr) return;
    lockdep::release(LockId::vma_lock, vma_);
    VmaAccess::lower(*vma_);
    vma_ = nullptr;
}

void vma_assert_locked(const Vma& vma) {
    const VmaSpace* space = vma.space();
    if (lockdep::is_held(LockId::vma_lock, &vma)) return;
    SF_DEBUG_ASSERT(space != nullptr);
    space->assert_mmap_locked();
}

}  // namespace surefoot::inline SF_BUILD::vma
