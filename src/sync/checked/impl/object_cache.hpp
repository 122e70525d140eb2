#pragma once

#include <cstddef>
#include <cstdint>
#include <new>
#include <utility>

#include "sync/fail_plan.hpp"
#include "sync/locks.hpp"
#include "sync/per_slot.hpp"

namespace surefoot::inline SF_BUILD::sync {

/// As the native cache: type-stable, each T constructed once, given out as `free` left it. The
/// object that a CPU freed last is the next that it gets, which makes reuse the common case.
template <class T>
class ObjectCache {
  public:
    explicit ObjectCache(FailPlan* plan = nullptr) : plan_(plan) {}
    ObjectCache(const ObjectCache&) = delete;
    ObjectCache& operator=(const ObjectCache&) = delete;
    /// Every object is back.
    ~ObjectCache() {
        SF_ASSERT(in_use() == 0);
        magazines_.for_each([](Magazine& m) {
            while (m.made != nullptr)
                destroy(std::exchange(m.made, m.made->made_before));
        });
    }

    /// @return null when there is no memory
    T* alloc() noexcept {
        if (should_fail(plan_)) return nullptr;
        const SlotHolder<Magazine> mine(magazines_);
        if (mine->free == nullptr && !grow(*mine)) return nullptr;
        ++mine->allocated;
        Cell* const cell = mine->free;
        mine->free = std::exchange(cell->next_free, cell);
        return &cell->object;
    }

    void free(T* object) noexcept {
        const SlotHolder<Magazine> mine(magazines_);
        auto* const cell = reinterpret_cast<Cell*>(object);
        SF_ASSERT(cell->next_free == cell);
        --mine->allocated;
        cell->next_free = std::exchange(mine->free, cell);
    }

    /// Objects given out and not freed. Exact when no other thread is in a call.
    std::int64_t in_use() const {
        std::int64_t sum = 0;
        magazines_.for_each([&](const Magazine& m) { sum += m.allocated; });
        return sum;
    }

  private:
    struct Cell {
        T object{};                 // first: it has the cell's address
        Cell* next_free = nullptr;  // itself while it is given out
        Cell* made_before = nullptr;
    };
    struct Magazine {
        SpinLock<LockId::leaf> lock;
        Cell* free = nullptr;
        Cell* made = nullptr;
        std::int64_t allocated = 0;
    };

    bool grow(Magazine& mine) noexcept {
        void* const memory = engine::allocate(sizeof(Cell), alignof(Cell));
        if (memory == nullptr) return false;
        mine.made = mine.free = new (memory) Cell{.made_before = mine.made};
        return true;
    }
    static void destroy(Cell* cell) noexcept {
        cell->~Cell();
        engine::release(cell, alignof(Cell));
    }

    FailPlan* plan_;
    PerSlot<Magazine> magazines_;
};

}  // namespace surefoot::inline SF_BUILD::sync
