#include "sync/futex.hpp"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <climits>

namespace surefoot::inline SF_BUILD::sync {

static_assert(sizeof(Atomic<std::uint32_t>) == sizeof(std::uint32_t));

namespace {

int flags_of(FutexScope scope) {
    return scope == FutexScope::this_process ? FUTEX_PRIVATE_FLAG : 0;
}

}  // namespace

bool futex_wait(const Atomic<std::uint32_t>& word, std::uint32_t seen, FutexScope scope,
                const std::optional<Deadline>& deadline) noexcept {
    // The one kind of wait that takes absolute times.
    int operation = FUTEX_WAIT_BITSET | flags_of(scope);
    if (deadline && deadline->realtime) operation |= FUTEX_CLOCK_REALTIME;
    const timespec* const when = deadline ? &deadline->when : nullptr;
    const long result =
        syscall(SYS_futex, &word, operation, seen, when, nullptr, FUTEX_BITSET_MATCH_ANY);
    return result == 0 || errno != ETIMEDOUT;
}

void futex_wake_all(const void* word, FutexScope scope) noexcept {
    syscall(SYS_futex, word, FUTEX_WAKE | flags_of(scope), INT_MAX, nullptr, nullptr, 0);
}

}  // namespace surefoot::inline SF_BUILD::sync
