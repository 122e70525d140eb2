#include "impl/engine.hpp"

#include <array>
#include <cstdio>
#include <cstdlib>
#include <utility>

#include "sync/lockdep.hpp"

namespace surefoot::inline SF_BUILD {

void assertion_failed(const char* expression, const char* file, int line) noexcept {
    std::fprintf(stderr, "surefoot: assertion failed: %s (%s:%d), checked CPU %u\n", expression,
                 file, line, sync::engine::this_cpu());
    std::abort();
}

}  // namespace surefoot::inline SF_BUILD

namespace surefoot::inline SF_BUILD::sync {
namespace {

struct State {
    engine::Counters counters;
    unsigned cpu = 0;
    std::array<lockdep::ThreadLocks, engine::kCpus> locks;
    std::array<unsigned, engine::kCpus> rcu_depth{};
    engine::Deferred* first = nullptr;
    engine::Deferred** last = &first;
};

State& state() {
    static State only;
    return only;
}

}  // namespace

lockdep::ThreadLocks& lockdep::this_thread_locks() { return state().locks[state().cpu]; }

namespace engine {

Counters& counters() { return state().counters; }

unsigned this_cpu() { return state().cpu; }

bool try_lock(LockState& lock) {
    ++counters().locks;
    if (lock.holders != 0) return false;
    lock.holders = LockState::kWriter;
    return true;
}

bool try_lock_shared(LockState& lock) {
    ++counters().locks;
    if (lock.holders == LockState::kWriter) return false;
    ++lock.holders;
    return true;
}

void lock(LockState& lock) {
    if (!try_lock(lock)) SF_UNREACHABLE("deadlock: the lock is held and no CPU can release it");
}

void lock_shared(LockState& lock) {
    if (!try_lock_shared(lock)) SF_UNREACHABLE("deadlock: a writer holds the lock for ever");
}

void unlock(LockState& lock) {
    SF_ASSERT(lock.holders == LockState::kWriter);
    lock.holders = 0;
}

void unlock_shared(LockState& lock) {
    SF_ASSERT(lock.holders != 0);
    SF_ASSERT(lock.holders != LockState::kWriter);
    --lock.holders;
}

void downgrade(LockState& lock) {
    SF_ASSERT(lock.holders == LockState::kWriter);
    lock.holders = 1;
}

void block_on(const void*) { SF_UNREACHABLE("deadlock: waits for a word that no CPU will write"); }

void rcu_enter() {
    ++counters().rcu_sections;
    ++state().rcu_depth[state().cpu];
}

void rcu_exit() {
    unsigned& depth = state().rcu_depth[state().cpu];
    SF_ASSERT(depth > 0);
    --depth;
}

void defer(Deferred& callback) {
    ++counters().deferred;
    callback.next = nullptr;
    *state().last = &callback;
    state().last = &callback.next;
}

void grace_period() {
    for (const unsigned depth : state().rcu_depth) {
        if (depth > 0) SF_UNREACHABLE("deadlock: waits for an RCU reader that cannot go on");
    }
    Deferred* callback = std::exchange(state().first, nullptr);
    state().last = &state().first;
    while (callback != nullptr) {
        Deferred* const next = callback->next;
        lockdep::holding_none([&] { callback->call(*callback); });
        callback = next;
    }
}

bool run_on_new_cpu(void (*body)(void*), void* argument) {
    const unsigned parent = state().cpu;
    if (parent + 1 == kCpus) return false;
    state().cpu = parent + 1;
    body(argument);
    lockdep::assert_none();
    state().cpu = parent;
    return true;
}

}  // namespace engine
}  // namespace surefoot::inline SF_BUILD::sync
