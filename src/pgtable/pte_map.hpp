#pragma once

// Access to a PTE table. Which of the four a caller holds decides whether it may store:
//
//   PteMapRcu     Linux pte_offset_map            never
//   PteMapRo      Linux pte_offset_map_ro_nolock  never, even after lock()
//   PteMapRw      Linux pte_offset_map_rw_nolock  only after lock_and_recheck(), or by
//                                                 store_if_same() over an entry that is not none
//   PteMapLocked  Linux pte_offset_map_lock       yes
//
// Each may come back empty: "no PTE table here now" is an ordinary outcome (rule C4). The caller
// goes back to the PMD entry and classifies it again. A map is inside an RCU read section, so
// its table's memory stays valid; that the table is still linked only a lock and a re-check prove
// (rules C5, C6). Clang's analysis can't follow optional locks: here the type is the proof.

#include <utility>

#include "pgtable/walk.hpp"

namespace surefoot::inline SF_BUILD::pgtable {

/// What the four have in common: the RCU section and reading.
class [[nodiscard]] PteMap {
  public:
    PteMap(PteMap&& other) noexcept
        : tables_(std::exchange(other.tables_, nullptr)), seen_(other.seen_) {}
    PteMap& operator=(PteMap&&) = delete;
    ~PteMap() {
        if (tables_ != nullptr) sync::rcu_read_unlock();
    }

    explicit operator bool() const { return tables_ != nullptr; }

    /// One single load of the entry of `va`, which lies in this table's span.
    pte_t load(VirtAddr va) const { return Slot<PtLevel::pte>(word(va)).load(); }
    /// The PMD value that named this table.
    pmd_t seen() const { return seen_; }

  protected:
    PteMap() = default;
    /// Enters RCU, loads the PMD entry once and goes by that value.
    PteMap(const PageTables& tables, const PmdSlot& pmd) : tables_(&tables) {
        sync::rcu_read_lock();
        go_by(pmd.load());
    }
    void go_by(pmd_t seen) {
        seen_ = seen;
        if (Format::is_table(seen)) return;
        tables_ = nullptr;
        sync::rcu_read_unlock();
    }

    sync::Atomic<std::uint64_t>& word(VirtAddr va) const {
        const unsigned index = tables_->format().index(va, PtLevel::pte);
        return tables_->arena().entry_word(Format::table_phys(seen_), index);
    }
    Frame& table_frame() const { return tables_->frame(Format::pfn(seen_)); }
    const PageTables& tables() const { return *tables_; }

  private:
    const PageTables* tables_ = nullptr;
    pmd_t seen_;
};

class [[nodiscard]] PteMapRcu : public PteMap {
  public:
    [[nodiscard]] PteMapRcu(const PageTables& tables, const PmdSlot& pmd, VmaStable)
        : PteMap(tables, pmd) {}
};

class [[nodiscard]] PteMapRo : public PteMap {
  public:
    [[nodiscard]] PteMapRo(const PageTables& tables, const PmdSlot& pmd, VmaStable)
        : PteMap(tables, pmd) {}

    /// Holds the table's lock: its entries don't change meanwhile. Proves nothing about the
    /// table still being linked, and gives no right to store.
    class [[nodiscard]] Locked {
      public:
        explicit Locked(PteMapRo& map) : map_(map) {
            map_.table_frame().lock.lock(sync::LockId::ptl);
        }
        ~Locked() { map_.table_frame().lock.unlock(sync::LockId::ptl); }
        Locked(const Locked&) = delete;
        Locked& operator=(const Locked&) = delete;
        pte_t load(VirtAddr va) const { return map_.load(va); }

      private:
        PteMapRo& map_;
    };
    [[nodiscard]] Locked lock() { return Locked(*this); }
};

/// The table is linked and its lock is held: entries may be stored, and the PMD entry cannot stop
/// naming this table (rule C9).
class [[nodiscard]] PteMapLocked : public PteMap {
  public:
    /// Maps, locks, and checks that the PMD entry still has the value it had; until it does.
    [[nodiscard]] PteMapLocked(const PageTables& tables, const PmdSlot& pmd, VmaStable);
    PteMapLocked(PteMapLocked&&) noexcept = default;
    ~PteMapLocked() {
        if (*this) table_frame().lock.unlock(sync::LockId::ptl);
    }

    /// Fills an empty entry.
    void install(VirtAddr va, pte_t entry, MayInstall) {
        assert_may_install();
        SlotRw<PtLevel::pte> slot(word(va));
        SF_DEBUG_ASSERT(Format::is_none(slot.load()) ||
                        !sync::holds<sync::Rule::fault_rechecks_none>());
        SF_DEBUG_ASSERT(!Format::is_none(entry));
        slot.set(entry);
    }

    /// Clears an entry and returns what it held, accessed and dirty bits included. Its
    /// translation stays usable until it is invalidated.
    pte_t get_and_clear(VirtAddr va, VmaStable) {
        assert_vma_stable();
        return SlotRw<PtLevel::pte>(word(va)).exchange({});
    }

    /// Changes rights and software bits of a present entry in one atomic step; bits that
    /// hardware sets meanwhile are not lost. The frame stays (rule G4).
    /// @param change  pte_t -> pte_t; may run more than once
    /// @return the value before
    template <class Change>
    pte_t modify(VirtAddr va, Change&& change) {
        SlotRw<PtLevel::pte> slot(word(va));
        pte_t seen = slot.load();
        for (;;) {
            SF_DEBUG_ASSERT(Format::is_present(seen));
            const pte_t next = change(seen);
            SF_DEBUG_ASSERT(Format::pfn(next) == Format::pfn(seen));
            if (next == seen || slot.compare_exchange(seen, next)) return seen;
        }
    }

  private:
    friend class PteMapRw;
    friend class PteTableUnlink;
    /// Takes over `map`, whose table's lock the caller has just taken and validated.
    explicit PteMapLocked(PteMap&& map) : PteMap(std::move(map)) {}
};

class [[nodiscard]] PteMapRw : public PteMap {
  public:
    [[nodiscard]] PteMapRw(const PageTables& tables, const PmdSlot& pmd, VmaStable)
        : PteMap(tables, pmd), pmd_(pmd) {}

    /// Takes the table's lock and checks that the PMD entry still names it (rule C6 b).
    /// @return empty when it does not: the caller starts again at the PMD entry
    PteMapLocked lock_and_recheck() &&;

    /// Replaces the entry of `va` if it still is `seen`, which must not be none: an unlinked
    /// table is all none, so equality with none would prove nothing (rules C6 c, C7).
    /// @return whether it was stored
    bool store_if_same(VirtAddr va, pte_t seen, pte_t next);

  private:
    PmdSlot pmd_;
};

}  // namespace surefoot::inline SF_BUILD::pgtable
