#pragma once

// Whole lives of a back end, in which each host call fails once.

#include <dirent.h>
#include <gtest/gtest.h>
#include <sched.h>

#include <string>

#include "machine.hpp"

namespace surefoot::cpu {

inline std::size_t entries_of(const std::string& path) {
    std::size_t n = 0;
    DIR* const folder = ::opendir(path.c_str());
    while (const dirent* const entry = ::readdir(folder)) n += entry->d_name[0] != '.';
    ::closedir(folder);
    return n;
}

/// Waits until a process has `n` threads: one that was joined is on the host kernel's list until
/// it has been put away. The test hangs if one is left over.
inline void await_threads(const std::string& process, std::size_t n) {
    while (entries_of("/proc/" + process + "/task") > n) sched_yield();
}

/// @return false if a call failed
template <class Make>
bool live_once(Make& make, Arena& arena, PhysAddr root, sync::FailPlan& plan) {
    Result<std::unique_ptr<CpuBackend>> backend = make(arena, plan);
    if (!backend) return false;
    Result<std::unique_ptr<Space>> space = (*backend)->create_space(root);
    if (!space) return false;
    Result<std::unique_ptr<Vcpu>> first = (*space)->create_vcpu();
    if (!first) return false;
    Result<std::unique_ptr<Vcpu>> second = (*space)->create_vcpu();
    if (!second) return false;
    Regs regs{};
    regs.rip = Machine::kCode.raw();
    EXPECT_EQ((*second)->run(regs).kind, Exit::Kind::fault);
    return true;
}

/// For each n, the n-th host call of a life fails: the life ends with an error and leaves nothing
/// behind, neither here nor in the entries above the guest's addresses.
/// @param make  (Arena&, FailPlan&) -> a back end
/// @return the number of calls
template <class Make>
std::uint64_t count_calls_that_may_fail(Make make) {
    Arena arena(1 << 20);
    const PhysAddr root = arena.frame();
    sync::FailPlan plan;
    EXPECT_TRUE(live_once(make, arena, root, plan));
    const std::size_t descriptors = entries_of("/proc/self/fd");
    const std::size_t threads = entries_of("/proc/self/task");
    for (std::uint64_t n = 1;; ++n) {
        plan.arm(n);
        const bool lived = live_once(make, arena, root, plan);
        if (!plan.hit()) return n - 1;
        EXPECT_FALSE(lived) << "call " << n;
        EXPECT_EQ(entries_of("/proc/self/fd"), descriptors) << "call " << n;
        await_threads("self", threads);
        EXPECT_EQ(arena.word(root + 511 * 8).load(sync::Order::relaxed), 0U) << "call " << n;
    }
}

}  // namespace surefoot::cpu
