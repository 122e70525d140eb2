// One guest thread at a time: exits, fills, rights, exceptions, registers and vector state.

#include <fstream>
#include <vector>

#include "fixture.hpp"

namespace surefoot::cpu {
namespace {

constexpr VirtAddr kData = Machine::kData;
constexpr std::uint32_t kUser = FaultCode::kUser;
constexpr std::uint32_t kUserWrite = FaultCode::kUser | FaultCode::kWrite;

TEST(Mirror, present_page_is_filled_without_the_server) {
    Machine m;
    m.tables.map(kData, m.frame_with(6));
    Guest g = m.guest(load_code());
    g.regs.rdi = kData.raw();
    EXPECT_EQ(g.run().kind, Exit::Kind::syscall);
    EXPECT_EQ(g.regs.rax, 6U);
    EXPECT_EQ(m.backend->counters().exits_fault, 0U);
    EXPECT_EQ(m.backend->counters().refills, 2U);  // code and data
}

TEST(Mirror, accessed_and_dirty_are_for_the_server_to_set) {
    Machine m({.fill_around = 1});
    const PhysAddr pa = m.frame_with(1);
    m.tables.map(kData, pa, {.young = false, .dirty = false});
    Guest reader = m.guest(load_code());
    reader.regs.rdi = kData.raw();
    expect_fault(reader.run(), kData, kUser);
    m.tables.map(kData, pa, {.dirty = false});
    EXPECT_EQ(reader.run().kind, Exit::Kind::syscall);
    // The page is in the mirror, but not writable before D is set.
    Guest writer = m.guest(store_code());
    writer.regs.rdi = kData.raw();
    expect_fault(writer.run(), kData, kUserWrite | FaultCode::kPresent);
    m.tables.map(kData, pa);
    EXPECT_EQ(writer.run().kind, Exit::Kind::syscall);
}

TEST(Mirror, huge_page_is_filled_piece_by_piece) {
    Machine m;
    constexpr std::uint64_t kHuge = 2ULL << 20;
    const PhysAddr raw = m.arena.frame(1024);
    const PhysAddr pa = raw.align_up(kHuge);
    m.tables.map_huge(kData, pa);
    Guest g = m.guest(load_code());
    for (std::uint64_t offset : {std::uint64_t{0}, 5 * kPage, kHuge - kPage}) {
        m.arena.word(pa + offset).store(offset + 1, sync::Order::relaxed);
        g.regs.rdi = (kData + offset).raw();
        ASSERT_EQ(g.run().kind, Exit::Kind::syscall);
        EXPECT_EQ(g.regs.rax, offset + 1);
    }
    m.tables.entry(kData, arch::PtLevel::pmd).store(0, sync::Order::release);
    m.invalidate(kData, 512);
    expect_fault(g.run(), kData + (kHuge - kPage), kUser);
}

TEST(Mirror, addresses_past_the_guest_range_are_ordinary_faults) {
    Machine m;
    Guest g = m.guest(store_code());
    // The arena (read only in the stub), a hole, the kernel's half.
    for (const std::uint64_t va : std::initializer_list<std::uint64_t>{
             m.backend->guest_end().raw(), 0x7fff'0000'0000ULL,
                             0xffff'8000'0000'0000ULL}) {
        g.regs.rdi = va;
        expect_fault(g.run(), VirtAddr(va), kUserWrite);
    }
    g.regs.rdi = kData.raw();
    m.tables.map(kData, m.arena.frame());
    EXPECT_EQ(g.run().kind, Exit::Kind::syscall);
}

TEST(Mirror, fill_around_maps_neighbours_with_equal_rights) {
    Machine m({.fill_around = 16});
    const PhysAddr pa = m.arena.frame(16);
    for (std::uint64_t i = 0; i < 16; ++i) {
        m.arena.word(pa + i * kPage).store((kData + i * kPage).raw(), sync::Order::relaxed);
        // Page 9 is read only, page 12 not young: a fill of page 0 stops at the first of them.
        m.tables.map(kData + i * kPage, pa + i * kPage,
                     {.write = i != 9, .young = i != 12, .dirty = i != 9});
    }
    Guest g = m.guest(sweep_code());
    g.regs.rdi = kData.raw();
    g.regs.rbx = kPage;
    g.regs.rdx = 16;
    expect_fault(g.run(), kData + 12 * kPage, kUser);
    // The code; pages 0-8; page 9; pages 10-11.
    EXPECT_EQ(m.backend->counters().refills, 4U);
    m.tables.map(kData + 12 * kPage, pa + 12 * kPage);
    ASSERT_EQ(g.run().kind, Exit::Kind::syscall);
    EXPECT_EQ(g.regs.rax, 0U);
}

TEST(Mirror, more_pages_than_the_host_has_mappings_are_evicted_and_come_back) {
    constexpr std::uint64_t kPages = 70'000;
    std::uint64_t host_mappings = 0;
    std::ifstream("/proc/sys/vm/max_map_count") >> host_mappings;
    if (host_mappings + 1000 > kPages) GTEST_SKIP() << "the host has room for " << host_mappings;
    Machine m({.fill_around = 1}, 1536ULL << 20);
    // Every second page of the range, backed by every third frame: the host can merge nothing.
    const PhysAddr first = m.arena.frame(3 * kPages);
    for (std::uint64_t i = 0; i < kPages; ++i) {
        const VirtAddr va = kData + 2 * i * kPage;
        const PhysAddr pa = first + 3 * i * kPage;
        m.arena.word(pa).store(va.raw() + 1, sync::Order::relaxed);
        m.tables.map(va, pa);
    }
    Guest g = m.guest(sweep_code());
    g.regs.rdi = kData.raw();
    g.regs.rsi = 1;
    g.regs.rbx = 2 * kPage;
    g.regs.rdx = kPages;
    for (int round = 0; round < 2; ++round) {
        ASSERT_EQ(g.run().kind, Exit::Kind::syscall);
        EXPECT_EQ(g.regs.rax, 0U) << "wrong values in round " << round;
    }
    EXPECT_GE(m.backend->counters().refills, kPages + host_mappings / 2);
}

TEST(Mirror, bad_options_are_refused) {
    Arena arena(1 << 20);
    MirrorOptions good{.arena_fd = arena.fd(), .arena_bytes = arena.bytes()};
    MirrorOptions bad = good;
    bad.fill_around = 3;
    EXPECT_EQ(make_mirror(bad).error(), Errno::inval);
    bad = good;
    bad.arena_fd = -1;
    EXPECT_EQ(make_mirror(bad).error(), Errno::inval);
    bad = good;
    bad.zygote_path = "/nowhere/surefoot-zygote";
    EXPECT_EQ(make_mirror(bad).error(), Errno::noent);
}

}  // namespace
}  // namespace surefoot::cpu
