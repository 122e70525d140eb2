// Two spaces of one machine, each used by several threads at once, as an emulator would.

#include <gtest/gtest.h>
#include <sys/mman.h>

#include <array>

#include "support/threads.hpp"
#include "surefoot/surefoot.hpp"

namespace {

using namespace surefoot;

constexpr std::uint64_t kPage = 4096;
constexpr unsigned kThreads = 4;
constexpr unsigned kRounds = 200;
constexpr std::uint64_t kPages = 32;

/// Maps, fills, checks, protects, discards and unmaps memory of its own.
void work(Space& space, unsigned seed) {
    for (unsigned round = 0; round < kRounds; ++round) {
        const auto value = static_cast<std::uint64_t>(seed) << 32 | round;
        auto at = space.mmap({.length = kPages * kPage,
                              .prot = PROT_READ | PROT_WRITE,
                              .flags = MAP_PRIVATE | MAP_ANONYMOUS});
        ASSERT_TRUE(at);
        for (std::uint64_t i = 0; i < kPages; i += 1 + round % 3) {
            std::uint64_t seen = 1;
            ASSERT_EQ(space.read(&seen, sizeof seen, *at + i * kPage), sizeof seen);
            ASSERT_EQ(seen, 0U) << "a page of somebody else";
            ASSERT_EQ(space.write(*at + i * kPage, &value, sizeof value), sizeof value);
        }
        ASSERT_TRUE(space.mprotect(*at, kPage, PROT_READ));
        ASSERT_EQ(space.fault(*at, Access::write), Fault::accerr);
        ASSERT_TRUE(space.madvise(*at + kPage, kPage, MADV_DONTNEED));
        std::uint64_t seen = 0;
        ASSERT_EQ(space.read(&seen, sizeof seen, *at), sizeof seen);
        ASSERT_EQ(seen, value);
        ASSERT_TRUE(space.munmap(*at, kPages * kPage));
    }
}

TEST(Threads, two_spaces_do_not_disturb_each_other) {
    auto machine = Machine::create({.memory_bytes = 64 << 20});
    std::array spaces{*machine->create_space(), *machine->create_space({.levels = 5})};
    {
        Threads threads(kThreads, [&](unsigned i) { work(spaces[i % 2], i + 1); });
    }
    for (Space& space : spaces) {
        EXPECT_EQ(*space.check(), "");
        EXPECT_EQ(space.statistics().nr_vmas, 0U);
        EXPECT_EQ(space.statistics().rss_anon, 0U);
    }
}

TEST(Threads, spaces_come_and_go_beside_each_other) {
    auto machine = Machine::create({.memory_bytes = 64 << 20});
    Threads threads(kThreads, [&](unsigned i) {
        for (unsigned round = 0; round < 20; ++round) {
            auto space = machine->create_space();
            ASSERT_TRUE(space);
            auto at = space->mmap({.length = kPages * kPage,
                                   .prot = PROT_READ | PROT_WRITE,
                                   .flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE});
            ASSERT_TRUE(at);
            ASSERT_EQ(space->write(*at, &i, sizeof i), sizeof i);
        }
    });
}

}  // namespace
