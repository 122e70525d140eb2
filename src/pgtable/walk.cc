#include "pgtable/walk.hpp"

namespace surefoot::inline SF_BUILD::pgtable {

using sync::holds;
using sync::Rule;

namespace {

/// Calls `step` with the root table and its level as a constant.
template <class Step>
decltype(auto) from_top(const PageTables& tables, Step&& step) {
    const PhysAddr root = arch::to_phys(tables.root());
    switch (tables.format().top()) {
        case PtLevel::pgd:
            return step.template operator()<PtLevel::pgd>(root);
        case PtLevel::p4d:
            return step.template operator()<PtLevel::p4d>(root);
        case PtLevel::pud:
            return step.template operator()<PtLevel::pud>(root);
        default:
            return step.template operator()<PtLevel::pmd>(root);
    }
}

template <PtLevel L>
[[gnu::always_inline]] inline std::optional<PmdSlot> find_from(const PageTables& tables,
                                                               PhysAddr table, VirtAddr va) {
    const unsigned index = tables.format().index(va, L);
    if constexpr (L == PtLevel::pmd) {
        return PmdSlot(tables.arena(), table, index);
    } else {
        const auto entry = Slot<L>(tables.arena().entry_word(table, index)).load();
        if (!Format::is_table(entry)) [[unlikely]] return std::nullopt;
        return find_from<arch::below(L)>(tables, Format::table_phys(entry), va);
    }
}

std::optional<PmdSlot> find(const PageTables& tables, VirtAddr va) {
    return from_top(tables, [&]<PtLevel L>(PhysAddr root) { return find_from<L>(tables, root, va); });
}

/// Links an empty table below an upper entry, unless somebody else did.
template <PtLevel L>
Result<void> link_upper(PageTables& tables, sync::Atomic<std::uint64_t>& word) {
    const Pfn table = tables.alloc_table();
    if (!table) return Errno::nomem;
    {
        sync::Guard guard(tables.page_table_lock);
        SlotRw<L> slot(word);
        if (Format::is_none(slot.load()) || !holds<Rule::table_install_rechecks_none>()) {
            tables.count_linked();
            slot.set(Format::template make_table<L>(table));
            return {};
        }
    }
    tables.free_unseen_table(table);
    return {};
}

template <PtLevel L>
Result<PmdSlot> alloc_from(PageTables& tables, PhysAddr table, VirtAddr va) {
    const unsigned index = tables.format().index(va, L);
    if constexpr (L == PtLevel::pmd) {
        return PmdSlot(tables.arena(), table, index);
    } else {
        auto& word = tables.arena().entry_word(table, index);
        auto entry = Slot<L>(word).load();
        if (Format::is_none(entry)) {
            if (const auto linked = link_upper<L>(tables, word); !linked) return linked.error();
            entry = Slot<L>(word).load();
        }
        return alloc_from<arch::below(L)>(tables, Format::table_phys(entry), va);
    }
}

}  // namespace

std::optional<PmdSlot> find_pmd(const PageTables& tables, VirtAddr va, VmaStable) {
    assert_vma_stable();
    return find(tables, va);
}

Result<PmdSlot> pmd_alloc(PageTables& tables, VirtAddr va, MayInstall) {
    assert_may_install();
    if (const auto found = find(tables, va)) [[likely]] return *found;
    return from_top(tables, [&]<PtLevel L>(PhysAddr root) { return alloc_from<L>(tables, root, va); });
}

bool pmd_install(PageTables& tables, const PmdSlot& pmd, Pfn table, MayInstall) {
    assert_may_install();
    PmdLock lock(pmd);
    if (!Format::is_none(lock.slot().load()) && holds<Rule::table_install_rechecks_none>()) {
        return false;
    }
    tables.count_linked();
    // The table's zeroes and its lock come before its address: release in set (M1).
    lock.slot().set(Format::make_table<PtLevel::pmd>(table));
    return true;
}

Result<void> pte_alloc_missing(PageTables& tables, const PmdSlot& pmd, MayInstall right) {
    const Pfn table = tables.alloc_table();
    if (!table) return Errno::nomem;
    if (!pmd_install(tables, pmd, table, right)) tables.free_unseen_table(table);
    return {};
}

}  // namespace surefoot::inline SF_BUILD::pgtable
