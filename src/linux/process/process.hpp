#pragma once

// A guest process: an address space, descriptors, signal actions and threads.
//
// Locks: one lock of the class `process` protects the thread list, the signal state and the exit
// status; the descriptor table has its own. Neither is held while guest memory is touched.

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "linux/abi.hpp"
#include "linux/files/fd_table.hpp"
#include "linux/futex/futex.hpp"
#include "linux/process/task.hpp"

namespace surefoot::inline SF_BUILD::linux_abi {

/// How a process ended.
struct ExitStatus {
    int code = 0;
    /// Not 0: killed by this signal.
    int signal = 0;
    /// Signal 9 by us: no frame was to be had.
    bool out_of_memory = false;
    /// Not empty: surefoot could not go on.
    std::string failure{};

    /// What a shell shows.
    int shell_status() const {
        if (!failure.empty()) return 125;
        return signal != 0 ? 128 + signal : code & 0xff;
    }
};

/// The program, for /proc files and the report.
struct ProgramInfo {
    /// Absolute path.
    std::string path;
    std::vector<std::string> arguments;
    std::vector<std::string> environment;
    VaRange stack;
};

/// clone(2) for a thread.
struct ThreadRequest {
    std::uint64_t flags = 0;
    /// 0: the parent's stack pointer.
    std::uint64_t stack = 0;
    VirtAddr parent_tid;
    VirtAddr child_tid;
    std::uint64_t tls = 0;
};

/// What a program finds set when it starts, as execve(2) keeps it.
struct InheritedSignals {
    SigSet blocked = 0;
    SigSet ignored = 0;
};

struct ProcessSetup {
    mm::Mm& mm;
    cpu::Space& space;
    FutexTable& futexes;
    std::unique_ptr<FdTable> files;
    ProgramInfo program;
    InheritedSignals signals{};
    /// Check the whole structure as the program runs, while it has one thread.
    bool verify = false;
};

/// Highest values that were seen at faults, unmappings and the end.
struct MemoryPeaks {
    std::uint64_t rss_pages = 0;
    std::uint64_t table_bytes = 0;
    std::uint32_t vmas = 0;
};

class Process {
  public:
    explicit Process(ProcessSetup setup);
    ~Process();
    Process(const Process&) = delete;
    Process& operator=(const Process&) = delete;

    mm::Mm& mm() { return mm_; }
    FutexTable& futexes() { return futexes_; }
    FdTable& files() { return *files_; }
    const ProgramInfo& program() const { return program_; }
    int pid() const { return pid_; }

    /// Starts the first thread. Fails with nomem or again.
    Result<void> start(const cpu::Regs& regs);
    /// clone(2) with CLONE_THREAD. @return the new thread's id
    Result<int> clone_thread(Task& parent, const ThreadRequest& request);
    /// Ends every thread; the first call decides the status.
    void exit_group(ExitStatus status);
    bool is_exiting() const { return exiting_.load(sync::Order::acquire); }
    /// A host descriptor that becomes readable when the last thread has ended.
    int done_fd() const { return done_fd_; }
    /// Another, or -1: readable when the guest's host process has died.
    int death_fd() const { return space_.death_fd(); }
    /// Of that: the run ends, even if every thread waits in a system call.
    void on_host_death() { exit_group({.failure = "the guest's host process was killed"}); }
    /// After that: joins every thread. @return the status
    ExitStatus wait();

    unsigned nr_threads() const;
    unsigned peak_threads() const;
    const SyscallCounts& counts() const { return counts_; }
    /// Of these: answered by ENOSYS.
    const SyscallCounts& refused() const { return refused_; }
    const MemoryPeaks& peaks() const { return peaks_; }
    void sample_memory();
    /// With `verify`, and if no other thread runs: the first inconsistency ends the process.
    void verify();

    // Signals; see signals/send.cc.

    /// kill(2) from inside, or a signal that the host had for the server.
    void send(const Siginfo& info);
    /// Whether one of them is pending though a thread could take it, or the process is ending.
    bool has_to_take(SigSet signals) const;
    /// tgkill(2). Fails with srch.
    Result<void> send_to(int tid, const Siginfo& info);
    /// To the calling thread itself.
    void send_to(Task& task, const Siginfo& info);
    /// A fault of the thread itself: if it can't be handled, the process dies of it.
    void force(Task& task, const Siginfo& info);
    bool has_thread(int tid) const;

    /// The next signal to act on, with its action; a handler with SA_RESETHAND is reset.
    struct Delivery {
        Siginfo info;
        KernelSigaction action;
    };
    std::optional<Delivery> dequeue(Task& task);
    KernelSigaction action(int signal) const;
    void set_action(int signal, const KernelSigaction& action);
    void set_blocked(Task& task, SigSet blocked);
    /// Waits with another mask, until the next signals were looked at.
    void suspend_with(Task& task, SigSet blocked);
    /// Pending and blocked, for rt_sigpending.
    SigSet pending(const Task& task) const;
    /// rt_sigtimedwait.
    std::optional<Siginfo> take_pending(Task& task, SigSet wanted);

  private:
    friend class Task;
    using Lock = sync::Mutex<sync::LockId::process>;

    struct Thread {
        std::unique_ptr<Task> task;
        sync::Thread host;
        bool finished = false;
    };

    /// Under the lock.
    Result<void> launch(std::unique_ptr<Task> task);
    void reap_finished();
    /// From then on nobody kicks it.
    std::unique_ptr<cpu::Vcpu> take_vcpu(Task& task);
    void on_task_end(Task& task);
    bool is_ignored(int signal) const;
    bool wants(const Task& task, int signal) const;
    void update_notice(Task& task);
    void post(Task& task, const Siginfo& info);

    mm::Mm& mm_;
    cpu::Space& space_;
    FutexTable& futexes_;
    std::unique_ptr<FdTable> files_;
    ProgramInfo program_;
    int pid_;
    int done_fd_;

    mutable Lock lock_;
    std::vector<std::unique_ptr<Thread>> threads_;
    unsigned live_ = 0;
    unsigned peak_ = 0;
    sync::Atomic<bool> exiting_{false};
    ExitStatus status_;
    SyscallCounts counts_{};
    SyscallCounts refused_{};
    MemoryPeaks peaks_;
    const bool verify_;
    const SigSet inherited_blocked_;
    std::array<KernelSigaction, kSignals + 1> actions_{};
    SignalQueue shared_pending_;
};

}  // namespace surefoot::inline SF_BUILD::linux_abi
