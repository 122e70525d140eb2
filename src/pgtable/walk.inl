#pragma once

namespace surefoot::inline SF_BUILD::pgtable {
namespace detail {

/// Inlined whole, so that a caller that wants the address alone does not pay for the bits. The
/// arena is a copy, which acquiring loads need not fetch again.
template <PtLevel L, class F>
[[gnu::always_inline]] inline std::optional<Translation> translate_from(Arena arena,
                                                                        PhysAddr table, F format,
                                                                        VirtAddr va) {
    const arch::Entry<L> entry = Slot<L>(arena.entry_word(table, format.index(va, L))).load();
    if constexpr (L != PtLevel::pte) {
        if (F::is_table(entry)) [[likely]] {
            return translate_from<arch::below(L)>(arena, F::table_phys(entry), format, va);
        }
    }
    if (!F::hardware_present(entry)) return std::nullopt;
    const std::uint64_t offset = va.raw() & (format.span(L) - 1);
    return Translation{F::phys(entry) + offset, F::leaf_bits(entry), L};
}

template <PtLevel L, class Visit>
void visit_pmds(const PageTables& tables, PhysAddr table, VaRange range, Visit& visit) {
    const std::uint64_t span = tables.format().span(L);
    for (VirtAddr at = range.start.align_down(span); at < range.end; at += span) {
        const VaRange covered = intersect({at, at + span}, range);
        const unsigned index = tables.format().index(at, L);
        if constexpr (L == PtLevel::pmd) {
            visit(PmdSlot(tables.arena(), table, index), covered);
        } else {
            const auto entry = Slot<L>(tables.arena().entry_word(table, index)).load();
            if (!Format::is_table(entry)) continue;
            visit_pmds<arch::below(L)>(tables, Format::table_phys(entry), covered, visit);
        }
    }
}

}  // namespace detail

template <class Visit>
void for_each_pmd(const PageTables& tables, VaRange range, VmaStable, Visit&& visit) {
    assert_vma_stable();
    const PhysAddr root = arch::to_phys(tables.root());
    switch (tables.format().top()) {
        case PtLevel::pgd:
            return detail::visit_pmds<PtLevel::pgd>(tables, root, range, visit);
        case PtLevel::p4d:
            return detail::visit_pmds<PtLevel::p4d>(tables, root, range, visit);
        case PtLevel::pud:
            return detail::visit_pmds<PtLevel::pud>(tables, root, range, visit);
        default:
            return detail::visit_pmds<PtLevel::pmd>(tables, root, range, visit);
    }
}

template <arch::PageTableFormat F>
[[gnu::always_inline]] inline std::optional<Translation> translate(const Arena& arena, Pfn root,
                                                                   F format, VirtAddr va) {
    const PhysAddr table = arch::to_phys(root);
    switch (format.top()) {
        case PtLevel::pgd:
            return detail::translate_from<PtLevel::pgd>(arena, table, format, va);
        case PtLevel::p4d:
            return detail::translate_from<PtLevel::p4d>(arena, table, format, va);
        case PtLevel::pud:
            return detail::translate_from<PtLevel::pud>(arena, table, format, va);
        default:
            return detail::translate_from<PtLevel::pmd>(arena, table, format, va);
    }
}

}  // namespace surefoot::inline SF_BUILD::pgtable
