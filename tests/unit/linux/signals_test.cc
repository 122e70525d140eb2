#include <gtest/gtest.h>
#include <ucontext.h>

#include <cstring>
#include <vector>

#include "linux/signals/frame.hpp"
#include "linux/signals/queue.hpp"

namespace surefoot::linux_abi {
namespace {

// The frame against what the C library tells programs about it.
static_assert(offsetof(UContext, stack) == offsetof(ucontext_t, uc_stack));
static_assert(offsetof(UContext, context) == offsetof(ucontext_t, uc_mcontext));
static_assert(offsetof(UContext, mask) == offsetof(ucontext_t, uc_sigmask));
static_assert(offsetof(SigContext, rip) == REG_RIP * 8);
static_assert(offsetof(SigContext, rsp) == REG_RSP * 8);
static_assert(offsetof(SigContext, rflags) == REG_EFL * 8);
static_assert(offsetof(SigContext, err) == REG_ERR * 8);
static_assert(offsetof(SigContext, cr2) == REG_CR2 * 8);
static_assert(offsetof(SigContext, fpstate) == offsetof(mcontext_t, fpregs));
static_assert(offsetof(Siginfo, u.fault.address) == offsetof(siginfo_t, si_addr));
static_assert(offsetof(Siginfo, u.sender.pid) == offsetof(siginfo_t, si_pid));
static_assert(offsetof(Siginfo, u.sender.value) == offsetof(siginfo_t, si_value));

constexpr std::size_t kXsave = 2696;

Siginfo signal_with(int number, int code = 0) {
    Siginfo info;
    info.signo = number;
    info.code = code;
    return info;
}

TEST(SignalFrame, leaves_the_red_zone_alone_and_is_aligned) {
    for (std::uint64_t rsp = 0x7fff'0000; rsp < 0x7fff'0080; rsp += 8) {
        const FramePlace place = place_frame(rsp, StackT{}, true, kXsave);
        EXPECT_FALSE(place.overflow);
        EXPECT_FALSE(place.on_stack);
        EXPECT_EQ(place.fpstate % 64, 0U);
        EXPECT_EQ(place.sp % 16, 8U);
        EXPECT_LE(place.fpstate + kXsave + 4, rsp - 128);
        EXPECT_LE(place.sp + sizeof(RtSigframe), place.fpstate);
    }
}

TEST(SignalFrame, goes_to_the_alternate_stack_once) {
    const StackT stack{.sp = 0x10000, .flags = 0, .padding = 0, .size = 0x8000};
    const FramePlace first = place_frame(0x7fff'0000, stack, true, kXsave);
    EXPECT_TRUE(first.on_stack);
    EXPECT_LT(first.sp, stack.sp + stack.size);
    EXPECT_GT(first.sp, stack.sp);
    const FramePlace nested = place_frame(first.sp, stack, true, kXsave);
    EXPECT_FALSE(nested.on_stack);
    EXPECT_LT(nested.sp, first.sp);
    EXPECT_FALSE(place_frame(0x7fff'0000, stack, false, kXsave).on_stack);
}

TEST(SignalFrame, notices_that_the_alternate_stack_is_too_small) {
    const StackT stack{.sp = 0x10000, .flags = 0, .padding = 0, .size = 2048};
    EXPECT_TRUE(place_frame(0x7fff'0000, stack, true, kXsave).overflow);
}

TEST(SignalFrame, marks_the_extended_state) {
    std::vector<std::byte> area(kXsave + 4);
    mark_fp_area(area);
    std::uint32_t end = 0;
    std::memcpy(&end, area.data() + kXsave, sizeof end);
    EXPECT_EQ(end, kFpMagic2);
    EXPECT_TRUE(has_extended_state(area, kXsave));
    EXPECT_FALSE(has_extended_state(area, kXsave - 8));
    area[kFpSoftwareOffset] = std::byte{0};
    EXPECT_FALSE(has_extended_state(area, kXsave));
}

TEST(SignalQueue, keeps_one_of_a_standard_signal_and_all_real_time_ones) {
    SignalQueue queue;
    queue.add(signal_with(SIGUSR1, 1));
    queue.add(signal_with(SIGUSR1, 2));
    queue.add(signal_with(40, 1));
    queue.add(signal_with(40, 2));
    EXPECT_EQ(queue.take(~SigSet{0})->code, 1);
    EXPECT_EQ(queue.set(), sig_bit(40));
    EXPECT_EQ(queue.take(~SigSet{0})->code, 1);
    EXPECT_EQ(queue.take(~SigSet{0})->code, 2);
    EXPECT_EQ(queue.set(), 0U);
    EXPECT_FALSE(queue.take(~SigSet{0}));
}

TEST(SignalQueue, takes_synchronous_signals_first_and_only_wanted_ones) {
    SignalQueue queue;
    queue.add(signal_with(SIGHUP));
    queue.add(signal_with(SIGSEGV));
    queue.add(signal_with(SIGINT));
    EXPECT_EQ(queue.take(~SigSet{0})->signo, SIGSEGV);
    EXPECT_EQ(queue.take(~sig_bit(SIGHUP))->signo, SIGINT);
    queue.discard(sig_bit(SIGHUP));
    EXPECT_EQ(queue.set(), 0U);
}

}  // namespace
}  // namespace surefoot::linux_abi
