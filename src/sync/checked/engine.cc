#include "impl/engine.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <new>
#include <utility>

#include "sync/lockdep.hpp"

namespace surefoot::inline SF_BUILD {

void assertion_failed(const char* expression, const char* file, int line) noexcept {
    char text[512];
    std::snprintf(text, sizeof text, "assertion failed: %s (%s:%d)", expression, file, line);
    // Ends the execution, and does not return.
    if (sync::engine::in_task()) sfc_fail(text, __builtin_return_address(0));
    std::fprintf(stderr, "surefoot: %s, checked CPU %u\n", text, sync::engine::this_slot());
    std::abort();
}

}  // namespace surefoot::inline SF_BUILD

namespace surefoot::inline SF_BUILD::sync {
namespace {

/// What a program does while it is alone. In a search: of the setup and the finish of one
/// execution.
struct Alone {
    unsigned cpu = 0;
    std::array<unsigned, engine::kSlots> rcu_depth{};
    std::array<lockdep::ThreadLocks, engine::kSlots> locks;
    engine::Deferred* first = nullptr;
    engine::Deferred** last = &first;
};

/// What the validator knows of the tasks of one execution.
using TaskLocks = std::array<lockdep::ThreadLocks, SFC_MAX_TASKS>;

// The process's own, and what the execution in progress has in the arena instead.
Alone outside;
Alone* alone = &outside;
TaskLocks* task_locks = nullptr;

bool in_search() { return task_locks != nullptr; }

template <class T>
T* make_in_arena() {
    return new (sfc_alloc(sizeof(T), alignof(T), nullptr)) T;
}

}  // namespace

lockdep::ThreadLocks& lockdep::this_thread_locks() {
    return engine::in_task() ? (*task_locks)[sfc_self()] : alone->locks[alone->cpu];
}

namespace engine {

void begin_execution() {
    alone = make_in_arena<Alone>();
    task_locks = make_in_arena<TaskLocks>();
}

void end_search() {
    alone = &outside;
    task_locks = nullptr;
}

void act_as(unsigned cpu) {
    SF_ASSERT(!in_task() && cpu < kSlots);
    alone->cpu = cpu;
}

unsigned this_slot() { return in_task() ? std::min(sfc_cpu(), kSharedSlot) : alone->cpu; }

void* allocate(std::size_t bytes, std::size_t align) noexcept {
    if (in_search()) return sfc_alloc(bytes, align, nullptr);
    return ::operator new(bytes, std::align_val_t(align), std::nothrow);
}

void release(void* object, std::size_t align) noexcept {
    if (in_search()) return sfc_free(object, nullptr);
    ::operator delete(object, std::align_val_t(align));
}

void mark_in_use(void* block) {
    if (in_search()) sfc_give_again(block, nullptr);
}

void mark_free(void* block) {
    if (in_search()) sfc_free(block, nullptr);
}

bool try_lock(LockState& lock, sfc_lock_kind kind) {
    if (in_task()) return sfc_trylock(&lock, kind, nullptr);
    if (lock.holders != 0) return false;
    lock.holders = LockState::kWriter;
    return true;
}

bool try_lock_shared(LockState& lock, sfc_lock_kind kind) {
    if (in_task()) return sfc_trylock_shared(&lock, kind, nullptr);
    if (lock.holders == LockState::kWriter) return false;
    ++lock.holders;
    return true;
}

void lock(LockState& lock, sfc_lock_kind kind) {
    if (in_task()) return sfc_lock(&lock, kind, nullptr);
    if (!try_lock(lock, kind))
        SF_UNREACHABLE("deadlock: the lock is held and no CPU can release it");
}

void lock_shared(LockState& lock, sfc_lock_kind kind) {
    if (in_task()) return sfc_lock_shared(&lock, kind, nullptr);
    if (!try_lock_shared(lock, kind)) SF_UNREACHABLE("deadlock: a writer holds the lock for ever");
}

void unlock(LockState& lock, sfc_lock_kind kind) {
    if (in_task()) return sfc_unlock(&lock, kind, nullptr);
    SF_ASSERT(lock.holders == LockState::kWriter);
    lock.holders = 0;
}

void unlock_shared(LockState& lock, sfc_lock_kind kind) {
    if (in_task()) return sfc_unlock_shared(&lock, kind, nullptr);
    SF_ASSERT(lock.holders != 0);
    SF_ASSERT(lock.holders != LockState::kWriter);
    --lock.holders;
}

void downgrade(LockState& lock, sfc_lock_kind kind) {
    if (in_task()) return sfc_downgrade(&lock, kind, nullptr);
    SF_ASSERT(lock.holders == LockState::kWriter);
    lock.holders = 1;
}

void rcu_enter() {
    if (in_task()) return sfc_rcu_read_lock(nullptr, nullptr);
    ++alone->rcu_depth[alone->cpu];
}

void rcu_exit() {
    if (in_task()) return sfc_rcu_read_unlock(nullptr, nullptr);
    unsigned& depth = alone->rcu_depth[alone->cpu];
    SF_ASSERT(depth > 0);
    --depth;
}

void defer(Deferred& callback) {
    if (in_task()) {
        const auto call = [](void* raw) {
            auto& due = *static_cast<Deferred*>(raw);
            due.call(due);
        };
        return sfc_call_rcu(nullptr, call, &callback, nullptr);
    }
    callback.next = nullptr;
    *alone->last = &callback;
    alone->last = &callback.next;
}

void grace_period() {
    if (in_task()) return sfc_synchronize_rcu(nullptr, nullptr);
    for (const unsigned depth : alone->rcu_depth) {
        if (depth > 0) SF_UNREACHABLE("deadlock: waits for an RCU reader that cannot go on");
    }
}

void barrier() {
    if (in_task()) return sfc_rcu_barrier(nullptr, nullptr);
    grace_period();
    Deferred* callback = std::exchange(alone->first, nullptr);
    alone->last = &alone->first;
    while (callback != nullptr) {
        Deferred* const next = callback->next;
        lockdep::holding_none([&] { callback->call(*callback); });
        callback = next;
    }
}

bool run_on_new_cpu(void (*body)(void*), void* argument) {
    const unsigned parent = alone->cpu;
    if (parent + 1 == kSharedSlot) return false;
    alone->cpu = parent + 1;
    body(argument);
    lockdep::assert_none();
    alone->cpu = parent;
    return true;
}

}  // namespace engine
}  // namespace surefoot::inline SF_BUILD::sync
