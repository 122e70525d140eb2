#include "linux/files/fd_table.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

namespace surefoot::linux_abi {
namespace {

int open_null() { return open("/dev/null", O_RDWR | O_CLOEXEC); }
bool is_open(int host_fd) { return fcntl(host_fd, F_GETFD) >= 0; }

TEST(FdTable, gives_the_lowest_free_number) {
    FdTable table(10);
    EXPECT_EQ(table.install(open_null(), false).value(), 0);
    EXPECT_EQ(table.install(open_null(), false).value(), 1);
    EXPECT_EQ(table.install(open_null(), false, 5).value(), 5);
    EXPECT_TRUE(table.close(0));
    EXPECT_EQ(table.install(open_null(), false).value(), 0);
    EXPECT_EQ(table.install(open_null(), false).value(), 2);
}

TEST(FdTable, keeps_the_limit) {
    FdTable table(2);
    EXPECT_TRUE(table.install(open_null(), false));
    EXPECT_TRUE(table.install(open_null(), false));
    const int third = open_null();
    EXPECT_EQ(table.install(third, false).error(), Errno::mfile);
    EXPECT_FALSE(is_open(third));
    EXPECT_EQ(table.install(open_null(), false, 2).error(), Errno::inval);
    EXPECT_EQ(table.install_at(2, open_null(), false).error(), Errno::badf);
}

TEST(FdTable, closes_the_file_with_its_last_user) {
    FdTable table(10);
    const int host_fd = open_null();
    const int fd = table.install(host_fd, false).value();
    FilePtr user = table.get(fd).value();
    EXPECT_TRUE(table.close(fd));
    EXPECT_TRUE(is_open(host_fd));
    EXPECT_EQ(table.get(fd).error(), Errno::badf);
    user.reset();
    EXPECT_FALSE(is_open(host_fd));
}

TEST(FdTable, replaces_in_place) {
    FdTable table(10);
    const int first = open_null();
    const int fd = table.install(first, true).value();
    EXPECT_TRUE(table.close_on_exec(fd).value());
    EXPECT_TRUE(table.install_at(fd, open_null(), false));
    EXPECT_FALSE(is_open(first));
    EXPECT_FALSE(table.close_on_exec(fd).value());
    EXPECT_TRUE(table.set_close_on_exec(fd, true));
    EXPECT_TRUE(table.close_on_exec(fd).value());
}

TEST(FdTable, answers_for_closed_and_impossible_numbers) {
    FdTable table(10);
    for (const int fd : {-1, 0, 9, 10, 1 << 30}) {
        EXPECT_EQ(table.get(fd).error(), Errno::badf);
        EXPECT_EQ(table.close(fd).error(), Errno::badf);
        EXPECT_EQ(table.close_on_exec(fd).error(), Errno::badf);
    }
}

TEST(FdTable, knows_what_a_file_can_do) {
    FdTable table(10);
    int fds[2];
    ASSERT_EQ(pipe2(fds, O_CLOEXEC), 0);
    const FilePtr reader = table.get(table.install(fds[0], false).value()).value();
    EXPECT_TRUE(reader->may_block());
    EXPECT_TRUE(reader->is_readable());
    EXPECT_FALSE(reader->is_writable());
    EXPECT_TRUE(table.install(fds[1], false));
    table.close_range(0, ~0U);
    EXPECT_EQ(table.get(1).error(), Errno::badf);
}

}  // namespace
}  // namespace surefoot::linux_abi
