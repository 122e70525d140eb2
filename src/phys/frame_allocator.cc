#include "phys/frame_allocator.hpp"

#include <algorithm>
#include <bit>
#include <cstring>

namespace surefoot::inline SF_BUILD::phys {
namespace {

#ifdef SF_RELEASE
constexpr bool kPoisonFreed = false;
#else
constexpr bool kPoisonFreed = true;
#endif
constexpr std::uint64_t kPoison = 0x5ade'5ade'5ade'5adeULL;

std::uint32_t block_frames(unsigned order) { return std::uint32_t{1} << order; }

Pfn buddy_of(Pfn pfn, unsigned order) { return Pfn(pfn.raw() ^ block_frames(order)); }

}  // namespace

/// While one lives, no cache holds a frame: what is free is in the zone, where one look under its
/// lock finds it. Emptying the caches one by one would not do, since frames move on to caches that
/// were already visited.
class FrameAllocator::ClosedCaches {
  public:
    explicit ClosedCaches(FrameAllocator& frames) : frames_(frames) {
        frames_.caches_.for_each([this](Cache& cache) {
            sync::Guard guard(cache.lock);
            ++cache.closed;
            frames_.spill(cache, cache.count);
        });
    }
    ~ClosedCaches() {
        frames_.caches_.for_each([](Cache& cache) {
            sync::Guard guard(cache.lock);
            --cache.closed;
        });
    }
    ClosedCaches(const ClosedCaches&) = delete;
    ClosedCaches& operator=(const ClosedCaches&) = delete;

  private:
    FrameAllocator& frames_;
};

FrameAllocator::FrameAllocator(Arena& arena, sync::FailPlan* plan) : arena_(arena), plan_(plan) {}

FrameAllocator::~FrameAllocator() { SF_ASSERT(in_use() == 0); }

Pfn FrameAllocator::alloc(Fill fill) {
    if (sync::should_fail(plan_)) return Pfn::none();
    Pfn pfn = take_cached();
    if (!pfn) {
        const ClosedCaches closed(*this);
        pfn = take_cached();
    }
    return pfn ? prepare(pfn, 0, fill) : Pfn::none();
}

Pfn FrameAllocator::alloc_block(unsigned order, Fill fill) {
    SF_ASSERT(order <= kMaxOrder);
    if (order == 0) return alloc(fill);
    if (sync::should_fail(plan_)) return Pfn::none();
    Pfn pfn = take_counted_block(order);
    if (!pfn) {
        const ClosedCaches closed(*this);
        pfn = take_counted_block(order);
    }
    return pfn ? prepare(pfn, order, fill) : Pfn::none();
}

Pfn FrameAllocator::alloc_run(unsigned order, Fill fill) {
    SF_ASSERT(order <= kMaxOrder);
    if (sync::should_fail(plan_)) return Pfn::none();
    const Pfn first = take_counted_block(order);
    if (!first) return Pfn::none();
    for (std::uint32_t i = 0; i < block_frames(order); ++i) prepare(first + i, 0, fill);
    return first;
}

Pfn FrameAllocator::take_cached() {
    Cache& mine = caches_.mine();
    sync::Guard guard(mine.lock);
    if (mine.count == 0 && !refill(mine)) return Pfn::none();
    mine.add_allocated(1);
    return mine.frames[--mine.count];
}

Pfn FrameAllocator::take_counted_block(unsigned order) {
    sync::Guard guard(zone_);
    const Pfn pfn = take_block(order);
    if (pfn) blocks_in_use_ += block_frames(order);
    return pfn;
}

Pfn FrameAllocator::prepare(Pfn pfn, unsigned order, Fill fill) {
    Frame& frame = arena_.frame(pfn);
    if (kPoisonFreed) SF_ASSERT(poison_intact(pfn, order));
    for (std::uint32_t i = 0; i < block_frames(order); ++i)
        sync::mark_in_use(arena_.address(pfn + i));
    frame.set_kind(0, order);
    frame.mapcount.store(0, Order::relaxed);
    frame.refcount.set(1);
    if (fill == Fill::zero) {
        std::memset(arena_.address(pfn), 0, arch::kPageSize << order);
    }
    return pfn;
}

void FrameAllocator::free(Pfn pfn) {
    const unsigned order = arena_.frame(pfn).order();
    arena_.frame(pfn).refcount.set(0);
    retire(pfn, order);
    if (order > 0) {
        sync::Guard guard(zone_);
        blocks_in_use_ -= block_frames(order);
        return_block(pfn, order);
        return;
    }
    Cache& mine = caches_.mine();
    sync::Guard guard(mine.lock);
    give_cached(mine, pfn);
}

void FrameAllocator::give_cached(Cache& mine, Pfn pfn) {
    if (mine.count == kCacheMax) spill(mine, kBatch);
    mine.add_allocated(-1);
    mine.frames[mine.count++] = pfn;
    if (mine.closed != 0) [[unlikely]] spill(mine, mine.count);
}

void FrameAllocator::put_all(std::span<const std::uint32_t> pfns) {
    Cache& mine = caches_.mine();
    sync::Guard guard(mine.lock);
    for (const std::uint32_t raw : pfns) {
        const Pfn pfn(raw);
        Frame& frame = arena_.frame(pfn);
        if (!frame.refcount.dec_and_test(1)) continue;
        SF_DEBUG_ASSERT(frame.order() == 0);
        retire(pfn, 0);
        give_cached(mine, pfn);
    }
}

unsigned FrameAllocator::refill_order(std::size_t wanted) const {
    const auto fitting = static_cast<unsigned>(std::bit_width(wanted)) - 1;
    for (unsigned order = 0; order < fitting; ++order)
        if (lists_[order]) return order;
    return fitting;
}

bool FrameAllocator::refill(Cache& cache) {
    const std::size_t batch = cache.closed != 0 ? 1 : kBatch;
    sync::Guard guard(zone_);
    std::size_t got = 0;
    while (got < batch) {
        const unsigned order = refill_order(batch - got);
        const Pfn pfn = take_block(order);
        // None may mean that the arena's end is smaller than this: it is listed now, for the retry.
        if (!pfn) break;
        for (std::uint32_t i = 0; i < block_frames(order); ++i)
            cache.frames[got++] = pfn + i;
    }
    // Handed out in ascending order: neighbours in address become neighbours in the arena, which
    // lets the mirror map several at once.
    std::reverse(cache.frames.begin(), cache.frames.begin() + static_cast<std::ptrdiff_t>(got));
    cache.count = got;
    return got > 0;
}

void FrameAllocator::spill(Cache& cache, std::size_t n) {
    sync::Guard guard(zone_);
    for (std::size_t i = 0; i < n; ++i)
        return_block(cache.frames[i], 0);
    std::copy(cache.frames.begin() + n, cache.frames.begin() + cache.count, cache.frames.begin());
    cache.count -= n;
}

Pfn FrameAllocator::take_block(unsigned order) {
    unsigned found = order;
    while (found <= kMaxOrder && !lists_[found])
        ++found;
    Pfn pfn;
    if (found <= kMaxOrder) {
        pfn = lists_[found];
        list_remove(pfn, found);
    } else {
        pfn = carve();
        if (!pfn) return Pfn::none();
        found = arena_.frame(pfn).order();
        if (found < order) {
            return_block(pfn, found);
            return Pfn::none();
        }
    }
    // The upper halves go back to their lists.
    while (found > order) {
        --found;
        list_add(pfn + block_frames(found), found);
    }
    return pfn;
}

Pfn FrameAllocator::carve() {
    if (fresh_.raw() >= arena_.nr_frames()) return Pfn::none();
    const Pfn pfn = fresh_;
    unsigned order = kMaxOrder;
    while (pfn.raw() + block_frames(order) > arena_.nr_frames())
        --order;
    fresh_ = pfn + block_frames(order);
    arena_.frame(pfn).set_kind(0, order);
    if (kPoisonFreed) poison(pfn, order);
    return pfn;
}

void FrameAllocator::return_block(Pfn pfn, unsigned order) {
    while (order < kMaxOrder) {
        const Pfn buddy = buddy_of(pfn, order);
        if (buddy.raw() >= fresh_.raw()) break;
        const Frame& other = arena_.frame(buddy);
        if (!other.has(FrameFlags::kBuddy) || other.order() != order) break;
        list_remove(buddy, order);
        pfn = std::min(pfn, buddy);
        ++order;
    }
    list_add(pfn, order);
}

void FrameAllocator::list_add(Pfn pfn, unsigned order) {
    Frame& frame = arena_.frame(pfn);
    frame.set_kind(FrameFlags::kBuddy, order);
    frame.prev.set(Pfn::none());
    frame.next.set(lists_[order]);
    if (lists_[order]) arena_.frame(lists_[order]).prev.set(pfn);
    lists_[order] = pfn;
}

void FrameAllocator::list_remove(Pfn pfn, unsigned order) {
    Frame& frame = arena_.frame(pfn);
    SF_DEBUG_ASSERT(frame.has(FrameFlags::kBuddy));
    const Pfn next = frame.next.get();
    const Pfn prev = frame.prev.get();
    if (next) arena_.frame(next).prev.set(prev);
    if (prev) {
        arena_.frame(prev).next.set(next);
    } else {
        lists_[order] = next;
    }
    frame.set_kind(0, order);
}

void FrameAllocator::retire(Pfn pfn, unsigned order) {
    for (std::uint32_t i = 0; i < block_frames(order); ++i)
        sync::mark_free(arena_.address(pfn + i));
    if (kPoisonFreed) poison(pfn, order);
}

void FrameAllocator::poison(Pfn pfn, unsigned order) {
    for (std::uint32_t i = 0; i < block_frames(order); ++i) {
        auto* words = reinterpret_cast<std::uint64_t*>(arena_.address(pfn + i));
        words[0] = kPoison;
        words[arch::kPageSize / sizeof(std::uint64_t) - 1] = kPoison;
    }
}

bool FrameAllocator::poison_intact(Pfn pfn, unsigned order) const {
    for (std::uint32_t i = 0; i < block_frames(order); ++i) {
        const auto* words = reinterpret_cast<const std::uint64_t*>(arena_.address(pfn + i));
        if (words[0] != kPoison) return false;
        if (words[arch::kPageSize / sizeof(std::uint64_t) - 1] != kPoison) return false;
    }
    return true;
}

std::uint64_t FrameAllocator::in_use() const {
    std::int64_t sum = 0;
    caches_.for_each([&](const Cache& cache) { sum += cache.allocated.load(Order::relaxed); });
    sync::Guard guard(zone_);
    return static_cast<std::uint64_t>(std::max<std::int64_t>(0, sum + blocks_in_use_));
}

const char* FrameAllocator::check() {
    const std::uint64_t used = in_use();
    const ClosedCaches closed(*this);
    sync::Guard guard(zone_);
    std::uint64_t free = 0;
    for (unsigned order = 0; order <= kMaxOrder; ++order) {
        Pfn prev = Pfn::none();
        for (Pfn pfn = lists_[order]; pfn; pfn = arena_.frame(pfn).next.get()) {
            const Frame& frame = arena_.frame(pfn);
            if (!frame.has(FrameFlags::kBuddy)) return "a frame in a free list is not free";
            if (frame.order() != order) return "a free block is in the list of another order";
            if (frame.prev.get() != prev) return "a free list's back link is wrong";
            if (kPoisonFreed && !poison_intact(pfn, order)) return "a free frame was written";
            free += block_frames(order);
            prev = pfn;
        }
    }
    if (free + used != fresh_.raw()) return "frames are lost";
    return "";
}

}  // namespace surefoot::inline SF_BUILD::phys
