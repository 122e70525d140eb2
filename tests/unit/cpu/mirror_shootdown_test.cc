// The mirror is a TLB: what it may keep, what a shootdown takes away, and the fill lock.

#include <gmock/gmock.h>

#include <vector>

#include "fixture.hpp"

namespace surefoot::cpu {
namespace {

using sync::Order;
constexpr VirtAddr kData = Machine::kData;
constexpr std::uint32_t kUser = FaultCode::kUser;

class Shootdown : public testing::TestWithParam<bool> {
protected:
    static MirrorOptions options() {
        MirrorOptions o;
        o.lazy = GetParam();
        return o;
    }
};
INSTANTIATE_TEST_SUITE_P(Lazy, Shootdown, testing::Bool());

TEST_P(Shootdown, next_access_after_an_unmap_faults) {
    Machine m(options());
    Guest g = m.guest(load_code());
    g.regs.rdi = kData.raw();
    for (int round = 0; round < 100; ++round) {
        m.tables.map(kData, m.frame_with(1));
        ASSERT_EQ(g.run().kind, Exit::Kind::syscall);
        m.tables.unmap(kData);
        m.invalidate(kData);
        expect_fault(g.run(), kData, kUser);
    }
    const BackendCounters c = m.backend->counters();
    EXPECT_EQ(c.shootdowns, 100U);
    EXPECT_EQ(c.shootdowns_lazy, GetParam() ? 100U : 0U);
}

TEST_P(Shootdown, many_ranges_and_everything_are_invalidated) {
    Machine m(options());
    constexpr std::uint64_t kPages = 200;
    Guest g = m.guest(sweep_code());
    g.regs.rdi = kData.raw();
    g.regs.rsi = 0;
    g.regs.rbx = 2 * kPage;
    g.regs.rdx = kPages;
    for (const bool all : {false, true, false}) {
        std::vector<VaRange> ranges;
        for (std::uint64_t i = 0; i < kPages; ++i) {
            const VirtAddr va = kData + 2 * i * kPage;
            m.tables.map(va, m.frame_with(va.raw()));
            ranges.push_back({va, va + kPage});
        }
        ASSERT_EQ(g.run().kind, Exit::Kind::syscall);
        ASSERT_EQ(g.regs.rax, 0U);
        for (const VaRange& r : ranges) m.tables.map(r.start, m.frame_with(0));
        if (all) {
            m.space->invalidate_all();
        } else {
            m.space->invalidate({.ranges = ranges, .unlinked_tables = {}});
        }
        ASSERT_EQ(g.run().kind, Exit::Kind::syscall);
        EXPECT_EQ(g.regs.rax, kPages) << "stale pages are left";
        m.space->invalidate_all();
    }
}

TEST_P(Shootdown, rights_taken_from_a_page_hold_for_every_thread) {
    Machine m(options());
    const PhysAddr pa = m.frame_with(0);
    m.tables.map(kData, pa);
    const VirtAddr code = m.place(store_code());
    Guest a = m.guest(code);
    Guest b = m.guest(code);
    a.regs.rdi = b.regs.rdi = kData.raw();
    ASSERT_EQ(a.run().kind, Exit::Kind::syscall);
    ASSERT_EQ(b.run().kind, Exit::Kind::syscall);
    m.tables.map(kData, pa, {.write = false, .dirty = false});
    m.invalidate(kData);
    const std::uint32_t code_bits = kUser | FaultCode::kWrite | FaultCode::kPresent;
    expect_fault(b.run(), kData, code_bits);
    expect_fault(a.run(), kData, code_bits);
}

/// Holds a fill between its walk and its host_map, lets a shootdown of the page begin, and lets
/// the fill go on when the shootdown has returned or, if it must wait, when it waits.
/// @return what the guest's second load of the page saw, 0 if it faulted as it must
std::uint64_t value_seen_after_a_fill_that_a_shootdown_met(bool fill_lock) {
    Machine m({.fill_around = 1});
    m.tables.map(kData, m.frame_with(7));
    const VirtAddr elsewhere = kData + 64 * kPage;
    m.tables.map(elsewhere, m.frame_with(0));
    Guest g = m.guest(load_code());
    // So that the code is in the mirror before the hook is set.
    g.regs.rdi = elsewhere.raw();
    EXPECT_EQ(g.run().kind, Exit::Kind::syscall);
    mirror::MirrorProbe probe(*m.space);
    if (!fill_lock) probe.remove_fill_lock();
    probe.pause_next_fill();

    g.regs.rdi = kData.raw();
    Running running(g);
    probe.await_paused_fill();
    m.tables.unmap(kData);
    sync::Atomic<bool> returned{false};
    sync::Thread shootdown = *sync::Thread::start([&] {
        m.invalidate(kData);
        returned.store(true, Order::release);
    });
    while (!returned.load(Order::acquire) && !probe.fill_lock_contended()) sync::cpu_relax();
    EXPECT_NE(returned.load(Order::acquire), fill_lock);
    probe.release_fill();
    shootdown.join();
    // The load that filled may still have seen the old frame: it began before the shootdown.
    running.join();
    const Exit second = g.run();
    return second.kind == Exit::Kind::syscall ? g.regs.rax : 0;
}

TEST(MirrorTlb, fill_lock_keeps_a_fill_from_outliving_a_shootdown) {
    EXPECT_EQ(value_seen_after_a_fill_that_a_shootdown_met(true), 0U);
}

TEST(MirrorTlb, without_the_fill_lock_one_round_is_enough_for_a_stale_page) {
    EXPECT_EQ(value_seen_after_a_fill_that_a_shootdown_met(false), 7U);
}

}  // namespace
}  // namespace surefoot::cpu
