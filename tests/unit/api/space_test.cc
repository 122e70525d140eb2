// One space through the C++ API: that each call reaches the operation that it names.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "surefoot/surefoot.hpp"

namespace {

using namespace surefoot;

constexpr std::uint64_t kPage = 4096;
constexpr int kRw = PROT_READ | PROT_WRITE;
constexpr int kAnon = MAP_PRIVATE | MAP_ANONYMOUS;

class SpaceTest : public testing::Test {
  protected:
    std::uint64_t map(std::uint64_t pages, int prot = kRw, int flags = kAnon) {
        return *space_->mmap({.length = pages * kPage, .prot = prot, .flags = flags});
    }
    void TearDown() override {
        if (space_) {
            EXPECT_EQ(*space_->check(), "");
        }
    }

    Expected<Machine> machine_ = Machine::create({.memory_bytes = 4 << 20});
    Expected<Space> space_ = machine_->create_space({.start_brk = 0x10000000});
};

TEST_F(SpaceTest, what_was_written_is_read_through_the_tables) {
    const std::uint64_t at = map(2);
    std::array<char, 100> out{};
    out.fill('x');
    EXPECT_EQ(space_->write(at + kPage - 50, out.data(), out.size()), out.size());
    std::array<char, 100> in{};
    EXPECT_EQ(space_->read(in.data(), in.size(), at + kPage - 50), in.size());
    EXPECT_EQ(in, out);
    const auto found = space_->translate(at + kPage - 1);
    ASSERT_TRUE(found);
    EXPECT_EQ(found->physical % kPage, kPage - 1);
    EXPECT_EQ(machine_->arena().base[found->physical], std::byte{'x'});
}

TEST_F(SpaceTest, copies_stop_where_nothing_is_mapped) {
    const std::uint64_t at = map(1);
    std::array<char, 100> bytes{};
    EXPECT_EQ(space_->write(at + kPage - 10, bytes.data(), bytes.size()), 10U);
    EXPECT_EQ(space_->read(bytes.data(), bytes.size(), ~0ULL - 10), 0U);
}

TEST_F(SpaceTest, the_tables_can_be_walked_from_the_root_by_the_embedder) {
    const std::uint64_t at = map(1);
    EXPECT_EQ(space_->fault(at, Access::write), Fault::handled);
    std::uint64_t table = space_->root();
    for (unsigned shift = 39; shift >= 12; shift -= 9) {
        std::uint64_t entry = 0;
        std::memcpy(&entry, machine_->arena().base + table + ((at >> shift) & 511) * 8, 8);
        ASSERT_EQ(entry & 1, 1U) << "present at shift " << shift;
        table = entry & 0x000f'ffff'ffff'f000ULL;
    }
    EXPECT_EQ(table, space_->translate(at)->physical);
}

TEST_F(SpaceTest, faults_end_as_on_linux) {
    const std::uint64_t at = map(1, PROT_READ);
    EXPECT_EQ(space_->fault(at + 5, Access::read), Fault::handled);
    EXPECT_EQ(space_->fault(at, Access::write), Fault::accerr);
    EXPECT_EQ(space_->fault(at, Access::execute), Fault::accerr);
    EXPECT_EQ(space_->fault(at + kPage, Access::read), Fault::maperr);
    EXPECT_EQ(space_->fault(~0ULL, Access::read), Fault::maperr);
    EXPECT_FALSE(space_->translate(at + kPage));
    EXPECT_FALSE(space_->translate(~0ULL));
}

TEST_F(SpaceTest, a_translation_says_what_a_cache_may_do) {
    const std::uint64_t at = map(1);
    EXPECT_FALSE(space_->translate(at));
    EXPECT_EQ(space_->fault(at, Access::read), Fault::handled);
    EXPECT_FALSE(space_->translate(at)->dirty);
    EXPECT_EQ(space_->fault(at, Access::write), Fault::handled);
    const auto found = space_->translate(at);
    EXPECT_TRUE(found->writable && found->dirty && found->accessed);
    EXPECT_FALSE(found->executable);
    EXPECT_TRUE(space_->mprotect(at, kPage, PROT_READ | PROT_EXEC));
    EXPECT_TRUE(space_->translate(at)->executable);
    EXPECT_FALSE(space_->translate(at)->writable);
}

TEST_F(SpaceTest, errors_are_those_of_the_system_calls) {
    EXPECT_EQ(space_->mmap({.length = 0, .flags = kAnon}).error(), Error{EINVAL});
    EXPECT_EQ(space_->mmap({.length = kPage, .flags = MAP_PRIVATE}).error(), Error{EBADF});
    EXPECT_EQ(space_->mmap({.length = ~0ULL, .flags = kAnon}).error(), Error{ENOMEM});
    EXPECT_EQ(space_->munmap(1, kPage).error(), Error{EINVAL});
    EXPECT_EQ(space_->mprotect(kPage * 100, kPage, PROT_READ).error(), Error{ENOMEM});
    EXPECT_EQ(space_->madvise(kPage * 100, kPage, 12345).error(), Error{EINVAL});
    EXPECT_EQ(space_->mlockall(0).error(), Error{EINVAL});
}

TEST_F(SpaceTest, mincore_tells_resident_pages) {
    const std::uint64_t at = map(3);
    EXPECT_EQ(space_->fault(at + kPage, Access::write), Fault::handled);
    std::array<unsigned char, 3> resident{};
    EXPECT_TRUE(space_->mincore(at, 3 * kPage, resident.data(), resident.size()));
    EXPECT_THAT(resident, testing::ElementsAre(0, 1, 0));
    EXPECT_EQ(space_->mincore(at, 3 * kPage, resident.data(), 2).error(), Error{EFAULT});
    EXPECT_EQ(space_->mincore(at, ~0ULL, resident.data(), 3).error(), Error{EFAULT});
}

TEST_F(SpaceTest, the_break_moves_and_is_shown_as_heap) {
    EXPECT_EQ(space_->brk(0), 0x10000000U);
    EXPECT_EQ(space_->brk(0x10003000), 0x10003000U);
    EXPECT_THAT(*space_->maps(),
                testing::MatchesRegex("10000000-10003000 rw-p 00000000 00:00 0  +\\[heap\\]\n"));
    EXPECT_EQ(space_->brk(0x10001000), 0x10001000U);
    auto without = machine_->create_space();
    EXPECT_EQ(without->brk(0x10000000), 0U);
}

TEST_F(SpaceTest, locked_pages_are_resident_and_counted) {
    const std::uint64_t at = map(2);
    EXPECT_TRUE(space_->mlock(at, 2 * kPage));
    EXPECT_EQ(space_->statistics().locked_vm, 2 * kPage);
    EXPECT_EQ(space_->statistics().rss_anon, 2 * kPage);
    EXPECT_TRUE(space_->munlock(at, kPage));
    EXPECT_EQ(space_->statistics().locked_vm, kPage);
    EXPECT_TRUE(space_->mlockall(MCL_FUTURE));
    EXPECT_TRUE(space_->munlockall());
    EXPECT_EQ(space_->statistics().locked_vm, 0U);
}

TEST_F(SpaceTest, statistics_follow_the_operations) {
    const SpaceStatistics empty = space_->statistics();
    EXPECT_EQ(empty.tables, kPage) << "the root";
    const std::uint64_t at = map(4);
    EXPECT_EQ(space_->fault(at, Access::write), Fault::handled);
    const SpaceStatistics now = space_->statistics();
    EXPECT_EQ(now.total_vm, 4 * kPage);
    EXPECT_EQ(now.rss_anon, kPage);
    EXPECT_EQ(now.tables, 4 * kPage);
    EXPECT_EQ(now.nr_vmas, 1U);
    EXPECT_TRUE(space_->munmap(at, 4 * kPage));
    EXPECT_EQ(space_->statistics().rss_anon, 0U);
    EXPECT_EQ(space_->statistics().tables, empty.tables);
}

TEST_F(SpaceTest, counters_have_names) {
    unsigned pgfault = 0;
    while (std::strcmp(Machine::counter_name(pgfault), "pgfault") != 0)
        ++pgfault;
    const std::uint64_t before = machine_->counter(pgfault);
    EXPECT_EQ(space_->fault(map(1), Access::read), Fault::handled);
    EXPECT_EQ(machine_->counter(pgfault), before + 1);
    EXPECT_EQ(Machine::counter_name(1000), nullptr);
    EXPECT_EQ(machine_->counter(1000), 0U);
}

TEST_F(SpaceTest, running_out_of_frames_is_oom_and_goes_away) {
    const std::uint64_t pages = machine_->arena().size / kPage;
    const std::uint64_t at = map(pages / 2);
    const std::uint64_t more = map(pages / 2);
    Fault result = Fault::handled;
    for (std::uint64_t i = 0; i < pages / 2 && result == Fault::handled; ++i) {
        // Whichever comes first meets the end.
        result = space_->fault(at + i * kPage, Access::write);
        if (result == Fault::handled) result = space_->fault(more + i * kPage, Access::write);
    }
    EXPECT_EQ(result, Fault::oom);
    EXPECT_TRUE(space_->munmap(more, pages / 2 * kPage));
    EXPECT_EQ(space_->fault(at, Access::write), Fault::handled);
}

struct Content {
    bool released = false;
    std::int64_t answer = 3;

    static std::int64_t read(void* context, std::uint64_t index, void* page) {
        if (index >= 2) return -ENXIO;
        std::memset(page, 'a' + static_cast<int>(index), kPage);
        return static_cast<Content*>(context)->answer;
    }
    static void release(void* context) { static_cast<Content*>(context)->released = true; }
};

TEST_F(SpaceTest, a_private_mapping_shows_the_file_and_keeps_its_own_changes) {
    Content content;
    auto file = machine_->create_file({.read_page = Content::read,
                                       .release = Content::release,
                                       .context = &content,
                                       .name = "/lib/content",
                                       .inode = 7});
    ASSERT_TRUE(file);
    auto at =
        space_->mmap({.length = 3 * kPage, .prot = kRw, .flags = MAP_PRIVATE, .file = &*file});
    ASSERT_TRUE(at);
    std::array<char, 4> text{};
    EXPECT_EQ(space_->read(text.data(), 4, *at + kPage), 4U);
    EXPECT_EQ(std::memcmp(text.data(), "bbb\0", 4), 0) << "a short page ends in zeros";
    EXPECT_EQ(space_->write(*at + kPage, "x", 1), 1U);
    EXPECT_EQ(space_->read(text.data(), 2, *at + kPage), 2U);
    EXPECT_EQ(std::memcmp(text.data(), "xb", 2), 0);
    EXPECT_EQ(space_->fault(*at + 2 * kPage, Access::read), Fault::bus);
    EXPECT_THAT(*space_->maps(), testing::HasSubstr(" 00:00 7  "));
    EXPECT_THAT(*space_->maps(), testing::HasSubstr(" /lib/content\n"));
    {
        const File dropped = std::move(*file);
    }
    EXPECT_FALSE(content.released) << "the mapping keeps it";
    EXPECT_TRUE(space_->munmap(*at, 3 * kPage));
    EXPECT_TRUE(content.released);
}

TEST_F(SpaceTest, a_file_that_cannot_be_read_is_a_bus_error) {
    Content content{.answer = -EIO};
    auto file = machine_->create_file({.read_page = Content::read, .context = &content});
    auto at = space_->mmap({.length = kPage, .prot = kRw, .flags = MAP_PRIVATE, .file = &*file});
    EXPECT_EQ(space_->fault(*at, Access::read), Fault::bus);
    content.answer = kPage + 1;
    EXPECT_EQ(space_->fault(*at, Access::read), Fault::bus) << "more than a page";
    content.answer = -ENOMEM;
    EXPECT_EQ(space_->fault(*at, Access::read), Fault::oom);
    content.answer = kPage;
    EXPECT_EQ(space_->fault(*at, Access::read), Fault::handled);
}

TEST_F(SpaceTest, a_file_is_mapped_in_spaces_of_its_machine_privately) {
    auto other = Machine::create({.memory_bytes = 1 << 20});
    auto file = other->create_file({.read_page = Content::read});
    EXPECT_EQ(space_->mmap({.length = kPage, .flags = MAP_PRIVATE, .file = &*file}).error(),
              Error{EXDEV});
    auto space = other->create_space();
    EXPECT_EQ(space->mmap({.length = kPage, .flags = MAP_SHARED, .file = &*file}).error(),
              Error{ENODEV});
}

TEST_F(SpaceTest, shared_anonymous_memory_is_counted_as_shmem) {
    const std::uint64_t at = map(1, kRw, MAP_SHARED | MAP_ANONYMOUS);
    EXPECT_EQ(space_->write(at, "x", 1), 1U);
    EXPECT_EQ(space_->statistics().rss_shmem, kPage);
}

TEST(Lifecycle, handles_may_go_in_any_order) {
    auto machine = Machine::create({.memory_bytes = 1 << 20});
    auto space = machine->create_space();
    Content content;
    auto file = machine->create_file({.read_page = Content::read, .context = &content});
    {
        const Machine gone = std::move(*machine);
    }
    auto at = space->mmap({.length = kPage, .prot = kRw, .flags = MAP_PRIVATE, .file = &*file});
    EXPECT_EQ(space->write(*at, "x", 1), 1U);
    {
        const File gone = std::move(*file);
    }
    EXPECT_EQ(*space->check(), "");
}

TEST(Lifecycle, a_space_gives_everything_back) {
    auto machine = Machine::create({.memory_bytes = 4 << 20});
    const std::uint64_t before = machine->statistics().used;
    for (int round = 0; round < 3; ++round) {
        auto space = machine->create_space();
        auto at = space->mmap({.length = 64 * kPage, .prot = kRw, .flags = kAnon | MAP_POPULATE});
        EXPECT_EQ(space->statistics().rss_anon, 64 * kPage);
        EXPECT_EQ(space->fault(*at, Access::write), Fault::handled);
        auto replaced = machine->create_space();
        *space = std::move(*replaced);
        EXPECT_EQ(space->statistics().rss_anon, 0U) << "assignment ended the old space";
    }
    EXPECT_LT(machine->statistics().used, before + 64 * kPage)
        << "pages are back; tables may wait for a grace period";
}

}  // namespace
