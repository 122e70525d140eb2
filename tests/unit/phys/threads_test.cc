#include <gtest/gtest.h>

#include <vector>

#include "support/seed.hpp"
#include "support/test_arena.hpp"
#include "support/threads.hpp"

namespace {

using namespace surefoot;
using namespace surefoot::phys;

/// Each thread writes its name into the frames that it owns and looks for it before it frees.
TEST(FrameAllocatorThreads, no_frame_has_two_owners) {
    constexpr unsigned kThreads = 4;
    TestArena memory(2048);
    FrameAllocator frames(memory.arena);
    const std::uint64_t seed = test_seed();
    sync::Atomic<unsigned> clashes{0};
    Threads(kThreads, [&](unsigned self) {
        std::mt19937_64 random(seed + self);
        std::vector<Pfn> mine;
        const auto name = [&](Pfn pfn) -> std::uint64_t& {
            return *reinterpret_cast<std::uint64_t*>(memory.arena.address(pfn) + 64);
        };
        const auto give_back = [&](std::size_t i) {
            if (name(mine[i]) != self + 1) clashes.fetch_add(1, Order::relaxed);
            frames.put(mine[i]);
            mine[i] = mine.back();
            mine.pop_back();
        };
        for (unsigned step = 0; step < 20'000; ++step) {
            if (mine.empty() || random() % 2 == 0) {
                const unsigned order = random() % 16 == 0 ? 3 : 0;
                const Pfn pfn = frames.alloc_block(order, Fill::none);
                if (!pfn) continue;
                name(pfn) = self + 1;
                mine.push_back(pfn);
            } else {
                give_back(random() % mine.size());
            }
        }
        while (!mine.empty())
            give_back(0);
    }).join();
    EXPECT_EQ(clashes.load(Order::relaxed), 0U);
    EXPECT_EQ(frames.in_use(), 0U);
    EXPECT_STREQ(frames.check(), "");
}

/// Each thread may own its share of the arena, and never owns more. Free frames wander between
/// the caches meanwhile.
TEST(FrameAllocatorThreads, who_stays_within_its_share_gets_every_frame) {
    constexpr unsigned kThreads = 8;
    constexpr std::size_t kShare = 2;
    TestArena memory(kThreads * kShare);
    FrameAllocator frames(memory.arena);
    const std::uint64_t seed = test_seed();
    sync::Atomic<unsigned> refused{0};
    Threads(kThreads, [&](unsigned self) {
        std::mt19937_64 random(seed + self);
        std::vector<Pfn> mine;
        for (unsigned step = 0; step < 300'000; ++step) {
            if (mine.size() < kShare && random() % 4 != 0) {
                if (const Pfn pfn = frames.alloc(Fill::none)) {
                    mine.push_back(pfn);
                } else {
                    refused.fetch_add(1, Order::relaxed);
                }
            } else if (!mine.empty()) {
                frames.put(mine.back());
                mine.pop_back();
            }
        }
        for (const Pfn pfn : mine)
            frames.put(pfn);
    }).join();
    EXPECT_EQ(refused.load(Order::relaxed), 0U);
    EXPECT_STREQ(frames.check(), "");
}

#ifdef SF_RELEASE
static_assert(sizeof(Frame) <= 32, "half of Linux's struct page");
#endif

}  // namespace
