#include "pgtable/pte_map.hpp"

namespace surefoot::inline SF_BUILD::pgtable {

using sync::holds;
using sync::Rule;

namespace {

/// Makes an empty map without entering RCU.
struct EmptyMap : PteMap {
    EmptyMap() = default;
};

}  // namespace

PteMapLocked::PteMapLocked(const PageTables& tables, const PmdSlot& pmd, VmaStable)
    : PteMap(tables, pmd) {
    while (*this) {
        table_frame().lock.lock(sync::LockId::ptl);
        // The remover clears the PMD entry while it holds this lock, so that we see it (M11).
        const pmd_t now = pmd.load();
        if (now == seen() || !holds<Rule::map_lock_rechecks_pmd>()) return;
        table_frame().lock.unlock(sync::LockId::ptl);
        go_by(now);
    }
}

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
