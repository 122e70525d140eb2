// Fault-around: the first write to private anonymous memory populates a block of pages.

#include <sched.h>

#include "support.hpp"

namespace surefoot::testing {
namespace {

using namespace mm::uapi;
using mm::FaultResult;

constexpr std::uint32_t kPrivate = MAP_PRIVATE | MAP_ANONYMOUS;
/// The start of a table's span.
constexpr VirtAddr kBase{1ULL << 40};

class FaultAround : public MmTest {
protected:
    void SetUp() override { set_up({.task_size = VirtAddr(1ULL << 46), .fault_around = 16}); }

    void map_pages(std::uint64_t from, std::uint64_t to, std::uint32_t prot = 3) {
        ASSERT_TRUE(map(to - from, prot, kPrivate | MAP_FIXED, page(from).raw()));
    }
    static VirtAddr page(std::uint64_t n) { return kBase + n * kPage; }
    void write(std::uint64_t n) { ASSERT_EQ(tlb.store(page(n), 1), FaultResult::handled); }
    void read(std::uint64_t n) {
        std::uint8_t byte = 1;
        ASSERT_EQ(tlb.load(page(n), byte), FaultResult::handled);
        EXPECT_EQ(byte, 0);
    }
    std::string residency(std::uint64_t from, std::uint64_t to) {
        std::vector<std::byte> vec(to - from);
        EXPECT_TRUE(mm::mincore(space(), page(from), (to - from) * kPage, vec));
        std::string text;
        for (const std::byte b : vec) text += b == std::byte{0} ? '.' : '#';
        return text;
    }
};

TEST_F(FaultAround, a_sweep_populates_growing_aligned_blocks) {
    map_pages(0, 64);
    const struct {
        std::uint64_t write;
        std::uint64_t populated;
    } steps[] = {{0, 1}, {1, 2}, {2, 4}, {4, 8}, {8, 16}, {16, 32}, {32, 48}};
    for (const auto& step : steps) {
        write(step.write);
        EXPECT_EQ(residency(0, 64),
                  std::string(step.populated, '#') + std::string(64 - step.populated, '.'));
    }
    EXPECT_EQ(space().rss.read(mm::RssKind::anon), 48);
    EXPECT_EQ(system().events.read(mm::Event::fault_anon), std::size(steps));
    EXPECT_EQ(system().events.read(mm::Event::fault_around), 48 - std::size(steps));
    // Written to as they are: nothing is left for a fault to do.
    const std::uint64_t faults = system().events.read(mm::Event::pgfault);
    for (std::uint64_t n = 0; n < 48; ++n) write(n);
    EXPECT_EQ(system().events.read(mm::Event::pgfault), faults);
}

TEST_F(FaultAround, pages_are_zero_whatever_was_there) {
    map_pages(0, 32);
    for (std::uint64_t n = 0; n < 32; ++n) write(n);
    ASSERT_TRUE(mm::madvise(space(), page(0), 32 * kPage, MADV_DONTNEED));
    for (const std::uint64_t n : {0, 1, 2, 4, 8, 16}) write(n);
    EXPECT_EQ(residency(0, 32), std::string(32, '#'));
    for (std::uint64_t n = 17; n < 32; ++n) read(n);
}

TEST_F(FaultAround, sparse_writes_populate_nothing_else) {
    map_pages(0, 64);
    for (std::uint64_t n = 0; n < 64; n += 2) write(n);
    EXPECT_EQ(space().rss.read(mm::RssKind::anon), 32);
}

TEST_F(FaultAround, unaligned_start_grows_to_aligned_blocks) {
    map_pages(5, 64);
    for (const std::uint64_t n : {5, 6, 7, 8}) write(n);
    EXPECT_EQ(residency(5, 12), "#####..") << "three pages in front: a block of two";
    write(10);
    write(12);
    EXPECT_EQ(residency(5, 20), "###########....") << "up to page 15";
}

TEST_F(FaultAround, blocks_stay_within_the_mapping) {
    map_pages(0, 7);
    for (const std::uint64_t n : {0, 1, 2, 4}) write(n);
    EXPECT_EQ(residency(0, 7), "######.");
    // What lies in front but in another mapping is no sweep of this one.
    map_pages(7, 16, PROT_READ | PROT_WRITE | PROT_EXEC);
    write(6);
    write(7);
    write(8);
    EXPECT_EQ(residency(7, 16), "##.......");
}

TEST_F(FaultAround, blocks_stay_within_the_table) {
    map_pages(500, 600);
    for (std::uint64_t n = 500; n < 512; ++n) write(n);
    EXPECT_EQ(residency(512, 600), std::string(88, '.'));
    write(512);
    EXPECT_EQ(residency(512, 600), "#" + std::string(87, '.')) << "the run starts anew";
}

TEST_F(FaultAround, zero_page_mapped_by_a_read_stays_and_counts_for_nothing) {
    map_pages(0, 32);
    read(3);
    for (const std::uint64_t n : {0, 1, 2}) write(n);
    EXPECT_EQ(space().rss.read(mm::RssKind::anon), 3) << "pages 2 and 3 are no free block";
    for (std::uint64_t n = 16; n < 20; ++n) read(n);
    write(20);
    EXPECT_EQ(space().rss.read(mm::RssKind::anon), 4);
    read(21);
    EXPECT_EQ(space().rss.read(mm::RssKind::anon), 4) << "reads populate nothing";
}

TEST_F(FaultAround, nohugepage_turns_it_off) {
    map_pages(0, 32);
    ASSERT_TRUE(mm::madvise(space(), page(0), 32 * kPage, MADV_NOHUGEPAGE));
    for (std::uint64_t n = 0; n < 9; ++n) write(n);
    EXPECT_EQ(residency(0, 32), std::string(9, '#') + std::string(23, '.'));
}

TEST_F(FaultAround, shortage_of_memory_leaves_one_page) {
    map_pages(0, 32);
    write(0);
    write(1);
    plan.arm(1);
    write(2);
    EXPECT_TRUE(plan.hit());
    EXPECT_EQ(residency(0, 8), "###.....");
    // No room for two, but for one.
    std::vector<Pfn> taken;
    while (const Pfn pfn = system().frames.alloc(phys::Fill::none)) taken.push_back(pfn);
    system().frames.put(taken.back());
    write(3);
    EXPECT_EQ(tlb.store(page(4), 1), FaultResult::oom);
    taken.pop_back();
    for (const Pfn pfn : taken) system().frames.put(pfn);
    EXPECT_EQ(residency(0, 8), "####....");
}

TEST_F(FaultAround, page_that_comes_meanwhile_stays_and_the_block_goes_back) {
    map_pages(0, 32);
    for (std::uint64_t n = 0; n < 4; ++n) write(n);
    const std::uint64_t frames = system().frames.in_use();
    sync::Thread writer;
    {
        const vma::MmapReadGuard mmap(space().vmas);
        const auto pmd = pgtable::find_pmd(space().tables, page(4), mmap);
        ASSERT_TRUE(pmd);
        pgtable::PteMapLocked map(space().tables, *pmd, mmap);
        ASSERT_TRUE(map);
        writer = *sync::Thread::start([this] {
            EXPECT_EQ(mm::handle_fault(space(), page(4), mm::Access::write), FaultResult::handled);
        });
        // Once it has its block, it comes to wait for the table's lock.
        while (system().frames.in_use() == frames) sched_yield();
        EXPECT_EQ(system().frames.in_use(), frames + 4);
        map.install(page(5),
                    arch::Format::make_leaf<arch::PtLevel::pte>(
                        system().zero_page(), {.young = true, .special = true}),
                    mmap);
    }
    writer.join();
    EXPECT_EQ(system().events.read(mm::Event::fault_lost_entry), 1);
    EXPECT_EQ(system().frames.in_use(), frames) << "the fault comes again";
    read(5);
    write(4);
    EXPECT_EQ(residency(0, 8), "######..");
}

TEST_F(FaultAround, mlock_populates_and_counts_its_range) {
    map_pages(0, 64);
    ASSERT_TRUE(mm::mlock(space(), page(0), 10 * kPage, 0));
    EXPECT_EQ(residency(0, 10), std::string(10, '#'));
    EXPECT_EQ(residency(10, 64), std::string(54, '.')) << "that is another mapping now";
    EXPECT_EQ(space().locked_vm.load(sync::Order::relaxed), 10u);
}

using OnePage = MmTest;

TEST_F(OnePage, a_fault_is_the_default) {
    const VirtAddr at = *map(32);
    for (std::uint64_t n = 0; n < 8; ++n) ASSERT_EQ(tlb.store(at + n * kPage, 1), FaultResult::handled);
    EXPECT_EQ(space().rss.read(mm::RssKind::anon), 8);
}

}  // namespace
}  // namespace surefoot::testing
