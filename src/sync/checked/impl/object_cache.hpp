#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <new>
#include <vector>

#include "sync/fail_plan.hpp"

namespace surefoot::inline SF_BUILD::sync {

/// As the native cache: type-stable, each T constructed once, given out as `free` left it. The
/// object freed last is given out first, which makes reuse by another owner the common case.
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
        if (free_.empty() && !grow()) return nullptr;
        T* const object = free_.back();
        free_.pop_back();
        return object;
    }

    void free(T* object) noexcept {
        SF_ASSERT(std::find(free_.begin(), free_.end(), object) == free_.end());
        free_.push_back(object);
    }

    /// Objects given out and not freed.
    std::int64_t in_use() const {
        return static_cast<std::int64_t>(objects_.size()) - static_cast<std::int64_t>(free_.size());
    }

  private:
    bool grow() noexcept {
        try {
            // Capacity for every object that exists: `free` cannot fail.
            free_.reserve(objects_.size() + 1);
            objects_.reserve(objects_.size() + 1);
            objects_.push_back(std::make_unique<T>());
        } catch (const std::bad_alloc&) {
            return false;
        }
        free_.push_back(objects_.back().get());
        return true;
    }

    FailPlan* plan_;
    std::vector<std::unique_ptr<T>> objects_;
    std::vector<T*> free_;
};

}  // namespace surefoot::inline SF_BUILD::sync
