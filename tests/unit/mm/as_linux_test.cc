// Details that a program can see and that the differential test (tests/differential) has found.

#include "support.hpp"

namespace surefoot::testing {
namespace {

using namespace mm::uapi;
using mm::FaultResult;

constexpr std::uint32_t kPrivate = MAP_PRIVATE | MAP_ANONYMOUS;
constexpr std::uint32_t kShared = MAP_SHARED | MAP_ANONYMOUS;
constexpr std::uint64_t kHuge = 2ULL << 20;
constexpr std::uint64_t kFixedAt = 1ULL << 40;

class AsLinux : public MmTest {
protected:
    std::string residency(VirtAddr at, std::uint64_t pages) {
        std::vector<std::byte> vec(pages);
        EXPECT_TRUE(mm::mincore(space(), at, pages * kPage, vec));
        std::string text;
        for (const std::byte b : vec) text += b == std::byte{0} ? '.' : '#';
        return text;
    }
    VirtAddr map_at(std::uint64_t page, std::uint64_t pages, std::uint32_t prot,
                    std::uint32_t flags = kPrivate) {
        return *map(pages, prot, flags | MAP_FIXED, kFixedAt + page * kPage);
    }
};

TEST_F(AsLinux, offset_means_nothing_for_anonymous_memory) {
    EXPECT_TRUE(mm::mmap(space(), {.addr = VirtAddr(0),
                                   .length = 8 * kPage,
                                   .prot = PROT_READ,
                                   .flags = kPrivate,
                                   .offset = ~0ULL << arch::kPageShift}));
}

TEST_F(AsLinux, huge_page_multiples_of_private_memory_start_at_one) {
    ASSERT_TRUE(map(3));
    EXPECT_FALSE(map(kHuge / kPage, 3, kShared)->is_aligned(kHuge));
    EXPECT_TRUE(map(kHuge / kPage)->is_aligned(kHuge));
    EXPECT_TRUE(map(2 * kHuge / kPage)->is_aligned(kHuge));
    // A hint that is free is taken as it is.
    EXPECT_EQ(*map(kHuge / kPage, 3, kPrivate, kFixedAt + kPage), VirtAddr(kFixedAt + kPage));
}

TEST_F(AsLinux, search_for_room_skips_all_of_a_stacks_guard_gap) {
    const VirtAddr top = *map(600, PROT_NONE, kShared);
    ASSERT_TRUE(mm::munmap(space(), top, 590 * kPage));
    ASSERT_TRUE(map(1, 3, kPrivate | MAP_GROWSDOWN | MAP_FIXED, top.raw() + 589 * kPage));
    ASSERT_TRUE(map(1, 3, kShared | MAP_FIXED, top.raw() + 500 * kPage));
    // There are 88 free pages next to the stack, and more below that mapping.
    EXPECT_LE(map(8, 3, kShared)->raw(), top.raw() + (589 - 256 - 8) * kPage);
}

TEST_F(AsLinux, refused_fixed_mapping_leaves_the_splits) {
    const VirtAddr at = map_at(0, 3, PROT_READ, kShared);
    space().limits.address_space.store(kPage, sync::Order::relaxed);
    EXPECT_EQ(map(1, 3, kPrivate | MAP_FIXED, at.raw() + kPage).error(), Errno::nomem);
    EXPECT_EQ(maps(at), "0-1 r--s\n1-2 r--s\n2-3 r--s\n");
}

TEST_F(AsLinux, shared_memory_that_no_entry_maps_is_in_core) {
    const VirtAddr at = *map(3, 3, kShared);
    ASSERT_EQ(tlb.store(at + kPage, 1), FaultResult::handled);
    ASSERT_TRUE(mm::madvise(space(), at, 3 * kPage, MADV_DONTNEED));
    EXPECT_EQ(residency(at, 3), ".#.");
}

TEST_F(AsLinux, nothing_is_in_core_past_the_end_of_shared_memory) {
    const VirtAddr at = *map(1, 3, kShared);
    ASSERT_EQ(tlb.store(at, 1), FaultResult::handled);
    const VirtAddr larger = *mm::mremap(space(), {.addr = at,
                                                  .old_length = 0,
                                                  .new_length = 600 * kPage,
                                                  .flags = MREMAP_MAYMOVE,
                                                  .new_addr = {}});
    EXPECT_EQ(residency(larger, 2), "#.");
    EXPECT_EQ(residency(larger + 511 * kPage, 3), "...");
    EXPECT_EQ(tlb.store(larger + 512 * kPage, 1), FaultResult::bus);
}

TEST_F(AsLinux, several_mappings_move_with_the_holes_between_them) {
    map_at(0, 4, PROT_READ | PROT_WRITE);
    ASSERT_TRUE(mm::mprotect(space(), VirtAddr(kFixedAt + kPage), kPage, PROT_READ));
    ASSERT_TRUE(mm::munmap(space(), VirtAddr(kFixedAt + 2 * kPage), kPage));
    const VirtAddr to = map_at(100, 4, PROT_READ, kShared);
    const auto move = [&](std::uint64_t page) {
        return mm::mremap(space(), {.addr = VirtAddr(kFixedAt + page * kPage),
                                    .old_length = 4 * kPage,
                                    .new_length = 4 * kPage,
                                    .flags = MREMAP_MAYMOVE | MREMAP_FIXED,
                                    .new_addr = to});
    };
    EXPECT_EQ(move(2).error(), Errno::fault);
    EXPECT_EQ(*move(0), to);
    EXPECT_EQ(maps(to), "0-1 rw-p\n1-2 r--p\n2-3 r--s\n3-4 rw-p\n");
}

TEST_F(AsLinux, dontunmap_unlocks_what_it_leaves) {
    const VirtAddr at = map_at(0, 4, PROT_READ | PROT_WRITE);
    ASSERT_TRUE(mm::mlock(space(), at, 4 * kPage, 0));
    const VirtAddr moved = *mm::mremap(space(), {.addr = at + kPage,
                                                 .old_length = 2 * kPage,
                                                 .new_length = 2 * kPage,
                                                 .flags = MREMAP_MAYMOVE | MREMAP_DONTUNMAP,
                                                 .new_addr = at + 9 * kPage});
    EXPECT_EQ(moved, at + 9 * kPage);
    EXPECT_EQ(maps(at), "0-4 rw-p\n9-11 rw-p\n");
    EXPECT_EQ(residency(at, 4), "#..#");
    EXPECT_EQ(space().locked_vm.load(sync::Order::relaxed), 2U);
    EXPECT_TRUE(mm::madvise(space(), at, 4 * kPage, MADV_DONTNEED));
    EXPECT_EQ(mm::madvise(space(), moved, kPage, MADV_DONTNEED).error(), Errno::inval);
}

TEST_F(AsLinux, what_forgot_its_anon_vma_grows_with_its_own_offsets) {
    const VirtAddr at = map_at(0, 1, PROT_READ | PROT_WRITE);
    ASSERT_TRUE(mm::madvise(space(), at, kPage, MADV_POPULATE_WRITE));
    const auto remap = [&](VirtAddr from, std::uint64_t pages, std::uint32_t flags, VirtAddr to) {
        return mm::mremap(space(), {.addr = from,
                                    .old_length = kPage,
                                    .new_length = pages * kPage,
                                    .flags = flags,
                                    .new_addr = to});
    };
    const VirtAddr odd = at + 5 * kPage;
    ASSERT_TRUE(remap(at, 1, MREMAP_MAYMOVE | MREMAP_FIXED, odd));
    ASSERT_TRUE(remap(odd, 1, MREMAP_MAYMOVE | MREMAP_DONTUNMAP, at + 9 * kPage));
    ASSERT_TRUE(remap(odd, 3, 0, VirtAddr(0)));
    EXPECT_EQ(maps(at), "5-8 rw-p\n9-10 rw-p\n");
}

TEST_F(AsLinux, break_does_not_shrink_where_nothing_of_the_heap_is_left) {
    const VirtAddr base(0x50'0000);
    space().start_brk.set(base);
    space().brk.set(base);
    ASSERT_EQ(mm::brk(space(), base + 4 * kPage), base + 4 * kPage);
    ASSERT_TRUE(mm::munmap(space(), base + 2 * kPage, 2 * kPage));
    EXPECT_EQ(mm::brk(space(), base + 2 * kPage), base + 4 * kPage);
    EXPECT_EQ(mm::brk(space(), base + kPage), base + kPage);
}

TEST_F(AsLinux, break_that_is_locked_on_fault_is_not_populated) {
    const VirtAddr base(0x50'0000);
    space().start_brk.set(base);
    space().brk.set(base);
    ASSERT_TRUE(mm::mlockall(space(), MCL_FUTURE | MCL_ONFAULT));
    mm::brk(space(), base + 2 * kPage);
    EXPECT_EQ(residency(base, 2), "..");
    ASSERT_TRUE(mm::mlockall(space(), MCL_FUTURE));
    mm::brk(space(), base + 4 * kPage);
    EXPECT_EQ(residency(base, 4), "..##");
}

TEST_F(AsLinux, locked_memory_that_becomes_writable_is_populated) {
    const VirtAddr at = map_at(0, 2, PROT_READ, kPrivate);
    ASSERT_TRUE(mm::mlock(space(), at, kPage, 0));
    ASSERT_TRUE(mm::mlock(space(), at + kPage, kPage, MLOCK_ONFAULT));
    ASSERT_TRUE(mm::madvise(space(), at, 2 * kPage, MADV_DONTNEED_LOCKED));
    ASSERT_TRUE(mm::mprotect(space(), at, 2 * kPage, PROT_READ | PROT_WRITE));
    EXPECT_EQ(residency(at, 2), "#.");
}

TEST_F(AsLinux, stack_that_a_read_grew_has_its_anon_vma) {
    const VirtAddr top(kFixedAt + 4 * kPage);
    ASSERT_TRUE(map(1, 3, kPrivate | MAP_GROWSDOWN | MAP_FIXED, top.raw() - kPage));
    std::uint8_t byte = 0;
    ASSERT_EQ(tlb.load(top - 2 * kPage, byte), FaultResult::handled);
    vma::MmapReadGuard mmap(space().vmas);
    EXPECT_NE(mmap.lookup(top - kPage)->anon_vma(), nullptr);
}

TEST_F(AsLinux, refused_fetch_brings_the_page_in) {
    const VirtAddr at = *map(2, PROT_READ);
    EXPECT_EQ(mm::handle_fault(space(), at, mm::Access::exec), FaultResult::accerr);
    EXPECT_EQ(residency(at, 2), "#.");
}

TEST_F(AsLinux, lock_limit_comes_before_the_range) {
    const VirtAddr at = *map(1);
    EXPECT_EQ(mm::mlock(space(), at, -at.raw() + kPage, 0).error(), Errno::nomem);
    EXPECT_EQ(mm::munlock(space(), at, -at.raw() + kPage).error(), Errno::inval);
}

/// An address space that may have only a few mappings.
class FewMappings : public AsLinux {
protected:
    void SetUp() override {
        set_up({.task_size = VirtAddr(1ULL << 46), .max_map_count = 3});
    }
};

TEST_F(FewMappings, ends_of_a_mapping_can_go_when_there_are_too_many) {
    const VirtAddr at = map_at(0, 9, PROT_READ);
    ASSERT_TRUE(mm::mprotect(space(), at + 3 * kPage, 3 * kPage, PROT_NONE));
    EXPECT_EQ(mm::munmap(space(), at + kPage, kPage).error(), Errno::nomem);
    EXPECT_TRUE(mm::munmap(space(), at, kPage));
    EXPECT_TRUE(mm::munmap(space(), at + 8 * kPage, kPage));
    EXPECT_EQ(maps(at), "1-3 r--p\n3-6 ---p\n6-8 r--p\n");
    // One more than the limit is let through.
    EXPECT_TRUE(map(1, PROT_READ, kPrivate | MAP_FIXED, at.raw() + 20 * kPage));
    EXPECT_EQ(map(1, PROT_READ, kPrivate | MAP_FIXED, at.raw() + 22 * kPage).error(),
              Errno::nomem);
}

}  // namespace
}  // namespace surefoot::testing
