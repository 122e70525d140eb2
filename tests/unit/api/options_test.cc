// Options that make no sense are refused with a clear error number, and nothing is left behind.

#include <gtest/gtest.h>
#include <sys/mman.h>

#include <cerrno>

#include "surefoot/surefoot.hpp"

namespace {

using surefoot::Machine;
using surefoot::MachineOptions;
using surefoot::SpaceOptions;

constexpr std::uint64_t kPage = 4096;

int error_of(const MachineOptions& options) { return Machine::create(options).error().number; }

TEST(MachineOptions, memory_has_a_least_and_a_greatest_size) {
    EXPECT_EQ(error_of({.memory_bytes = 0}), EINVAL);
    EXPECT_EQ(error_of({.memory_bytes = 16 * kPage - 1}), EINVAL);
    EXPECT_EQ(error_of({.memory_bytes = 16 * kPage}), 0);
    EXPECT_EQ(error_of({.memory_bytes = 1ULL << 44}), EINVAL);
    EXPECT_EQ(error_of({.memory_bytes = ~0ULL}), EINVAL);
}

TEST(MachineOptions, memory_is_rounded_down_to_pages) {
    auto machine = Machine::create({.memory_bytes = (1 << 20) + kPage - 1});
    ASSERT_TRUE(machine);
    EXPECT_EQ(machine->arena().size, 1U << 20);
    EXPECT_EQ(machine->statistics().memory, 1U << 20);
    EXPECT_GE(machine->arena().fd, 0);
}

TEST(MachineOptions, memory_of_the_caller_holds_the_frames) {
    constexpr std::size_t kSize = 1 << 20;
    void* const memory =
        mmap(nullptr, kSize, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    ASSERT_NE(memory, MAP_FAILED);
    auto* const bytes = static_cast<std::byte*>(memory);
    EXPECT_EQ(error_of({.memory_bytes = kSize - kPage, .memory = bytes + 1}), EINVAL);
    {
        auto machine = Machine::create({.memory_bytes = kSize, .memory = memory, .memory_fd = 77});
        ASSERT_TRUE(machine);
        EXPECT_EQ(machine->arena().base, bytes);
        EXPECT_EQ(machine->arena().fd, 77) << "shown, never used";
        auto space = machine->create_space();
        ASSERT_TRUE(space);
        auto at = space->mmap({.length = kPage,
                               .prot = PROT_READ | PROT_WRITE,
                               .flags = MAP_PRIVATE | MAP_ANONYMOUS});
        ASSERT_TRUE(at);
        EXPECT_EQ(space->write(*at, "hello", 5), 5U);
        EXPECT_EQ(bytes[space->translate(*at)->physical], std::byte{'h'});
    }
    EXPECT_EQ(munmap(memory, kSize), 0) << "it was left to the caller";
}

class SpaceOptionsTest : public testing::Test {
  protected:
    int error_of(const SpaceOptions& options) {
        return machine_->create_space(options).error().number;
    }
    surefoot::Expected<Machine> machine_ = Machine::create({.memory_bytes = 1 << 20});
};

TEST_F(SpaceOptionsTest, page_tables_have_four_or_five_levels) {
    EXPECT_EQ(error_of({.levels = 3}), EINVAL);
    EXPECT_EQ(error_of({.levels = 4}), 0);
    EXPECT_EQ(error_of({.levels = 5}), 0);
    EXPECT_EQ(error_of({.levels = 6}), EINVAL);
}

TEST_F(SpaceOptionsTest, the_size_is_of_whole_pages_within_the_lower_half) {
    EXPECT_EQ(error_of({.task_size = kPage}), EINVAL) << "too small to be of use";
    EXPECT_EQ(error_of({.task_size = 1 << 20}), 0);
    EXPECT_EQ(error_of({.task_size = (1 << 20) + 1}), EINVAL);
    EXPECT_EQ(error_of({.task_size = 1ULL << 47}), EINVAL) << "the last page stays unused";
    EXPECT_EQ(error_of({.levels = 5, .task_size = 1ULL << 47}), 0);
}

TEST_F(SpaceOptionsTest, break_and_least_address_lie_inside) {
    EXPECT_EQ(error_of({.task_size = 1 << 20, .start_brk = 1 << 20}), EINVAL);
    EXPECT_EQ(error_of({.task_size = 1 << 20, .mmap_min_addr = 1 << 20}), EINVAL);
}

TEST_F(SpaceOptionsTest, fault_around_is_a_power_of_two_within_a_table) {
    EXPECT_EQ(error_of({.fault_around = 0}), EINVAL);
    EXPECT_EQ(error_of({.fault_around = 3}), EINVAL);
    EXPECT_EQ(error_of({.fault_around = 512}), 0);
    EXPECT_EQ(error_of({.fault_around = 1024}), EINVAL);
}

TEST_F(SpaceOptionsTest, refused_options_leave_nothing_behind) {
    const std::uint64_t before = machine_->statistics().used;
    EXPECT_EQ(error_of({.levels = 3}), EINVAL);
    EXPECT_EQ(machine_->statistics().used, before);
}

TEST_F(SpaceOptionsTest, a_file_needs_a_reader) {
    EXPECT_EQ(machine_->create_file({}).error().number, EINVAL);
}

TEST(Version, has_three_numbers) {
    unsigned major = 0, minor = 0, patch = 0;
    EXPECT_EQ(std::sscanf(surefoot::version(), "%u.%u.%u", &major, &minor, &patch), 3);
}

}  // namespace
