#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <vector>

#include "sync/fail_plan.hpp"
#include "sync/locks.hpp"
#include "sync/per_slot.hpp"

namespace surefoot::inline SF_BUILD::sync {

/// Objects of one type that stay objects of that type: memory goes back to the host only with
/// the cache, so that a look-up under RCU may find a freed and reused object, never garbage.
/// Each T is constructed once; `alloc` gives it out as `free` left it, so a T must be prepared
/// for reuse by its owner. (Linux: kmem_cache with SLAB_TYPESAFE_BY_RCU and a constructor.)
template <class T>
class ObjectCache {
  public:
    explicit ObjectCache(FailPlan* plan = nullptr) : plan_(plan) {}
    ObjectCache(const ObjectCache&) = delete;
    ObjectCache& operator=(const ObjectCache&) = delete;
    /// Every object is back.
    ~ObjectCache() { SF_ASSERT(in_use() == 0); }

    /// @return null when there is no memory
    T* alloc() noexcept {
        if (should_fail(plan_)) return nullptr;
        const Holder mine(magazines_);
        if (mine->count == 0 && !refill(*mine)) return nullptr;
        mine->add_allocated(1);
        return mine->objects[--mine->count];
    }

    void free(T* object) noexcept {
        const Holder mine(magazines_);
        if (mine->count == kMagazine) spill(*mine);
        mine->add_allocated(-1);
        mine->objects[mine->count++] = object;
    }

    /// Objects given out and not freed. Exact when no other thread is in a call.
    std::int64_t in_use() const {
        std::int64_t sum = 0;
        magazines_.for_each(
            [&](const Magazine& m) { sum += m.allocated.load(Order::relaxed); });
        return sum;
    }

  private:
    static constexpr std::size_t kMagazine = 32;
    static constexpr std::size_t kChunk = 64;

    struct Magazine {
        SpinLock<LockId::leaf> lock;
        std::size_t count = 0;
        Atomic<std::int64_t> allocated{0};  // for `in_use`, which takes no lock
        std::array<T*, kMagazine> objects;

        void add_allocated(std::int64_t n) {
            allocated.store(allocated.load(Order::relaxed) + n, Order::relaxed);
        }
    };
    using Holder = SlotHolder<Magazine>;

    /// Half a magazine from the depot, or from a new chunk.
    bool refill(Magazine& mine) noexcept {
        Guard guard(depot_);
        if (free_.size() < kMagazine / 2 && !grow()) return false;
        while (mine.count < kMagazine / 2) {
            mine.objects[mine.count++] = free_.back();
            free_.pop_back();
        }
        return true;
    }

    void spill(Magazine& mine) noexcept {
        Guard guard(depot_);
        // Capacity for every object that exists was reserved by `grow`.
        while (mine.count > kMagazine / 2)
            free_.push_back(mine.objects[--mine.count]);
    }

    bool grow() noexcept SF_MUST_HOLD(depot_) {
        try {
            chunks_.reserve(chunks_.size() + 1);
            free_.reserve((chunks_.size() + 1) * kChunk);
            chunks_.push_back(std::make_unique<T[]>(kChunk));
        } catch (const std::bad_alloc&) {
            return false;
        }
        for (std::size_t i = 0; i < kChunk; ++i)
            free_.push_back(&chunks_.back()[i]);
        return true;
    }

    FailPlan* plan_;
    PerSlot<Magazine> magazines_;
    SpinLock<LockId::depot> depot_;
    std::vector<T*> free_ SF_GUARDED_BY(depot_);
    std::vector<std::unique_ptr<T[]>> chunks_ SF_GUARDED_BY(depot_);
};

}  // namespace surefoot::inline SF_BUILD::sync
