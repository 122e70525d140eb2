#include "sync/lockdep.hpp"

#include <algorithm>
#include <cstdio>

#ifndef SF_RELEASE

namespace surefoot::inline SF_BUILD::sync::lockdep {
namespace {

using Held = ThreadLocks::Held;

[[noreturn]] void fail(const char* what, LockId id) {
    const ThreadLocks& mine = this_thread_locks();
    char text[512];
    int at = std::snprintf(text, sizeof text, "lock validator: %s: %s; held:", what, name_of(id));
    for (std::size_t i = 0; i < mine.count && at < 480; ++i) {
        const Held& h = mine.held[i];
        at += std::snprintf(text + at, sizeof text - static_cast<std::size_t>(at), " %s%s",
                            name_of(h.id), h.mode == Mode::exclusive ? "(W)" : "(R)");
    }
    if (mine.rcu_depth > 0) {
        std::snprintf(text + at, sizeof text - static_cast<std::size_t>(at), " rcu");
    }
    assertion_failed(text, __FILE__, __LINE__);
}

bool is_spin(LockId id) { return id >= kFirstSpin; }

/// Two locks of one class at once: many VMAs are write-locked under mmap W.
bool may_nest_with_itself(const Held& outer, Mode mode) {
    return outer.id == LockId::vma_lock && outer.mode == Mode::exclusive && mode == Mode::exclusive;
}

void check_order(const ThreadLocks& mine, LockId id, const void* lock, Mode mode) {
    if (!is_spin(id) && mine.rcu_depth > 0) fail("sleeping lock inside RCU", id);
    for (std::size_t i = 0; i < mine.count; ++i) {
        const Held& h = mine.held[i];
        if (h.lock == lock) fail("taken twice", id);
        if (is_spin(h.id) && !is_spin(id)) fail("sleeping lock under a spin lock", id);
        if (h.id > id) fail("wrong order", id);
        if (h.id == id && !may_nest_with_itself(h, mode)) fail("second lock of its class", id);
    }
}

/// @param lock  null: any lock of the class
Held* find(ThreadLocks& mine, LockId id, const void* lock) {
    for (std::size_t i = mine.count; i-- > 0;) {
        Held& h = mine.held[i];
        if (h.id == id && (lock == nullptr || h.lock == lock)) return &h;
    }
    return nullptr;
}

}  // namespace

void acquire(LockId id, const void* lock, Mode mode, bool trylock) {
    ThreadLocks& mine = this_thread_locks();
    if (!trylock) check_order(mine, id, lock, mode);
    if (mine.count == mine.held.size()) fail("too many locks", id);
    mine.held[mine.count++] = {id, mode, lock};
}

void release(LockId id, const void* lock, Mode mode) {
    const Held* const found = find(this_thread_locks(), id, lock);
    if (found != nullptr && found->mode != mode) fail("released in the wrong mode", id);
    release(id, lock);
}

void release(LockId id, const void* lock) {
    ThreadLocks& mine = this_thread_locks();
    Held* const found = find(mine, id, lock);
    if (found == nullptr) fail("released but not held", id);
    std::move(found + 1, mine.held.data() + mine.count, found);
    --mine.count;
}

void downgrade(LockId id, const void* lock) {
    Held* const found = find(this_thread_locks(), id, lock);
    if (found == nullptr || found->mode != Mode::exclusive) {
        fail("downgraded but not held exclusively", id);
    }
    found->mode = Mode::shared;
}

void rcu_enter() { ++this_thread_locks().rcu_depth; }

void rcu_exit() {
    SF_ASSERT(this_thread_locks().rcu_depth > 0);
    --this_thread_locks().rcu_depth;
}

void assert_held(LockId id, const void* lock) {
    if (find(this_thread_locks(), id, lock) == nullptr) fail("must be held", id);
}

void assert_held_exclusive(LockId id, const void* lock) {
    const Held* const found = find(this_thread_locks(), id, lock);
    if (found == nullptr || found->mode != Mode::exclusive) fail("must be held exclusively", id);
}

bool is_held(LockId id, const void* lock) {
    return find(this_thread_locks(), id, lock) != nullptr;
}

void assert_rcu() { SF_ASSERT(this_thread_locks().rcu_depth > 0); }

void assert_none() {
    const ThreadLocks& mine = this_thread_locks();
    if (mine.count > 0) fail("must not be held here", mine.held[0].id);
    SF_ASSERT(mine.rcu_depth == 0);
}

void assert_may_sleep() {
    const ThreadLocks& mine = this_thread_locks();
    SF_ASSERT(mine.rcu_depth == 0);
    for (std::size_t i = 0; i < mine.count; ++i) {
        if (is_spin(mine.held[i].id)) fail("sleeps under", mine.held[i].id);
    }
}

}  // namespace surefoot::inline SF_BUILD::sync::lockdep

#endif
