#include "support/checks.hpp"
#include "support/page_table_world.hpp"

namespace {

using namespace surefoot;
using namespace surefoot::arch;
using namespace surefoot::pgtable;

// Rules as types: which map can store, and by which way only.
template <class M>
concept Installs = requires(M m, VirtAddr va, pte_t e) { m.install(va, e, MayInstall(kMmap)); };
template <class M>
concept Clears = requires(M m, VirtAddr va) { m.get_and_clear(va, VmaStable(kMmap)); };
template <class M>
concept Modifies = requires(M m, VirtAddr va) { m.modify(va, [](pte_t e) { return e; }); };
template <class M>
concept StoresIfSame = requires(M m, VirtAddr va, pte_t e) { m.store_if_same(va, e, e); };
template <class M>
concept Stores = Installs<M> || Clears<M> || Modifies<M> || StoresIfSame<M>;
template <class M>
concept Rechecks = requires(M m) { std::move(m).lock_and_recheck(); };
template <class M>
concept RechecksAnLvalue = requires(M m) { m.lock_and_recheck(); };

static_assert(!Stores<PteMapRcu> && !Rechecks<PteMapRcu>);
static_assert(!Stores<PteMapRo> && !Rechecks<PteMapRo> && !Stores<PteMapRo::Locked>);
static_assert(StoresIfSame<PteMapRw> && Rechecks<PteMapRw>);
static_assert(!RechecksAnLvalue<PteMapRw>, "the re-check consumes the map");
static_assert(!Installs<PteMapRw> && !Clears<PteMapRw> && !Modifies<PteMapRw>);
static_assert(Installs<PteMapLocked> && Clears<PteMapLocked> && Modifies<PteMapLocked>);
static_assert(!std::is_copy_constructible_v<PteMapLocked>);
static_assert(!std::is_convertible_v<PteMapRo, PteMapLocked>);
static_assert(!std::is_constructible_v<PteMapLocked, PteMapRcu>);
static_assert(!std::is_constructible_v<PteMapLocked, PteMap>);
static_assert(!std::is_constructible_v<SlotRw<PtLevel::pte>, Slot<PtLevel::pte>>);

// Filling an entry wants more than clearing it.
template <class Right>
concept RightInstalls =
    requires(PteMapLocked m, VirtAddr va, pte_t e, Right r) { m.install(va, e, r); };
static_assert(RightInstalls<MmapRights> && !RightInstalls<RmapRights> && !RightInstalls<VmaStable>);

class PteMapTest : public PageTableTest {
  protected:
    const VirtAddr va = World::page(1);

    template <class Body>
    void with_each_map(const PmdSlot& slot, Body&& body) {
        body(PteMapRcu(world.tables, slot, kMmap));
        body(PteMapRo(world.tables, slot, kMmap));
        body(PteMapRw(world.tables, slot, kMmap));
        body(PteMapLocked(world.tables, slot, kMmap));
    }
};
using PteMapDeathTest = PteMapTest;
INSTANTIATE_TEST_SUITE_P(Geometry, PteMapTest, ::testing::ValuesIn(geometries()), geometry_name);
INSTANTIATE_TEST_SUITE_P(Geometry, PteMapDeathTest, ::testing::ValuesIn(geometries()),
                         geometry_name);

TEST_P(PteMapTest, is_empty_where_there_is_no_table) {
    with_each_map(world.pmd(va), [](auto map) { EXPECT_FALSE(map); });
    HeldMmap::without([] { sync::lockdep::assert_none(); });
}

TEST_P(PteMapTest, is_empty_where_the_entry_is_huge) {
    world.set_huge(va);
    with_each_map(world.pmd(va), [](auto map) { EXPECT_FALSE(map); });
    HeldMmap::without([] { sync::lockdep::assert_none(); });
}

TEST_P(PteMapTest, is_empty_where_a_huge_entry_is_prot_none) {
    world.set_pmd(va, Format::make_leaf<PtLevel::pmd>(Pfn(0), {.prot_none = true}));
    with_each_map(world.pmd(va), [](auto map) { EXPECT_FALSE(map); });
}

TEST_P(PteMapTest, reads_what_is_mapped_and_leaves_nothing_held) {
    const Pfn pfn = world.map_page(va, {.write = true});
    const PmdSlot slot = world.pmd(va);
    with_each_map(slot, [&](auto map) {
        ASSERT_TRUE(map);
        EXPECT_EQ(Format::pfn(map.load(va)), pfn);
        EXPECT_TRUE(Format::is_none(map.load(World::page(0))));
        EXPECT_TRUE(map.seen() == slot.load());
    });
    HeldMmap::without([] { sync::lockdep::assert_none(); });
}

TEST_P(PteMapTest, moved_from_map_gives_up_its_section_and_lock_once) {
    world.populate(va);
    {
        PteMapLocked first(world.tables, world.pmd(va), kMmap);
        PteMapLocked second(std::move(first));
        EXPECT_FALSE(first);
        EXPECT_TRUE(second);
    }
    HeldMmap::without([] { sync::lockdep::assert_none(); });
    PteMapLocked again(world.tables, world.pmd(va), kMmap);
    EXPECT_TRUE(again);
}

TEST_P(PteMapTest, replaced_table_stays_readable_and_empty_for_its_readers) {
    const PmdSlot slot = world.populate(va);
    PteMapRcu reader(world.tables, slot, kMmap);
    world.replace_table(va);
    world.map_page(va);
    EXPECT_FALSE(reader.seen() == slot.load());
    EXPECT_TRUE(Format::is_none(reader.load(va))) << "an unlinked table is all none";
}

TEST_P(PteMapTest, ro_map_locks_a_dead_table_and_still_only_reads) {
    const PmdSlot slot = world.populate(va);
    PteMapRo reader(world.tables, slot, kMmap);
    world.replace_table(va);
    const PteMapRo::Locked locked = reader.lock();
    EXPECT_TRUE(Format::is_none(locked.load(va)));
}

TEST_P(PteMapTest, recheck_succeeds_while_the_entry_names_the_table) {
    world.populate(va);
    PteMapRw map(world.tables, world.pmd(va), kMmap);
    PteMapLocked locked = std::move(map).lock_and_recheck();
    ASSERT_TRUE(locked);
    EXPECT_TRUE(locked.seen() == world.pmd(va).load());
}

TEST_P(PteMapTest, recheck_comes_back_empty_when_the_table_was_replaced) {
    world.populate(va);
    {
        PteMapRw map(world.tables, world.pmd(va), kMmap);
        world.replace_table(va);
        const PteMapLocked locked = std::move(map).lock_and_recheck();
        EXPECT_FALSE(locked);
    }
    HeldMmap::without([] { sync::lockdep::assert_none(); });
}

TEST_P(PteMapTest, recheck_comes_back_empty_when_the_table_went_or_became_huge) {
    for (const bool huge : {false, true}) {
        world.populate(va);
        PteMapRw map(world.tables, world.pmd(va), kMmap);
        {
            Gather gather(world.tables);
            ASSERT_TRUE(unlink_empty_pte_table(world.tables, world.pmd(va), gather, kMmap));
            gather.finish();
        }
        if (huge) world.set_huge(va);
        EXPECT_FALSE(std::move(map).lock_and_recheck());
    }
}

TEST_P(PteMapTest, recheck_of_an_empty_map_is_empty) {
    PteMapRw map(world.tables, world.pmd(va), kMmap);
    EXPECT_FALSE(map);
    EXPECT_FALSE(std::move(map).lock_and_recheck());
    HeldMmap::without([] { sync::lockdep::assert_none(); });
}

TEST_P(PteMapTest, store_if_same_stores_over_the_expected_entry) {
    const Pfn pfn = world.map_page(va);
    PteMapRw map(world.tables, world.pmd(va), kMmap);
    const pte_t next = world.make_pte(pfn, {.write = true, .young = true});
    EXPECT_TRUE(map.store_if_same(va, map.load(va), next));
    EXPECT_TRUE(map.load(va) == next);
}

TEST_P(PteMapTest, store_if_same_refuses_a_changed_entry) {
    const Pfn pfn = world.map_page(va);
    PteMapRw map(world.tables, world.pmd(va), kMmap);
    const pte_t seen = map.load(va);
    const pte_t changed = world.make_pte(pfn, {.dirty = true});
    EXPECT_TRUE(map.store_if_same(va, seen, changed));
    EXPECT_FALSE(map.store_if_same(va, seen, world.make_pte(pfn, {.write = true})));
    EXPECT_TRUE(map.load(va) == changed);
}

TEST_P(PteMapTest, store_if_same_refuses_a_dead_table) {
    const Pfn pfn = world.map_page(va);
    PteMapRw map(world.tables, world.pmd(va), kMmap);
    const pte_t seen = map.load(va);
    {
        Gather gather(world.tables);
        world.zap_page(gather, va);
        gather.finish();
    }
    world.replace_table(va);
    EXPECT_FALSE(map.store_if_same(va, seen, world.make_pte(pfn, {.write = true})));
    EXPECT_TRUE(Format::is_none(map.load(va)));
}

TEST_P(PteMapDeathTest, store_if_same_over_none_proves_nothing) {
    world.populate(va);
    PteMapRw map(world.tables, world.pmd(va), kMmap);
    EXPECT_DEATH(map.store_if_same(va, pte_t{}, world.make_pte(Pfn(0))), "is_none");
}

TEST_P(PteMapTest, get_and_clear_returns_all_bits) {
    const LeafBits bits{.write = true, .young = true, .dirty = true};
    const Pfn pfn = world.map_page(va, bits);
    {
        PteMapLocked map(world.tables, world.pmd(va), kRmap);
        const pte_t was = map.get_and_clear(va, kRmap);
        EXPECT_TRUE(Format::leaf_bits(was) == bits);
        EXPECT_TRUE(Format::is_none(map.load(va)));
    }
    world.frames.put(pfn);
}

TEST_P(PteMapTest, modify_changes_rights_and_returns_the_value_before) {
    const Pfn pfn = world.map_page(va, {.write = true, .dirty = true});
    PteMapLocked map(world.tables, world.pmd(va), kMmap);
    const pte_t before = map.modify(va, [](pte_t e) {
        LeafBits bits = Format::leaf_bits(e);
        bits.write = false;
        return Format::make_leaf<PtLevel::pte>(Format::pfn(e), bits);
    });
    EXPECT_TRUE(Format::is_writable(before));
    EXPECT_FALSE(Format::is_writable(map.load(va)));
    EXPECT_TRUE(Format::is_dirty(map.load(va)));
    EXPECT_EQ(Format::pfn(map.load(va)), pfn);
}

TEST_P(PteMapDeathTest, finds_wrong_stores) {
    SKIP_WITHOUT_DEBUG_CHECKS();
    world.map_page(va);
    PteMapLocked map(world.tables, world.pmd(va), kMmap);
    EXPECT_DEATH(map.install(va, world.make_pte(Pfn(7)), kMmap), "is_none");
    EXPECT_DEATH(map.install(World::page(0), pte_t{}, kMmap), "is_none");
    EXPECT_DEATH(map.modify(World::page(0), [](pte_t e) { return e; }), "is_present");
    EXPECT_DEATH(map.modify(va, [&](pte_t) { return world.make_pte(Pfn(99)); }), "pfn");
}

TEST_P(PteMapDeathTest, no_sleeping_lock_inside_a_map) {
    SKIP_WITHOUT_DEBUG_CHECKS();
    world.populate(va);
    PteMapRcu map(world.tables, world.pmd(va), kMmap);
    sync::RwSem<sync::LockId::mmap_lock> mmap_lock;
    EXPECT_DEATH(mmap_lock.lock_shared(), "sleeping lock inside RCU");
}

TEST_P(PteMapDeathTest, second_table_lock_under_a_locked_map_is_found) {
    SKIP_WITHOUT_DEBUG_CHECKS();
    world.populate(va);
    world.populate(world.table(1));
    PteMapLocked map(world.tables, world.pmd(va), kMmap);
    const PmdSlot other = *find_pmd(world.tables, world.table(1), kMmap);
    EXPECT_DEATH(PteMapLocked second(world.tables, other, kMmap), "second lock of its class: ptl");
    EXPECT_DEATH(PmdLock lock(other), "wrong order: pml");
}

}  // namespace
