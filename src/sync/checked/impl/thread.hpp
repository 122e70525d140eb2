#pragma once

#include <functional>
#include <utility>

#include "impl/engine.hpp"

namespace surefoot::inline SF_BUILD::sync {

inline constexpr unsigned kThreadSlots = engine::kCpus;

/// The slot of a checked thread is its CPU.
struct ThreadSlot {
    unsigned index = 0;
    static constexpr bool exclusive() { return true; }
};
inline ThreadSlot this_thread_slot() { return {.index = engine::this_cpu()}; }

/// A thread of the program under check. One legal schedule is that it runs whole when it starts.
class Thread {
  public:
    Thread() = default;
    /// Fails with `again` when there is no CPU left.
    static Result<Thread> start(std::function<void()> body) noexcept;
    Thread(Thread&& other) noexcept : joinable_(std::exchange(other.joinable_, false)) {}
    Thread& operator=(Thread&& other) noexcept {
        SF_ASSERT(!joinable_);
        joinable_ = std::exchange(other.joinable_, false);
        return *this;
    }
    ~Thread() { SF_ASSERT(!joinable_); }

    bool joinable() const { return joinable_; }
    void join() {
        SF_ASSERT(joinable_);
        joinable_ = false;
    }

  private:
    bool joinable_ = false;
};

/// A hint to a host scheduler; there is none here.
inline void pin_this_thread(unsigned /*cpu*/) noexcept {}

}  // namespace surefoot::inline SF_BUILD::sync
