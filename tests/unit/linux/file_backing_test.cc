#include "linux/files/file_backing.hpp"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <vector>

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

}  // namespace
}  // namespace surefoot::linux_abi
