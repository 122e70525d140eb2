#pragma once

#include <gtest/gtest.h>

#include <functional>
#include <ostream>
#include <vector>

#include "pgtable/pgtable.hpp"
#include "support/test_arena.hpp"

/// Stands for guards: of an mmap lock, of an rmap lock alone, and of detached VMAs.
struct MmapRights {};
struct RmapRights {};
struct DetachedRights {};

namespace surefoot::inline SF_BUILD::pgtable {
template <>
inline constexpr bool kProvesVmaStable<MmapRights> = true;
template <>
inline constexpr bool kProvesMayInstall<MmapRights> = true;
template <>
inline constexpr bool kProvesVmaStable<RmapRights> = true;
template <>
inline constexpr bool kProvesMayFreeTables<DetachedRights> = true;
}  // namespace surefoot::inline SF_BUILD::pgtable

inline const MmapRights kMmap;
inline const RmapRights kRmap;
inline const DetachedRights kDetached;

/// The geometries that tests run over: those of this build's format.
inline std::vector<surefoot::arch::X86_64> geometries(const surefoot::arch::X86_64&) {
    return {surefoot::arch::X86_64(4), surefoot::arch::X86_64(5)};
}
inline std::vector<surefoot::arch::Toy> geometries(const surefoot::arch::Toy&) {
    using surefoot::arch::Toy;
    return {Toy(2, 1), Toy(2, 2), Toy(3, 1), Toy(3, 2), Toy(4, 1), Toy(5, 2)};
}
inline auto geometries() { return geometries(surefoot::arch::Format()); }

/// One with at least 40 PTE tables.
inline surefoot::arch::X86_64 wide_geometry(const surefoot::arch::X86_64& f) { return f; }
inline surefoot::arch::Toy wide_geometry(const surefoot::arch::Toy&) {
    return surefoot::arch::Toy(4, 2);
}

/// Writes down every shootdown. `on_call` runs at the moment of each.
class RecordingTlb : public surefoot::host::TlbShootdown {
  public:
    struct Call {
        bool all = false;
        std::vector<surefoot::VaRange> ranges;
        std::vector<surefoot::Pfn> tables;
    };
    std::vector<Call> calls;
    std::function<void(const Call&)> on_call;

    void invalidate(const surefoot::host::Invalidation& what) noexcept override {
        record({false,
                {what.ranges.begin(), what.ranges.end()},
                {what.unlinked_tables.begin(), what.unlinked_tables.end()}});
    }
    void invalidate_all() noexcept override { record({true, {}, {}}); }

  private:
    void record(const Call& call) {
        {
            surefoot::sync::Guard guard(lock_);
            calls.push_back(call);
        }
        if (on_call) on_call(call);
    }

    surefoot::sync::SpinLock<surefoot::sync::LockId::backend> lock_;
};

/// The lock that MmapRights claims, for the validator. A thread holds one, whatever number of
/// worlds it has.
class HeldMmap {
  public:
    using Lock = surefoot::sync::RwSem<surefoot::sync::LockId::mmap_lock>;
    explicit HeldMmap(Lock& lock) : lock_(lock), outer_(holder_) {
        if (outer_ == nullptr) take();
        holder_ = outer_ == nullptr ? this : outer_;
    }
    ~HeldMmap() {
        if (outer_ == nullptr) drop();
        holder_ = outer_;
    }
    HeldMmap(const HeldMmap&) = delete;
    HeldMmap& operator=(const HeldMmap&) = delete;

    /// Runs `f` without the lock that this thread holds.
    template <class F>
    static void without(F&& f) {
        holder_->drop();
        f();
        holder_->take();
    }

  private:
    void take() SF_CONTEXT_UNSAFE("held across functions") { lock_.lock_shared(); }
    void drop() SF_CONTEXT_UNSAFE("held across functions") { lock_.unlock_shared(); }

    static inline thread_local HeldMmap* holder_ = nullptr;
    Lock& lock_;
    HeldMmap* outer_;
};

/// An address space's tables with everything below them. On the way out it unmaps all and
/// asserts that no frame is lost.
class World {
  public:
    using Format = surefoot::arch::Format;

    explicit World(Format format = Format(), std::uint64_t nr_frames = 4096)
        : memory(nr_frames),
          frames(memory.arena, &plan),
          deferred(frames),
          tables(frames, deferred, format) {
        const auto made = tables.init();
        SF_ASSERT(made);
        tables.attach(&tlb);
    }
    ~World() {
        tables.attach(nullptr);
        plan.disarm();
        unmap(whole());
        free_tables(whole(), surefoot::VirtAddr(0), surefoot::VirtAddr(0));
        drain();
        EXPECT_EQ(frames.in_use(), 1U) << "only the root is left";
        EXPECT_STREQ(frames.check(), "");
    }

    HeldMmap::Lock mmap_lock;
    HeldMmap held{mmap_lock};

    /// Waits for grace periods, without the lock.
    void drain() {
        HeldMmap::without([&] { deferred.drain(); });
    }

    Format format() const { return tables.format(); }
    surefoot::VaRange whole() const { return {surefoot::VirtAddr(0), format().end()}; }
    static surefoot::VirtAddr page(std::uint64_t n) {
        return surefoot::VirtAddr(n * surefoot::arch::kPageSize);
    }
    /// The first address that the n-th PTE table covers.
    surefoot::VirtAddr table(std::uint64_t n) const {
        return surefoot::VirtAddr(n * format().span(surefoot::arch::PtLevel::pmd));
    }

    /// The slot of the PMD entry; its tables above are made.
    surefoot::pgtable::PmdSlot pmd(surefoot::VirtAddr va) {
        auto slot = surefoot::pgtable::pmd_alloc(tables, va, kMmap);
        SF_ASSERT(slot);
        return *slot;
    }
    /// Makes the PTE table of `va` and returns the slot of its PMD entry.
    surefoot::pgtable::PmdSlot populate(surefoot::VirtAddr va) {
        const auto slot = pmd(va);
        const auto made = surefoot::pgtable::pte_alloc(tables, slot, kMmap);
        SF_ASSERT(made);
        return slot;
    }
    surefoot::Pfn table_of(surefoot::VirtAddr va) { return Format::pfn(pmd(va).load()); }

    surefoot::arch::pte_t make_pte(surefoot::Pfn pfn, surefoot::arch::LeafBits bits = {}) {
        return Format::make_leaf<surefoot::arch::PtLevel::pte>(pfn, bits);
    }
    /// Maps a new page. @return its frame
    surefoot::Pfn map_page(surefoot::VirtAddr va, surefoot::arch::LeafBits bits = {}) {
        const surefoot::Pfn pfn = frames.alloc(surefoot::phys::Fill::zero);
        for (;;) {
            const auto slot = populate(va);
            surefoot::pgtable::PteMapLocked map(tables, slot, kMmap);
            // Another thread may have reclaimed the table at once.
            if (!map) continue;
            map.install(va, make_pte(pfn, bits), kMmap);
            return pfn;
        }
    }
    /// Puts any value into a PMD entry.
    void set_pmd(surefoot::VirtAddr va, surefoot::arch::pmd_t entry) {
        surefoot::pgtable::PmdLock lock(pmd(va));
        lock.slot().set(entry);
    }
    void set_huge(surefoot::VirtAddr va) {
        set_pmd(va, Format::make_leaf<surefoot::arch::PtLevel::pmd>(surefoot::Pfn(0), {}));
    }

    /// Zaps what is mapped at `va`, into `gather`.
    void zap_page(surefoot::pgtable::Gather& gather, surefoot::VirtAddr va) {
        const auto slot = surefoot::pgtable::find_pmd(tables, va, kMmap);
        if (!slot) return;
        surefoot::pgtable::PteMapLocked map(tables, *slot, kMmap);
        if (!map) return;
        const auto entry = map.get_and_clear(va, kMmap);
        if (Format::is_none(entry)) return;
        gather.entries_changed({va, va + surefoot::arch::kPageSize});
        gather.queue_page(Format::pfn(entry));
    }
    /// Unlinks the PTE table of `va`, which is empty, and makes another one.
    void replace_table(surefoot::VirtAddr va) {
        surefoot::pgtable::Gather gather(tables);
        const bool unlinked =
            surefoot::pgtable::unlink_empty_pte_table(tables, pmd(va), gather, kMmap);
        SF_ASSERT(unlinked);
        gather.finish();
        populate(va);
    }
    void free_tables(surefoot::VaRange range, surefoot::VirtAddr floor,
                     surefoot::VirtAddr ceiling) {
        surefoot::pgtable::Gather gather(tables);
        surefoot::pgtable::free_tables(tables, gather, range, floor, ceiling, kDetached);
        gather.finish();
    }
    /// Zaps every page of the PTE tables in `range`.
    void unmap(surefoot::VaRange range) {
        unmap_level(tables.root(), format().top(), surefoot::VirtAddr(0), range);
    }

    TestArena memory;
    surefoot::sync::FailPlan plan;
    surefoot::phys::FrameAllocator frames;
    surefoot::pgtable::DeferredTables deferred;
    surefoot::pgtable::PageTables tables;
    RecordingTlb tlb;

  private:
    void unmap_level(surefoot::Pfn table, surefoot::arch::PtLevel level, surefoot::VirtAddr start,
                     surefoot::VaRange range) {
        using surefoot::arch::pmd_t;
        using surefoot::arch::PtLevel;
        for (unsigned i = 0; i < format().entries(); ++i) {
            const surefoot::VirtAddr at = start + i * format().span(level);
            auto& word = tables.arena().entry_word(table, i);
            const pmd_t entry{word.load(surefoot::sync::Order::acquire)};
            if (!range.overlaps({at, at + format().span(level)})) continue;
            if (level == PtLevel::pte) {
                if (entry.raw == 0) continue;
                surefoot::pgtable::Gather gather(tables);
                zap_page(gather, at);
                gather.finish();
            } else if (Format::is_leaf(entry)) {
                word.store(0, surefoot::sync::Order::release);
            } else if (Format::is_table(entry)) {
                unmap_level(Format::pfn(entry), surefoot::arch::below(level), at, range);
            }
        }
    }
};

/// A suite that runs over every geometry of this build.
class PageTableTest : public ::testing::TestWithParam<surefoot::arch::Format> {
  protected:
    World world{GetParam()};
};

inline std::string geometry_name(const ::testing::TestParamInfo<surefoot::arch::Format>& info) {
    return std::to_string(static_cast<unsigned>(info.param.top()) + 1) + "_levels_of_" +
           std::to_string(info.param.entries());
}
