#include "support/checks.hpp"
#include "support/page_table_world.hpp"

namespace {

using namespace surefoot;
using namespace surefoot::arch;
using namespace surefoot::pgtable;

// mm's tokens: an rmap lock alone may walk and zap, never install.
static_assert(std::is_constructible_v<VmaStable, MmapRights>);
static_assert(std::is_constructible_v<VmaStable, RmapRights>);
static_assert(std::is_constructible_v<MayInstall, MmapRights>);
static_assert(!std::is_constructible_v<MayInstall, RmapRights>);
static_assert(!std::is_constructible_v<MayInstall, VmaStable>);
static_assert(!std::is_constructible_v<MayFreeTables, MmapRights>);
static_assert(!std::is_constructible_v<VmaStable, int>);
static_assert(!std::is_default_constructible_v<MayInstall>);
static_assert(std::is_convertible_v<MayInstall, VmaStable>);

using WalkTest = PageTableTest;
INSTANTIATE_TEST_SUITE_P(Geometry, WalkTest, ::testing::ValuesIn(geometries()), geometry_name);

unsigned levels_of(Format f) { return static_cast<unsigned>(f.top()) + 1; }

TEST_P(WalkTest, new_address_space_has_its_root_only) {
    EXPECT_EQ(world.tables.bytes(), arch::kPageSize);
    const auto slot = find_pmd(world.tables, World::page(0), kMmap);
    // With two levels the root is the PMD table.
    EXPECT_EQ(slot.has_value(), levels_of(GetParam()) == 2);
}

TEST_P(WalkTest, pmd_alloc_makes_each_upper_table_once) {
    const PmdSlot first = world.pmd(World::page(0));
    const std::uint64_t bytes = world.tables.bytes();
    EXPECT_EQ(bytes, (levels_of(GetParam()) - 1) * arch::kPageSize);
    const PmdSlot again = world.pmd(World::page(1));
    EXPECT_EQ(world.tables.bytes(), bytes);
    EXPECT_EQ(&first.table_frame(), &again.table_frame());
    EXPECT_TRUE(Format::is_none(first.load()));
}

TEST_P(WalkTest, find_pmd_finds_what_pmd_alloc_made) {
    const PmdSlot made = world.populate(World::page(0));
    const auto found = find_pmd(world.tables, World::page(0), kRmap);
    ASSERT_TRUE(found);
    EXPECT_TRUE(found->load() == made.load());
    EXPECT_TRUE(Format::is_table(found->load()));
}

TEST_P(WalkTest, pte_alloc_leaves_what_is_there) {
    const PmdSlot slot = world.populate(World::page(0));
    const pmd_t seen = slot.load();
    EXPECT_TRUE(pte_alloc(world.tables, slot, kMmap));
    EXPECT_TRUE(slot.load() == seen);
    world.set_huge(world.table(1));
    const PmdSlot huge = world.pmd(world.table(1));
    EXPECT_TRUE(pte_alloc(world.tables, huge, kMmap));
    EXPECT_TRUE(Format::is_leaf(huge.load()));
}

TEST_P(WalkTest, losing_pmd_install_keeps_its_table) {
    const PmdSlot slot = world.populate(World::page(0));
    const pmd_t winner = slot.load();
    const std::uint64_t bytes = world.tables.bytes();
    const Pfn loser = world.tables.alloc_table();
    EXPECT_FALSE(pmd_install(world.tables, slot, loser, kMmap));
    EXPECT_TRUE(slot.load() == winner);
    EXPECT_EQ(world.tables.bytes(), bytes);
    world.tables.free_unseen_table(loser);
}

TEST_P(WalkTest, new_table_is_empty_even_in_a_used_frame) {
    const Pfn used = world.frames.alloc(phys::Fill::none);
    std::memset(world.memory.arena.address(used), 0xff, arch::kPageSize);
    world.frames.put(used);
    const PmdSlot slot = world.populate(World::page(0));
    const Pfn table = Format::pfn(slot.load());
    for (unsigned i = 0; i < GetParam().entries(); ++i) {
        EXPECT_EQ(world.memory.arena.entry_word(table, i).load(Order::relaxed), 0U);
    }
    EXPECT_TRUE(world.tables.frame(table).has(phys::FrameFlags::kTable));
}

TEST_P(WalkTest, upper_entries_have_nothing_left_for_hardware_to_set) {
    world.populate(World::page(0));
    Pfn table = world.tables.root();
    for (unsigned level = levels_of(GetParam()) - 1; level > 0; --level) {
        const pmd_t entry{world.memory.arena.entry_word(table, 0).load(Order::relaxed)};
        EXPECT_TRUE(Format::is_young(entry));
        EXPECT_TRUE(Format::is_dirty(entry));
        table = Format::pfn(entry);
    }
    EXPECT_EQ(world.tables.bytes(), levels_of(GetParam()) * arch::kPageSize);
}

TEST_P(WalkTest, translation_finds_pages_and_their_rights) {
    const LeafBits bits{.write = true, .exec = true, .young = true};
    const Pfn pfn = world.map_page(World::page(1), bits);
    const auto translate_at = [&](VirtAddr va) {
        return translate(world.memory.arena, world.tables.root(), GetParam(), va);
    };
    const auto found = translate_at(World::page(1) + 8);
    ASSERT_TRUE(found);
    EXPECT_EQ(found->address, to_phys(pfn) + 8);
    EXPECT_TRUE(found->bits == bits);
    EXPECT_EQ(found->level, PtLevel::pte);
    EXPECT_FALSE(translate_at(World::page(0)));
    EXPECT_FALSE(translate_at(world.table(1)));
}

TEST_P(WalkTest, translation_faults_on_prot_none) {
    world.map_page(World::page(1), {.prot_none = true});
    EXPECT_FALSE(translate(world.memory.arena, world.tables.root(), GetParam(), World::page(1)));
}

TEST_P(WalkTest, translation_finds_huge_pages) {
    world.set_pmd(world.table(1), Format::make_leaf<PtLevel::pmd>(Pfn(0), {.write = true}));
    const std::uint64_t offset = GetParam().span(PtLevel::pmd) - 8;
    const auto found =
        translate(world.memory.arena, world.tables.root(), GetParam(), world.table(1) + offset);
    ASSERT_TRUE(found);
    EXPECT_EQ(found->address, PhysAddr(offset));
    EXPECT_EQ(found->level, PtLevel::pmd);
    EXPECT_TRUE(found->bits.write);
}

TEST_P(WalkTest, pages_far_apart_stay_apart) {
    // The first and last page below every entry of the root.
    std::vector<std::pair<VirtAddr, Pfn>> mapped;
    const Format f = GetParam();
    for (std::uint64_t i = 0; i < f.entries(); i += f.entries() > 4 ? 85 : 1) {
        const VirtAddr start(i * f.span(f.top()));
        if (f.end() <= start + f.span(f.top()) - 1) break;
        for (const VirtAddr va : {start, start + (f.span(f.top()) - arch::kPageSize)}) {
            mapped.emplace_back(va, world.map_page(va));
        }
    }
    EXPECT_GE(mapped.size(), 2U);
    for (const auto& [va, pfn] : mapped) {
        const auto found = translate(world.memory.arena, world.tables.root(), f, va);
        ASSERT_TRUE(found);
        EXPECT_EQ(to_pfn(found->address), pfn);
    }
}

/// SQLite's way: the n-th allocation fails, for every n until none is reached.
TEST_P(WalkTest, every_failing_allocation_leaves_a_whole_tree) {
    const VirtAddr va = World::page(0);
    for (std::uint64_t n = 1;; ++n) {
        World fresh(GetParam());
        fresh.plan.arm(n);
        const auto slot = pmd_alloc(fresh.tables, va, kMmap);
        const auto made = slot ? pte_alloc(fresh.tables, *slot, kMmap) : Result<void>(slot.error());
        if (!fresh.plan.hit()) {
            EXPECT_TRUE(made);
            EXPECT_EQ(n, levels_of(GetParam()));
            break;
        }
        ASSERT_FALSE(made) << "allocation " << n << " failed unnoticed";
        EXPECT_EQ(made.error(), Errno::nomem);
        EXPECT_EQ(fresh.frames.in_use() * arch::kPageSize, fresh.tables.bytes());
        EXPECT_FALSE(translate(fresh.memory.arena, fresh.tables.root(), GetParam(), va));
        // It can be tried again.
        fresh.map_page(va);
        EXPECT_TRUE(translate(fresh.memory.arena, fresh.tables.root(), GetParam(), va));
    }
}

TEST(PageTablesInit, fails_with_nomem) {
    TestArena memory(64);
    sync::FailPlan plan;
    phys::FrameAllocator frames(memory.arena, &plan);
    DeferredTables deferred(frames);
    PageTables tables(frames, deferred, Format());
    plan.arm(1);
    const auto made = tables.init();
    ASSERT_FALSE(made);
    EXPECT_EQ(made.error(), Errno::nomem);
    EXPECT_EQ(frames.in_use(), 0U);
}

}  // namespace
