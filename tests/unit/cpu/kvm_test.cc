// What only KVM has: tables that the processor walks, flags that it sets, and its host calls.

#include <signal.h>

#include <vector>

#include "fixture.hpp"
#include "lives.hpp"
#include "support/kvm.hpp"

namespace surefoot::cpu {
namespace {

using sync::Order;
constexpr VirtAddr kData = Machine::kData;
constexpr std::uint64_t kHuge = 2ULL << 20;

class Kvm : public testing::Test {
protected:
    void SetUp() override {
        if (const std::string why = why_no_kvm(); !why.empty()) GTEST_SKIP() << why;
    }
};

TEST_F(Kvm, accessed_and_dirty_are_set_by_the_processor) {
    Machine m(BackendKind::kvm);
    constexpr std::uint64_t kAccessed = arch::Format::kAccessed;
    constexpr std::uint64_t kDirty = arch::Format::kDirty;
    const PhysAddr pa = m.frame_with(1);
    m.tables.map(kData, pa, {.young = false, .dirty = false});
    auto& entry = m.tables.entry(kData);
    Guest reader = m.guest(load_code());
    Guest writer = m.guest(store_code());
    reader.regs.rdi = writer.regs.rdi = kData.raw();
    for (int round = 0; round < 3; ++round) {
        ASSERT_EQ(reader.run().kind, Exit::Kind::syscall);
        EXPECT_EQ(entry.load(Order::relaxed) & (kAccessed | kDirty), kAccessed);
        ASSERT_EQ(writer.run().kind, Exit::Kind::syscall);
        EXPECT_EQ(entry.load(Order::relaxed) & (kAccessed | kDirty), kAccessed | kDirty);
        entry.fetch_and(~(kAccessed | kDirty), Order::relaxed);
        m.invalidate(kData);
    }
    EXPECT_EQ(m.backend->counters().exits_fault, 0U);
}

TEST_F(Kvm, table_that_is_unlinked_and_used_again_shows_nothing_of_its_first_life) {
    Machine m(BackendKind::kvm);
    constexpr std::uint64_t kPages = 16;
    Guest g = m.guest(sweep_code());
    g.regs.rbx = kPage;
    g.regs.rdx = kPages;
    const PhysAddr old_frames = m.arena.frame(kPages);
    const PhysAddr new_frames = m.arena.frame(kPages);
    const VirtAddr elsewhere = kData + 64 * kHuge;
    for (std::uint64_t i = 0; i < kPages; ++i) {
        m.tables.map(kData + i * kPage, old_frames + i * kPage);
        m.arena.word(old_frames + i * kPage).store(7, Order::relaxed);
        m.arena.word(new_frames + i * kPage)
            .store((elsewhere + i * kPage).raw(), Order::relaxed);
    }
    g.regs.rdi = kData.raw();
    ASSERT_EQ(g.run().kind, Exit::Kind::syscall);

    auto& link = m.tables.entry(kData, arch::PtLevel::pmd);
    const std::uint64_t table_link = link.exchange(0, Order::seq_cst);
    const PhysAddr table(table_link & arch::Format::kFrameMask);
    for (std::uint64_t i = 0; i < 512; ++i) m.arena.word(table + i * 8).store(0, Order::relaxed);
    const VaRange range{kData.align_down(kHuge), kData.align_down(kHuge) + kHuge};
    const Pfn unlinked = arch::to_pfn(table);
    m.space->invalidate({.ranges = {&range, 1}, .unlinked_tables = {&unlinked, 1}});
    EXPECT_EQ(g.run().kind, Exit::Kind::fault);

    m.tables.entry(elsewhere, arch::PtLevel::pmd).store(table_link, Order::release);
    for (std::uint64_t i = 0; i < kPages; ++i) {
        m.tables.map(elsewhere + i * kPage, new_frames + i * kPage);
    }
    g.regs.rip = Machine::kCode.raw();
    g.regs.rdi = elsewhere.raw();
    g.regs.rsi = 0;
    ASSERT_EQ(g.run().kind, Exit::Kind::syscall);
    EXPECT_EQ(g.regs.rax, 0U) << "pages of the table's first life";
}

TEST_F(Kvm, tables_of_a_space_that_ended_can_be_used_again) {
    Machine m(BackendKind::kvm);
    const VirtAddr code = m.place(load_code());
    const std::uint64_t code_leaf = m.tables.entry(code).load(Order::relaxed);
    Tables second(m.arena);
    second.entry(code).store(code_leaf, Order::relaxed);
    for (std::uint64_t round = 1; round < 5; ++round) {
        for (std::uint64_t i = 0; i < 4; ++i) {
            second.map(kData + i * kPage, m.frame_with(100 * round + i));
        }
        Result<std::unique_ptr<Space>> space = m.backend->create_space(second.root());
        ASSERT_TRUE(space);
        {
            Guest g{std::move(*(*space)->create_vcpu())};
            for (std::uint64_t i = 0; i < 4; ++i) {
                g.regs.rip = code.raw();
                g.regs.rdi = (kData + i * kPage).raw();
                ASSERT_EQ(g.run().kind, Exit::Kind::syscall);
                EXPECT_EQ(g.regs.rax, 100 * round + i);
            }
        }
        space->reset();
        EXPECT_EQ(m.arena.word(second.root() + 511 * 8).load(Order::relaxed), 0U);
    }
}

TEST_F(Kvm, huge_page_and_its_table_replace_each_other) {
    Machine m(BackendKind::kvm);
    const PhysAddr huge = m.arena.frame(1024).align_up(kHuge);
    m.arena.word(huge + 5 * kPage).store(55, Order::relaxed);
    Guest g = m.guest(load_code());
    g.regs.rdi = (kData + 5 * kPage).raw();
    m.tables.map(kData + 5 * kPage, m.frame_with(5));
    const VaRange range{kData, kData + kHuge};
    auto& pmd = m.tables.entry(kData, arch::PtLevel::pmd);
    for (int round = 0; round < 3; ++round) {
        ASSERT_EQ(g.run().kind, Exit::Kind::syscall);
        EXPECT_EQ(g.regs.rax, 5U);
        const std::uint64_t table = pmd.load(Order::relaxed);
        m.tables.map_huge(kData, huge);
        const Pfn unlinked = arch::to_pfn(PhysAddr(table & arch::Format::kFrameMask));
        m.space->invalidate({.ranges = {&range, 1}, .unlinked_tables = {&unlinked, 1}});
        ASSERT_EQ(g.run().kind, Exit::Kind::syscall);
        EXPECT_EQ(g.regs.rax, 55U);
        pmd.store(table, Order::release);
        m.space->invalidate({.ranges = {&range, 1}, .unlinked_tables = {}});
    }
}

TEST_F(Kvm, guest_cannot_reach_the_supervisor_area) {
    Machine m(BackendKind::kvm);
    for (const std::uint64_t va : std::initializer_list<std::uint64_t>{
             0xffff'ff80'0000'0000, 0xffff'ffff'c000'0000, 0xffff'ffff'c000'4000}) {
        Guest g = m.guest(store_code());
        g.regs.rdi = va;
        const Exit exit = g.run();
        EXPECT_EQ(exit.kind, Exit::Kind::fault);
        EXPECT_EQ(exit.va, VirtAddr(va));
        EXPECT_EQ(exit.code & (FaultCode::kWrite | FaultCode::kUser),
                  FaultCode::kWrite | FaultCode::kUser);
    }
}

TEST_F(Kvm, registers_that_cannot_be_entered_are_an_exception) {
    Machine m(BackendKind::kvm);
    Guest g = m.guest(syscalls_code());
    g.regs.rip = 0x8000'0000'0000'0000;
    const Exit exit = g.run();
    EXPECT_EQ(exit.kind, Exit::Kind::exception);
    EXPECT_EQ(exit.vector, 13);
    EXPECT_EQ(g.regs.rip, 0x8000'0000'0000'0000U);
    g.regs.rip = Machine::kCode.raw();
    EXPECT_EQ(g.run().kind, Exit::Kind::syscall);
}

TEST_F(Kvm, processors_are_used_again) {
    Machine m(BackendKind::kvm);
    const VirtAddr code = m.place(fs_code());
    m.tables.map(kData, m.frame_with(9));
    // More threads than KVM has processors, a few at a time.
    for (int round = 0; round < 300; ++round) {
        std::vector<Guest> guests;
        for (int i = 0; i < 4; ++i) {
            guests.push_back(m.guest(code));
            guests.back().regs.fs_base = kData.raw();
        }
        for (Guest& g : guests) {
            ASSERT_EQ(g.run().kind, Exit::Kind::syscall);
            ASSERT_EQ(g.regs.rax, 9U);
        }
    }
}

TEST_F(Kvm, signal_mask_of_the_running_thread_is_kept) {
    Machine m(BackendKind::kvm);
    Guest g = m.guest(spin_code());
    sigset_t before;
    sigset_t after;
    ::sigprocmask(SIG_SETMASK, nullptr, &before);
    for (int round = 0; round < 50; ++round) {
        sync::Thread kicker = *sync::Thread::start([&] {
            for (int i = 0; i < 3; ++i) g.vcpu->kick();
        });
        EXPECT_EQ(g.run().kind, Exit::Kind::kicked);
        kicker.join();
    }
    ::sigprocmask(SIG_SETMASK, nullptr, &after);
    EXPECT_EQ(::sigismember(&before, SIGRTMAX - 2), ::sigismember(&after, SIGRTMAX - 2));
    ::sigpending(&after);
    EXPECT_EQ(::sigismember(&after, SIGRTMAX - 2), 0);
}

TEST_F(Kvm, bad_options_are_refused) {
    Arena arena(1 << 20);
    EXPECT_EQ(make_kvm({}).error(), Errno::inval);
    EXPECT_EQ(make_kvm({.arena = arena.all().first(5000)}).error(), Errno::inval);
    EXPECT_EQ(make_kvm({.arena = arena.all(), .levels = 3}).error(), Errno::inval);
    EXPECT_EQ(make_kvm({.arena = arena.all(), .levels = 5}).error(), Errno::opnotsupp);
    Result<std::unique_ptr<CpuBackend>> backend = make_kvm({.arena = arena.all()});
    ASSERT_TRUE(backend);
    EXPECT_EQ((*backend)->create_space(PhysAddr(arena.bytes())).error(), Errno::inval);
    EXPECT_EQ((*backend)->create_space(PhysAddr(8)).error(), Errno::inval);
}

TEST_F(Kvm, every_host_call_may_fail_and_nothing_leaks) {
    const auto make = [](Arena& arena, sync::FailPlan& plan) {
        return make_kvm({.arena = arena.all(), .fail = &plan});
    };
    EXPECT_GE(count_calls_that_may_fail(make), 11U);
}

}  // namespace
}  // namespace surefoot::cpu
