#pragma once

// Frames in blocks of 2^order: buddy lists under one lock, and a small cache of single frames a
// thread slot in front of them, so that threads which fault at once share no line.

#include <array>
#include <span>

#include "phys/arena.hpp"

namespace surefoot::inline SF_BUILD::phys {

inline constexpr unsigned kMaxOrder = 10;

enum class Fill : std::uint8_t { none, zero };

class FrameAllocator {
  public:
    explicit FrameAllocator(Arena& arena, sync::FailPlan* plan = nullptr);
    FrameAllocator(const FrameAllocator&) = delete;
    FrameAllocator& operator=(const FrameAllocator&) = delete;
    /// Asserts that every frame is back.
    ~FrameAllocator();

    Arena& arena() const { return arena_; }

    /// One frame with refcount 1, mapcount 0 and no flags.
    /// Locks: any page-table lock may be held.
    /// @return Pfn::none() when there was a moment during the call at which none was free
    Pfn alloc(Fill fill);
    /// 2^order frames, aligned to their size; refcount 1 on the first.
    Pfn alloc_block(unsigned order, Fill fill);
    /// 2^order single frames in a row, the first aligned to the size of all; each is as `alloc`
    /// gives it and goes back by itself. (Linux: split_page)
    /// @return Pfn::none() also when what is free is in pieces, or in caches: nobody is asked to
    ///         give it back, since the caller can do with one frame
    Pfn alloc_run(unsigned order, Fill fill);

    /// Gives a frame or block back; its refcount is 0 (or it was never shared).
    void free(Pfn pfn);

    /// Drops references; frees the block with the last one.
    void put(Pfn pfn, std::uint32_t references = 1) {
        if (arena_.frame(pfn).refcount.dec_and_test(references)) free(pfn);
    }

    /// Drops one reference of each; one hold of the cache's lock for all. For many frames.
    void put_all(std::span<const std::uint32_t> pfns);

    /// Frames given out and not freed. Exact when no other thread is in a call; the counters are
    /// read one after the other, so a frame that moves meanwhile counts twice or not at all.
    std::uint64_t in_use() const;
    std::uint64_t nr_frames() const { return arena_.nr_frames(); }
    /// A non-empty text names a broken list, count or a write to a free frame. Quiescent.
    const char* check();

  private:
    static constexpr std::size_t kCacheMax = 64;
    static constexpr std::size_t kBatch = 32;

    struct Cache {
        sync::SpinLock<sync::LockId::leaf> lock;
        std::size_t count = 0;
        /// How many `ClosedCaches` want this one empty.
        unsigned closed = 0;
        sync::Atomic<std::int64_t> allocated{0};  // for `in_use`, which takes no lock
        std::array<Pfn, kCacheMax> frames;

        void add_allocated(std::int64_t n) {
            allocated.store(allocated.load(Order::relaxed) + n, Order::relaxed);
        }
    };
    class ClosedCaches;

    Pfn take_cached();
    void give_cached(Cache& mine, Pfn pfn) SF_MUST_HOLD(mine.lock);
    Pfn take_counted_block(unsigned order);
    /// Outside every lock: filling a huge page takes its time.
    Pfn prepare(Pfn pfn, unsigned order, Fill fill);
    bool refill(Cache& cache);
    /// Up to `wanted` frames at once, but the smallest blocks first: large ones stay whole.
    unsigned refill_order(std::size_t wanted) const SF_MUST_HOLD(zone_);
    /// Gives the first n back to the zone.
    void spill(Cache& cache, std::size_t n);
    Pfn take_block(unsigned order) SF_MUST_HOLD(zone_);
    void return_block(Pfn pfn, unsigned order) SF_MUST_HOLD(zone_);
    Pfn carve() SF_MUST_HOLD(zone_);
    void list_add(Pfn pfn, unsigned order) SF_MUST_HOLD(zone_);
    void list_remove(Pfn pfn, unsigned order) SF_MUST_HOLD(zone_);
    /// Whoever touches the frames from here on is wrong.
    void retire(Pfn pfn, unsigned order);
    void poison(Pfn pfn, unsigned order);
    bool poison_intact(Pfn pfn, unsigned order) const;

    Arena& arena_;
    sync::FailPlan* plan_;
    sync::PerSlot<Cache> caches_;
    mutable sync::SpinLock<sync::LockId::depot> zone_;
    std::array<Pfn, kMaxOrder + 1> lists_ SF_GUARDED_BY(zone_){};
    /// Frames from here on were never used: the lists of a sparse arena grow with its use.
    Pfn fresh_ SF_GUARDED_BY(zone_){0};
    std::int64_t blocks_in_use_ SF_GUARDED_BY(zone_) = 0;
};

}  // namespace surefoot::inline SF_BUILD::phys
