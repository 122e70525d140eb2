// Page tables between threads of the native build.

#include <sched.h>

#include "support/threads.hpp"
#include "support/page_table_world.hpp"

namespace {

using namespace surefoot;
using namespace surefoot::arch;
using namespace surefoot::pgtable;

TEST(PageTableThreads, table_stays_intact_until_its_reader_leaves) {
    World world;
    const VirtAddr va = World::page(1);
    const PmdSlot slot = world.populate(va);
    const Pfn table = world.table_of(va);
    Event mapped;
    Event unlinked;
    sync::Atomic<unsigned> wrong{0};
    Threads reader;
    reader.add([&] {
        const HeldMmap held(world.mmap_lock);
        PteMapRcu map(world.tables, slot, kMmap);
        mapped.raise();
        unlinked.wait();
        for (unsigned i = 0; i < world.format().entries(); ++i) {
            if (!Format::is_none(map.load(World::page(i)))) wrong.fetch_add(1, Order::relaxed);
        }
        if (world.tables.frame(table).refcount.read() != 1) wrong.fetch_add(1, Order::relaxed);
    });
    mapped.wait();
    {
        Gather gather(world.tables);
        EXPECT_TRUE(unlink_empty_pte_table(world.tables, slot, gather, kMmap));
        gather.finish();
    }
    unlinked.raise();
    reader.join();
    EXPECT_EQ(wrong.load(Order::relaxed), 0U);
    world.drain();
    EXPECT_EQ(world.tables.frame(table).refcount.read(), 0U);
}

TEST(PageTableThreads, all_install_one_table) {
    for (int round = 0; round < 30; ++round) {
        World world;
        sync::Atomic<unsigned> arrived{0};
        Threads(4, [&](unsigned) {
            const HeldMmap held(world.mmap_lock);
            arrived.fetch_add(1, Order::acq_rel);
            while (arrived.load(Order::acquire) != 4)
                sync::cpu_relax();
            world.populate(World::page(0));
        }).join();
        EXPECT_EQ(world.frames.in_use(), 4U) << "losers gave their tables back";
        EXPECT_EQ(world.tables.bytes(), 4 * arch::kPageSize);
    }
}

TEST(PageTableThreads, two_that_miss_an_upper_table_link_one) {
    World world;
    const std::uint64_t used = world.frames.in_use();
    sync::Atomic<unsigned> failed{0};
    Threads three;
    {
        const sync::Guard guard(world.tables.page_table_lock);
        // The failure of the third tells that two have found the entry none.
        world.plan.arm(3);
        for (int i = 0; i < 3; ++i) {
            three.add([&] {
                const HeldMmap held(world.mmap_lock);
                const auto pmd = pmd_alloc(world.tables, World::page(0), kMmap);
                if (!pmd) failed.fetch_add(1, Order::relaxed);
            });
        }
        while (!world.plan.hit()) sched_yield();
    }
    three.join();
    EXPECT_EQ(failed.load(Order::relaxed), 1U);
    EXPECT_EQ(world.frames.in_use(), used + 2) << "the loser gave its table back";
    EXPECT_EQ(world.tables.bytes(), 3 * arch::kPageSize);
}

TEST(PageTableThreads, table_that_is_being_filled_is_not_unlinked) {
    World world;
    const VirtAddr va = World::page(1);
    const PmdSlot slot = world.populate(va);
    const Pfn table = world.table_of(va);
    const Pfn page = world.frames.alloc(phys::Fill::zero);
    Event done;
    bool unlinked = true;
    Threads reclaimer;
    {
        PteMapLocked map(world.tables, slot, kMmap);
        reclaimer.add([&] {
            const HeldMmap held(world.mmap_lock);
            Gather gather(world.tables);
            unlinked = unlink_empty_pte_table(world.tables, slot, gather, kMmap);
            gather.finish();
            done.raise();
        });
        // It holds the lock of the link, and has to wait for that of the entries.
        while (!done.raised() && PmdLock(slot, PmdLock::Try{})) sched_yield();
        map.install(va, world.make_pte(page), kMmap);
    }
    reclaimer.join();
    EXPECT_FALSE(unlinked);
    EXPECT_EQ(world.table_of(va), table);
}

TEST(PageTableThreads, reclaim_frees_what_came_during_a_grace_period) {
    World world;
    const std::uint64_t freed = world.deferred.freed();
    Pfn tables[2];
    for (unsigned t = 0; t < 2; ++t) {
        world.populate(world.table(t));
        tables[t] = world.table_of(world.table(t));
    }
    {
        // The grace period of the first can't be over when the second comes.
        const PteMapRcu reader(world.tables, world.populate(world.table(2)), kMmap);
        for (unsigned t = 0; t < 2; ++t) {
            Gather gather(world.tables);
            EXPECT_TRUE(
                unlink_empty_pte_table(world.tables, world.pmd(world.table(t)), gather, kMmap));
            gather.finish();
        }
    }
    HeldMmap::without([&] { EXPECT_TRUE(world.deferred.reclaim(freed)); });
    for (const Pfn table : tables) EXPECT_EQ(world.tables.frame(table).refcount.read(), 0U);
}

TEST(PageTableThreads, reclaim_knows_of_tables_that_came_free_before_it_looked) {
    World world;
    const std::uint64_t freed = world.deferred.freed();
    world.populate(World::page(0));
    world.free_tables(world.whole(), VirtAddr(0), VirtAddr(0));
    world.drain();
    HeldMmap::without([&] {
        EXPECT_TRUE(world.deferred.reclaim(freed)) << "an allocation failed just before";
        EXPECT_FALSE(world.deferred.reclaim(world.deferred.freed()));
    });
}

/// Threads that fill, zap and reclaim the same few tables. An entry in a dead table would be a
/// page lost: the world counts frames on its way out, and each thread counts its own.
TEST(PageTableThreads, filling_zapping_and_reclaiming_lose_no_page) {
    constexpr unsigned kThreads = 4;
    constexpr unsigned kTables = 2;
    constexpr unsigned kRounds = 3000;
    // Reclaimed tables pile up until their grace period is over.
    World world(Format(), kThreads * kRounds + 4096);
    for (unsigned t = 0; t < kTables; ++t)
        world.pmd(world.table(t));
    sync::Atomic<unsigned> unlinked{0};
    Threads(kThreads, [&](unsigned self) {
        const HeldMmap held(world.mmap_lock);
        for (unsigned i = 0; i < kRounds; ++i) {
            const VirtAddr va = world.table(i % kTables) + self * arch::kPageSize;
            const Pfn mine = world.map_page(va);
            {
                PteMapRcu map(world.tables, world.pmd(va), kMmap);
                // Our own entry keeps the table from being unlinked.
                EXPECT_TRUE(map);
                if (map) {
                    EXPECT_EQ(Format::pfn(map.load(va)), mine);
                }
            }
            Gather gather(world.tables);
            world.zap_page(gather, va);
            if (unlink_empty_pte_table(world.tables, world.pmd(va), gather, kMmap)) {
                unlinked.fetch_add(1, Order::relaxed);
            }
            gather.finish();
        }
    }).join();
    EXPECT_GT(unlinked.load(Order::relaxed), 0U);
    EXPECT_EQ(world.tables.tlb_flush_pending.load(Order::relaxed), 0U);
}

}  // namespace
