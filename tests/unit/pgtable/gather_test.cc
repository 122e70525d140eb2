#include "support/checks.hpp"
#include "support/page_table_world.hpp"

namespace {

using namespace surefoot;
using namespace surefoot::arch;
using namespace surefoot::pgtable;

class GatherTest : public PageTableTest {
  protected:
    const VirtAddr va = World::page(1);

    std::uint32_t references(Pfn pfn) { return world.tables.frame(pfn).refcount.read(); }
};
using GatherDeathTest = GatherTest;
INSTANTIATE_TEST_SUITE_P(Geometry, GatherTest, ::testing::ValuesIn(geometries()), geometry_name);
INSTANTIATE_TEST_SUITE_P(Geometry, GatherDeathTest, ::testing::ValuesIn(geometries()),
                         geometry_name);

TEST_P(GatherTest, invalidates_before_it_frees_a_page) {
    const Pfn pfn = world.map_page(va);
    unsigned calls = 0;
    world.tlb.on_call = [&](const RecordingTlb::Call& call) {
        ++calls;
        EXPECT_EQ(references(pfn), 1U) << "freed before the invalidation";
        ASSERT_EQ(call.ranges.size(), 1U);
        EXPECT_EQ(call.ranges[0], (VaRange{va, va + arch::kPageSize}));
        EXPECT_TRUE(Format::is_none(PteMapRcu(world.tables, world.pmd(va), kMmap).load(va)))
            << "the entry is cleared before the invalidation";
    };
    Gather gather(world.tables);
    world.zap_page(gather, va);
    EXPECT_EQ(calls, 0U);
    gather.finish();
    EXPECT_EQ(calls, 1U);
    EXPECT_EQ(references(pfn), 0U);
}

TEST_P(GatherTest, page_that_is_still_referenced_stays) {
    const Pfn pfn = world.map_page(va);
    world.tables.frame(pfn).refcount.inc();
    {
        Gather gather(world.tables);
        world.zap_page(gather, va);
        gather.finish();
    }
    EXPECT_EQ(references(pfn), 1U);
    world.frames.put(pfn);
}

TEST_P(GatherTest, frees_a_table_only_after_invalidation_and_grace_period) {
    world.populate(va);
    const Pfn table = world.table_of(va);
    const std::uint64_t used = world.frames.in_use();
    world.tlb.on_call = [&](const RecordingTlb::Call& call) {
        EXPECT_EQ(call.tables, std::vector<Pfn>{table});
        EXPECT_TRUE(Format::is_none(world.pmd(va).load())) << "unlinked before";
    };
    {
        // A reader of the table holds the grace period up.
        PteMapRcu reader(world.tables, world.pmd(va), kMmap);
        Gather gather(world.tables);
        EXPECT_TRUE(unlink_empty_pte_table(world.tables, world.pmd(va), gather, kMmap));
        gather.finish();
        EXPECT_EQ(world.tlb.calls.size(), 1U);
        EXPECT_TRUE(Format::is_none(reader.load(va)));
        EXPECT_EQ(references(table), 1U);
        EXPECT_EQ(world.frames.in_use(), used);
    }
    world.drain();
    EXPECT_EQ(references(table), 0U);
    EXPECT_EQ(world.frames.in_use(), used - 1);
}

TEST_P(GatherTest, nothing_changed_needs_no_invalidation) {
    Gather gather(world.tables);
    gather.finish();
    EXPECT_TRUE(world.tlb.calls.empty());
    EXPECT_EQ(world.tables.tlb_flush_pending.load(Order::relaxed), 0U);
}

TEST_P(GatherTest, one_gather_invalidates_by_range) {
    world.map_page(va);
    Gather gather(world.tables);
    EXPECT_EQ(world.tables.tlb_flush_pending.load(Order::relaxed), 1U);
    world.zap_page(gather, va);
    gather.finish();
    ASSERT_EQ(world.tlb.calls.size(), 1U);
    EXPECT_FALSE(world.tlb.calls[0].all);
    EXPECT_EQ(world.tables.tlb_flush_pending.load(Order::relaxed), 0U);
}

TEST_P(GatherTest, nested_gather_invalidates_everything) {
    world.map_page(va);
    Gather outer(world.tables);
    Gather inner(world.tables);
    world.zap_page(inner, va);
    inner.finish();
    ASSERT_EQ(world.tlb.calls.size(), 1U);
    EXPECT_TRUE(world.tlb.calls[0].all);
    outer.finish();
}

TEST_P(GatherTest, nested_gather_that_found_entries_gone_still_invalidates) {
    // The outer one cleared the entry and has not invalidated yet: the inner one, which finds
    // nothing to do, must not return to a caller who relies on the page being gone.
    world.map_page(va);
    Gather outer(world.tables);
    world.zap_page(outer, va);
    Gather inner(world.tables);
    world.zap_page(inner, va);
    inner.finish();
    ASSERT_EQ(world.tlb.calls.size(), 1U);
    EXPECT_TRUE(world.tlb.calls[0].all);
    outer.finish();
}

TEST_P(GatherTest, nested_gather_names_the_tables_it_unlinked) {
    world.populate(va);
    const Pfn table = world.table_of(va);
    Gather outer(world.tables);
    Gather inner(world.tables);
    ASSERT_TRUE(unlink_empty_pte_table(world.tables, world.pmd(va), inner, kMmap));
    inner.finish();
    outer.finish();
    ASSERT_EQ(world.tlb.calls.size(), 2U);
    EXPECT_TRUE(world.tlb.calls[0].all);
    EXPECT_EQ(world.tlb.calls[1].tables, std::vector<Pfn>{table});
}

TEST_P(GatherTest, flush_in_between_starts_a_new_batch) {
    const Pfn first = world.map_page(World::page(0));
    const Pfn second = world.map_page(World::page(1));
    Gather gather(world.tables);
    world.zap_page(gather, World::page(0));
    gather.flush();
    EXPECT_EQ(references(first), 0U);
    EXPECT_EQ(references(second), 1U);
    EXPECT_EQ(world.tables.tlb_flush_pending.load(Order::relaxed), 1U) << "still in flight";
    world.zap_page(gather, World::page(1));
    gather.finish();
    EXPECT_EQ(references(second), 0U);
    ASSERT_EQ(world.tlb.calls.size(), 2U);
    EXPECT_EQ(world.tlb.calls[1].ranges, (std::vector<VaRange>{{World::page(1), World::page(2)}}));
}

TEST_P(GatherTest, neighbouring_ranges_become_one) {
    world.map_page(World::page(0));
    world.map_page(World::page(1));
    Gather gather(world.tables);
    world.zap_page(gather, World::page(1));
    world.zap_page(gather, World::page(0));
    gather.finish();
    ASSERT_EQ(world.tlb.calls.size(), 1U);
    EXPECT_EQ(world.tlb.calls[0].ranges, (std::vector<VaRange>{{World::page(0), World::page(2)}}));
}

TEST(GatherBatch, many_ranges_are_all_covered) {
    World world(wide_geometry(Format()));
    std::vector<VaRange> changed;
    Gather gather(world.tables);
    for (std::uint64_t i = 0; i < 40; ++i) {
        changed.push_back({World::page(3 * i), World::page(3 * i + 1)});
        gather.entries_changed(changed.back());
    }
    gather.finish();
    ASSERT_EQ(world.tlb.calls.size(), 1U);
    for (const VaRange& want : changed) {
        bool covered = false;
        for (const VaRange& got : world.tlb.calls[0].ranges)
            covered |= got.contains(want);
        EXPECT_TRUE(covered);
    }
}

TEST(GatherBatch, more_tables_than_a_batch_holds_are_flushed_in_order) {
    World world(wide_geometry(Format()));
    constexpr std::uint64_t kTables = 40;
    for (std::uint64_t i = 0; i < kTables; ++i)
        world.populate(world.table(i));
    const std::uint64_t bytes = world.tables.bytes();
    const std::uint64_t used = world.frames.in_use();
    std::vector<Pfn> invalidated;
    world.tlb.on_call = [&](const RecordingTlb::Call& call) {
        for (const Pfn table : call.tables) {
            EXPECT_EQ(world.tables.frame(table).refcount.read(), 1U);
            invalidated.push_back(table);
        }
    };
    {
        Gather gather(world.tables);
        for (std::uint64_t i = 0; i < kTables; ++i) {
            EXPECT_TRUE(
                unlink_empty_pte_table(world.tables, world.pmd(world.table(i)), gather, kMmap));
        }
        gather.finish();
    }
    EXPECT_EQ(invalidated.size(), kTables);
    EXPECT_GT(world.tlb.calls.size(), 1U);
    EXPECT_EQ(world.tables.bytes(), bytes - kTables * arch::kPageSize);
    world.drain();
    EXPECT_EQ(world.frames.in_use(), used - kTables);
}

TEST(GatherBatch, full_page_batch_says_so) {
    World world;
    const Pfn pfn = world.map_page(World::page(0));
    Gather gather(world.tables);
    gather.entries_changed({World::page(0), World::page(1)});
    unsigned queued = 0;
    bool full = false;
    while (!full) {
        world.tables.frame(pfn).refcount.inc();
        full = gather.queue_page(pfn);
        ++queued;
    }
    EXPECT_TRUE(gather.full());
    EXPECT_GE(queued, 64U);
    gather.flush();
    EXPECT_FALSE(gather.full());
    EXPECT_EQ(world.tables.frame(pfn).refcount.read(), 1U);
    gather.finish();
}

TEST_P(GatherTest, unlink_leaves_a_table_with_an_entry) {
    world.map_page(va);
    const pmd_t seen = world.pmd(va).load();
    Gather gather(world.tables);
    EXPECT_FALSE(unlink_empty_pte_table(world.tables, world.pmd(va), gather, kMmap));
    gather.finish();
    EXPECT_TRUE(world.pmd(va).load() == seen);
    EXPECT_TRUE(world.tlb.calls.empty());
}

TEST_P(GatherTest, unlink_leaves_none_and_huge_entries) {
    Gather gather(world.tables);
    EXPECT_FALSE(unlink_empty_pte_table(world.tables, world.pmd(va), gather, kMmap));
    world.set_huge(va);
    EXPECT_FALSE(unlink_empty_pte_table(world.tables, world.pmd(va), gather, kMmap));
    EXPECT_TRUE(Format::is_leaf(world.pmd(va).load()));
    gather.finish();
}

TEST_P(GatherTest, unlink_under_the_ptl_takes_an_empty_table) {
    world.populate(va);
    const Pfn table = world.table_of(va);
    Gather gather(world.tables);
    {
        PteMapLocked map(world.tables, world.pmd(va), kMmap);
        EXPECT_TRUE(try_unlink_empty_pte_table(world.tables, world.pmd(va), map, gather, kMmap));
        EXPECT_TRUE(Format::is_none(world.pmd(va).load()));
    }
    HeldMmap::without([] { sync::lockdep::assert_none(); });
    gather.finish();
    ASSERT_EQ(world.tlb.calls.size(), 1U);
    EXPECT_EQ(world.tlb.calls[0].tables, std::vector<Pfn>{table});
}

TEST_P(GatherTest, unlink_under_the_ptl_leaves_a_table_with_an_entry) {
    world.map_page(va);
    const pmd_t seen = world.pmd(va).load();
    Gather gather(world.tables);
    {
        PteMapLocked map(world.tables, world.pmd(va), kMmap);
        EXPECT_TRUE(try_unlink_empty_pte_table(world.tables, world.pmd(va), map, gather, kMmap));
    }
    EXPECT_TRUE(world.pmd(va).load() == seen);
    gather.finish();
}

TEST_P(GatherTest, unlink_under_the_ptl_gives_up_when_the_pml_is_busy) {
    const PmdSlot slot = world.populate(va);
    const pmd_t seen = slot.load();
    Gather gather(world.tables);
    {
        PmdLock busy(slot);
        PteMapLocked map(world.tables, slot, kMmap);
        EXPECT_FALSE(try_unlink_empty_pte_table(world.tables, slot, map, gather, kMmap));
        EXPECT_TRUE(slot.load() == seen);
    }
    // As the caller is told: without the map, by the slow way.
    EXPECT_TRUE(unlink_empty_pte_table(world.tables, slot, gather, kMmap));
    gather.finish();
}

TEST_P(GatherTest, batches_that_arrive_during_a_grace_period_are_freed_too) {
    const std::uint64_t used = world.frames.in_use();
    const std::uint64_t upper = [&] {
        world.pmd(va);
        return world.frames.in_use() - used;
    }();
    for (int i = 0; i < 10; ++i) {
        world.populate(va);
        Gather gather(world.tables);
        EXPECT_TRUE(unlink_empty_pte_table(world.tables, world.pmd(va), gather, kMmap));
        gather.finish();
    }
    world.drain();
    EXPECT_EQ(world.frames.in_use(), used + upper);
}

TEST_P(GatherDeathTest, late_write_to_a_freed_table_is_found) {
    SKIP_WITHOUT_DEBUG_CHECKS();
    if (sync::kWatchesFreeMemory) GTEST_SKIP() << "this build finds it in searches (tests/check)";
    ::testing::FLAGS_gtest_death_test_style = "threadsafe";
    EXPECT_DEATH(
        {
            world.populate(va);
            auto& word = world.memory.arena.entry_word(world.table_of(va), 0);
            Gather gather(world.tables);
            unlink_empty_pte_table(world.tables, world.pmd(va), gather, kMmap);
            gather.finish();
            HeldMmap::without([] { sync::rcu_barrier(); });
            word.store(0, Order::relaxed);
            world.drain();
        },
        "kTablePoison");
}

TEST_P(GatherDeathTest, a_table_with_an_entry_is_not_queued) {
    SKIP_WITHOUT_DEBUG_CHECKS();
    world.map_page(va);
    const Pfn table = world.table_of(va);
    Gather gather(world.tables);
    EXPECT_DEATH(gather.queue_table(table), "holds_no_entry");
    gather.finish();
}

TEST_P(GatherDeathTest, a_gather_must_be_finished) {
    EXPECT_DEATH({ Gather gather(world.tables); }, "finished_");
    Gather gather(world.tables);
    gather.finish();
    EXPECT_DEATH(gather.finish(), "!finished_");
}

TEST_P(GatherDeathTest, pages_are_not_freed_without_an_invalidated_range) {
    SKIP_WITHOUT_DEBUG_CHECKS();
    const Pfn pfn = world.map_page(va);
    world.tables.frame(pfn).refcount.inc();
    EXPECT_DEATH(
        {
            Gather gather(world.tables);
            gather.queue_page(pfn);
            gather.finish();
        },
        "ranges_.empty");
    world.frames.put(pfn);
}

}  // namespace
