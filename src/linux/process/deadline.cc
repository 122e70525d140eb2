#include "linux/process/deadline.hpp"

#include <limits>

namespace surefoot::inline SF_BUILD::linux_abi {
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

}  // namespace surefoot::inline SF_BUILD::linux_abi
