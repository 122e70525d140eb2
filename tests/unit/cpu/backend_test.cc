// What every back end must do: the same tests on the mirror and, where /dev/kvm opens, on KVM.

#include <sched.h>

#include <vector>

#include "fixture.hpp"
#include "support/kvm.hpp"

namespace surefoot::cpu {
namespace {

using sync::Order;
constexpr VirtAddr kData = Machine::kData;
constexpr std::uint32_t kUser = FaultCode::kUser;
constexpr std::uint32_t kUserWrite = FaultCode::kUser | FaultCode::kWrite;

class Backend : public testing::TestWithParam<BackendKind> {
protected:
    void SetUp() override {
        if (GetParam() != BackendKind::kvm) return;
        if (const std::string why = why_no_kvm(); !why.empty()) GTEST_SKIP() << why;
    }
};
const char* name_of(const testing::TestParamInfo<BackendKind>& kind) {
    switch (kind.param) {
        case BackendKind::mirror:
            return "mirror";
        case BackendKind::eager_mirror:
            return "eager_mirror";
        case BackendKind::kvm:
            return "kvm";
    }
    return "";
}
INSTANTIATE_TEST_SUITE_P(On, Backend, testing::Values(BackendKind::mirror, BackendKind::kvm),
                         name_of);

class Shootdown : public Backend {};
INSTANTIATE_TEST_SUITE_P(On, Shootdown,
                         testing::Values(BackendKind::mirror, BackendKind::eager_mirror,
                                         BackendKind::kvm),
                         name_of);

TEST_P(Backend, system_calls_come_and_go) {
    Machine m(GetParam());
    Guest g = m.guest(syscalls_code());
    for (std::uint64_t i = 0; i < 1000; ++i) {
        g.regs.rax = 0;
        ASSERT_EQ(g.run().kind, Exit::Kind::syscall);
        EXPECT_EQ(g.regs.rax, 39U);
        EXPECT_EQ(g.regs.rbx, i);
        EXPECT_EQ(g.regs.rip, Machine::kCode.raw() + 7);
    }
    EXPECT_EQ(m.backend->counters().exits_syscall, 1000U);
}

TEST_P(Backend, all_registers_reach_the_guest_and_come_back) {
    Machine m(GetParam());
    Guest g = m.guest(syscalls_code());
    g.regs = {.r15 = 15, .r14 = 14, .r13 = 13, .r12 = 12, .r11 = 11, .r10 = 10, .r9 = 9, .r8 = 8,
              .rax = 1, .rbx = 2, .rcx = 3, .rdx = 4, .rsi = 5, .rdi = 6, .rbp = 7, .rsp = 0x7000,
              .rip = Machine::kCode.raw(), .rflags = 0x202, .fs_base = 0x1234'5000,
              .gs_base = 0x5432'1000};
    const Regs before = g.regs;
    ASSERT_EQ(g.run().kind, Exit::Kind::syscall);
    EXPECT_EQ(g.regs.r15, before.r15);
    EXPECT_EQ(g.regs.r14, before.r14);
    EXPECT_EQ(g.regs.r13, before.r13);
    EXPECT_EQ(g.regs.r12, before.r12);
    EXPECT_EQ(g.regs.r10, before.r10);
    EXPECT_EQ(g.regs.r9, before.r9);
    EXPECT_EQ(g.regs.r8, before.r8);
    EXPECT_EQ(g.regs.rbx, before.rbx);
    EXPECT_EQ(g.regs.rdx, before.rdx);
    EXPECT_EQ(g.regs.rsi, before.rsi);
    EXPECT_EQ(g.regs.rdi, before.rdi);
    EXPECT_EQ(g.regs.rbp, before.rbp);
    EXPECT_EQ(g.regs.rsp, before.rsp);
    EXPECT_EQ(g.regs.fs_base, before.fs_base);
    EXPECT_EQ(g.regs.gs_base, before.gs_base);
    EXPECT_EQ(g.regs.rcx, g.regs.rip);
}

void expect_base_is_the_guests(BackendKind kind, std::span<const unsigned char> code,
                               std::uint64_t Regs::*base) {
    Machine m(kind);
    m.tables.map(kData, m.frame_with(77));
    m.tables.map(kData + kPage, m.frame_with(78));
    Guest g = m.guest(code);
    for (std::uint64_t i : {0, 1, 0}) {
        g.regs.*base = kData.raw() + i * kPage;
        ASSERT_EQ(g.run().kind, Exit::Kind::syscall);
        EXPECT_EQ(g.regs.rax, 77 + i);
        EXPECT_EQ(g.regs.*base, kData.raw() + i * kPage);
    }
}

TEST_P(Backend, fs_base_is_the_guests) {
    expect_base_is_the_guests(GetParam(), fs_code(), &Regs::fs_base);
}
TEST_P(Backend, gs_base_is_the_guests) {
    expect_base_is_the_guests(GetParam(), gs_code(), &Regs::gs_base);
}

TEST_P(Backend, absent_page_faults_until_the_server_maps_it) {
    Machine m(GetParam());
    Guest g = m.guest(load_code());
    g.regs.rdi = kData.raw();
    for (int i = 0; i < 2; ++i) expect_fault(g.run(), kData, kUser);
    EXPECT_EQ(g.regs.rip, Machine::kCode.raw());
    m.tables.map(kData, m.frame_with(5));
    EXPECT_EQ(g.run().kind, Exit::Kind::syscall);
    EXPECT_EQ(g.regs.rax, 5U);
}

TEST_P(Backend, write_to_a_read_only_page_faults_until_it_is_made_writable) {
    Machine m(GetParam());
    const PhysAddr pa = m.frame_with(1);
    m.tables.map(kData, pa, {.write = false, .dirty = false});
    Guest g = m.guest(store_code());
    g.regs.rdi = kData.raw();
    g.regs.rsi = 99;
    expect_fault(g.run(), kData, kUserWrite | FaultCode::kPresent);
    EXPECT_EQ(m.arena.word(pa).load(sync::Order::relaxed), 1U);
    // More rights need no invalidation.
    m.tables.map(kData, pa);
    EXPECT_EQ(g.run().kind, Exit::Kind::syscall);
    EXPECT_EQ(m.arena.word(pa).load(sync::Order::relaxed), 99U);
}

TEST_P(Backend, no_execute_is_honoured) {
    Machine m(GetParam());
    const PhysAddr pa = m.arena.frame();
    const auto code = syscalls_code();
    std::memcpy(m.arena.bytes_at(pa), code.data(), code.size());
    m.tables.map(kData, pa);
    Guest g = m.guest(kData);
    expect_fault(g.run(), kData, kUser | FaultCode::kFetch | FaultCode::kPresent);
    // Readable before, so that the fetch meets an existing host mapping.
    Guest reader = m.guest(load_code());
    reader.regs.rdi = kData.raw();
    ASSERT_EQ(reader.run().kind, Exit::Kind::syscall);
    expect_fault(g.run(), kData, kUser | FaultCode::kFetch | FaultCode::kPresent);
    m.tables.map(kData, pa, {.exec = true});
    EXPECT_EQ(g.run().kind, Exit::Kind::syscall);
}

TEST_P(Backend, absent_code_is_a_fetch_fault) {
    Machine m(GetParam());
    Guest g = m.guest(kData);
    expect_fault(g.run(), kData, kUser | FaultCode::kFetch);
}

TEST_P(Backend, exceptions_have_their_vector_and_code) {
    struct {
        std::span<const unsigned char> code;
        int vector;
        std::uint64_t rip;
        std::uint32_t error = 0;
        int other_vector = -1;
    } const cases[] = {{ud2_code(), 6, 0},         {int3_code(), 3, 1},
                       {divide_code(), 0, 9},      {privileged_code(), 13, 0},
                       {noncanonical_code(), 13, 10},
                       {segment_code(), 13, 5, 0x1230},
                       // A KVM without hardware's help may refuse the instruction itself.
                       {int80_code(), 13, 5, 0x402, 6}};
    Machine m(GetParam());
    for (const auto& c : cases) {
        Guest g = m.guest(c.code);
        const std::uint64_t start = g.regs.rip;
        const Exit exit = g.run();
        EXPECT_EQ(exit.kind, Exit::Kind::exception);
        EXPECT_TRUE(exit.vector == c.vector || exit.vector == c.other_vector) << +exit.vector;
        EXPECT_EQ(exit.code, exit.vector == c.vector ? c.error : 0) << "vector " << c.vector;
        EXPECT_EQ(g.regs.rip - start, c.rip) << "vector " << c.vector;
    }
}

TEST_P(Backend, single_step_is_vector_1) {
    Machine m(GetParam());
    Guest g = m.guest(spin_code());
    g.regs.rflags |= 0x100;
    const Exit exit = g.run();
    EXPECT_EQ(exit.kind, Exit::Kind::exception);
    EXPECT_EQ(exit.vector, 1);
    EXPECT_EQ(g.regs.rbx, 1U);
}

TEST_P(Backend, entry_outside_the_arena_ends_the_space_and_not_the_server) {
    Machine m(GetParam());
    m.tables.map(kData, PhysAddr(m.arena.bytes()));
    Guest g = m.guest(load_code());
    g.regs.rdi = kData.raw();
    EXPECT_EQ(g.run().kind, Exit::Kind::dead);
    EXPECT_EQ(g.run().kind, Exit::Kind::dead);
}

std::uint64_t low_quad_of_xmm(const std::vector<std::byte>& area, unsigned n) {
    std::uint64_t value = 0;
    std::memcpy(&value, area.data() + 160 + 16 * n, sizeof value);
    return value;
}
void set_xmm(std::vector<std::byte>& area, unsigned n, std::uint64_t value) {
    std::memcpy(area.data() + 160 + 16 * n, &value, sizeof value);
    area[512] |= std::byte{3};  // XSTATE_BV: x87 and SSE
}

TEST_P(Backend, vector_state_survives_exits_and_can_be_saved_and_loaded) {
    Machine m(GetParam());
    Guest g = m.guest(vectors_code());
    ASSERT_GE(g.vcpu->fp_state_size(), 576U);
    std::vector<std::byte> area(g.vcpu->fp_state_size());
    g.vcpu->save_fp_state(area);
    set_xmm(area, 0, 100);
    set_xmm(area, 1, 7);
    ASSERT_TRUE(g.vcpu->load_fp_state(area));
    for (std::uint64_t i = 1; i <= 3; ++i) {
        ASSERT_EQ(g.run().kind, Exit::Kind::syscall);
        g.vcpu->save_fp_state(area);
        EXPECT_EQ(low_quad_of_xmm(area, 0), 100 + 7 * i);
    }
    // To another thread, and then back to the state of a new program.
    Guest other = m.guest(vectors_code());
    ASSERT_TRUE(other.vcpu->load_fp_state(area));
    ASSERT_EQ(other.run().kind, Exit::Kind::syscall);
    other.vcpu->save_fp_state(area);
    EXPECT_EQ(low_quad_of_xmm(area, 0), 128U);
    other.vcpu->reset_fp_state();
    ASSERT_EQ(other.run().kind, Exit::Kind::syscall);
    other.vcpu->save_fp_state(area);
    EXPECT_EQ(low_quad_of_xmm(area, 0), 0U);
    std::uint16_t control = 0;
    std::memcpy(&control, area.data(), sizeof control);
    EXPECT_EQ(control, 0x37f);
}

TEST_P(Backend, legacy_area_can_be_loaded) {
    Machine m(GetParam());
    Guest g = m.guest(vectors_code());
    std::vector<std::byte> area(g.vcpu->fp_state_size());
    g.vcpu->save_fp_state(area);
    set_xmm(area, 0, 40);
    set_xmm(area, 1, 2);
    ASSERT_TRUE(g.vcpu->load_fp_state(std::span(area).first(512)));
    ASSERT_EQ(g.run().kind, Exit::Kind::syscall);
    g.vcpu->save_fp_state(area);
    EXPECT_EQ(low_quad_of_xmm(area, 0), 42U);
}

TEST_P(Backend, malformed_vector_state_is_refused_and_changes_nothing) {
    Machine m(GetParam());
    Guest g = m.guest(vectors_code());
    std::vector<std::byte> good(g.vcpu->fp_state_size());
    g.vcpu->save_fp_state(good);
    set_xmm(good, 0, 5);
    ASSERT_TRUE(g.vcpu->load_fp_state(good));
    for (const std::size_t offset : {std::size_t{27}, std::size_t{512 + 7}, std::size_t{512 + 8},
                                     std::size_t{512 + 63}}) {
        std::vector<std::byte> bad = good;
        set_xmm(bad, 0, 6);
        bad[offset] = std::byte{0x80};
        const Result<void> result = g.vcpu->load_fp_state(bad);
        ASSERT_FALSE(result) << "byte " << offset;
        EXPECT_EQ(result.error(), Errno::inval);
    }
    EXPECT_FALSE(g.vcpu->load_fp_state(std::span(good).first(100)));
    ASSERT_EQ(g.run().kind, Exit::Kind::syscall);
    g.vcpu->save_fp_state(good);
    EXPECT_EQ(low_quad_of_xmm(good, 0), 5U);
}

TEST_P(Backend, new_root_takes_effect_at_the_next_run) {
    Machine m(GetParam());
    m.tables.map(kData, m.frame_with(1));
    Tables second(m.arena);
    second.map(kData, m.frame_with(2));
    Guest g = m.guest(load_code());
    second.map(Machine::kCode,
               PhysAddr(m.tables.entry(Machine::kCode).load(sync::Order::relaxed) &
                        arch::Format::kFrameMask),
               {.write = false, .exec = true});
    g.regs.rdi = kData.raw();
    ASSERT_EQ(g.run().kind, Exit::Kind::syscall);
    EXPECT_EQ(g.regs.rax, 1U);
    m.space->set_root(second.root());
    ASSERT_EQ(g.run().kind, Exit::Kind::syscall);
    EXPECT_EQ(g.regs.rax, 2U);
}

TEST_P(Backend, stale_translation_stays_without_invalidation) {
    Machine m(GetParam());
    m.tables.map(kData, m.frame_with(1));
    Guest g = m.guest(load_code());
    g.regs.rdi = kData.raw();
    ASSERT_EQ(g.run().kind, Exit::Kind::syscall);
    m.tables.map(kData, m.frame_with(2));
    ASSERT_EQ(g.run().kind, Exit::Kind::syscall);
    EXPECT_EQ(g.regs.rax, 1U) << "the back end forgot a translation by itself";
    m.invalidate(kData);
    ASSERT_EQ(g.run().kind, Exit::Kind::syscall);
    EXPECT_EQ(g.regs.rax, 2U);
}

TEST_P(Shootdown, next_access_after_an_unmap_faults) {
    Machine m(GetParam());
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
    EXPECT_EQ(c.shootdowns_lazy, GetParam() == BackendKind::eager_mirror ? 0U : 100U);
}

TEST_P(Shootdown, many_ranges_and_everything_are_invalidated) {
    Machine m(GetParam());
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
    Machine m(GetParam());
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

TEST_P(Backend, running_thread_sees_a_remap_when_the_shootdown_has_returned) {
    Machine m(GetParam());
    // The guest watches one word and reports the first other value.
    m.tables.map(kData, m.frame_with(1));
    Guest g = m.guest(watch_code());
    g.regs.rdi = kData.raw();
    std::uint64_t value = 1;
    for (int round = 0; round < 200; ++round) {
        g.regs.rsi = value;
        Running running(g);
        m.tables.map(kData, m.frame_with(++value));
        m.invalidate(kData);
        ASSERT_EQ(running.join().kind, Exit::Kind::syscall);
        ASSERT_EQ(g.regs.rax, value);
    }
}

TEST_P(Backend, frame_is_out_of_use_when_the_shootdown_has_returned) {
    Machine m(GetParam());
    const PhysAddr count = m.frame_with(0);
    m.tables.map(kData, count);
    const VirtAddr code = m.place(count_code());
    Guest a = m.guest(code);
    Guest b = m.guest(code);
    for (Guest* g : {&a, &b}) {
        g->regs.rdi = kData.raw();
        g->regs.rcx = ~std::uint64_t{0};
    }
    auto& word = m.arena.word(count);
    for (int round = 0; round < 50; ++round) {
        m.tables.map(kData, count);
        Running running_a(a);
        Running running_b(b);
        await_change(word);
        m.tables.unmap(kData);
        m.invalidate(kData);
        const std::uint64_t frozen = word.load(Order::relaxed);
        expect_fault(running_a.join(), kData, kUser | FaultCode::kWrite);
        expect_fault(running_b.join(), kData, kUser | FaultCode::kWrite);
        EXPECT_EQ(word.load(Order::relaxed), frozen);
    }
}

TEST_P(Backend, two_threads_count_in_parallel_without_loss) {
    Machine m(GetParam());
    const PhysAddr pa = m.frame_with(0);
    m.tables.map(kData, pa);
    const VirtAddr code = m.place(count_code());
    constexpr std::uint64_t kTimes = 500'000;
    Guest a = m.guest(code);
    Guest b = m.guest(code);
    for (Guest* g : {&a, &b}) {
        g->regs.rdi = kData.raw();
        g->regs.rcx = kTimes;
    }
    Running running_a(a);
    Running running_b(b);
    EXPECT_EQ(running_a.join().kind, Exit::Kind::syscall);
    EXPECT_EQ(running_b.join().kind, Exit::Kind::syscall);
    EXPECT_EQ(m.arena.word(pa).load(Order::relaxed), 2 * kTimes);
}

TEST_P(Backend, spaces_do_not_share_translations) {
    Machine m(GetParam());
    Tables other(m.arena);
    const VirtAddr code = m.place(load_code());
    other.map(code, PhysAddr(m.tables.entry(code).load(Order::relaxed) &
                             arch::Format::kFrameMask),
              {.write = false, .exec = true});
    m.tables.map(kData, m.frame_with(1));
    other.map(kData, m.frame_with(2));
    Result<std::unique_ptr<Space>> space = m.backend->create_space(other.root());
    ASSERT_TRUE(space);
    Guest a = m.guest(code);
    Guest b{std::move(*(*space)->create_vcpu())};
    b.regs = a.regs;
    a.regs.rdi = b.regs.rdi = kData.raw();
    for (int round = 0; round < 3; ++round) {
        ASSERT_EQ(a.run().kind, Exit::Kind::syscall);
        ASSERT_EQ(b.run().kind, Exit::Kind::syscall);
        EXPECT_EQ(a.regs.rax, 1U);
        EXPECT_EQ(b.regs.rax, 2U);
    }
}

TEST_P(Backend, refills_race_with_remaps_and_are_never_stale) {
    Machine m(GetParam());
    // The value only grows, and its two frames are reused in turn: a stale mapping shows an old
    // value, or a zero.
    m.tables.map(kData, m.frame_with(1));
    Guest g = m.guest(watch_code());
    g.regs.rdi = kData.raw();
    const PhysAddr frames[] = {m.arena.frame(), m.arena.frame()};
    constexpr std::uint64_t kLast = 500;
    sync::Atomic<std::uint64_t> published{1};
    sync::Atomic<std::uint64_t> seen{0};
    sync::Thread remapper = *sync::Thread::start([&] {
        for (std::uint64_t value = 2; value <= kLast; ++value) {
            // The guest has read the last value, and watches it, or is about to.
            for (std::uint64_t s = 0; (s = seen.load(Order::acquire)) != value - 1;) {
                seen.wait(s, Order::acquire);
            }
            m.tables.unmap(kData);
            m.invalidate(kData);
            m.arena.word(frames[(value + 1) % 2]).store(0, Order::relaxed);
            m.arena.word(frames[value % 2]).store(value, Order::relaxed);
            published.store(value, Order::release);
            m.tables.map(kData, frames[value % 2]);
        }
    });
    while (seen.load(Order::relaxed) != kLast) {
        const std::uint64_t before = seen.load(Order::relaxed);
        g.regs.rsi = before;
        const Exit exit = g.run();
        if (exit.kind == Exit::Kind::fault) continue;
        ASSERT_EQ(exit.kind, Exit::Kind::syscall);
        ASSERT_EQ(g.regs.rax, before + 1);
        ASSERT_LE(g.regs.rax, published.load(Order::acquire));
        seen.store(g.regs.rax, Order::release);
        seen.notify_one();
    }
    remapper.join();
    EXPECT_GT(m.backend->counters().shootdowns, m.backend->counters().shootdowns_lazy);
}

TEST_P(Backend, kick_before_a_run_returns_at_once) {
    Machine m(GetParam());
    Guest g = m.guest(spin_code());
    for (int round = 0; round < 10; ++round) {
        g.vcpu->kick();
        EXPECT_EQ(g.run().kind, Exit::Kind::kicked);
    }
    EXPECT_EQ(g.regs.rbx, 0U);
}

TEST_P(Backend, kick_leaves_guest_code_and_keeps_its_registers) {
    Machine m(GetParam());
    const PhysAddr pa = m.frame_with(0);
    m.tables.map(kData, pa);
    Guest g = m.guest(count_code());
    g.regs.rdi = kData.raw();
    g.regs.rcx = ~std::uint64_t{0};
    auto& word = m.arena.word(pa);
    for (int round = 0; round < 20; ++round) {
        Exit exit;
        sync::Thread thread = *sync::Thread::start([&] { exit = g.run(); });
        const std::uint64_t before = word.load(Order::relaxed);
        while (word.load(Order::relaxed) == before) sync::cpu_relax();
        g.vcpu->kick();
        thread.join();
        ASSERT_EQ(exit.kind, Exit::Kind::kicked);
        // `lock inc` and `dec` are two instructions: the kick may come between them.
        const std::uint64_t counted = ~std::uint64_t{0} - g.regs.rcx;
        const std::uint64_t stored = word.load(Order::relaxed);
        EXPECT_TRUE(stored == counted || stored == counted + 1) << stored << " " << counted;
    }
}

std::vector<unsigned> allowed_cpus() {
    cpu_set_t set;
    CPU_ZERO(&set);
    EXPECT_EQ(::sched_getaffinity(0, sizeof set, &set), 0);
    std::vector<unsigned> cpus;
    for (unsigned cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
        if (CPU_ISSET(cpu, &set)) cpus.push_back(cpu);
    }
    return cpus;
}

TEST_P(Backend, no_kick_is_lost) {
    const std::vector<unsigned> cpus = allowed_cpus();
    Machine m(GetParam());
    Guest g = m.guest(spin_code());  // on the first CPU
    // The guest never leaves by itself: one lost kick hangs the test. The kicker has a CPU of its
    // own, so that it can meet each moment of an entry.
    const int kRounds = GetParam() == BackendKind::kvm ? 4000 : 20'000;
    sync::Atomic<int> returned{0};
    sync::Thread runner = *sync::Thread::start([&] {
        for (int round = 0; round < kRounds; ++round) {
            EXPECT_EQ(g.run().kind, Exit::Kind::kicked);
            returned.fetch_add(1, Order::release);
            returned.notify_one();
        }
    });
    sync::Thread kicker = *sync::Thread::start([&] {
        if (cpus.size() > 1) sync::pin_this_thread(cpus[1]);
        for (int round = 0; round < kRounds; ++round) {
            for (int i = 0; i < round % 32; ++i) sync::cpu_relax();
            g.vcpu->kick();
            for (int i = 0; i < 2000 && returned.load(Order::acquire) == round; ++i) {
                sync::cpu_relax();
            }
            returned.wait(round, Order::acquire);
        }
    });
    runner.join();
    kicker.join();
}

TEST_P(Backend, kick_that_meets_another_exit_stays_for_the_next_run) {
    Machine m(GetParam());
    Guest g = m.guest(syscalls_code());
    const int kKicks = GetParam() == BackendKind::kvm ? 500 : 2000;
    sync::Atomic<int> sent{0};
    sync::Atomic<int> taken{0};
    sync::Thread kicker = *sync::Thread::start([&] {
        for (int round = 0; round < kKicks; ++round) {
            sent.fetch_add(1, Order::release);
            g.vcpu->kick();
            taken.wait(round, Order::acquire);
        }
    });
    std::uint64_t calls = 0;
    // A few runs more, for the signal of a kick that was taken otherwise.
    for (int after = 0; after < 10;) {
        const Exit exit = g.run();
        if (exit.kind == Exit::Kind::kicked) {
            EXPECT_LT(taken.load(Order::relaxed), sent.load(Order::acquire)) << "nobody kicked";
            taken.fetch_add(1, Order::release);
            taken.notify_one();
        } else {
            ASSERT_EQ(exit.kind, Exit::Kind::syscall);
            ++calls;
            if (taken.load(Order::relaxed) >= kKicks) ++after;
        }
    }
    kicker.join();
    EXPECT_LE(g.regs.rbx - calls + 1, 1U) << "a kick lost or repeated a guest instruction";
}

}  // namespace
}  // namespace surefoot::cpu
