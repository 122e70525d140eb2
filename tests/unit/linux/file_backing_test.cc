#include "linux/files/file_backing.hpp"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <vector>

#include "api/api.hpp"

namespace surefoot::linux_abi {
namespace {

constexpr std::size_t kPage = arch::kPageSize;
constexpr std::byte kOld{0xee};
constexpr std::byte kText{'x'};

class FileBackingTest : public ::testing::Test {
protected:
    /// A page and a hundred bytes.
    void SetUp() override {
        char name[] = "/tmp/surefoot-backing-XXXXXX";
        const int fd = mkstemp(name);
        ASSERT_GE(fd, 0);
        unlink(name);
        const std::vector<std::byte> text(kPage + 100, kText);
        ASSERT_EQ(write(fd, text.data(), text.size()), static_cast<ssize_t>(text.size()));
        file = *FileBacking::open(fd);
        close(fd);
    }
    void TearDown() override { file->put(); }

    FileBacking* file = nullptr;
    /// A frame that has been used before.
    std::vector<std::byte> page = std::vector<std::byte>(kPage, kOld);
};

TEST_F(FileBackingTest, page_inside_the_file_is_its_bytes) {
    ASSERT_TRUE(file->read_page(0, page));
    EXPECT_EQ(std::ranges::count(page, kText), kPage);
}

TEST_F(FileBackingTest, page_is_zero_past_the_end_of_the_file) {
    ASSERT_TRUE(file->read_page(1, page));
    EXPECT_EQ(std::ranges::count(std::span(page).first(100), kText), 100);
    EXPECT_EQ(std::ranges::count(std::span(page).subspan(100), std::byte{0}), kPage - 100);
}

TEST_F(FileBackingTest, page_past_the_file_is_refused) {
    EXPECT_EQ(file->read_page(2, page).error(), Errno::nxio);
    EXPECT_TRUE(file->is_cached(1));
    EXPECT_FALSE(file->is_cached(2));
}

TEST_F(FileBackingTest, private_page_counts_as_the_files_until_it_is_written) {
    auto machine = *api::Machine::create({.memory_bytes = 16ULL << 20});
    const mm::MmPtr space = *mm::Mm::create(machine->system(), {.task_size = VirtAddr(1ULL << 46)});
    constexpr std::uint32_t kWritable = mm::uapi::PROT_READ | mm::uapi::PROT_WRITE;
    const VirtAddr at = *mm::mmap(*space, {.addr = {},
                                           .length = kPage,
                                           .prot = kWritable,
                                           .flags = mm::uapi::MAP_PRIVATE,
                                           .backing = file});
    const auto touch = [&](mm::Access how) {
        // The first write makes the mapping ready, and comes again.
        for (int i = 0; i < 2; ++i) {
            EXPECT_EQ(mm::handle_fault(*space, at, how), mm::FaultResult::handled);
        }
    };
    const auto resident = [&](mm::RssKind kind) { return space->rss.read(kind); };
    touch(mm::Access::read);
    EXPECT_EQ(resident(mm::RssKind::file), 1);
    ASSERT_TRUE(mm::mprotect(*space, at, kPage, mm::uapi::PROT_READ));
    ASSERT_TRUE(mm::mprotect(*space, at, kPage, kWritable));
    EXPECT_EQ(resident(mm::RssKind::file), 1);
    touch(mm::Access::write);
    EXPECT_EQ(resident(mm::RssKind::file), 0);
    EXPECT_EQ(resident(mm::RssKind::anon), 1);
    EXPECT_EQ(mm::check_mm(*space), "");
}

}  // namespace
}  // namespace surefoot::linux_abi
