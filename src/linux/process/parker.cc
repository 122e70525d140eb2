#include "linux/process/parker.hpp"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <limits>

namespace surefoot::inline SF_BUILD::linux_abi {

static_assert(sizeof(sync::Atomic<std::uint32_t>) == sizeof(std::uint32_t));

namespace {

constexpr long kNanoseconds = 1'000'000'000;

}  // namespace

timespec time_left(const Deadline& deadline) {
    timespec now{};
    clock_gettime(deadline.realtime ? CLOCK_REALTIME : CLOCK_MONOTONIC, &now);
    timespec left{deadline.when.tv_sec - now.tv_sec, deadline.when.tv_nsec - now.tv_nsec};
    if (left.tv_nsec < 0) {
        left.tv_nsec += kNanoseconds;
        --left.tv_sec;
    }
    return left.tv_sec < 0 ? timespec{} : left;
}

Deadline deadline_after(const timespec& interval) {
    Deadline deadline;
    clock_gettime(CLOCK_MONOTONIC, &deadline.when);
    // A time that does not fit is as good as never.
    if (__builtin_add_overflow(deadline.when.tv_sec, interval.tv_sec, &deadline.when.tv_sec)) {
        deadline.when.tv_sec = std::numeric_limits<time_t>::max() - 1;
    }
    deadline.when.tv_nsec += interval.tv_nsec;
    if (deadline.when.tv_nsec >= kNanoseconds) {
        deadline.when.tv_nsec -= kNanoseconds;
        ++deadline.when.tv_sec;
    }
    return deadline;
}

void Parker::Wake::now() const noexcept {
    syscall(SYS_futex, word_, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, INT_MAX, nullptr, nullptr, 0);
}

Parker::Wake Parker::post() noexcept {
    // Release: what the waker did is visible to the sleeper that takes the token.
    token_.store(1, sync::Order::release);
    return Wake(&token_);
}

bool Parker::park(const std::optional<Deadline>& deadline) noexcept {
    // Acquire: pairs with the release in `post`.
    if (token_.exchange(0, sync::Order::acquire) != 0) return true;
    int operation = FUTEX_WAIT_BITSET | FUTEX_PRIVATE_FLAG;
    if (deadline && deadline->realtime) operation |= FUTEX_CLOCK_REALTIME;
    const timespec* const when = deadline ? &deadline->when : nullptr;
    const long result =
        syscall(SYS_futex, &token_, operation, 0, when, nullptr, FUTEX_BITSET_MATCH_ANY);
    const bool timed_out = result < 0 && errno == ETIMEDOUT;
    return token_.exchange(0, sync::Order::acquire) != 0 || !timed_out;
}

}  // namespace surefoot::inline SF_BUILD::linux_abi
