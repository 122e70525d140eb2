#include "pgtable/page_tables.hpp"

#include <cstring>
#include <utility>

namespace surefoot::inline SF_BUILD::pgtable {

using sync::holds;
using sync::Rule;

namespace {

#ifdef SF_RELEASE
constexpr bool kQuarantineFreed = false;
#else
constexpr bool kQuarantineFreed = !sync::kWatchesFreeMemory;
#endif
constexpr int kTablePoison = 0x6b;

}  // namespace

DeferredTables::~DeferredTables() {
    SF_ASSERT(!sealed_);
    SF_ASSERT(!arriving_);
}

void DeferredTables::retire(Pfn first, Pfn last) {
    if (!holds<Rule::tables_wait_for_grace_period>()) return free_list(first);
    sync::Guard guard(lock_);
    if (in_flight_) {
        frames_.arena().frame(last).next.set(arriving_);
        arriving_ = first;
        return;
    }
    sealed_ = first;
    in_flight_ = true;
    sync::rcu_defer<&DeferredTables::grace_period_over>(*this);
}

void DeferredTables::grace_period_over(sync::RcuHead& head) {
    auto& self = static_cast<DeferredTables&>(head);
    Pfn done;
    {
        sync::Guard guard(self.lock_);
        done = self.sealed_;
        self.sealed_ = Pfn::none();
    }
    self.free_list(done);
    // Last: from here on another callback, or drain, may run.
    sync::Guard guard(self.lock_);
    self.sealed_ = self.arriving_;
    self.arriving_ = Pfn::none();
    if (self.sealed_) {
        sync::rcu_defer<&DeferredTables::grace_period_over>(self);
    } else {
        self.in_flight_ = false;
    }
}

void DeferredTables::free_list(Pfn first) {
    while (first) {
        const Pfn next = frames_.arena().frame(first).next.get();
        if (kQuarantineFreed) {
            quarantine(first);
        } else {
            free_table(first);
        }
        first = next;
    }
}

void DeferredTables::free_table(Pfn table) {
    frames_.put(table);
    freed_.fetch_add(1, Order::relaxed);
}

void DeferredTables::quarantine(Pfn table) {
    std::memset(frames_.arena().address(table), kTablePoison, arch::kPageSize);
    {
        sync::Guard guard(lock_);
        if (quarantined_ < kQuarantine) {
            quarantine_[quarantined_++] = table;
            return;
        }
    }
    release_quarantine();
    quarantine(table);
}

void DeferredTables::release_quarantine() {
    std::array<Pfn, kQuarantine> released;
    std::size_t count = 0;
    {
        sync::Guard guard(lock_);
        released = quarantine_;
        count = std::exchange(quarantined_, 0);
    }
    for (std::size_t i = 0; i < count; ++i) {
        for (const std::byte b : frames_.arena().page(released[i])) {
            SF_ASSERT(b == std::byte{kTablePoison});
        }
        free_table(released[i]);
    }
}

bool DeferredTables::pending() {
    sync::Guard guard(lock_);
    return in_flight_;
}

bool DeferredTables::reclaim(std::uint64_t before) {
    if (pending()) {
        // The first barrier frees what was sealed, the second what had arrived by then.
        sync::rcu_barrier();
        sync::rcu_barrier();
    }
    release_quarantine();
    return freed() != before;
}

void DeferredTables::drain() {
    do {
        sync::rcu_barrier();
    } while (pending());
    release_quarantine();
}

PageTables::~PageTables() {
    if (!root_) return;
    SF_ASSERT(nr_tables_.load(Order::relaxed) == 1);
    frames_.put(root_);
}

Result<void> PageTables::init() {
    root_ = alloc_table();
    if (!root_) return Errno::nomem;
    count_linked();
    return {};
}

Pfn PageTables::alloc_table() {
    const Pfn table = frames_.alloc(phys::Fill::zero);
    if (table) frame(table).set_kind(phys::FrameFlags::kTable, 0);
    return table;
}

void PageTables::free_unseen_table(Pfn table) { frames_.put(table); }

}  // namespace surefoot::inline SF_BUILD::pgtable
