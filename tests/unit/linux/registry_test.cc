#include "linux/syscalls/registry.hpp"

#include <gtest/gtest.h>
#include <sys/syscall.h>

#include <map>

#include "linux/syscalls/names.hpp"

namespace surefoot::linux_abi {
namespace {

TEST(Registry, has_each_number_once_under_linuxs_name) {
    std::map<int, std::string> seen;
    for (const auto family : syscall_families()) {
        for (const SyscallEntry& entry : family) {
            EXPECT_LT(entry.number, kSyscallNumbers);
            EXPECT_TRUE(seen.emplace(entry.number, entry.name).second) << entry.name;
            EXPECT_EQ(entry.name, host_syscall_name(entry.number));
            EXPECT_NE(entry.handler, nullptr);
            EXPECT_EQ(find_syscall(entry.number), &entry);
        }
    }
    EXPECT_GE(seen.size(), 70U);
}

TEST(Registry, names_what_is_not_offered) {
    EXPECT_EQ(find_syscall(SYS_fork), nullptr);
    EXPECT_EQ(syscall_name(SYS_fork), "fork");
    EXPECT_EQ(syscall_name(SYS_read), "read");
    EXPECT_EQ(syscall_name(99999), "number 99999");
    EXPECT_EQ(find_syscall(~std::uint64_t{0}), nullptr);
}

}  // namespace
}  // namespace surefoot::linux_abi
