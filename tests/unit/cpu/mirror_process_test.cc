// The death of stubs and of the server, what a stub can reach, and failures of the host.

#include <elf.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "cpu/mirror/stub_process.hpp"
#include "fixture.hpp"
#include "lives.hpp"

namespace surefoot::cpu {
namespace {

using mirror::MirrorProbe;
using sync::Order;
constexpr VirtAddr kData = Machine::kData;

void kill_stub(const Machine& m) {
    const pid_t pid = MirrorProbe(*m.space).stub_pid();
    ASSERT_EQ(::kill(pid, SIGKILL), 0);
}

TEST(MirrorDeath, killed_stub_ends_the_run) {
    Machine m;
    const PhysAddr pa = m.frame_with(0);
    m.tables.map(kData, pa);
    Guest g = m.guest(count_code());
    g.regs.rdi = kData.raw();
    Exit exit;
    sync::Thread thread = *sync::Thread::start([&] { exit = g.run(); });
    while (m.arena.word(pa).load(Order::relaxed) == 0) sync::cpu_relax();
    kill_stub(m);
    thread.join();
    EXPECT_EQ(exit.kind, Exit::Kind::dead);
    EXPECT_EQ(g.run().kind, Exit::Kind::dead);
    m.invalidate(kData);
    m.space->invalidate_all();
    EXPECT_FALSE(m.space->create_vcpu());
}

TEST(MirrorDeath, shootdown_returns_when_the_stub_is_killed_under_it) {
    for (int round = 0; round < 20; ++round) {
        MirrorOptions options;
        options.lazy = false;
        Machine m(options);
        Guest g = m.guest(syscalls_code());
        ASSERT_EQ(g.run().kind, Exit::Kind::syscall);
        sync::Atomic<bool> stop{false};
        sync::Atomic<int> done{0};
        sync::Thread thread = *sync::Thread::start([&] {
            while (!stop.load(Order::relaxed)) {
                m.invalidate(kData);
                done.fetch_add(1, Order::relaxed);
            }
        });
        while (done.load(Order::relaxed) < 3) sync::cpu_relax();
        kill_stub(m);
        while (g.run().kind != Exit::Kind::dead) {
        }
        stop.store(true, Order::relaxed);
        thread.join();
    }
}

TEST(MirrorDeath, other_spaces_live_on) {
    Machine m;
    Guest g = m.guest(load_code());
    g.regs.rdi = kData.raw();
    m.tables.map(kData, m.frame_with(3));
    Result<std::unique_ptr<Space>> second = m.backend->create_space(m.tables.root());
    ASSERT_TRUE(second);
    Guest other{std::move(*(*second)->create_vcpu())};
    other.regs = g.regs;
    kill_stub(m);
    while (g.run().kind != Exit::Kind::dead) {
    }
    EXPECT_EQ(other.run().kind, Exit::Kind::syscall);
    EXPECT_EQ(other.regs.rax, 3U);
}

/// pids of the stubs and the zygote that a server process has told.
std::vector<pid_t> read_pids(int fd, std::size_t count) {
    std::vector<pid_t> pids(count);
    std::size_t got = 0;
    while (got < count * sizeof(pid_t)) {
        const ssize_t n = ::read(fd, reinterpret_cast<char*>(pids.data()) + got,
                                 count * sizeof(pid_t) - got);
        if (n <= 0) return {};
        got += static_cast<std::size_t>(n);
    }
    return pids;
}

/// A server with one running guest and one idle one; it never returns.
[[noreturn]] void serve_until_killed(int tell) {
    Machine m;
    Result<std::unique_ptr<Space>> second = m.backend->create_space(m.tables.root());
    const PhysAddr pa = m.frame_with(0);
    m.tables.map(kData, pa);
    Guest g = m.guest(count_code());
    g.regs.rdi = kData.raw();
    g.regs.rcx = ~std::uint64_t{0};
    sync::Thread thread = *sync::Thread::start([&] { g.run(); });
    while (m.arena.word(pa).load(Order::relaxed) == 0) sync::cpu_relax();
    const pid_t pids[] = {MirrorProbe(*m.space).stub_pid(), MirrorProbe(**second).stub_pid(),
                          MirrorProbe(*m.space).zygote_pid()};
    if (::write(tell, pids, sizeof pids) != static_cast<ssize_t>(sizeof pids)) ::_exit(1);
    for (;;) ::pause();
}

TEST(MirrorDeath, killed_server_leaves_no_process) {
    int ends[2];
    ASSERT_EQ(::pipe(ends), 0);
    const pid_t server = ::fork();
    ASSERT_GE(server, 0);
    if (server == 0) serve_until_killed(ends[1]);
    ::close(ends[1]);
    const std::vector<pid_t> pids = read_pids(ends[0], 3);
    ::close(ends[0]);
    std::vector<pollfd> ended;
    for (const pid_t pid : pids) {
        ended.push_back({static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)), POLLIN, 0});
        EXPECT_GE(ended.back().fd, 0);
    }
    ASSERT_EQ(::kill(server, SIGKILL), 0);
    ASSERT_EQ(::waitpid(server, nullptr, 0), server);
    for (pollfd& p : ended) {
        EXPECT_EQ(::poll(&p, 1, 10'000), 1) << "still there after ten seconds";
        ::close(p.fd);
    }
    EXPECT_EQ(ended.size(), 3U);
}

TEST(MirrorStub, leaves_no_core_file) {
    rlimit before{};
    ASSERT_EQ(::getrlimit(RLIMIT_CORE, &before), 0);
    if (before.rlim_max == 0) GTEST_SKIP() << "nobody may leave one here";
    const rlimit allowed{before.rlim_max, before.rlim_max};
    ASSERT_EQ(::setrlimit(RLIMIT_CORE, &allowed), 0);
    const Machine m;
    rlimit of_stub = allowed;
    EXPECT_EQ(::prlimit(MirrorProbe(*m.space).stub_pid(), RLIMIT_CORE, nullptr, &of_stub), 0);
    EXPECT_EQ(of_stub.rlim_cur, 0U);
    EXPECT_EQ(of_stub.rlim_max, 0U);
    EXPECT_EQ(::setrlimit(RLIMIT_CORE, &before), 0);
}

TEST(MirrorStub, has_one_descriptor_and_a_seccomp_filter) {
    Machine m;
    Guest g = m.guest(syscalls_code());
    ASSERT_EQ(g.run().kind, Exit::Kind::syscall);
    const std::string proc = "/proc/" + std::to_string(MirrorProbe(*m.space).stub_pid());
    EXPECT_EQ(entries_of(proc + "/fd"), 1U) << "the arena's memfd and nothing else";

    std::ifstream status(proc + "/status");
    const std::string text(std::istreambuf_iterator<char>(status), {});
    EXPECT_NE(text.find("Seccomp:\t2"), std::string::npos);
    EXPECT_NE(text.find("NoNewPrivs:\t1"), std::string::npos);
}

TEST(MirrorStub, guest_range_holds_nothing_but_fills) {
    Machine m;
    Guest g = m.guest(syscalls_code());
    ASSERT_EQ(g.run().kind, Exit::Kind::syscall);
    std::ifstream maps("/proc/" + std::to_string(MirrorProbe(*m.space).stub_pid()) + "/maps");
    int below = 0;
    for (std::string line; std::getline(maps, line);) {
        const std::uint64_t start = std::stoull(line, nullptr, 16);
        if (start >= m.backend->guest_end().raw()) {
            // The arena: never writable outside the guest range.
            if (start == mirror::kArenaBase) {
                EXPECT_NE(line.find(" r--s "), std::string::npos);
            }
            continue;
        }
        ++below;
        EXPECT_EQ(start, Machine::kCode.raw());
    }
    EXPECT_EQ(below, 1);
}

TEST(MirrorZygote, is_found_by_option_then_environment_then_place) {
    const Result<std::string> place = mirror::find_zygote("");
    ASSERT_TRUE(place);
    ASSERT_EQ(::setenv("SUREFOOT_ZYGOTE", "/nowhere/zygote", 1), 0);
    EXPECT_EQ(mirror::find_zygote("").error(), Errno::noent);
    EXPECT_EQ(mirror::find_zygote(*place).value(), *place);
    ASSERT_EQ(::setenv("SUREFOOT_ZYGOTE", place->c_str(), 1), 0);
    EXPECT_EQ(mirror::find_zygote("").value(), *place);
    EXPECT_EQ(mirror::find_zygote("/nowhere/else").error(), Errno::noent);
    ASSERT_EQ(::unsetenv("SUREFOOT_ZYGOTE"), 0);
}

/// Where the zygote's text has a `syscall` instruction.
std::uint64_t find_stub_gadget() {
    const Result<std::string> path = mirror::find_zygote("");
    if (!path) return 0;
    std::ifstream file(*path, std::ios::binary);
    const std::string image(std::istreambuf_iterator<char>(file), {});
    Elf64_Ehdr header;
    std::memcpy(&header, image.data(), sizeof header);
    for (unsigned i = 0; i < header.e_phnum; ++i) {
        Elf64_Phdr segment;
        std::memcpy(&segment, image.data() + header.e_phoff + i * sizeof segment, sizeof segment);
        if (segment.p_type != PT_LOAD || (segment.p_flags & PF_X) == 0) continue;
        const std::size_t at = image.find("\x0f\x05", segment.p_offset);
        if (at != std::string::npos) return segment.p_vaddr + (at - segment.p_offset);
    }
    return 0;
}

TEST(MirrorStub, guest_that_jumps_into_the_stub_cannot_open_files) {
    const std::uint64_t gadget = find_stub_gadget();
    ASSERT_NE(gadget, 0U);
    Machine m;
    m.tables.map(kData, m.arena.frame());
    std::strcpy(reinterpret_cast<char*>(m.arena.bytes_at(PhysAddr(
                    m.tables.entry(kData).load(Order::relaxed) & arch::Format::kFrameMask))),
                "/dev/null");
    Guest toucher = m.guest(load_code());
    toucher.regs.rdi = kData.raw();
    ASSERT_EQ(toucher.run().kind, Exit::Kind::syscall);
    Guest g = m.guest(VirtAddr(gadget));
    g.regs.rax = SYS_open;
    g.regs.rdi = kData.raw();
    const Exit exit = g.run();
    EXPECT_EQ(exit.kind, Exit::Kind::exception);
    EXPECT_EQ(exit.vector, 13);
    EXPECT_EQ(g.regs.rip, gadget);
    // The space still works.
    EXPECT_EQ(toucher.run().kind, Exit::Kind::syscall);
}

TEST(MirrorStub, threads_come_and_go_and_slots_are_used_again) {
    Machine m;
    const VirtAddr code = m.place(syscalls_code());
    for (int round = 0; round < 50; ++round) {
        std::vector<Guest> guests;
        for (int i = 0; i < 5; ++i) guests.push_back(m.guest(code));
        for (Guest& g : guests) ASSERT_EQ(g.run().kind, Exit::Kind::syscall);
    }
    // The agent is left.
    await_threads(std::to_string(MirrorProbe(*m.space).stub_pid()), 1);
}

TEST(MirrorStub, space_is_gone_when_it_is_destroyed) {
    Machine m;
    const pid_t pid = MirrorProbe(*m.space).stub_pid();
    const int pidfd = static_cast<int>(::syscall(SYS_pidfd_open, pid, 0));
    ASSERT_GE(pidfd, 0);
    m.space.reset();
    pollfd p{pidfd, POLLIN, 0};
    EXPECT_EQ(::poll(&p, 1, 0), 1);
    ::close(pidfd);
}

TEST(MirrorFailure, every_host_call_may_fail_and_nothing_leaks) {
    const auto make = [](Arena& arena, sync::FailPlan& plan) {
        MirrorOptions options{.arena_fd = arena.fd(), .arena_bytes = arena.bytes(), .pool = 0};
        options.fail = &plan;
        return make_mirror(options);
    };
    EXPECT_GE(count_calls_that_may_fail(make), 7U);
    // No process of ours is left either.
    EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG), -1);
}

}  // namespace
}  // namespace surefoot::cpu
