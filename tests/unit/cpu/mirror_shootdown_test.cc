// The mirror is a TLB: what it may keep, what a shootdown takes away, and the fill lock.

#include <gmock/gmock.h>

#include <vector>

#include "fixture.hpp"

namespace surefoot::cpu {
namespace {

using sync::Order;
constexpr VirtAddr kData = Machine::kData;

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
