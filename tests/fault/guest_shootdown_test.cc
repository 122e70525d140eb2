// The shootdown is real on both back ends: a program runs on one whose decorator loses the
// invalidations of one system call, and sees a stale mapping; with them, it sees none.

#include <gtest/gtest.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <string>

#include "api/api.hpp"
#include "linux/linux.hpp"
#include "linux/loader/load.hpp"
#include "linux/process/process.hpp"
#include "support/kvm.hpp"

namespace surefoot::testing {
namespace {

using sync::Order;

/// A space of a real back end that loses what its guest's calls of one number invalidate. Every
/// other invalidation arrives.
class LossySpace final : public cpu::Space {
public:
    static constexpr std::uint64_t kNothing = ~0ULL;

    LossySpace(std::unique_ptr<cpu::Space> space, std::uint64_t lost_call)
        : space_(std::move(space)), lost_call_(lost_call) {}

    /// Of those that the call owed.
    unsigned lost() const { return lost_; }

    Result<std::unique_ptr<cpu::Vcpu>> create_vcpu() noexcept override {
        auto vcpu = space_->create_vcpu();
        if (!vcpu) return vcpu.error();
        return std::make_unique<WatchedVcpu>(*this, std::move(*vcpu));
    }
    void set_root(PhysAddr root) noexcept override { space_->set_root(root); }
    int death_fd() const noexcept override { return space_->death_fd(); }
    void invalidate(const host::Invalidation& what) noexcept override {
        if (!loses()) space_->invalidate(what);
    }
    void invalidate_all() noexcept override {
        if (!loses()) space_->invalidate_all();
    }

private:
    /// Knows which call the guest, which has one thread, is in.
    class WatchedVcpu final : public cpu::Vcpu {
    public:
        WatchedVcpu(LossySpace& space, std::unique_ptr<cpu::Vcpu> vcpu)
            : space_(space), vcpu_(std::move(vcpu)) {}

        cpu::Exit run(cpu::Regs& regs) noexcept override {
            space_.call_ = kNothing;
            const cpu::Exit exit = vcpu_->run(regs);
            if (exit.kind == cpu::Exit::Kind::syscall) space_.call_ = regs.rax;
            return exit;
        }
        void kick() noexcept override { vcpu_->kick(); }
        std::size_t fp_state_size() const noexcept override { return vcpu_->fp_state_size(); }
        void save_fp_state(std::span<std::byte> out) noexcept override {
            vcpu_->save_fp_state(out);
        }
        Result<void> load_fp_state(std::span<const std::byte> in) noexcept override {
            return vcpu_->load_fp_state(in);
        }
        void reset_fp_state() noexcept override { vcpu_->reset_fp_state(); }

    private:
        LossySpace& space_;
        std::unique_ptr<cpu::Vcpu> vcpu_;
    };

    bool loses() {
        if (lost_call_ == kNothing || call_ != lost_call_) return false;
        ++lost_;
        return true;
    }

    std::unique_ptr<cpu::Space> space_;
    const std::uint64_t lost_call_;
    std::uint64_t call_ = kNothing;
    unsigned lost_ = 0;
};

enum class BackendKind { mirror, kvm };

class GuestShootdown : public ::testing::TestWithParam<BackendKind> {
protected:
    void SetUp() override {
        if (GetParam() != BackendKind::kvm) return;
        if (const std::string why = why_no_kvm(); !why.empty()) GTEST_SKIP() << why;
    }

    void expect_stale(const std::string& operation, std::uint64_t lost_call) {
        unsigned lost = 0;
        EXPECT_EQ(run_guest(operation, lost_call, lost), kStale);
        EXPECT_GT(lost, 0U);
    }
    void expect_fresh(const std::string& operation) {
        unsigned lost = 0;
        EXPECT_EQ(run_guest(operation, LossySpace::kNothing, lost), kFresh);
        EXPECT_EQ(lost, 0U);
    }

private:
    // What tests/guests/stale.c exits with.
    static constexpr int kFresh = 0;
    static constexpr int kStale = 1;

    static Result<std::unique_ptr<cpu::CpuBackend>> make_backend(api::Machine& machine) {
        if (GetParam() == BackendKind::kvm) {
            return cpu::make_kvm({.arena = {machine.arena_base(), machine.arena_bytes()}});
        }
        return cpu::make_mirror(
            {.arena_fd = machine.arena_fd(), .arena_bytes = machine.arena_bytes()});
    }

    /// @return its exit status, which no signal may have caused
    static int run_guest(const std::string& operation, std::uint64_t lost_call, unsigned& lost) {
        const auto machine = *api::Machine::create({.memory_bytes = 64ULL << 20});
        const auto backend = *make_backend(*machine);
        const auto mm = *mm::Mm::create(machine->system(), {.task_size = backend->guest_end()});
        LossySpace space(*backend->create_space(arch::to_phys(mm->tables.root())), lost_call);
        mm->tables.attach(&space);
        const int status = run_process(*mm, space, operation);
        mm->tables.attach(nullptr);
        lost = space.lost();
        return status;
    }

    static int run_process(mm::Mm& mm, cpu::Space& space, const std::string& operation) {
        linux_abi::Executable executable;
        EXPECT_EQ(linux_abi::open_executable(STALE_GUEST, executable).reason, "");
        const std::vector<std::string> arguments{STALE_GUEST, operation};
        const auto loaded = linux_abi::load_program(
            mm, executable, {.arguments = arguments, .environment = {}, .file_name = STALE_GUEST});
        EXPECT_TRUE(linux_abi::install_notice_handler());
        linux_abi::FutexTable futexes;
        linux_abi::Process process({.mm = mm,
                                    .space = space,
                                    .futexes = futexes,
                                    .files = std::make_unique<linux_abi::FdTable>(64),
                                    .program = {.path = executable.path,
                                                .arguments = arguments,
                                                .environment = {},
                                                .stack = loaded->stack}});
        EXPECT_TRUE(process.start(loaded->regs));
        const linux_abi::ExitStatus status = process.wait();
        ::close(executable.fd);
        return status.shell_status();
    }
};

INSTANTIATE_TEST_SUITE_P(On, GuestShootdown,
                         ::testing::Values(BackendKind::mirror, BackendKind::kvm),
                         [](const auto& kind) {
                             return kind.param == BackendKind::kvm ? "kvm" : "mirror";
                         });

TEST_P(GuestShootdown, munmap_without_it_leaves_a_stale_mapping) {
    expect_stale("munmap", SYS_munmap);
}
TEST_P(GuestShootdown, munmap_leaves_no_mapping) { expect_fresh("munmap"); }

TEST_P(GuestShootdown, mprotect_without_it_leaves_a_writable_mapping) {
    expect_stale("mprotect", SYS_mprotect);
}
TEST_P(GuestShootdown, mprotect_leaves_no_writable_mapping) { expect_fresh("mprotect"); }

TEST_P(GuestShootdown, dontneed_without_it_leaves_the_old_page) {
    expect_stale("dontneed", SYS_madvise);
}
TEST_P(GuestShootdown, dontneed_leaves_no_mapping) { expect_fresh("dontneed"); }

}  // namespace
}  // namespace surefoot::testing
