// What the lock validator finds, in both builds.

#include <gtest/gtest.h>

#include "support/checks.hpp"
#include "sync/sync.hpp"

namespace {

using namespace surefoot;
using namespace surefoot::sync;

struct LockValidatorDeathTest : ::testing::Test {
    void SetUp() override { SKIP_WITHOUT_DEBUG_CHECKS(); }

    RwSem<LockId::mmap_lock> mmap_lock;
    RwSem<LockId::vma_lock> vma;
    RwSem<LockId::vma_lock> other_vma;
    Mutex<LockId::folio_lock> folio;
    ClasslessLock table;
    ClasslessLock other_table;
    SpinLock<LockId::leaf> leaf;
};

TEST_F(LockValidatorDeathTest, wrong_order) {
    Guard guard(folio);
    EXPECT_DEATH(mmap_lock.lock(), "wrong order: mmap_lock; held: folio_lock\\(W\\)");
}

TEST_F(LockValidatorDeathTest, wrong_order_of_spin_locks) {
    table.lock(LockId::ptl);
    EXPECT_DEATH(other_table.lock(LockId::pml), "wrong order: pml; held: ptl");
    table.unlock(LockId::ptl);
}

TEST_F(LockValidatorDeathTest, same_lock_twice) {
    Guard guard(leaf);
    EXPECT_DEATH(leaf.lock(), "taken twice: leaf");
}

TEST_F(LockValidatorDeathTest, read_then_write_of_the_same_lock) {
    SharedGuard guard(mmap_lock);
    EXPECT_DEATH(mmap_lock.lock(), "taken twice: mmap_lock; held: mmap_lock\\(R\\)");
}

TEST_F(LockValidatorDeathTest, second_table_lock_without_its_nested_class) {
    table.lock(LockId::ptl);
    EXPECT_DEATH(other_table.lock(LockId::ptl), "second lock of its class: ptl");
    other_table.lock(LockId::ptl_nested);
    other_table.unlock(LockId::ptl_nested);
    table.unlock(LockId::ptl);
}

TEST_F(LockValidatorDeathTest, sleeping_lock_under_a_spin_lock) {
    Guard guard(leaf);
    EXPECT_DEATH(folio.lock(), "sleeping lock under a spin lock: folio_lock");
}

TEST_F(LockValidatorDeathTest, sleeping_lock_inside_rcu) {
    RcuReadGuard guard;
    EXPECT_DEATH(mmap_lock.lock_shared(), "sleeping lock inside RCU: mmap_lock; held: rcu");
}

TEST_F(LockValidatorDeathTest, grace_period_inside_rcu) {
    RcuReadGuard guard;
    EXPECT_DEATH(rcu_synchronize(), "rcu_depth == 0");
}

TEST_F(LockValidatorDeathTest, grace_period_under_a_spin_lock) {
    Guard guard(leaf);
    EXPECT_DEATH(rcu_barrier(), "sleeps under: leaf");
}

TEST_F(LockValidatorDeathTest, release_of_what_is_not_held) {
    EXPECT_DEATH(leaf.unlock(), "released but not held: leaf");
    EXPECT_DEATH(mmap_lock.unlock_shared(), "released but not held: mmap_lock");
}

TEST_F(LockValidatorDeathTest, release_under_another_class) {
    table.lock(LockId::ptl);
    EXPECT_DEATH(table.unlock(LockId::pml), "released but not held: pml");
    table.unlock(LockId::ptl);
}

TEST_F(LockValidatorDeathTest, downgrade_of_a_reader) {
    SharedGuard guard(mmap_lock);
    EXPECT_DEATH(mmap_lock.downgrade(), "downgraded but not held exclusively");
}

TEST_F(LockValidatorDeathTest, assert_held_by_nobody_or_in_the_wrong_mode) {
    EXPECT_DEATH(mmap_lock.assert_held(), "must be held: mmap_lock");
    SharedGuard guard(mmap_lock);
    mmap_lock.assert_held();
    EXPECT_DEATH(mmap_lock.assert_held_exclusive(), "must be held exclusively: mmap_lock");
}

TEST_F(LockValidatorDeathTest, lock_held_on_the_way_out) {
    lockdep::assert_none();
    Guard guard(leaf);
    EXPECT_DEATH(lockdep::assert_none(), "must not be held here: leaf");
}

TEST_F(LockValidatorDeathTest, second_vma_lock_of_a_reader) {
    SharedGuard guard(vma);
    EXPECT_DEATH(other_vma.lock_shared(), "second lock of its class: vma_lock");
    EXPECT_DEATH(other_vma.lock(), "second lock of its class: vma_lock");
    // Trying cannot wait, so it cannot deadlock.
    EXPECT_TRUE(other_vma.try_lock_shared());
    other_vma.unlock_shared();
}

TEST_F(LockValidatorDeathTest, many_vmas_may_be_write_locked) {
    Guard mm(mmap_lock);
    Guard first(vma);
    Guard second(other_vma);
    vma.assert_held_exclusive();
    other_vma.assert_held_exclusive();
    EXPECT_DEATH(lockdep::assert_none(), "mmap_lock\\(W\\) vma_lock\\(W\\) vma_lock\\(W\\)");
}

TEST_F(LockValidatorDeathTest, trying_against_the_order_is_allowed) {
    table.lock(LockId::ptl);
    EXPECT_TRUE(other_table.try_lock(LockId::pml));
    other_table.unlock(LockId::pml);
    table.unlock(LockId::ptl);
}

TEST_F(LockValidatorDeathTest, downgrade_leaves_a_read_hold) {
    mmap_lock.lock();
    mmap_lock.downgrade();
    EXPECT_DEATH(mmap_lock.unlock(),
                 "released in the wrong mode: mmap_lock; held: mmap_lock\\(R\\)");
    mmap_lock.unlock_shared();
    lockdep::assert_none();
}

}  // namespace
