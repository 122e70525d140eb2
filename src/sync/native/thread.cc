#include "impl/thread.hpp"

#include <pthread.h>
#include <sched.h>

#include <atomic>
#include <bit>
#include <cstdint>
#include <system_error>

#include "sync/lockdep.hpp"

namespace surefoot::inline SF_BUILD::sync {

namespace {

/// Bit n: slot n is some thread's own. The last slot is everybody's who came too late.
constinit std::atomic<std::uint64_t> slots_taken{0};
static_assert(kThreadSlots <= 64);

unsigned take_slot() {
    std::uint64_t taken = slots_taken.load(std::memory_order_relaxed);
    for (;;) {
        const auto slot = static_cast<unsigned>(std::countr_one(taken));
        if (slot >= ThreadSlot::kShared) return ThreadSlot::kShared;
        // Acquire: pairs with the release of the thread that had the slot before and stored to its
        // data without read-modify-writes.
        if (slots_taken.compare_exchange_weak(taken, taken | (std::uint64_t{1} << slot),
                                              std::memory_order_acquire,
                                              std::memory_order_relaxed)) {
            return slot;
        }
    }
}

/// Gives the slot back when the thread ends.
struct SlotReturn {
    ~SlotReturn() {
        const ThreadSlot mine = this_thread_slot_value;
        // What still runs in this thread shares from now on.
        this_thread_slot_value = {ThreadSlot::kShared};
        if (mine.exclusive()) {
            slots_taken.fetch_and(~(std::uint64_t{1} << mine.index), std::memory_order_release);
        }
    }
};

}  // namespace

void draw_thread_slot() noexcept {
    thread_local SlotReturn at_end;
    static_cast<void>(&at_end);
    this_thread_slot_value = {take_slot()};
}

#ifndef SF_RELEASE
lockdep::ThreadLocks& lockdep::this_thread_locks() {
    thread_local ThreadLocks mine;
    return mine;
}
#endif

bool set_thread_stack_bytes(std::size_t bytes) noexcept {
    pthread_attr_t attributes;
    if (pthread_attr_init(&attributes) != 0) return false;
    const bool set = pthread_attr_setstacksize(&attributes, bytes) == 0 &&
                     pthread_setattr_default_np(&attributes) == 0;
    pthread_attr_destroy(&attributes);
    return set;
}

Result<Thread> Thread::start(std::function<void()> body) noexcept {
    try {
        return Thread(std::thread(std::move(body)));
    } catch (const std::system_error&) {
        return Errno::again;
    }
}

void pin_this_thread(unsigned cpu) noexcept {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    sched_setaffinity(0, sizeof set, &set);
}

}  // namespace surefoot::inline SF_BUILD::sync
