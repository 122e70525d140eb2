// Waits with a deadline, and between processes.

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <new>

#include "support/threads.hpp"

namespace {

using namespace surefoot;
using namespace surefoot::sync;

constexpr auto kScope = FutexScope::this_process;
constexpr time_t kHour = 3600;

Deadline in(time_t seconds, bool realtime) {
    Deadline deadline{.realtime = realtime};
    clock_gettime(realtime ? CLOCK_REALTIME : CLOCK_MONOTONIC, &deadline.when);
    deadline.when.tv_sec += seconds;
    return deadline;
}

TEST(Futex, word_that_has_changed_is_not_waited_for) {
    const Atomic<std::uint32_t> word{1};
    EXPECT_TRUE(futex_wait(word, 0, kScope));
    EXPECT_TRUE(futex_wait(word, 0, kScope, in(-1, false))) << "the deadline did not matter";
}

TEST(Futex, deadline_that_has_passed_ends_the_wait_on_either_clock) {
    const Atomic<std::uint32_t> word{0};
    EXPECT_FALSE(futex_wait(word, 0, kScope, in(-1, false)));
    // As a time of the monotonic clock, this lies half a century ahead.
    EXPECT_FALSE(futex_wait(word, 0, kScope, in(-1, true)));
}

/// Sleeps until the word is stored to and woken. @return whether each wait was in time
bool sleep_until_woken(const std::optional<Deadline>& deadline) {
    Atomic<std::uint32_t> word{0};
    bool in_time = true;
    Event started;
    Threads sleeper(1, [&](unsigned) {
        started.raise();
        while (word.load(Order::acquire) == 0) in_time &= futex_wait(word, 0, kScope, deadline);
    });
    started.wait();
    word.store(1, Order::release);
    futex_wake_all(&word, kScope);
    sleeper.join();
    return in_time;
}

TEST(Futex, wake_up_comes_before_a_later_deadline) {
    for (int round = 0; round < 300; ++round) {
        ASSERT_TRUE(sleep_until_woken({}));
        // As a time of the other clock, this passed half a century ago.
        ASSERT_TRUE(sleep_until_woken(in(kHour, false)));
        ASSERT_TRUE(sleep_until_woken(in(kHour, true)));
    }
}

TEST(Futex, wake_up_reaches_another_process) {
    void* const page = mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ASSERT_NE(page, MAP_FAILED);
    auto& word = *new (page) Atomic<std::uint32_t>(0);
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
        word.store(1, Order::release);
        futex_wake_all(&word, FutexScope::any_process);
        while (word.load(Order::acquire) == 1) futex_wait(word, 1, FutexScope::any_process);
        _exit(0);
    }
    while (word.load(Order::acquire) == 0) futex_wait(word, 0, FutexScope::any_process);
    word.store(2, Order::release);
    futex_wake_all(&word, FutexScope::any_process);
    int status = -1;
    EXPECT_EQ(waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
    munmap(page, 4096);
}

}  // namespace
