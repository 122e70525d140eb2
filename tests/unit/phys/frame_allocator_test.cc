#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <set>
#include <vector>

#include "support/checks.hpp"
#include "support/seed.hpp"
#include "support/test_arena.hpp"

namespace {

using namespace surefoot;
using namespace surefoot::phys;

constexpr std::uint64_t kFrames = 4096;

struct FrameAllocatorTest : ::testing::Test {
    void TearDown() override {
        EXPECT_STREQ(frames.check(), "");
        EXPECT_EQ(frames.in_use(), 0U);
    }
    std::uint64_t* words(Pfn pfn) {
        return reinterpret_cast<std::uint64_t*>(memory.arena.address(pfn));
    }

    TestArena memory{kFrames};
    sync::FailPlan plan;
    FrameAllocator frames{memory.arena, &plan};
};

using FrameAllocatorDeathTest = FrameAllocatorTest;

TEST_F(FrameAllocatorTest, new_frame_is_owned_once_and_unmapped) {
    const Pfn pfn = frames.alloc(Fill::none);
    ASSERT_TRUE(pfn);
    const Frame& frame = memory.arena.frame(pfn);
    EXPECT_EQ(frame.refcount.read(), 1U);
    EXPECT_EQ(frame.mapcount.load(Order::relaxed), 0U);
    EXPECT_EQ(frame.flags.load(Order::relaxed), 0U);
    EXPECT_EQ(memory.arena.pfn_of(frame), pfn);
    EXPECT_EQ(frames.in_use(), 1U);
    frames.put(pfn);
}

TEST_F(FrameAllocatorTest, zero_fill_clears_the_last_owners_bytes) {
    const Pfn first = frames.alloc(Fill::none);
    std::memset(memory.arena.address(first), 0xee, arch::kPageSize);
    frames.put(first);
    const Pfn again = frames.alloc(Fill::zero);
    EXPECT_EQ(again, first) << "the hot frame is handed out again";
    for (const std::byte b : memory.arena.page(again))
        ASSERT_EQ(b, std::byte{0});
    frames.put(again);
}

TEST_F(FrameAllocatorTest, last_put_frees) {
    const Pfn pfn = frames.alloc(Fill::none);
    memory.arena.frame(pfn).refcount.inc(2);
    frames.put(pfn);
    EXPECT_EQ(frames.in_use(), 1U);
    frames.put(pfn, 2);
    EXPECT_EQ(frames.in_use(), 0U);
}

TEST_F(FrameAllocatorTest, block_is_aligned_and_zeroed_whole) {
    const Pfn single = frames.alloc(Fill::none);
    for (unsigned order = 1; order <= kMaxOrder; ++order) {
        const Pfn pfn = frames.alloc_block(order, Fill::zero);
        ASSERT_TRUE(pfn) << order;
        EXPECT_EQ(pfn.raw() % (1U << order), 0U);
        EXPECT_EQ(memory.arena.frame(pfn).order(), order);
        const auto* const bytes = memory.arena.address(pfn);
        EXPECT_TRUE(std::all_of(bytes, bytes + (arch::kPageSize << order),
                                [](std::byte b) { return b == std::byte{0}; }));
        frames.put(pfn);
    }
    frames.put(single);
}

TEST_F(FrameAllocatorTest, run_is_made_of_single_frames_that_merge_back) {
    const Pfn first = frames.alloc_run(4, Fill::zero);
    ASSERT_TRUE(first);
    EXPECT_EQ(first.raw() % 16, 0U);
    EXPECT_EQ(frames.in_use(), 16U);
    for (std::uint32_t i = 0; i < 16; ++i) {
        const Frame& frame = memory.arena.frame(first + i);
        EXPECT_EQ(frame.refcount.read(), 1U);
        EXPECT_EQ(frame.order(), 0U);
        const auto page = memory.arena.page(first + i);
        EXPECT_TRUE(std::all_of(page.begin(), page.end(),
                                [](std::byte b) { return b == std::byte{0}; }));
        frames.put(first + i);
        EXPECT_EQ(frames.in_use(), 15U - i);
    }
    EXPECT_STREQ(frames.check(), "");
    const Pfn again = frames.alloc_block(kMaxOrder, Fill::none);
    EXPECT_EQ(again, Pfn(0)) << "all are one block again";
    frames.put(again);
}

TEST_F(FrameAllocatorTest, run_does_not_take_back_what_caches_hold) {
    std::vector<Pfn> all;
    while (const Pfn pfn = frames.alloc(Fill::none)) all.push_back(pfn);
    for (std::uint32_t i = 0; i < 16; ++i) frames.put(Pfn(i));
    EXPECT_FALSE(frames.alloc_run(2, Fill::none));
    const Pfn block = frames.alloc_block(2, Fill::none);
    EXPECT_TRUE(block);
    EXPECT_TRUE(frames.alloc_run(2, Fill::none)) << "the caches were emptied";
    frames.put(block);
    for (const Pfn pfn : all) {
        if (memory.arena.frame(pfn).refcount.read() != 0) frames.put(pfn);
    }
}

TEST_F(FrameAllocatorTest, blocks_split_and_merge_back) {
    const Pfn whole = frames.alloc_block(kMaxOrder, Fill::none);
    frames.put(whole);
    // All of its pieces, then the whole again: possible only if they merged.
    std::vector<Pfn> pieces;
    for (unsigned i = 0; i < (1U << (kMaxOrder - 1)); ++i) {
        pieces.push_back(frames.alloc_block(1, Fill::none));
        EXPECT_LT(pieces.back().raw(), whole.raw() + (1U << kMaxOrder));
    }
    EXPECT_STREQ(frames.check(), "");
    // Neighbours last, so that merging happens late.
    for (std::size_t i = 0; i < pieces.size(); i += 2)
        frames.put(pieces[i]);
    EXPECT_STREQ(frames.check(), "");
    for (std::size_t i = 1; i < pieces.size(); i += 2)
        frames.put(pieces[i]);
    EXPECT_STREQ(frames.check(), "");
    const Pfn again = frames.alloc_block(kMaxOrder, Fill::none);
    EXPECT_EQ(again, whole);
    frames.put(again);
}

TEST_F(FrameAllocatorTest, single_frames_of_the_caches_merge_too) {
    std::vector<Pfn> all;
    for (Pfn pfn = frames.alloc(Fill::none); pfn; pfn = frames.alloc(Fill::none)) {
        all.push_back(pfn);
    }
    EXPECT_EQ(all.size(), kFrames);
    EXPECT_EQ(std::set<Pfn>(all.begin(), all.end()).size(), kFrames);
    for (const Pfn pfn : all)
        frames.put(pfn);
    std::vector<Pfn> blocks;
    for (unsigned i = 0; i < kFrames >> kMaxOrder; ++i) {
        blocks.push_back(frames.alloc_block(kMaxOrder, Fill::none));
        EXPECT_TRUE(blocks.back());
    }
    for (const Pfn pfn : blocks)
        frames.put(pfn);
}

TEST_F(FrameAllocatorTest, exhausted_arena_refuses_and_recovers) {
    std::vector<Pfn> all;
    for (Pfn pfn = frames.alloc(Fill::none); pfn; pfn = frames.alloc(Fill::none)) {
        all.push_back(pfn);
    }
    EXPECT_FALSE(frames.alloc(Fill::zero));
    EXPECT_FALSE(frames.alloc_block(3, Fill::zero));
    frames.put(all.back());
    all.back() = frames.alloc(Fill::zero);
    EXPECT_TRUE(all.back());
    for (const Pfn pfn : all)
        frames.put(pfn);
}

TEST_F(FrameAllocatorTest, last_frames_come_out_of_another_slots_cache) {
    std::vector<Pfn> all;
    for (Pfn pfn = frames.alloc(Fill::none); pfn; pfn = frames.alloc(Fill::none)) {
        all.push_back(pfn);
    }
    auto other = sync::Thread::start([&] {
        // They stay in the cache of this thread's slot.
        for (int i = 0; i < 8; ++i) {
            frames.put(all.back());
            all.pop_back();
        }
    });
    ASSERT_TRUE(other);
    other->join();
    for (int i = 0; i < 8; ++i) {
        all.push_back(frames.alloc(Fill::none));
        EXPECT_TRUE(all.back());
    }
    EXPECT_FALSE(frames.alloc(Fill::none));
    for (const Pfn pfn : all)
        frames.put(pfn);
}

TEST_F(FrameAllocatorTest, nth_request_fails_and_the_next_succeeds) {
    for (std::uint64_t n = 1; n <= 3; ++n) {
        plan.arm(n);
        std::vector<Pfn> got;
        for (std::uint64_t i = 1; i <= 4; ++i) {
            const Pfn pfn =
                i % 2 != 0 ? frames.alloc(Fill::zero) : frames.alloc_block(2, Fill::none);
            EXPECT_EQ(!pfn, i == n);
            if (pfn) got.push_back(pfn);
        }
        EXPECT_TRUE(plan.hit());
        for (const Pfn pfn : got)
            frames.put(pfn);
    }
}

TEST_F(FrameAllocatorTest, check_names_a_write_to_a_free_frame) {
    SKIP_WITHOUT_DEBUG_CHECKS();
    const Pfn pfn = frames.alloc(Fill::none);
    frames.put(pfn);
    const std::uint64_t before = std::exchange(words(pfn)[0], 1);
    EXPECT_STREQ(frames.check(), "a free frame was written");
    words(pfn)[0] = before;
}

TEST_F(FrameAllocatorDeathTest, write_to_a_free_frame_is_found_when_it_is_given_out) {
    SKIP_WITHOUT_DEBUG_CHECKS();
    const Pfn pfn = frames.alloc(Fill::none);
    frames.put(pfn);
    EXPECT_DEATH(
        {
            words(pfn)[0] = 0;
            frames.alloc(Fill::none);
        },
        "poison_intact");
}

TEST_F(FrameAllocatorDeathTest, dropping_a_reference_too_many_is_found) {
    SKIP_WITHOUT_DEBUG_CHECKS();
    const Pfn pfn = frames.alloc(Fill::none);
    frames.put(pfn);
    EXPECT_DEATH(frames.put(pfn), "before >= n");
}

TEST(FrameAllocator, arena_whose_end_is_no_power_of_two_is_used_whole) {
    constexpr std::uint64_t kOdd = 1024 + 512 + 64 + 3;
    TestArena memory(kOdd);
    FrameAllocator frames(memory.arena);
    std::vector<Pfn> got;
    const Pfn large = frames.alloc_block(kMaxOrder, Fill::none);
    EXPECT_TRUE(large);
    EXPECT_FALSE(frames.alloc_block(kMaxOrder, Fill::none));
    for (Pfn pfn = frames.alloc(Fill::none); pfn; pfn = frames.alloc(Fill::none)) {
        got.push_back(pfn);
    }
    EXPECT_EQ(got.size(), kOdd - 1024);
    for (const Pfn pfn : got)
        frames.put(pfn);
    frames.put(large);
    EXPECT_STREQ(frames.check(), "");
}

TEST(FrameAllocatorDeath, destruction_wants_every_frame_back) {
    TestArena memory(kFrames);
    EXPECT_DEATH(
        {
            FrameAllocator frames(memory.arena);
            frames.alloc(Fill::none);
        },
        "in_use\\(\\) == 0");
}

/// Random blocks against a map of what is out.
TEST_F(FrameAllocatorTest, random_requests_agree_with_a_model) {
    std::mt19937_64 random(test_seed());
    std::map<Pfn, unsigned> out;
    std::vector<bool> owned(kFrames, false);
    std::uint64_t in_use = 0;
    const auto mark = [&](Pfn pfn, unsigned order, bool to) {
        for (std::uint32_t i = 0; i < (1U << order); ++i) {
            ASSERT_NE(owned[pfn.raw() + i], to) << "given out twice";
            owned[pfn.raw() + i] = to;
        }
    };
    for (unsigned step = 0; step < 20'000; ++step) {
        if (out.empty() || random() % 2 == 0) {
            const unsigned order = std::min<unsigned>(
                static_cast<unsigned>(std::countr_zero(random() | 1ULL << kMaxOrder)), kMaxOrder);
            const Pfn pfn = frames.alloc_block(order, random() % 8 == 0 ? Fill::zero : Fill::none);
            if (!pfn) continue;
            mark(pfn, order, true);
            out.emplace(pfn, order);
            in_use += std::uint64_t{1} << order;
        } else {
            const auto it = std::next(out.begin(), static_cast<long>(random() % out.size()));
            mark(it->first, it->second, false);
            in_use -= std::uint64_t{1} << it->second;
            frames.put(it->first);
            out.erase(it);
        }
        ASSERT_EQ(frames.in_use(), in_use);
        if (step % 1000 == 0) {
            ASSERT_STREQ(frames.check(), "");
        }
    }
    for (const auto& [pfn, order] : out)
        frames.put(pfn);
}

/// A frame that is allocated again and again is not one that waits in a list: descriptors and
/// memory of an arena's unused part are never touched.
TEST(FrameAllocator, sparse_arena_costs_only_what_is_used) {
    constexpr std::uint64_t kHuge = (std::uint64_t{64} << 30) >> arch::kPageShift;
    const std::uint64_t count = std::min<std::uint64_t>(kHuge, std::uint64_t{1} << 24);
    TestArena memory(count);
    FrameAllocator frames(memory.arena);
    for (int i = 0; i < 1000; ++i) {
        const Pfn pfn = frames.alloc(Fill::zero);
        ASSERT_TRUE(pfn);
        EXPECT_LT(pfn.raw(), 4096U);
        frames.put(pfn);
    }
    // A page of untouched memory is not resident.
    unsigned char resident[1] = {1};
    const auto* const last = &memory.arena.frame(Pfn(static_cast<std::uint32_t>(count - 1)));
    const auto page = reinterpret_cast<std::uintptr_t>(last) & ~std::uintptr_t{4095};
    ASSERT_EQ(mincore(reinterpret_cast<void*>(page), 4096, resident), 0);
    EXPECT_EQ(resident[0] & 1, 0);
}

}  // namespace
