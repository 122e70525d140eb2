// mprotect(2) (protocol 4.19, 7.2).

#include "mm/accounting.hpp"
#include "mm/fault/fault.hpp"
#include "mm/fault/populate.hpp"

namespace surefoot::inline SF_BUILD::mm {
namespace {

using namespace uapi;
using arch::Format;
using arch::pte_t;
using pgtable::PteMapLocked;
using vma::MmapWriteGuard;
using vma::VmaFlag;

VmaFlags access_flags(std::uint32_t prot) {
    VmaFlags flags;
    if ((prot & PROT_READ) != 0) flags = flags | VmaFlag::read;
    if ((prot & PROT_WRITE) != 0) flags = flags | VmaFlag::write;
    if ((prot & PROT_EXEC) != 0) flags = flags | VmaFlag::exec;
    return flags;
}

/// A dirty page, which is ours alone or shared by intent, may become writable without the fault that
/// would only find out just that: a copy of a file's page was made ours by the write that dirtied it.
/// (Linux: can_change_pte_writable)
bool may_be_written(pte_t entry) { return !Format::is_special(entry) && Format::is_dirty(entry); }

/// The entry with the rights of `flags`.
pte_t with_rights(pte_t entry, VmaFlags flags) {
    arch::LeafBits bits = read_only_bits(flags);
    const arch::LeafBits old = Format::leaf_bits(entry);
    bits.young = old.young;
    bits.dirty = old.dirty;
    bits.special = old.special;
    bits.write = flags.has(VmaFlag::write) && (old.write || may_be_written(entry));
    return Format::make_leaf<arch::PtLevel::pte>(Format::pfn(entry), bits);
}

bool permits_less(pte_t old, pte_t next) {
    if (!Format::hardware_present(old)) return false;
    return !Format::hardware_present(next) ||
           (Format::is_writable(old) && !Format::is_writable(next)) ||
           (Format::is_executable(old) && !Format::is_executable(next));
}

void change_pte_range(PteMapLocked& map, pgtable::Gather& gather, VaRange range, VmaFlags flags) {
    for (VirtAddr va = range.start; va < range.end; va += arch::kPageSize) {
        if (!Format::is_present(map.load(va))) continue;
        pte_t next;
        const pte_t old =
            map.modify(va, [&](pte_t seen) { return next = with_rights(seen, flags); });
        if (permits_less(old, next)) gather.entries_changed({va, va + arch::kPageSize});
    }
}

void change_protection(Mm& mm, VaRange range, VmaFlags flags, VmaStable right) {
    pgtable::Gather gather(mm.tables);
    pgtable::for_each_pmd(mm.tables, range, right, [&](const auto& pmd, VaRange part) {
        // Empty: no table any more; a huge entry there would have to be looked at again.
        PteMapLocked map(mm.tables, pmd, right);
        if (map) change_pte_range(map, gather, part, flags);
    });
    gather.finish();
}

/// Flags after the change, with the charge that it brings, or why it is refused.
Result<VmaFlags> charged_flags(Mm& mm, const Vma& vma, VaRange range, VmaFlags flags) {
    const VmaFlags old = vma.flags();
    const std::uint64_t pages = range.bytes() >> arch::kPageShift;
    if (flags.has(VmaFlag::write)) {
        if (!may_expand(mm, flags, pages) && may_expand(mm, old, pages)) return Errno::nomem;
        const bool charged = old.has_any(VmaFlag::account | VmaFlag::write | VmaFlag::hugetlb |
                                         VmaFlag::shared | VmaFlag::noreserve);
        if (charged) return flags;
        if (!may_commit(mm, flags, pages)) return Errno::nomem;
        return flags | VmaFlag::account;
    }
    // Never written: nothing has to be kept for it.
    if (old.has(VmaFlag::account) && vma.is_anonymous() && vma.anon_vma() == nullptr) {
        return flags.without(VmaFlag::account);
    }
    return flags;
}

/// Changes `range`, inside `vma`.
Result<void> mprotect_fixup(Mm& mm, const MmapWriteGuard& mmap, Vma& vma, VaRange range,
                            VmaFlags wanted) {
    const VmaFlags old = vma.flags();
    if (old == wanted) return {};
    const auto flags = charged_flags(mm, vma, range, wanted);
    if (!flags) return flags.error();
    auto change = vma::prepare_modify(mmap, vma, range, *flags);
    if (!change) return change.error();
    vma::commit(mmap, std::move(*change));
    const auto pages = static_cast<std::int64_t>(range.bytes() >> arch::kPageShift);
    account(mm, old, -pages);
    account(mm, *flags, pages);
    change_protection(mm, range, *flags, VmaStable(mmap));
    const bool locked = old.has(VmaFlag::locked) && !old.has(VmaFlag::lockonfault);
    if (locked && !old.has_any(VmaFlag::write | VmaFlag::shared) && flags->has(VmaFlag::write)) {
        populate_writable(mm, mmap, *mmap.lookup(range.start), range);
    }
    return {};
}

/// PROT_GROWSDOWN: the change starts at the start of the stack.
Result<VirtAddr> effective_start(const Vma& vma, VaRange range, std::uint32_t grows) {
    if (grows == PROT_GROWSDOWN) {
        if (vma.start() >= range.end) return Errno::nomem;
        if (!vma.has(VmaFlag::growsdown)) return Errno::inval;
        return vma.start();
    }
    if (vma.start() > range.start) return Errno::nomem;
    // No mapping of x86-64 grows upwards.
    if (grows == PROT_GROWSUP) return Errno::inval;
    return range.start;
}

/// `vma` is the first that ends above range's start.
Result<void> protect_range(Mm& mm, const MmapWriteGuard& mmap, Vma* vma, VaRange range,
                           VmaFlags access) {
    VirtAddr at = range.start;
    while (at < range.end) {
        if (vma == nullptr || vma->start() > at) return Errno::nomem;
        const VaRange part{at, vma->end() < range.end ? vma->end() : range.end};
        const VmaFlags flags = vma->flags().without(vma::kVmaAccess) | access;
        const bool widens = (access.has(VmaFlag::read) && !flags.has(VmaFlag::mayread)) ||
                            (access.has(VmaFlag::write) && !flags.has(VmaFlag::maywrite)) ||
                            (access.has(VmaFlag::exec) && !flags.has(VmaFlag::mayexec));
        if (widens) return Errno::acces;
        const auto changed = mprotect_fixup(mm, mmap, *vma, part, flags);
        if (!changed) return changed.error();
        at = part.end;
        if (at < range.end) vma = mmap.find(at);
    }
    return {};
}

}  // namespace

Result<void> mprotect(Mm& mm, VirtAddr start, std::uint64_t length, std::uint32_t prot) {
    const std::uint32_t grows = prot & (PROT_GROWSDOWN | PROT_GROWSUP);
    prot &= ~(PROT_GROWSDOWN | PROT_GROWSUP);
    if (grows == (PROT_GROWSDOWN | PROT_GROWSUP)) return Errno::inval;
    if (!start.is_aligned(arch::kPageSize)) return Errno::inval;
    if (length == 0) return {};
    const VaRange asked{start, start + page_align(length)};
    if (asked.empty()) return Errno::nomem;
    if ((prot & ~(PROT_READ | PROT_WRITE | PROT_EXEC | PROT_SEM)) != 0) return Errno::inval;

    MmapWriteGuard mmap(mm.vmas);
    Vma* first = mmap.around(asked).first.vma;
    if (first == nullptr) return Errno::nomem;
    const auto from = effective_start(*first, asked, grows);
    if (!from) return from.error();
    return protect_range(mm, mmap, first, {*from, asked.end}, access_flags(prot));
}

}  // namespace surefoot::inline SF_BUILD::mm
