// Split and merge, case by case, with Linux's rules; and what a failed preparation leaves behind.

#include <gmock/gmock.h>

#include <functional>

#include "support.hpp"

namespace surefoot::inline SF_BUILD::vma::test {
namespace {

using ::testing::HasSubstr;

/// Gives a sub-range of the VMA at its start other flags.
Merged modify(Fixture& f, VaRange range, VmaFlags flags) {
    MmapWriteGuard mmap(f.space);
    Vma* vma = mmap.lookup(range.start);
    Result<VmaChange> change = prepare_modify(mmap, *vma, range, flags);
    EXPECT_TRUE(change.has_value());
    const Committed done = commit(mmap, std::move(*change));
    EXPECT_TRUE(done.vma->range().contains(range));
    EXPECT_EQ(done.vma->flags(), flags);
    return done.merged;
}

Merged insert(Fixture& f, const NewMapping& what) {
    MmapWriteGuard mmap(f.space);
    Result<VmaChange> change = prepare_insert(mmap, what);
    EXPECT_TRUE(change.has_value());
    Committed done = commit(mmap, std::move(*change));
    EXPECT_TRUE(done.vma->range().contains(what.range));
    f.space.free_detached(std::move(done.detached));
    return done.merged;
}

NewMapping anon(VaRange range, VmaFlags flags = kRw) {
    return {.range = range, .flags = flags, .pgoff = anonymous_pgoff(range.start)};
}

TEST(Split, keeps_the_lower_part_and_shares_the_anon_vma) {
    Fixture f;
    Vma& vma = f.map(pages(10, 20));
    f.fault(vma);
    MmapWriteGuard mmap(f.space);
    Result<VmaChange> change = prepare_split(mmap, vma, page(14));
    ASSERT_TRUE(change.has_value());
    const Committed done = commit(mmap, std::move(*change));
    EXPECT_EQ(done.vma, &vma);
    EXPECT_EQ(done.other->range(), pages(14, 20));
    EXPECT_TRUE(done.other->is_write_locked());
    mmap.drop();
    EXPECT_EQ(f.maps(), "10-14 rw 10 A, 14-20 rw 14 A");
}

struct InsertCase {
    const char* name;
    bool prev, next;           // neighbours at 10-12 and 14-16; the new one is 12-14
    int prev_anon, next_anon;  // 0 none, else which; negative: inherited by fork
    VmaFlags flags;            // of the new one
    Merged merged;
    const char* maps;
};

class InsertMerges : public ::testing::TestWithParam<InsertCase> {};

TEST_P(InsertMerges, as_linux_does) {
    const InsertCase& c = GetParam();
    Fixture f;
    AnonVma* made[2] = {};
    const auto neighbour = [&](VaRange range, int which) {
        Vma& vma = f.map(range);
        if (which == 0) return;
        AnonVma*& anon_vma = made[std::abs(which) - 1];
        anon_vma = f.fault(vma, anon_vma, which < 0 ? 2 : 1);
    };
    if (c.prev) neighbour(pages(10, 12), c.prev_anon);
    if (c.next) neighbour(pages(14, 16), c.next_anon);
    EXPECT_EQ(insert(f, anon(pages(12, 14), c.flags)), c.merged);
    EXPECT_EQ(f.maps(), c.maps);
}

INSTANTIATE_TEST_SUITE_P(
    cases, InsertMerges,
    ::testing::Values(
        InsertCase{"alone", false, false, 0, 0, kRw, Merged::none, "12-14 rw 12"},
        InsertCase{"prev", true, false, 0, 0, kRw, Merged::prev, "10-14 rw 10"},
        InsertCase{"next", false, true, 0, 0, kRw, Merged::next, "12-16 rw 12"},
        InsertCase{"both", true, true, 0, 0, kRw, Merged::both, "10-16 rw 10"},
        InsertCase{"flags_differ", true, true, 0, 0, kRo, Merged::none,
                   "10-12 rw 10, 12-14 r 12, 14-16 rw 14"},
        InsertCase{"softdirty_is_ignored", true, true, 0, 0, kRw | VmaFlag::softdirty, Merged::both,
                   "10-16 rw 10"},
        InsertCase{"special_never", true, true, 0, 0, kRw | VmaFlag::dontexpand, Merged::none,
                   "10-12 rw 10, 12-14 rw 12, 14-16 rw 14"},
        InsertCase{"faulted_prev", true, false, 1, 0, kRw, Merged::prev, "10-14 rw 10 A"},
        InsertCase{"faulted_next", false, true, 0, 1, kRw, Merged::next, "12-16 rw 12 A"},
        InsertCase{"same_anon_both", true, true, 1, 1, kRw, Merged::both, "10-16 rw 10 A"},
        InsertCase{"prev_inherits_from_next", true, true, 0, 1, kRw, Merged::both, "10-16 rw 10 A"},
        InsertCase{"prev_faulted_next_not", true, true, 1, 0, kRw, Merged::both, "10-16 rw 10 A"},
        InsertCase{"two_anon_vmas_lower_wins", true, true, 1, 2, kRw, Merged::prev,
                   "10-14 rw 10 A, 14-16 rw 14 B"},
        InsertCase{"fork_child_prev", true, false, -1, 0, kRw, Merged::none,
                   "10-12 rw 10 A, 12-14 rw 12"},
        InsertCase{"fork_child_next", true, true, 0, -1, kRw, Merged::prev,
                   "10-14 rw 10, 14-16 rw 14 A"}),
    [](const auto& one) { return std::string(one.param.name); });

TEST(Insert, replaces_whole_regions_and_reports_free_tables) {
    Fixture f;
    f.map(pages(4, 6));
    f.map(pages(10, 12), kRo);
    f.map(pages(12, 13), kRo);
    f.map(pages(20, 22));
    MmapWriteGuard mmap(f.space);
    Result<VmaChange> change = prepare_insert(mmap, anon(pages(10, 14)));
    ASSERT_TRUE(change.has_value());
    Committed done = commit(mmap, std::move(*change));
    EXPECT_EQ(done.detached.size(), 2U);
    EXPECT_EQ(done.detached.first()->range(), pages(10, 12));
    EXPECT_FALSE(done.detached.first()->is_attached());
    EXPECT_EQ(done.detached.floor, page(6));
    EXPECT_EQ(done.detached.ceiling, page(20));
    f.space.free_detached(std::move(done.detached));
    mmap.drop();
    EXPECT_EQ(f.maps(), "4-6 rw 4, 10-14 rw 10, 20-22 rw 20");
}

TEST(Insert, a_replaced_region_may_lie_between_two_that_merge) {
    Fixture f;
    f.map(pages(10, 12));
    f.map(pages(12, 14), kRo);
    f.map(pages(14, 16));
    EXPECT_EQ(insert(f, anon(pages(12, 14))), Merged::both);
    EXPECT_EQ(f.maps(), "10-16 rw 10");
}

TEST(Insert, files_merge_only_with_contiguous_offsets) {
    FakeFile file("a");
    FakeFile other("b");
    {
        Fixture f;
        const NewMapping first{.range = pages(10, 12), .flags = kRo, .pgoff = 5, .backing = &file};
        insert(f, first);
        NewMapping second{.range = pages(12, 14), .flags = kRo, .pgoff = 8, .backing = &file};
        EXPECT_EQ(insert(f, second), Merged::none);
        second.pgoff = 7;
        EXPECT_EQ(insert(f, second), Merged::prev);
        second.range = pages(14, 16);
        second.pgoff = 9;
        second.backing = &other;
        EXPECT_EQ(insert(f, second), Merged::none);
        second.range = pages(8, 10);
        second.pgoff = 3;
        second.backing = &file;
        EXPECT_EQ(insert(f, second), Merged::next);
        EXPECT_EQ(f.maps(), "8-14 r 3, 14-16 r 9");
    }
    file.put();
    other.put();
}

TEST(Merge, soft_dirty_and_maybe_guard_of_either_side_survive) {
    Fixture f;
    Vma& low = f.map(pages(10, 12));
    f.map(pages(14, 16), kRw | VmaFlag::maybe_guard);
    EXPECT_EQ(insert(f, anon(pages(12, 14), kRw | VmaFlag::softdirty)), Merged::both);
    EXPECT_EQ(low.flags(), kRw | VmaFlag::softdirty | VmaFlag::maybe_guard);
}

struct ModifyCase {
    const char* name;
    VmaFlags prev, next;  // of 10-12 and 18-20; the VMA that changes is rw 12-18
    int anon[3];
    VaRange range;  // gets kRo
    Merged merged;
    const char* maps;
};

class ModifyMerges : public ::testing::TestWithParam<ModifyCase> {};

TEST_P(ModifyMerges, as_linux_does) {
    const ModifyCase& c = GetParam();
    Fixture f;
    AnonVma* made[3] = {};
    const VaRange ranges[3] = {pages(10, 12), pages(12, 18), pages(18, 20)};
    const VmaFlags flags[3] = {c.prev, kRw, c.next};
    for (int i = 0; i < 3; ++i) {
        Vma& vma = f.map(ranges[i], flags[i]);
        if (c.anon[i] == 0) continue;
        AnonVma*& anon_vma = made[c.anon[i] - 1];
        anon_vma = f.fault(vma, anon_vma);
    }
    EXPECT_EQ(modify(f, c.range, kRo), c.merged);
    EXPECT_EQ(f.maps(), c.maps);
}

INSTANTIATE_TEST_SUITE_P(
    cases, ModifyMerges,
    ::testing::Values(
        ModifyCase{"whole",
                   kRw,
                   kRw,
                   {},
                   pages(12, 18),
                   Merged::none,
                   "10-12 rw 10, 12-18 r 12, 18-20 rw 18"},
        ModifyCase{"middle",
                   kRo,
                   kRo,
                   {0, 1, 0},
                   pages(14, 16),
                   Merged::none,
                   "10-12 r 10, 12-14 rw 12 A, 14-16 r 14 A, 16-18 rw 16 A, 18-20 r 18"},
        ModifyCase{"head_splits",
                   kRw,
                   kRw,
                   {},
                   pages(12, 14),
                   Merged::none,
                   "10-12 rw 10, 12-14 r 12, 14-18 rw 14, 18-20 rw 18"},
        ModifyCase{"tail_splits",
                   kRw,
                   kRw,
                   {},
                   pages(16, 18),
                   Merged::none,
                   "10-12 rw 10, 12-16 rw 12, 16-18 r 16, 18-20 rw 18"},
        ModifyCase{"head_moves_to_prev",
                   kRo,
                   kRw,
                   {},
                   pages(12, 14),
                   Merged::prev,
                   "10-14 r 10, 14-18 rw 14, 18-20 rw 18"},
        ModifyCase{"tail_moves_to_next",
                   kRw,
                   kRo,
                   {},
                   pages(16, 18),
                   Merged::next,
                   "10-12 rw 10, 12-16 rw 12, 16-20 r 16"},
        ModifyCase{"whole_joins_prev",
                   kRo,
                   kRw,
                   {},
                   pages(12, 18),
                   Merged::prev,
                   "10-18 r 10, 18-20 rw 18"},
        ModifyCase{"whole_joins_next",
                   kRw,
                   kRo,
                   {},
                   pages(12, 18),
                   Merged::next,
                   "10-12 rw 10, 12-20 r 12"},
        ModifyCase{"whole_joins_both", kRo, kRo, {}, pages(12, 18), Merged::both, "10-20 r 10"},
        ModifyCase{"prev_takes_anon_vma_along",
                   kRo,
                   kRw,
                   {0, 1, 0},
                   pages(12, 14),
                   Merged::prev,
                   "10-14 r 10 A, 14-18 rw 14 A, 18-20 rw 18"},
        ModifyCase{"next_takes_anon_vma_along",
                   kRw,
                   kRo,
                   {0, 1, 0},
                   pages(16, 18),
                   Merged::next,
                   "10-12 rw 10, 12-16 rw 12 A, 16-20 r 16 A"},
        ModifyCase{"both_take_middle_anon_vma",
                   kRo,
                   kRo,
                   {0, 1, 0},
                   pages(12, 18),
                   Merged::both,
                   "10-20 r 10 A"},
        ModifyCase{"both_take_last_anon_vma",
                   kRo,
                   kRo,
                   {0, 0, 1},
                   pages(12, 18),
                   Merged::both,
                   "10-20 r 10 A"},
        ModifyCase{"other_anon_vma_below",
                   kRo,
                   kRo,
                   {1, 2, 0},
                   pages(12, 18),
                   Merged::next,
                   "10-12 r 10 A, 12-20 r 12 B"},
        ModifyCase{"other_anon_vmas_on_both_sides",
                   kRo,
                   kRo,
                   {1, 0, 2},
                   pages(12, 18),
                   Merged::prev,
                   "10-18 r 10 A, 18-20 r 18 B"},
        ModifyCase{"three_anon_vmas",
                   kRo,
                   kRo,
                   {1, 2, 3},
                   pages(12, 18),
                   Merged::none,
                   "10-12 r 10 A, 12-18 r 12 B, 18-20 r 18 C"}),
    [](const auto& one) { return std::string(one.param.name); });

TEST(Modify, restoring_flags_merges_back_to_one) {
    Fixture f;
    Vma& vma = f.map(pages(10, 20));
    f.fault(vma);
    modify(f, pages(14, 16), kRo);
    EXPECT_EQ(f.space.map_count(), 3U);
    EXPECT_EQ(modify(f, pages(14, 16), kRw), Merged::both);
    EXPECT_EQ(f.maps(), "10-20 rw 10 A");
}

TEST(Modify, userfaultfd_contexts_keep_regions_apart) {
    Fixture f;
    int object = 0;
    auto* ctx = reinterpret_cast<UserfaultCtx*>(&object);
    Vma& vma = f.map(pages(10, 20));
    const auto set = [&](VaRange range, UserfaultCtx* to) {
        MmapWriteGuard mmap(f.space);
        Vma& at = *mmap.lookup(range.start);
        Result<VmaChange> change = prepare_modify(mmap, at, range, at.flags(), to);
        ASSERT_TRUE(change.has_value());
        EXPECT_EQ(commit(mmap, std::move(*change)).vma->uffd(), to);
    };
    set(pages(10, 14), ctx);
    EXPECT_EQ(vma.uffd(), ctx);
    EXPECT_EQ(f.maps(), "10-14 rw 10, 14-20 rw 14");
    set(pages(10, 14), nullptr);
    EXPECT_EQ(f.maps(), "10-20 rw 10");
}

TEST(Resize, moves_both_ends_and_the_offset) {
    Fixture f;
    Vma& stack = f.map(pages(50, 60), kRw | VmaFlag::growsdown);
    MmapWriteGuard mmap(f.space);
    Result<VmaChange> grow = prepare_resize(mmap, stack, pages(40, 60));
    ASSERT_TRUE(grow.has_value());
    commit(mmap, std::move(*grow));
    EXPECT_EQ(stack.pgoff(), 40U);
    Result<VmaChange> shrink = prepare_resize(mmap, stack, pages(44, 58));
    ASSERT_TRUE(shrink.has_value());
    commit(mmap, std::move(*shrink));
    mmap.drop();
    EXPECT_EQ(f.maps(), "44-58 rw 44");
}

TEST(Limit, map_count_stops_splits_that_last) {
    Fixture f({.max_map_count = 3});
    Vma& vma = f.map(pages(10, 20));
    MmapWriteGuard mmap(f.space);
    const auto mid = [&](VaRange range) { return prepare_modify(mmap, vma, range, kRo); };
    ASSERT_TRUE(mid(pages(12, 14)).has_value());
    commit(mmap, std::move(*mid(pages(12, 14))));
    EXPECT_EQ(f.space.map_count(), 3U);
    Vma& high = *mmap.lookup(page(15));
    EXPECT_EQ(prepare_split(mmap, high, page(17)).error(), Errno::nomem);
    EXPECT_EQ(prepare_modify(mmap, high, pages(16, 18), kRo).error(), Errno::nomem);
    // Moving a boundary needs no VMA.
    EXPECT_TRUE(prepare_modify(mmap, high, pages(14, 15), kRo).has_value());
    // What splits in order to remove has checked for itself.
    EXPECT_TRUE(prepare_split_to_remove(mmap, high, page(17)).has_value());
}

TEST(FindMergeableAnonVma, takes_a_neighbours_whatever_the_rights) {
    Fixture f;
    Vma& low = f.map(pages(10, 12), kRo);
    Vma& mid = f.map(pages(12, 14), kRw);
    Vma& high = f.map(pages(14, 16), kRo);
    AnonVma* below = f.fault(low);
    {
        MmapReadGuard mmap(f.space);
        EXPECT_EQ(mmap.find_mergeable_anon_vma(mid), below);
    }
    AnonVma* above = f.fault(high);
    {
        MmapReadGuard mmap(f.space);
        EXPECT_EQ(mmap.find_mergeable_anon_vma(mid), above);
    }
    // Another fault was faster: what it set is not to be shared by then.
    f.fault(mid);
    {
        MmapReadGuard mmap(f.space);
        EXPECT_EQ(mmap.find_mergeable_anon_vma(mid), nullptr);
    }
    Fixture forked;
    Vma& child = forked.map(pages(10, 12));
    Vma& next = forked.map(pages(12, 14));
    forked.fault(child, nullptr, 2);
    MmapReadGuard mmap(forked.space);
    EXPECT_EQ(mmap.find_mergeable_anon_vma(next), nullptr);
}

/// Each allocation of a preparation fails in turn, and nothing changes.
/// @return what the space looks like when none has failed
std::string fail_each(const std::function<Result<VmaChange>(MmapWriteGuard&)>& prepare) {
    for (std::uint64_t n = 1;; ++n) {
        Fixture f({.tree = {.node_keys = 3}});
        AnonVma* anon_vma = nullptr;
        for (std::uint64_t i = 0; i < 12; ++i) {
            Vma& vma = f.map(pages(10 * i, 10 * i + 10), i % 2 == 0 ? kRw : kRo);
            anon_vma = f.fault(vma, anon_vma);
        }
        const std::string before = f.maps();
        const std::int64_t vmas = f.caches.vmas.in_use();
        MmapWriteGuard mmap(f.space);
        f.plan.arm(n);
        Result<VmaChange> change = prepare(mmap);
        const bool failed = f.plan.hit();
        f.plan.disarm();
        EXPECT_EQ(!change.has_value(), failed);
        if (failed) {
            EXPECT_EQ(change.error(), Errno::nomem);
            EXPECT_EQ(f.caches.vmas.in_use(), vmas);
            mmap.drop();
            EXPECT_EQ(f.maps(), before);
            continue;
        }
        f.space.free_detached(commit(mmap, std::move(*change)).detached);
        mmap.drop();
        EXPECT_GT(n, 1U);
        return f.maps();
    }
}

TEST(NthAllocationFails, split) {
    const std::string maps = fail_each(
        [](MmapWriteGuard& w) { return prepare_split(w, *w.lookup(page(55)), page(55)); });
    EXPECT_THAT(maps, HasSubstr("50-55 r 50 A, 55-60 r 55 A"));
}

TEST(NthAllocationFails, modify_in_the_middle) {
    const std::string maps = fail_each([](MmapWriteGuard& w) {
        return prepare_modify(w, *w.lookup(page(55)), pages(53, 56), kRw);
    });
    EXPECT_THAT(maps, HasSubstr("50-53 r 50 A, 53-56 rw 53 A, 56-60 r 56 A"));
}

TEST(NthAllocationFails, modify_joins_both) {
    const std::string maps = fail_each([](MmapWriteGuard& w) {
        return prepare_modify(w, *w.lookup(page(55)), pages(50, 60), kRw);
    });
    EXPECT_THAT(maps, HasSubstr("40-70 rw 40 A"));
}

TEST(NthAllocationFails, insert_over_others) {
    const std::string maps = fail_each([](MmapWriteGuard& w) {
        return prepare_insert(w, anon(pages(20, 100), kRo | VmaFlag::dontcopy));
    });
    EXPECT_THAT(maps, HasSubstr("10-20 r 10 A, 20-100 r 20, 100-110 rw 100 A"));
}

TEST(NthAllocationFails, erase) {
    const std::string maps =
        fail_each([](MmapWriteGuard& w) { return prepare_erase(w, pages(20, 90)); });
    EXPECT_THAT(maps, HasSubstr("10-20 r 10 A, 90-100 r 90 A"));
}

TEST(Change, dropping_a_prepared_one_takes_the_anon_vma_back) {
    Fixture f;
    Vma& low = f.map(pages(10, 12));
    Vma& high = f.map(pages(12, 14), kRo);
    AnonVma* anon_vma = f.fault(high);
    MmapWriteGuard mmap(f.space);
    {
        Result<VmaChange> change = prepare_modify(mmap, high, pages(12, 13), kRw);
        ASSERT_TRUE(change.has_value());
        EXPECT_EQ(low.anon_vma(), anon_vma);
    }
    EXPECT_EQ(low.anon_vma(), nullptr);
}

}  // namespace
}  // namespace surefoot::inline SF_BUILD::vma::test
