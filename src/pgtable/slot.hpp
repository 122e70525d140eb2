#pragma once

// The place of one entry in a table. A slot is the only thing that touches an entry's word.

#include "arch/arch.hpp"
#include "phys/phys.hpp"
#include "sync/sync.hpp"

namespace surefoot::inline SF_BUILD::pgtable {

using arch::Format;
using arch::pmd_t;
using arch::pte_t;
using arch::PtLevel;
using phys::Arena;
using phys::Frame;
using sync::Order;

/// Reads only.
template <PtLevel L>
class Slot {
  public:
    explicit Slot(sync::Atomic<std::uint64_t>& word) : word_(&word) {}

    /// One single load. Acquire: pairs with the release in SlotRw::set, so that what the entry
    /// points to is seen initialised (M1 for tables, M2 for pages).
    arch::Entry<L> load() const { return {word_->load(Order::acquire)}; }

  protected:
    sync::Atomic<std::uint64_t>* word_;
};

/// Writes too. Whoever makes one holds the lock of the slot's table, or the table is not yet (or
/// no longer) reachable.
template <PtLevel L>
class SlotRw : public Slot<L> {
  public:
    using Slot<L>::Slot;

    /// Over an entry that hardware can't be changing: none or not present. Release: see load.
    void set(arch::Entry<L> entry) { this->word_->store(entry.raw, Order::release); }

    /// seq_cst: the full barrier between clearing an entry and reading reference counts (M3),
    /// whose partner is GUP-fast's count, then re-load of the entry.
    arch::Entry<L> exchange(arch::Entry<L> entry) {
        return {this->word_->exchange(entry.raw, Order::seq_cst)};
    }

    /// Over a present entry, whose accessed and dirty bits hardware may set at any time.
    bool compare_exchange(arch::Entry<L>& expected, arch::Entry<L> desired) {
        return this->word_->compare_exchange(expected.raw, desired.raw, Order::seq_cst,
                                             Order::acquire);
    }
};

}  // namespace surefoot::inline SF_BUILD::pgtable
