#include "cpu/kvm/toucher.hpp"

namespace surefoot::inline SF_BUILD::cpu::kvm {

using arch::PtLevel;

void Toucher::add(std::uint64_t va) {
    if (count_ == kTouchListEntries) flush();
    machine_.area().words(AreaPage::kTouchList)[count_++] = va;
}

void Toucher::flush() {
    if (count_ > 0) machine_.touch(count_);
    count_ = 0;
}

PhysAddr Toucher::linked_table(std::uint64_t raw, PtLevel level) const {
    if (level == PtLevel::pte) return {};
    if ((raw & (Format::kPresent | Format::kHuge)) != Format::kPresent) return {};
    const PhysAddr table(raw & Format::kFrameMask);
    // A table that is being freed may hold anything by now.
    return machine_.is_table(table) ? table : PhysAddr();
}

void Toucher::range(PhysAddr root, VaRange range) {
    const Format format;
    // Tables that another thread unlinks meanwhile stay until this section ends.
    sync::RcuReadGuard rcu;
    visit(root, format.top(), VirtAddr(), intersect(range, {VirtAddr(), format.end()}));
}

void Toucher::visit(PhysAddr table, PtLevel level, VirtAddr base, VaRange range) {
    if (range.empty()) return;
    const std::uint64_t span = Format::span(level);
    const std::uint64_t first = (range.start - base) / span;
    const std::uint64_t last = (range.end - base - 1) / span;
    PhysAddr changed[kEntriesTouched];
    unsigned nr_changed = 0;
    for (std::uint64_t i = first; i <= last; ++i) {
        const PhysAddr entry = table + i * sizeof(std::uint64_t);
        const PhysAddr child =
            linked_table(machine_.entry(entry).load(sync::Order::relaxed), level);
        if (child == PhysAddr()) {
            if (nr_changed < kEntriesTouched) changed[nr_changed] = entry;
            ++nr_changed;
            continue;
        }
        const VaRange covered{base + i * span, base + (i + 1) * span};
        // It may have been a huge page, or another table.
        if (range.contains(covered)) this->entry(entry);
        visit(child, arch::below(level), covered.start, intersect(range, covered));
    }
    if (nr_changed > kEntriesTouched) return this->table(table);
    for (unsigned i = 0; i < nr_changed; ++i) this->entry(changed[i]);
}

void Toucher::tree(PhysAddr root) {
    sync::RcuReadGuard rcu;
    visit_tree(root, Format().top(), Format::entries() / 2);
}

void Toucher::visit_tree(PhysAddr table, PtLevel level, unsigned entries) {
    for (unsigned i = 0; level != PtLevel::pte && i < entries; ++i) {
        const std::uint64_t raw =
            machine_.entry(table + i * sizeof(std::uint64_t)).load(sync::Order::relaxed);
        const PhysAddr child = linked_table(raw, level);
        if (child != PhysAddr()) visit_tree(child, arch::below(level), Format::entries());
    }
    this->table(table);
}

}  // namespace surefoot::inline SF_BUILD::cpu::kvm
