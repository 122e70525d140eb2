#pragma once

#include <functional>
#include <thread>
#include <utility>

#include "base/base.hpp"

namespace surefoot::inline SF_BUILD::sync {

inline constexpr unsigned kThreadSlots = 64;

/// A small number for each thread, drawn at its first call and given back when it ends. Data that
/// is split by slot is touched by one thread as long as there are fewer than kThreadSlots of
/// them; all further threads share the last slot, so such data must be correct for that, too.
struct ThreadSlot {
    static constexpr unsigned kUnset = ~0U;
    static constexpr unsigned kShared = kThreadSlots - 1;
    unsigned index = kUnset;
    /// No other thread has this slot now.
    bool exclusive() const { return index != kShared; }
};

inline constinit thread_local ThreadSlot this_thread_slot_value{};
void draw_thread_slot() noexcept;

inline ThreadSlot this_thread_slot() {
    if (this_thread_slot_value.index == ThreadSlot::kUnset) [[unlikely]] draw_thread_slot();
    return this_thread_slot_value;
}

/// A host thread; joined before it is destroyed.
class Thread {
  public:
    Thread() = default;
    /// Fails with `again` when the host gives no thread.
    static Result<Thread> start(std::function<void()> body) noexcept;
    Thread(Thread&&) = default;
    Thread& operator=(Thread&&) = default;
    ~Thread() { SF_ASSERT(!thread_.joinable()); }

    bool joinable() const { return thread_.joinable(); }
    void join() { thread_.join(); }

  private:
    explicit Thread(std::thread thread) : thread_(std::move(thread)) {}
    std::thread thread_;
};

/// The stack of every thread that this process starts from now on, in bytes; until then RLIMIT_STACK
/// says it. For a program that owns its process, not for the library: whoever else starts threads
/// here is concerned, too. @return false if the size is refused (pthread_setattr_default_np(3))
bool set_thread_stack_bytes(std::size_t bytes) noexcept;

/// Binds the calling thread to one CPU; a hint, failure is ignored.
void pin_this_thread(unsigned cpu) noexcept;

}  // namespace surefoot::inline SF_BUILD::sync
