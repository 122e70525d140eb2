// What resource limits, the charge for memory and the guard gap of a stack refuse.

#include "support.hpp"

namespace surefoot::testing {
namespace {

using namespace mm::uapi;

constexpr std::uint32_t kPrivate = MAP_PRIVATE | MAP_ANONYMOUS;
constexpr std::uint32_t kShared = MAP_SHARED | MAP_ANONYMOUS;
constexpr std::uint64_t kFixedAt = 1ULL << 40;

class Limits : public MmTest {
protected:
    /// Pages from kFixedAt on, where nothing else is.
    Result<VirtAddr> map_at(std::uint64_t page, std::uint64_t pages, std::uint32_t prot,
                            std::uint32_t flags = kPrivate) {
        return map(pages, prot, flags | MAP_FIXED, kFixedAt + page * kPage);
    }
    static void limit(sync::Atomic<std::uint64_t>& which, std::uint64_t pages) {
        which.store(pages * kPage, sync::Order::relaxed);
    }
    Result<VirtAddr> remap(VirtAddr at, std::uint64_t from, std::uint64_t to, std::uint32_t flags,
                           VirtAddr place = {}) {
        return mm::mremap(space(), {.addr = at,
                                    .old_length = from * kPage,
                                    .new_length = to * kPage,
                                    .flags = MREMAP_MAYMOVE | flags,
                                    .new_addr = place});
    }
};

TEST_F(Limits, data_limit_counts_private_writable_memory_alone) {
    limit(space().limits.data, 4);
    const VirtAddr at = *map_at(0, 4, PROT_READ | PROT_WRITE);
    EXPECT_EQ(map_at(10, 1, PROT_READ | PROT_WRITE).error(), Errno::nomem);
    EXPECT_TRUE(map_at(10, 9, PROT_READ | PROT_WRITE, kShared));
    EXPECT_TRUE(map_at(20, 9, PROT_READ));
    EXPECT_EQ(mm::mprotect(space(), at + 20 * kPage, kPage, PROT_READ | PROT_WRITE).error(),
              Errno::nomem);
    ASSERT_TRUE(mm::munmap(space(), at, kPage));
    EXPECT_TRUE(mm::mprotect(space(), at + 20 * kPage, kPage, PROT_READ | PROT_WRITE));
}

TEST_F(Limits, memory_that_becomes_writable_is_charged) {
    const std::uint64_t more_than_there_is = 2 * system().frames.nr_frames();
    const VirtAddr at = *map_at(0, more_than_there_is, PROT_READ);
    EXPECT_EQ(
        mm::mprotect(space(), at, more_than_there_is * kPage, PROT_READ | PROT_WRITE).error(),
        Errno::nomem);
    EXPECT_TRUE(mm::mprotect(space(), at, kPage, PROT_READ | PROT_WRITE));
    // Nobody keeps memory for these.
    EXPECT_TRUE(map_at(0, more_than_there_is, PROT_READ, kPrivate | MAP_NORESERVE));
    EXPECT_TRUE(mm::mprotect(space(), at, more_than_there_is * kPage, PROT_READ | PROT_WRITE));
}

TEST_F(Limits, locked_memory_grows_up_to_the_lock_limit) {
    const VirtAddr at = *map_at(0, 2, PROT_READ);
    ASSERT_TRUE(mm::mlock(space(), at, 2 * kPage, 0));
    limit(space().limits.memlock, 3);
    EXPECT_EQ(remap(at, 2, 4, 0).error(), Errno::again);
    EXPECT_TRUE(remap(at, 2, 3, 0));
    ASSERT_TRUE(mm::munlock(space(), at, 3 * kPage));
    EXPECT_TRUE(remap(at, 3, 9, 0));
}

TEST_F(Limits, what_dontunmap_leaves_goes_on_to_count) {
    const VirtAddr at = *map_at(0, 4, PROT_READ);
    limit(space().limits.address_space, 6);
    EXPECT_EQ(remap(at, 4, 4, MREMAP_DONTUNMAP).error(), Errno::nomem);
    EXPECT_TRUE(remap(at, 2, 2, MREMAP_DONTUNMAP));
    // Already above the limit: a move needs nothing more.
    limit(space().limits.address_space, 1);
    EXPECT_TRUE(remap(at, 4, 4, MREMAP_FIXED, at + 9 * kPage));
}

TEST_F(Limits, guard_gap_of_a_stack_is_not_free) {
    const std::uint64_t gap = space().vmas.options().stack_guard_gap;
    const VirtAddr stack =
        *map_at(0, 1, PROT_READ | PROT_WRITE, kPrivate | MAP_GROWSDOWN);
    const VirtAddr inside = stack - gap - 3 * kPage;
    EXPECT_NE(*map(4, PROT_READ, kPrivate, inside.raw()), inside);
    const VirtAddr below = stack - gap - 4 * kPage;
    EXPECT_EQ(*map(4, PROT_READ, kPrivate, below.raw()), below);
}

TEST_F(Limits, break_stops_at_the_guard_gap_of_a_stack) {
    const std::uint64_t gap = space().vmas.options().stack_guard_gap;
    const VirtAddr stack =
        *map_at(0, 1, PROT_READ | PROT_WRITE, kPrivate | MAP_GROWSDOWN);
    const VirtAddr base = stack - gap - 4 * kPage;
    space().start_brk.set(base);
    space().brk.set(base);
    EXPECT_EQ(mm::brk(space(), base + 4 * kPage), base);
    // One page is left between.
    EXPECT_EQ(mm::brk(space(), base + 3 * kPage), base + 3 * kPage);
}

/// Stack growth is refused like a hole in the address space.
class StackLimits : public Limits {
protected:
    void SetUp() override {
        Limits::SetUp();
        stack_ = *map_at(0, 1, PROT_READ | PROT_WRITE, kPrivate | MAP_GROWSDOWN);
    }
    mm::FaultResult touch_below(std::uint64_t pages) {
        return tlb.store(stack_ - pages * kPage, 1);
    }

private:
    VirtAddr stack_;
};

TEST_F(StackLimits, stack_stops_at_its_own_limit) {
    limit(space().limits.stack, 4);
    EXPECT_EQ(touch_below(4), mm::FaultResult::maperr);
    EXPECT_EQ(touch_below(3), mm::FaultResult::handled);
}

TEST_F(StackLimits, stack_stops_at_the_limit_of_all_memory) {
    limit(space().limits.address_space, 4);
    EXPECT_EQ(touch_below(4), mm::FaultResult::maperr);
    EXPECT_EQ(touch_below(3), mm::FaultResult::handled);
}

TEST_F(StackLimits, locked_stack_stops_at_the_lock_limit) {
    ASSERT_TRUE(mm::mlockall(space(), MCL_CURRENT));
    limit(space().limits.memlock, 4);
    EXPECT_EQ(touch_below(4), mm::FaultResult::maperr);
    EXPECT_EQ(touch_below(3), mm::FaultResult::handled);
}

class MostMappings : public Limits {
protected:
    void SetUp() override { set_up({.task_size = VirtAddr(1ULL << 46), .max_map_count = 3}); }
};

TEST_F(MostMappings, hole_in_the_middle_needs_one_more) {
    const VirtAddr at = *map_at(0, 9, PROT_READ);
    ASSERT_TRUE(map_at(20, 1, PROT_READ));
    ASSERT_TRUE(mm::munmap(space(), at + 4 * kPage, kPage));
    EXPECT_EQ(maps(at), "0-4 r--p\n5-9 r--p\n20-21 r--p\n");
    EXPECT_EQ(mm::munmap(space(), at + 2 * kPage, kPage).error(), Errno::nomem);
    EXPECT_EQ(map_at(2, 1, PROT_READ | PROT_WRITE).error(), Errno::nomem);
    EXPECT_EQ(maps(at), "0-4 r--p\n5-9 r--p\n20-21 r--p\n");
}

class RoomForMoves : public Limits {
protected:
    void SetUp() override { set_up({.task_size = VirtAddr(1ULL << 46), .max_map_count = 8}); }
};

TEST_F(RoomForMoves, move_leaves_room_for_the_splits) {
    const VirtAddr at = *map_at(0, 1, PROT_READ);
    ASSERT_TRUE(map_at(1, 1, PROT_NONE));
    EXPECT_TRUE(remap(at, 1, 1, MREMAP_FIXED, at + 9 * kPage));
    ASSERT_TRUE(map_at(0, 1, PROT_READ));
    EXPECT_EQ(remap(at, 1, 1, MREMAP_FIXED, at + 9 * kPage).error(), Errno::nomem);
    // Said before it is looked whether something is there.
    EXPECT_EQ(remap(at + 5 * kPage, 1, 1, MREMAP_FIXED, at + 9 * kPage).error(), Errno::nomem);
    ASSERT_TRUE(map_at(20, 1, PROT_READ));
    EXPECT_TRUE(remap(at, 1, 2, 0));
    ASSERT_TRUE(map_at(0, 1, PROT_READ));
    EXPECT_EQ(remap(at, 1, 2, 0).error(), Errno::nomem);
}

}  // namespace
}  // namespace surefoot::testing
