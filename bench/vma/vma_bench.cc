// The tree and the locks of an address space with n regions, each one page, one page apart.

#include <benchmark/benchmark.h>

#include <random>
#include <vector>

#include "vma/vma.hpp"

namespace surefoot::inline SF_BUILD::vma {
namespace {

constexpr std::uint64_t kPage = arch::kPageSize;

class Regions {
  public:
    explicit Regions(std::int64_t n)
        : space(caches, {.max_map_count = 1U << 20}), n_(static_cast<std::uint64_t>(n)) {
        MmapWriteGuard mmap(space);
        for (std::uint64_t i = 0; i < n_; ++i)
            insert(mmap, range(2 * i));
        std::mt19937_64 rng(1);
        for (std::uint64_t& at : order_)
            at = 2 * (rng() % n_);
    }
    ~Regions() {
        MmapWriteGuard mmap(space);
        space.free_detached(detach_all(mmap));
    }

    static VaRange range(std::uint64_t page) {
        const VirtAddr start((page + 16) * kPage);
        return {start, start + kPage};
    }
    void insert(MmapWriteGuard& mmap, VaRange where) {
        Result<VmaChange> change = prepare_insert(
            mmap, {.range = where, .flags = VmaFlag::read, .merge = NewMapping::Merge::never});
        space.free_detached(commit(mmap, std::move(*change)).detached);
    }
    void erase(MmapWriteGuard& mmap, VaRange where) {
        Result<VmaChange> change = prepare_erase(mmap, where);
        space.free_detached(commit(mmap, std::move(*change)).detached);
    }
    /// The page number of a region, in random order.
    std::uint64_t random() { return order_[next_++ % order_.size()]; }

    VmaCaches caches;
    VmaSpace space;

  private:
    std::uint64_t n_;
    std::vector<std::uint64_t> order_ = std::vector<std::uint64_t>(8192);
    std::size_t next_ = 0;
};

void lookup(benchmark::State& state) {
    Regions regions(state.range(0));
    for (auto _ : state) {
        const sync::RcuReadGuard rcu;
        const VirtAddr va = Regions::range(regions.random()).start;
        benchmark::DoNotOptimize(regions.space.tree().lookup(va).vma);
    }
}

void lock_vma_under_rcu(benchmark::State& state) {
    Regions regions(state.range(0));
    for (auto _ : state) {
        const VmaReadGuard guard(regions.space, Regions::range(regions.random()).start);
        benchmark::DoNotOptimize(guard.outcome());
    }
}

/// What mmap and munmap of one page cost here, locks included.
void insert_and_erase(benchmark::State& state) {
    Regions regions(state.range(0));
    for (auto _ : state) {
        const VaRange where = Regions::range(regions.random() + 1);
        {
            MmapWriteGuard mmap(regions.space);
            regions.insert(mmap, where);
        }
        MmapWriteGuard mmap(regions.space);
        regions.erase(mmap, where);
    }
}

/// mprotect of the middle of a region and back: one into three, three into one.
void split_and_merge(benchmark::State& state) {
    Regions regions(state.range(0));
    MmapWriteGuard mmap(regions.space);
    const VaRange big{VirtAddr(1ULL << 40), VirtAddr((1ULL << 40) + 64 * kPage)};
    regions.insert(mmap, big);
    const VaRange middle{big.start + 8 * kPage, big.start + 16 * kPage};
    VmaFlags flags = VmaFlag::write;
    for (auto _ : state) {
        Vma& vma = *mmap.lookup(middle.start);
        const VmaFlags before = vma.flags();
        Result<VmaChange> change = prepare_modify(mmap, vma, middle, flags);
        commit(mmap, std::move(*change));
        flags = before;
    }
}

void find_gap(benchmark::State& state) {
    Regions regions(state.range(0));
    MmapWriteGuard mmap(regions.space);
    // Below the highest region no gap is large enough but the one at the bottom.
    const GapRequest request{
        .length = 2 * kPage,
        .high = Regions::range(2 * static_cast<std::uint64_t>(state.range(0)) - 2).start};
    for (auto _ : state)
        benchmark::DoNotOptimize(mmap.find_gap_topdown(request));
}

BENCHMARK(lookup)->Arg(1)->Arg(50)->Arg(1000)->Arg(20000);
BENCHMARK(lock_vma_under_rcu)->Arg(1)->Arg(50)->Arg(1000)->Arg(20000);
BENCHMARK(insert_and_erase)->Arg(1)->Arg(10)->Arg(1000)->Arg(20000);
BENCHMARK(split_and_merge)->Arg(1)->Arg(1000);
BENCHMARK(find_gap)->Arg(10)->Arg(1000)->Arg(20000);

}  // namespace
}  // namespace surefoot::inline SF_BUILD::vma
