#include <gtest/gtest.h>

#include <concepts>
#include <type_traits>

#include "base/base.hpp"

namespace {

using namespace surefoot;

// What must not compile.
template <class A, class B>
concept Comparable = requires(A a, B b) { a == b; };
template <class A, class B>
concept Addable = requires(A a, B b) { a + b; };
template <class A, class B>
concept Subtractable = requires(A a, B b) { a - b; };

static_assert(!Comparable<VirtAddr, PhysAddr> && !Comparable<VirtAddr, Pfn>);
static_assert(!Comparable<VirtAddr, std::uint64_t> && !Comparable<Pfn, std::uint32_t>);
static_assert(!Addable<VirtAddr, VirtAddr> && !Addable<Pfn, Pfn>);
static_assert(!Subtractable<VirtAddr, PhysAddr>);
static_assert(!std::convertible_to<std::uint64_t, VirtAddr>);
static_assert(!std::convertible_to<VirtAddr, std::uint64_t>);
static_assert(!std::is_constructible_v<VirtAddr, PhysAddr>);
static_assert(!std::is_constructible_v<PhysAddr, Pfn>);
static_assert(!std::is_assignable_v<VirtAddr&, PhysAddr>);
static_assert(!std::convertible_to<Pfn, bool>);

TEST(Align, goes_to_multiples_of_the_size) {
    EXPECT_EQ(align_down(0x1fff, 0x1000), 0x1000U);
    EXPECT_EQ(align_up(0x1001, 0x1000), 0x2000U);
    EXPECT_EQ(align_up(0x1000, 0x1000), 0x1000U);
    EXPECT_EQ(align_down(0, 0x1000), 0U);
}

TEST(Align, wraps_to_zero_past_the_top) { EXPECT_EQ(align_up(~std::uint64_t{0}, 0x1000), 0U); }

TEST(Address, differences_are_bytes) {
    const VirtAddr a(0x5000);
    EXPECT_EQ((a + 0x123) - a, 0x123U);
    EXPECT_EQ((a - 0x1000).raw(), 0x4000U);
    EXPECT_TRUE(a.is_aligned(0x1000));
    EXPECT_FALSE((a + 8).is_aligned(0x1000));
    EXPECT_EQ((a + 8).align_up(0x1000), VirtAddr(0x6000));
}

TEST(Pfn, none_is_no_frame) {
    EXPECT_FALSE(Pfn());
    EXPECT_EQ(Pfn(), Pfn::none());
    EXPECT_TRUE(Pfn(0));
}

TEST(VaRange, is_half_open) {
    const VaRange r{VirtAddr(0x1000), VirtAddr(0x3000)};
    EXPECT_EQ(r.bytes(), 0x2000U);
    EXPECT_TRUE(r.contains(VirtAddr(0x1000)));
    EXPECT_FALSE(r.contains(VirtAddr(0x3000)));
    EXPECT_FALSE(r.overlaps({VirtAddr(0x3000), VirtAddr(0x4000)}));
    EXPECT_TRUE(r.overlaps({VirtAddr(0x2fff), VirtAddr(0x4000)}));
    EXPECT_TRUE(intersect(r, {VirtAddr(0x3000), VirtAddr(0x4000)}).empty());
    EXPECT_EQ(intersect(r, {VirtAddr(0x2000), VirtAddr(0x9000)}),
              (VaRange{VirtAddr(0x2000), VirtAddr(0x3000)}));
}

TEST(Result, holds_a_value_or_an_error) {
    const Result<int> good(7);
    const Result<int> bad(Errno::nomem);
    EXPECT_EQ(*good, 7);
    EXPECT_FALSE(bad);
    EXPECT_EQ(bad.error(), Errno::nomem);
}

TEST(Result, becomes_what_a_system_call_returns) {
    EXPECT_EQ(to_syscall_result(Result<VirtAddr>(VirtAddr(0x7000))), 0x7000);
    EXPECT_EQ(to_syscall_result(Result<long>(12L)), 12);
    EXPECT_EQ(to_syscall_result(Result<void>()), 0);
    EXPECT_EQ(to_syscall_result(Result<VirtAddr>(Errno::inval)), -22);
    EXPECT_EQ(to_syscall_result(Result<void>(Errno::nomem)), -12);
}

TEST(AssertDeathTest, names_the_condition_and_the_place) {
    const int one = 1;
    EXPECT_DEATH(SF_ASSERT(one == 2), "one == 2.*types_test.cc");
}

}  // namespace
