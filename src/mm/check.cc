// The whole-structure check of one quiescent address space.

#include <fmt/format.h>

#include <map>

#include "mm/operations.hpp"

namespace surefoot::inline SF_BUILD::mm {
namespace {

using arch::Format;
using arch::PtLevel;
using vma::VmaFlag;

/// Walks every table from the root and compares what it finds with VMAs and counters.
class Checker {
public:
    Checker(const Mm& mm, const vma::MmapHeld& mmap) : mm_(mm), mmap_(mmap) {}

    std::string run() {
        visit_root();
        if (!error_.empty()) return error_;
        if (nr_tables_ * arch::kPageSize != mm_.tables.bytes()) {
            return fmt::format("{} tables are linked, {} bytes are counted", nr_tables_,
                               mm_.tables.bytes());
        }
        for (std::size_t i = 0; i < found_.size(); ++i) {
            const std::int64_t counted = mm_.rss.read(static_cast<RssKind>(i));
            if (counted == found_[i]) continue;
            return fmt::format("{} pages of kind {} are mapped, {} are counted", found_[i], i,
                               counted);
        }
        return check_frames();
    }

private:
    void visit_root() {
        switch (mm_.tables.format().top()) {
            case PtLevel::pgd:
                return visit<PtLevel::pgd>(mm_.tables.root(), VirtAddr(0));
            case PtLevel::p4d:
                return visit<PtLevel::p4d>(mm_.tables.root(), VirtAddr(0));
            case PtLevel::pud:
                return visit<PtLevel::pud>(mm_.tables.root(), VirtAddr(0));
            default:
                return visit<PtLevel::pmd>(mm_.tables.root(), VirtAddr(0));
        }
    }

    template <PtLevel L>
    void visit(Pfn table, VirtAddr base) {
        ++nr_tables_;
        if (!mm_.tables.frame(table).has(phys::FrameFlags::kTable)) {
            error_ = fmt::format("frame {} is linked as a table and is none", table.raw());
        }
        for (unsigned i = 0; i < mm_.tables.format().entries() && error_.empty(); ++i) {
            const auto entry = pgtable::Slot<L>(mm_.tables.arena().entry_word(table, i)).load();
            const VirtAddr va = base + mm_.tables.format().span(L) * i;
            // The upper half of a root table belongs to the CPU back end.
            if (va >= mm_.tables.format().end()) break;
            if (Format::is_none(entry)) continue;
            if constexpr (L == PtLevel::pte) {
                check_leaf(entry, va);
            } else if (Format::is_table(entry)) {
                visit<arch::below(L)>(Format::pfn(entry), va);
            } else {
                error_ = fmt::format("bad entry {:#x} at {:#x}", entry.raw, va.raw());
            }
        }
    }

    void check_leaf(arch::pte_t entry, VirtAddr va) {
        const Vma* vma = mmap_.lookup(va);
        if (vma == nullptr) {
            error_ = fmt::format("{:#x} is mapped outside every VMA", va.raw());
            return;
        }
        const VmaFlags flags = vma->flags();
        if (Format::is_writable(entry) && !flags.has(VmaFlag::write)) {
            error_ = fmt::format("{:#x} is writable against its VMA", va.raw());
        }
        if (Format::is_executable(entry) && !flags.has(VmaFlag::exec)) {
            error_ = fmt::format("{:#x} is executable against its VMA", va.raw());
        }
        if (Format::hardware_present(entry) && !flags.has_any(vma::kVmaAccess)) {
            error_ = fmt::format("{:#x} is accessible against its VMA", va.raw());
        }
        if (Format::is_special(entry)) {
            if (Format::is_writable(entry)) error_ = "the zero page is mapped writable";
            return;
        }
        const phys::Frame& frame = mm_.tables.frame(Format::pfn(entry));
        ++found_[static_cast<std::size_t>(rss_kind(frame))];
        ++mappings_[Format::pfn(entry)];
    }

    std::string check_frames() const {
        for (const auto& [pfn, mapped] : mappings_) {
            const phys::Frame& frame = mm_.tables.frame(pfn);
            const std::uint32_t mapcount = frame.mapcount.load(Order::relaxed);
            if (frame.refcount.read() < mapcount) {
                return fmt::format("frame {}: refcount {} below mapcount {}", pfn.raw(),
                                   frame.refcount.read(), mapcount);
            }
            // Shared memory may be mapped by other address spaces as well.
            const bool exact = !frame.has(phys::FrameFlags::kShmem);
            if (mapcount < mapped || (exact && mapcount != mapped)) {
                return fmt::format("frame {}: {} mappings, mapcount {}", pfn.raw(), mapped,
                                   mapcount);
            }
        }
        return {};
    }

    const Mm& mm_;
    const vma::MmapHeld& mmap_;
    std::string error_;
    std::uint64_t nr_tables_ = 0;
    std::array<std::int64_t, static_cast<std::size_t>(RssKind::kCount)> found_{};
    std::map<Pfn, std::uint32_t> mappings_;
};

std::string check_accounting(const Mm& mm, const vma::MmapHeld& mmap) {
    std::uint64_t total = 0;
    std::uint64_t locked = 0;
    std::uint32_t count = 0;
    mmap.for_each({VirtAddr(0), mm.options.task_size}, [&](const Vma& vma) {
        total += vma.nr_pages();
        if (vma.has(VmaFlag::locked)) locked += vma.nr_pages();
        ++count;
    });
    if (total != mm.total_vm.load(Order::relaxed)) {
        return fmt::format("VMAs span {} pages, total_vm is {}", total,
                           mm.total_vm.load(Order::relaxed));
    }
    if (locked != mm.locked_vm.load(Order::relaxed)) {
        return fmt::format("{} pages are locked, locked_vm is {}", locked,
                           mm.locked_vm.load(Order::relaxed));
    }
    if (count != mm.vmas.map_count()) {
        return fmt::format("{} VMAs, map_count is {}", count, mm.vmas.map_count());
    }
    return {};
}

}  // namespace

std::string check_mm(Mm& mm) {
    vma::MmapWriteGuard mmap(mm.vmas);
    if (std::string error = mm.vmas.tree().check(); !error.empty()) return error;
    if (std::string error = check_accounting(mm, mmap); !error.empty()) return error;
    return Checker(mm, mmap).run();
}

}  // namespace surefoot::inline SF_BUILD::mm
