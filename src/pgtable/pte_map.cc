#include "pgtable/pte_map.hpp"

namespace surefoot::inline SF_BUILD::pgtable {
namespace {

/// Makes an empty map without entering RCU.
struct EmptyMap : PteMap {
    EmptyMap() = default;
};

/// A map and its table's lock, not yet validated.
struct Attempt : PteMap {
    Attempt(const PageTables& tables, const PmdSlot& pmd) : PteMap(tables, pmd) {
        if (*this) table_frame().lock.lock(sync::LockId::ptl);
    }
    void unlock() { table_frame().lock.unlock(sync::LockId::ptl); }
};

PteMap map_and_lock(const PageTables& tables, const PmdSlot& pmd) {
    for (;;) {
        Attempt attempt(tables, pmd);
        if (!attempt) return EmptyMap();
        // The remover clears the PMD entry while it holds this lock, so that we see it (M11).
        if (pmd.load() == attempt.seen()) return attempt;
        attempt.unlock();
    }
}

}  // namespace

PteMapLocked::PteMapLocked(const PageTables& tables, const PmdSlot& pmd, VmaStable)
    : PteMap(map_and_lock(tables, pmd)) {}

PteMapLocked PteMapRw::lock_and_recheck() && {
    if (!*this) return PteMapLocked(EmptyMap());
    table_frame().lock.lock(sync::LockId::ptl);
    if (pmd_.load() == seen()) return PteMapLocked(std::move(*this));
    table_frame().lock.unlock(sync::LockId::ptl);
    return PteMapLocked(EmptyMap());
}

bool PteMapRw::store_if_same(VirtAddr va, pte_t expected, pte_t next) {
    SF_ASSERT(!Format::is_none(expected));
    sync::ClasslessLock& lock = table_frame().lock;
    lock.lock(sync::LockId::ptl);
    const bool stored = SlotRw<PtLevel::pte>(word(va)).compare_exchange(expected, next);
    lock.unlock(sync::LockId::ptl);
    return stored;
}

}  // namespace surefoot::inline SF_BUILD::pgtable
