#include "limits/handoff.hpp"

#include <linux/futex.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness/fail.hpp"

namespace surefoot::bench {
namespace {

enum : std::uint32_t { kOurs, kTheirs };

std::uint32_t load(const std::uint32_t* word) { return __atomic_load_n(word, __ATOMIC_ACQUIRE); }

void hand_over(std::uint32_t* word, std::uint32_t to) {
    __atomic_store_n(word, to, __ATOMIC_RELEASE);
    syscall(SYS_futex, word, FUTEX_WAKE, 1, nullptr, nullptr, 0);
}

void wait_while(std::uint32_t* word, std::uint32_t value) {
    while (load(word) == value) syscall(SYS_futex, word, FUTEX_WAIT, value, nullptr, nullptr, 0);
}

[[noreturn]] void answer_for_ever(std::uint32_t* word) {
    for (;;) {
        wait_while(word, kOurs);
        hand_over(word, kOurs);
    }
}

void pin_to(int cpu) {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(static_cast<unsigned>(cpu), &set);
    sched_setaffinity(0, sizeof set, &set);
}

/// Pins this thread for a scope.
class PinnedTo {
public:
    explicit PinnedTo(int cpu) {
        sched_getaffinity(0, sizeof before_, &before_);
        pin_to(cpu);
    }
    ~PinnedTo() { sched_setaffinity(0, sizeof before_, &before_); }
    PinnedTo(const PinnedTo&) = delete;
    PinnedTo& operator=(const PinnedTo&) = delete;

private:
    cpu_set_t before_;
};

}  // namespace

HandoffPair::HandoffPair() {
    void* at = mmap(nullptr, kPage, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    must(at != MAP_FAILED, "memory");
    word_ = static_cast<std::uint32_t*>(at);
    cpu_ = sched_getcpu();
    partner_ = fork();
    must(partner_ >= 0, "a partner process");
    if (partner_ == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        pin_to(cpu_);
        answer_for_ever(word_);
    }
}

HandoffPair::~HandoffPair() {
    kill(partner_, SIGKILL);
    waitpid(partner_, nullptr, 0);
    munmap(word_, kPage);
}

void HandoffPair::round_trips(std::uint64_t n) {
    const PinnedTo pinned(cpu_);
    for (std::uint64_t i = 0; i < n; ++i) {
        hand_over(word_, kTheirs);
        wait_while(word_, kTheirs);
    }
}

namespace {

// Whether system calls are dispatched: read by the host kernel, written by the handler.
volatile char dispatch_selector = SYSCALL_DISPATCH_FILTER_ALLOW;

void on_dispatched(int, siginfo_t*, void*) {
    dispatch_selector = SYSCALL_DISPATCH_FILTER_ALLOW;
}

}  // namespace

void dispatched_calls(std::uint64_t n) {
    struct sigaction action {};
    struct sigaction before {};
    action.sa_sigaction = on_dispatched;
    action.sa_flags = SA_SIGINFO;
    sigaction(SIGSYS, &action, &before);
    must(prctl(PR_SET_SYSCALL_USER_DISPATCH, PR_SYS_DISPATCH_ON, 0, 0, &dispatch_selector) == 0,
         "system call dispatch");
    for (std::uint64_t i = 0; i < n; ++i) {
        dispatch_selector = SYSCALL_DISPATCH_FILTER_BLOCK;
        syscall(SYS_getppid);
    }
    prctl(PR_SET_SYSCALL_USER_DISPATCH, PR_SYS_DISPATCH_OFF, 0, 0, 0);
    sigaction(SIGSYS, &before, nullptr);
}

namespace {

// A signal handler has no other way to its object.
SignalFiller* filling = nullptr;

}  // namespace

SignalFiller::SignalFiller(std::size_t pages) : bytes_(pages * kPage) {
    file_ = memfd_create("bench", MFD_CLOEXEC);
    must(file_ >= 0 && ftruncate(file_, static_cast<off_t>(bytes_)) == 0, "memory");
    void* at = mmap(nullptr, bytes_, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, file_, 0);
    must(at != MAP_FAILED, "memory");
    start_ = static_cast<std::byte*>(at);
}

SignalFiller::~SignalFiller() {
    munmap(start_, bytes_);
    close(file_);
}

void SignalFiller::empty() {
    void* at = mmap(start_, bytes_, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    must(at != MAP_FAILED, "memory");
}

void SignalFiller::on_fault(int, siginfo_t* info, void*) {
    const auto va = reinterpret_cast<std::uintptr_t>(info->si_addr) & ~(kPage - 1);
    const std::uint64_t offset = va - reinterpret_cast<std::uintptr_t>(filling->start_);
    if (offset >= filling->bytes_) give_up("a memory access");
    mmap(reinterpret_cast<void*>(va), kPage, PROT_READ | PROT_WRITE,
         MAP_SHARED | MAP_FIXED | MAP_POPULATE, filling->file_, static_cast<off_t>(offset));
}

void SignalFiller::touch_all() {
    struct sigaction action {};
    struct sigaction before {};
    action.sa_sigaction = on_fault;
    action.sa_flags = SA_SIGINFO;
    filling = this;
    sigaction(SIGSEGV, &action, &before);
    for (std::size_t at = 0; at < bytes_; at += kPage) {
        __atomic_store_n(reinterpret_cast<char*>(start_ + at), 1, __ATOMIC_RELAXED);
    }
    sigaction(SIGSEGV, &before, nullptr);
}

}  // namespace surefoot::bench
