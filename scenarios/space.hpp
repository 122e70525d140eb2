#pragma once

// An address space for scenarios: the whole memory manager over a few toy frames, all of it in the
// checker's arena.

#include "mm/mm.hpp"
#include "scenario.hpp"

namespace surefoot::scenarios {

class Space {
  public:
    /// Pages of [0, n) are one private anonymous VMA, readable and writable. Each CPU's caches are
    /// filled, so that CPUs meet over pages and tables only.
    explicit Space(arch::Format format, std::uint64_t mapped_pages, unsigned cpus = 2);

    mm::Mm& mm() { return *mm_; }
    static VirtAddr page(std::uint64_t n) { return VirtAddr(n * arch::kPageSize); }

    void fault(VirtAddr va, mm::Access access, mm::FaultResult expected);
    /// To reading only.
    void write_protect(VirtAddr start, std::uint64_t pages);
    void munmap(VirtAddr start, std::uint64_t pages);
    void dontneed(VirtAddr start, std::uint64_t pages);

    /// From `finish`: tables, VMAs, counts and frames agree, and this many pages are resident.
    void require_sound(std::int64_t resident_pages);
    /// The number of resident pages.
    std::int64_t resident() const { return mm_->rss.total(); }

  private:
    static constexpr std::uint64_t kFrames = 128;

    void fill_caches(unsigned cpus);
    /// For reports.
    void name_parts();
    /// Anon_vmas that VMAs refer to.
    std::int64_t nr_anon_vmas();

    phys::Arena arena_;
    phys::FrameAllocator frames_;
    mm::System system_;
    mm::MmPtr mm_;
};

}  // namespace surefoot::scenarios
