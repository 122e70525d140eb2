#pragma once

#include <functional>
#include <utility>

#include "impl/engine.hpp"

namespace surefoot::inline SF_BUILD::sync {

inline constexpr unsigned kThreadSlots = engine::kSlots;

/// The slot of a checked thread is its CPU.
struct ThreadSlot {
    unsigned index = 0;
    bool exclusive() const { return index != engine::kSharedSlot; }
};
inline ThreadSlot this_thread_slot() { return {.index = engine::this_slot()}; }

/// A thread of the program under check: a task of the search. While the program is alone, one legal
/// schedule is that it runs whole when it starts.
class Thread {
  public:
    Thread() = default;
    /// Fails with `again` when there is no CPU left.
    static Result<Thread> start(std::function<void()> body) noexcept;
    Thread(Thread&& other) noexcept
        : joinable_(std::exchange(other.joinable_, false)), task_(other.task_) {}
    Thread& operator=(Thread&& other) noexcept {
        SF_ASSERT(!joinable_);
        joinable_ = std::exchange(other.joinable_, false);
        task_ = other.task_;
        return *this;
    }
    ~Thread() { SF_ASSERT(!joinable_); }

    bool joinable() const { return joinable_; }
    void join() {
        SF_ASSERT(joinable_);
        joinable_ = false;
        if (engine::in_task()) sfc_join(task_, nullptr);
    }

  private:
    bool joinable_ = false;
    unsigned task_ = 0;
};

/// A hint to a host scheduler; there is none here.
inline void pin_this_thread(unsigned /*cpu*/) noexcept {}

}  // namespace surefoot::inline SF_BUILD::sync
