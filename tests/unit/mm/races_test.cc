// Faults that lose a race: another one made what they were about to make.

#include <sched.h>

#include <array>

#include "support.hpp"
#include "support/threads.hpp"

namespace surefoot::testing {
namespace {

using namespace mm::uapi;
using mm::FaultResult;
using sync::Order;

class Races : public MmTest {
protected:
    static constexpr VirtAddr kAt{1ULL << 40};
    static constexpr std::uint32_t kFixed = MAP_ANONYMOUS | MAP_FIXED;

    static VirtAddr page(std::uint64_t n) { return kAt + n * kPage; }
    void map_pages(std::uint64_t from, std::uint64_t to, std::uint32_t flags = MAP_PRIVATE) {
        ASSERT_TRUE(map(to - from, PROT_READ | PROT_WRITE, flags | kFixed, page(from).raw()));
    }
    void fault(std::uint64_t n, mm::Access access) {
        EXPECT_EQ(mm::handle_fault(space(), page(n), access), FaultResult::handled);
    }
    void start_writer(Threads& threads, std::uint64_t n) {
        threads.add([this, n] { fault(n, mm::Access::write); });
    }
    /// Runs `body` with the lock of the table that maps the first page.
    template <class Body>
    void with_table_locked(Body&& body) {
        const vma::MmapReadGuard mmap(space().vmas);
        const auto pmd = pgtable::find_pmd(space().tables, page(0), mmap);
        ASSERT_TRUE(pmd);
        pgtable::PteMapLocked map(space().tables, *pmd, mmap);
        ASSERT_TRUE(map);
        body(map);
    }
    std::uint64_t count(mm::Event event) { return system().events.read(event); }
};

TEST_F(Races, zero_page_is_replaced_once) {
    map_pages(0, 2);
    fault(1, mm::Access::write);
    fault(0, mm::Access::read);
    const std::uint64_t frames = system().frames.in_use();
    sync::Atomic<unsigned> failed{0};
    Threads writers;
    with_table_locked([&](auto&) {
        // The failure of the third tells that two have seen the zero page.
        plan.arm(3);
        for (int i = 0; i < 3; ++i) {
            writers.add([&] {
                const FaultResult result = mm::handle_fault(space(), page(0), mm::Access::write);
                if (result == FaultResult::oom) failed.fetch_add(1, Order::relaxed);
            });
        }
        while (!plan.hit()) sched_yield();
    });
    writers.join();
    EXPECT_EQ(failed.load(Order::relaxed), 1U);
    EXPECT_EQ(system().frames.in_use(), frames + 1) << "the loser gave its page back";
    EXPECT_EQ(space().rss.read(mm::RssKind::anon), 2);
    EXPECT_EQ(count(mm::Event::fault_lost_entry), 1U);
}

TEST_F(Races, mapping_gets_one_anon_vma) {
    map_pages(0, 1);
    fault(0, mm::Access::write);
    map_pages(10, 12);
    auto& anon_vmas = space().vmas.caches().anon_vmas;
    const std::int64_t before = anon_vmas.in_use();
    Threads writers;
    {
        const sync::Guard guard(space().tables.page_table_lock);
        start_writer(writers, 10);
        start_writer(writers, 11);
        while (anon_vmas.in_use() < before + 2) sched_yield();
    }
    writers.join();
    EXPECT_EQ(anon_vmas.in_use(), before + 1) << "the loser gave its own back";
    EXPECT_EQ(space().rss.read(mm::RssKind::anon), 3);
}

TEST_F(Races, write_fault_does_not_trust_an_entry_seen_without_the_lock) {
    map_pages(0, 1, MAP_SHARED);
    // Nothing tells when the writer has looked at the entry: if it comes late, once more.
    for (int round = 0; round < 1000 && count(mm::Event::fault_lost_entry) == 0; ++round) {
        ASSERT_TRUE(mm::madvise(space(), page(0), kPage, MADV_DONTNEED));
        fault(0, mm::Access::read);
        const std::uint64_t faults = count(mm::Event::pgfault);
        Threads writer;
        with_table_locked([&](auto& table) {
            start_writer(writer, 0);
            while (count(mm::Event::pgfault) == faults) sched_yield();
            for (int i = 0; i < 10; ++i) sched_yield();
            table.modify(page(0), [](arch::pte_t seen) {
                arch::LeafBits bits = arch::Format::leaf_bits(seen);
                bits.young = false;
                return arch::Format::make_leaf<arch::PtLevel::pte>(arch::Format::pfn(seen), bits);
            });
        });
    }
    EXPECT_EQ(count(mm::Event::fault_lost_entry), 1U);
}

TEST_F(Races, page_of_shared_memory_is_one_frame) {
    constexpr std::uint64_t kPages = 2000;
    vma::Backing* const object = *system().shared_memory->create(kPages * kPage);
    std::array<std::vector<Pfn>, 2> frames;
    std::array<sync::Atomic<std::uint64_t>, 2> arrived{};
    Threads(2, [&](unsigned self) {
        for (std::uint64_t n = 0; n < kPages; ++n) {
            arrived[self].store(n + 1, Order::release);
            while (arrived[1 - self].load(Order::acquire) <= n) sched_yield();
            frames[self].push_back(*object->shared_frame(n));
        }
    }).join();
    EXPECT_EQ(frames[0], frames[1]);
    for (const auto& mine : frames) {
        for (const Pfn frame : mine) system().frames.put(frame);
    }
    object->put();
}

TEST_F(Races, fault_without_memory_waits_for_tables_on_their_way_out) {
    map_pages(0, 1);
    map_pages(512, 513);
    fault(512, mm::Access::write);
    Event inside;
    Threads reader;
    // Until the fault's allocation has failed, the grace period isn't over.
    reader.add([&] {
        const sync::RcuReadGuard rcu;
        inside.raise();
        while (!plan.hit()) sched_yield();
    });
    inside.wait();
    ASSERT_TRUE(mm::munmap(space(), page(512), kPage));
    plan.arm(1);
    fault(0, mm::Access::write);
}

}  // namespace
}  // namespace surefoot::testing
