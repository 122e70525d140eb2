// What one checked CPU that runs alone cannot do.

#include <gtest/gtest.h>

#include "impl/engine.hpp"
#include "sync/sync.hpp"

namespace {

using namespace surefoot;
using namespace surefoot::sync;

TEST(CheckedDeathTest, waiting_for_a_lock_of_a_stopped_cpu_is_a_deadlock) {
    WordLock lock;
    lock.lock();
    EXPECT_FALSE(lock.try_lock());
    EXPECT_DEATH(lock.lock(), "deadlock");
}

TEST(CheckedDeathTest, waiting_on_an_unchanged_word_is_a_deadlock) {
    Atomic<std::uint32_t> word{3};
    EXPECT_DEATH(word.wait(3, Order::acquire), "deadlock");
}

TEST(CheckedDeathTest, grace_period_inside_a_section_is_a_deadlock) {
    engine::rcu_enter();
    EXPECT_DEATH(engine::grace_period(), "deadlock");
    engine::rcu_exit();
}

TEST(Engine, sees_each_access_to_a_shared_word) {
    const auto count = [](engine::Access kind) {
        return engine::counters().accesses[static_cast<std::size_t>(kind)];
    };
    Atomic<std::uint64_t> word{0};
    Shared<int> plain{0};
    const auto loads = count(engine::Access::load);
    const auto stores = count(engine::Access::store);
    const auto rmws = count(engine::Access::read_modify_write);
    const auto reads = count(engine::Access::plain_read);
    const auto writes = count(engine::Access::plain_write);
    word.store(1, Order::release);
    word.fetch_add(1, Order::relaxed);
    plain.set(3);
    EXPECT_EQ(word.load(Order::acquire), 2U);
    EXPECT_EQ(plain.get(), 3);
    EXPECT_EQ(count(engine::Access::load), loads + 1);
    EXPECT_EQ(count(engine::Access::store), stores + 1);
    EXPECT_EQ(count(engine::Access::read_modify_write), rmws + 1);
    EXPECT_EQ(count(engine::Access::plain_read), reads + 1);
    EXPECT_EQ(count(engine::Access::plain_write), writes + 1);
}

}  // namespace
