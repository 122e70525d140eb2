#pragma once

#include <gtest/gtest.h>

#include "machine.hpp"

namespace surefoot::cpu {

inline void expect_fault(const Exit& exit, VirtAddr va, std::uint32_t code) {
    EXPECT_EQ(exit.kind, Exit::Kind::fault);
    EXPECT_EQ(exit.va, va);
    EXPECT_EQ(exit.code, code);
}

/// Runs the guest on a thread of its own until it leaves; `exit` and the registers are its last.
class Running {
public:
    explicit Running(Guest& guest)
        : thread_(*sync::Thread::start([this, &guest] { exit_ = guest.run(); })) {}
    ~Running() {
        if (thread_.joinable()) thread_.join();
    }
    Running(const Running&) = delete;
    Running& operator=(const Running&) = delete;

    Exit join() {
        thread_.join();
        return exit_;
    }

private:
    Exit exit_;
    sync::Thread thread_;
};

/// The guest counts in memory: it runs for certain once the count moves.
inline void await_change(sync::Atomic<std::uint64_t>& word) {
    const std::uint64_t before = word.load(sync::Order::relaxed);
    while (word.load(sync::Order::relaxed) == before) sync::cpu_relax();
}

}  // namespace surefoot::cpu
