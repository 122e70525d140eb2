#include "processor.hpp"

namespace surefoot::scenarios {
namespace {

using arch::Format;
using arch::PtLevel;

constexpr std::uint32_t kAsid = 1;

constexpr sfc_entry_format kEntryFormat{.present = Format::kPresent,
                                        .writable = Format::kWrite,
                                        .accessed = Format::kAccessed,
                                        .dirty = Format::kDirty};

/// A walk and the access that it is for are one instruction.
class InterruptsOff {
  public:
    InterruptsOff() { sfc_irq_disable(); }
    ~InterruptsOff() { sfc_irq_enable(); }
    InterruptsOff(const InterruptsOff&) = delete;
    InterruptsOff& operator=(const InterruptsOff&) = delete;
};

void drop_here(VaRange range) {
    sfc_tlb_invalidate(kAsid, range.start.raw(), range.end.raw(), nullptr);
}

}  // namespace

std::uint64_t* Processors::translate(VirtAddr va, sfc_translate access) {
    const Format format = mm_.tables.format();
    Pfn table = mm_.tables.root();
    for (PtLevel level = format.top();; level = arch::below(level)) {
        const bool leaf = level == PtLevel::pte;
        auto& word = mm_.tables.arena().entry_word(table, format.index(va, level));
        const arch::pte_t entry{
            sfc_translate_entry(kAsid, va.raw(), &word, access, leaf, &kEntryFormat, nullptr)};
        if (!Format::hardware_present(entry)) return nullptr;
        table = Format::pfn(entry);
        if (leaf) break;
    }
    std::byte* const page = mm_.tables.arena().address(table);
    return reinterpret_cast<std::uint64_t*>(page + va.raw() % arch::kPageSize);
}

std::optional<std::uint64_t> Processors::load(VirtAddr va) {
    const InterruptsOff one_instruction;
    const std::uint64_t* const word = translate(va, SFC_TLB_LOAD);
    if (word == nullptr) return std::nullopt;
    return sfc_load(word, sizeof *word, SFC_RELAXED, nullptr);
}

bool Processors::store(VirtAddr va, std::uint64_t value) {
    const InterruptsOff one_instruction;
    std::uint64_t* const word = translate(va, SFC_TLB_STORE);
    if (word == nullptr) return false;
    sfc_store(word, sizeof *word, value, SFC_RELAXED, nullptr);
    return true;
}

void Processors::drop(VaRange range) noexcept {
    drop_here(range);
    const std::uint32_t all = (1U << cpus_) - 1;
    const unsigned ticket = sfc_ipi(
        all, [](void* what) { drop_here(*static_cast<const VaRange*>(what)); }, &range, nullptr);
    sfc_ipi_wait(ticket, nullptr);
}

void Processors::invalidate(const host::Invalidation& what) noexcept {
    // Of a table that was unlinked it is not said which addresses it served.
    if (!what.unlinked_tables.empty()) return invalidate_all();
    for (const VaRange& range : what.ranges)
        drop(range);
}

void Processors::invalidate_all() noexcept { drop({VirtAddr(0), mm_.tables.format().end()}); }

}  // namespace surefoot::scenarios
