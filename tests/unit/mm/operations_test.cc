// The memory operations through a software TLB: what a program sees.

#include "support.hpp"

namespace surefoot::testing {
namespace {

using namespace mm::uapi;
using mm::FaultResult;

using Operations = MmTest;

TEST_F(Operations, anonymous_memory_reads_zero_and_keeps_what_is_written) {
    const VirtAddr at = *map(4);
    std::uint8_t byte = 7;
    EXPECT_EQ(tlb.load(at + 5, byte), FaultResult::handled);
    EXPECT_EQ(byte, 0);
    EXPECT_EQ(system().events.read(mm::Event::fault_zero_page), 1u);
    EXPECT_EQ(tlb.store(at + 5, 42), FaultResult::handled);
    EXPECT_EQ(tlb.load(at + 5, byte), FaultResult::handled);
    EXPECT_EQ(byte, 42);
    EXPECT_EQ(space().rss.read(mm::RssKind::anon), 1);
}

TEST_F(Operations, access_outside_and_against_rights_is_refused) {
    const VirtAddr at = *map(2, PROT_READ);
    std::uint8_t byte = 0;
    EXPECT_EQ(tlb.store(at, 1), FaultResult::accerr);
    EXPECT_EQ(tlb.load(at - kPage, byte), FaultResult::maperr);
    ASSERT_TRUE(mm::munmap(space(), at, 2 * kPage));
    EXPECT_EQ(tlb.load(at, byte), FaultResult::maperr);
}

TEST_F(Operations, munmap_leaves_no_stale_translation_and_frees_everything) {
    const VirtAddr at = *map(600);
    for (unsigned i = 0; i < 600; ++i)
        ASSERT_EQ(tlb.store(at + i * kPage, 1), FaultResult::handled);
    const std::uint64_t tables = space().tables.bytes();
    ASSERT_TRUE(mm::munmap(space(), at + kPage, 598 * kPage));
    std::uint8_t byte = 0;
    for (unsigned i = 1; i < 599; ++i)
        EXPECT_EQ(tlb.load(at + i * kPage, byte), FaultResult::maperr);
    EXPECT_EQ(tlb.load(at, byte), FaultResult::handled);
    EXPECT_EQ(space().rss.read(mm::RssKind::anon), 2);
    EXPECT_LE(space().tables.bytes(), tables);
    ASSERT_TRUE(mm::munmap(space(), at, 600 * kPage));
    EXPECT_EQ(space().tables.bytes(), kPage);
    EXPECT_EQ(maps(at), "");
}

TEST_F(Operations, mprotect_splits_revokes_and_merges_back) {
    const VirtAddr at = *map(3);
    ASSERT_EQ(tlb.store(at + kPage, 9), FaultResult::handled);
    ASSERT_TRUE(mm::mprotect(space(), at + kPage, kPage, PROT_READ));
    EXPECT_EQ(maps(at), "0-1 rw-p\n1-2 r--p\n2-3 rw-p\n");
    EXPECT_EQ(tlb.store(at + kPage, 1), FaultResult::accerr);
    ASSERT_TRUE(mm::mprotect(space(), at + kPage, kPage, PROT_NONE));
    std::uint8_t byte = 0;
    EXPECT_EQ(tlb.load(at + kPage, byte), FaultResult::accerr);
    ASSERT_TRUE(mm::mprotect(space(), at + kPage, kPage, PROT_READ | PROT_WRITE));
    EXPECT_EQ(maps(at), "0-3 rw-p\n");
    EXPECT_EQ(tlb.load(at + kPage, byte), FaultResult::handled);
    EXPECT_EQ(byte, 9);
    // Dirty and ours alone: the right to write came back with the call, without a fault.
    const std::uint64_t faults = system().events.read(mm::Event::pgfault);
    EXPECT_EQ(tlb.store(at + kPage, 10), FaultResult::handled);
    EXPECT_EQ(system().events.read(mm::Event::pgfault), faults);
}

TEST_F(Operations, dontneed_drops_pages_and_the_emptied_table) {
    const VirtAddr at = (*map(3 * 512)).align_up(512 * kPage);
    for (unsigned i = 0; i < 1024; i += 100)
        ASSERT_EQ(tlb.store(at + i * kPage, 1), FaultResult::handled);
    const std::uint64_t tables = space().tables.bytes();
    ASSERT_TRUE(mm::madvise(space(), at, 1024 * kPage, MADV_DONTNEED));
    EXPECT_EQ(space().tables.bytes(), tables - 2 * kPage);
    std::uint8_t byte = 1;
    EXPECT_EQ(tlb.load(at, byte), FaultResult::handled);
    EXPECT_EQ(byte, 0);
    EXPECT_EQ(space().rss.total(), 0);
}

TEST_F(Operations, fixed_mapping_replaces_and_noreplace_refuses) {
    const VirtAddr at = *map(4);
    ASSERT_EQ(tlb.store(at + kPage, 5), FaultResult::handled);
    EXPECT_EQ(
        map(1, 3, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, (at + kPage).raw()).error(),
        Errno::exist);
    ASSERT_TRUE(map(1, 1, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, (at + kPage).raw()));
    std::uint8_t byte = 1;
    EXPECT_EQ(tlb.load(at + kPage, byte), FaultResult::handled);
    EXPECT_EQ(byte, 0);
    EXPECT_EQ(maps(at), "0-1 rw-p\n1-2 r--p\n2-4 rw-p\n");
}

TEST_F(Operations, shared_memory_is_one_object) {
    const VirtAddr at = *map(3, 3, MAP_SHARED | MAP_ANONYMOUS);
    ASSERT_EQ(tlb.store(at + kPage, 77), FaultResult::handled);
    ASSERT_TRUE(mm::madvise(space(), at, 3 * kPage, MADV_DONTNEED));
    std::uint8_t byte = 0;
    EXPECT_EQ(tlb.load(at + kPage, byte), FaultResult::handled);
    EXPECT_EQ(byte, 77);
    EXPECT_EQ(space().rss.read(mm::RssKind::shmem), 1);
}

TEST_F(Operations, the_stack_grows_down_to_its_guard_gap) {
    const VirtAddr at = *map(1, 3, MAP_PRIVATE | MAP_ANONYMOUS | MAP_GROWSDOWN, 0x4000'0000);
    EXPECT_EQ(tlb.store(at - 100 * kPage, 1), FaultResult::handled);
    EXPECT_EQ(maps(at - 100 * kPage), "0-101 rw-p\n");
    ASSERT_TRUE(map(1, 3, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, (at - 500 * kPage).raw()));
    EXPECT_EQ(tlb.store(at - 300 * kPage, 1), FaultResult::maperr);
}

TEST_F(Operations, copies_cross_pages_and_stop_at_holes) {
    const VirtAddr at = *map(2);
    const std::string text(kPage + 100, 'x');
    EXPECT_EQ(mm::copy_to_user(space(), at + 50, std::as_bytes(std::span(text))), text.size());
    std::string back(text.size(), ' ');
    EXPECT_EQ(mm::copy_from_user(space(), std::as_writable_bytes(std::span(back)), at + 50),
              text.size());
    EXPECT_EQ(back, text);
    EXPECT_EQ(mm::copy_to_user(space(), at + kPage + 90, std::as_bytes(std::span(text))),
              kPage - 90);
}

std::uint8_t value_at(SoftwareTlb& tlb, VirtAddr va) {
    std::uint8_t byte = 0xee;
    EXPECT_EQ(tlb.load(va, byte), FaultResult::handled);
    return byte;
}

TEST_F(Operations, mremap_grows_in_place_where_there_is_room) {
    const VirtAddr at = *map(4, 3, 0x22, 0x1000'0000);
    ASSERT_EQ(tlb.store(at + kPage, 3), FaultResult::handled);
    const auto grown = mm::mremap(
        space(),
        {.addr = at, .old_length = 4 * kPage, .new_length = 9 * kPage, .flags = 0, .new_addr = {}});
    ASSERT_TRUE(grown);
    EXPECT_EQ(*grown, at);
    EXPECT_EQ(maps(at), "0-9 rw-p\n");
    EXPECT_EQ(value_at(tlb, at + kPage), 3);
    EXPECT_EQ(value_at(tlb, at + 8 * kPage), 0);
}

TEST_F(Operations, mremap_moves_pages_and_leaves_no_stale_translation) {
    const VirtAddr low = *map(700);
    const VirtAddr at = low + 3 * kPage;
    for (unsigned i = 0; i < 600; ++i)
        ASSERT_EQ(tlb.store(at + i * kPage, static_cast<std::uint8_t>(i)), FaultResult::handled);
    EXPECT_EQ(mm::mremap(space(), {.addr = at,
                                   .old_length = 600 * kPage,
                                   .new_length = 800 * kPage,
                                   .flags = 0,
                                   .new_addr = {}})
                  .error(),
              Errno::nomem);
    const auto moved = mm::mremap(space(), {.addr = at,
                                            .old_length = 600 * kPage,
                                            .new_length = 800 * kPage,
                                            .flags = MREMAP_MAYMOVE,
                                            .new_addr = {}});
    ASSERT_TRUE(moved);
    std::uint8_t byte = 0;
    for (unsigned i = 0; i < 600; ++i) {
        EXPECT_EQ(value_at(tlb, *moved + i * kPage), static_cast<std::uint8_t>(i));
        EXPECT_EQ(tlb.load(at + i * kPage, byte), FaultResult::maperr);
    }
    EXPECT_EQ(value_at(tlb, *moved + 700 * kPage), 0);
    EXPECT_EQ(space().rss.read(mm::RssKind::anon), 600);
}

TEST_F(Operations, mremap_shrinks_moves_to_a_place_and_keeps_the_old_one_if_asked) {
    const VirtAddr at = *map(8, 3, 0x22, 0x1000'0000);
    ASSERT_EQ(tlb.store(at, 1), FaultResult::handled);
    ASSERT_EQ(mm::mremap(space(), {.addr = at,
                                   .old_length = 8 * kPage,
                                   .new_length = 5 * kPage,
                                   .flags = 0,
                                   .new_addr = {}})
                  .value(),
              at);
    EXPECT_EQ(maps(at), "0-5 rw-p\n");
    const VirtAddr to(0x2000'0000);
    ASSERT_EQ(mm::mremap(space(), {.addr = at,
                                   .old_length = 5 * kPage,
                                   .new_length = 5 * kPage,
                                   .flags = MREMAP_MAYMOVE | MREMAP_FIXED,
                                   .new_addr = to})
                  .value(),
              to);
    EXPECT_EQ(maps(to), "0-5 rw-p\n");
    EXPECT_EQ(value_at(tlb, to), 1);
    const auto kept = mm::mremap(space(), {.addr = to,
                                           .old_length = 5 * kPage,
                                           .new_length = 5 * kPage,
                                           .flags = MREMAP_MAYMOVE | MREMAP_DONTUNMAP,
                                           .new_addr = {}});
    ASSERT_TRUE(kept);
    EXPECT_EQ(value_at(tlb, *kept), 1);
    EXPECT_EQ(value_at(tlb, to), 0);
}

TEST_F(Operations, mremap_refuses_as_linux_does) {
    const VirtAddr at = *map(4, 3, 0x22, 0x1000'0000);
    const auto error = [&](mm::MremapRequest r) { return mm::mremap(space(), r).error(); };
    EXPECT_EQ(
        error(
            {.addr = at + 1, .old_length = kPage, .new_length = kPage, .flags = 0, .new_addr = {}}),
        Errno::inval);
    EXPECT_EQ(error({.addr = at, .old_length = kPage, .new_length = 0, .flags = 0, .new_addr = {}}),
              Errno::inval);
    EXPECT_EQ(
        error({.addr = at, .old_length = kPage, .new_length = kPage, .flags = 8, .new_addr = {}}),
        Errno::inval);
    EXPECT_EQ(error({.addr = at,
                     .old_length = kPage,
                     .new_length = kPage,
                     .flags = MREMAP_FIXED,
                     .new_addr = {}}),
              Errno::inval);
    EXPECT_EQ(error({.addr = at,
                     .old_length = 0,
                     .new_length = kPage,
                     .flags = MREMAP_MAYMOVE,
                     .new_addr = {}}),
              Errno::inval);
    EXPECT_EQ(error({.addr = at,
                     .old_length = 4 * kPage,
                     .new_length = kPage,
                     .flags = MREMAP_MAYMOVE | MREMAP_FIXED,
                     .new_addr = at + kPage}),
              Errno::inval);
    EXPECT_EQ(error({.addr = at,
                     .old_length = 5 * kPage,
                     .new_length = 6 * kPage,
                     .flags = MREMAP_MAYMOVE,
                     .new_addr = {}}),
              Errno::fault);
    EXPECT_EQ(error({.addr = at + 100 * kPage,
                     .old_length = kPage,
                     .new_length = kPage,
                     .flags = 0,
                     .new_addr = {}}),
              Errno::fault);
}

TEST_F(Operations, n_th_allocation_failure_leaks_nothing) {
    for (std::uint64_t n = 1;; ++n) {
        plan.arm(n);
        const auto at = map(3);
        if (at) {
            static_cast<void>(tlb.store(*at, 1));
            static_cast<void>(mm::mprotect(space(), *at + kPage, kPage, PROT_READ));
            static_cast<void>(mm::munmap(space(), *at, kPage));
            static_cast<void>(mm::mremap(space(), {.addr = *at + 2 * kPage,
                                                   .old_length = kPage,
                                                   .new_length = 3 * kPage,
                                                   .flags = MREMAP_MAYMOVE,
                                                   .new_addr = {}}));
        }
        const bool hit = plan.hit();
        plan.disarm();
        ASSERT_EQ(mm::check_mm(space()), "");
        if (at) {
            ASSERT_TRUE(mm::munmap(space(), VirtAddr(0), 1ULL << 46));
        }
        if (!hit) break;
    }
    EXPECT_EQ(space().tables.bytes(), kPage);
}

}  // namespace
}  // namespace surefoot::testing
