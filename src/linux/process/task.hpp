#pragma once

// A guest thread: its processor, its registers and its part of the signal state. One host thread
// of the server serves each, in `run`.

#include <poll.h>

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "base/base.hpp"
#include "cpu/cpu.hpp"
#include "linux/abi.hpp"
#include "linux/process/parker.hpp"
#include "linux/signals/queue.hpp"
#include "mm/mm.hpp"
#include "sync/sync.hpp"

namespace surefoot::inline SF_BUILD::linux_abi {

class Process;

/// Numbers above are refused without being counted one by one.
inline constexpr std::size_t kSyscallNumbers = 512;
using SyscallCounts = std::array<std::uint64_t, kSyscallNumbers>;

/// The part of the signal state that belongs to one thread. Under the process's lock, but that the
/// thread itself may read what only it changes (`blocked`, `stack`).
struct TaskSignals {
    SigSet blocked = 0;
    /// rt_sigsuspend and ppoll: the mask to come back to.
    std::optional<SigSet> saved_blocked;
    SignalQueue pending;
    StackT stack;
};

class Task {
  public:
    Task(Process& process, std::unique_ptr<cpu::Vcpu> vcpu, int tid);
    Task(const Task&) = delete;
    Task& operator=(const Task&) = delete;

    /// Runs the guest thread to its end.
    void run();

    Process& process() { return process_; }
    mm::Mm& mm();
    cpu::Vcpu& vcpu() { return *vcpu_; }
    int tid() const { return tid_.load(sync::Order::relaxed); }

    /// exit(2): the thread ends when the current call returns.
    void exit(int code);
    bool is_exiting() const { return exiting_; }

    /// Something asks for a look at the signals, or the process is ending: a call that waits
    /// returns.
    bool must_stop_waiting() const { return notice_.load(sync::Order::acquire); }

    /// Sleeps until `unpark`, the deadline or a notice. @return false: the deadline has passed
    bool park(const std::optional<Deadline>& deadline) { return parker_.park(deadline); }
    Parker& parker() { return parker_; }

    /// Host poll(2) that a notice interrupts. @return what poll returns, or -EINTR for a notice
    int poll_host(std::span<pollfd> fds, const std::optional<Deadline>& deadline);

    /// A host call that may wait, interrupted like that; for what cannot be polled. @return what
    /// the kernel returns, -EINTR only for a notice
    long call_host(long number, long a, long b, long c, long d);

    /// After a host call that failed: SIGPIPE or SIGXFSZ, if the host raised it in this thread, is
    /// the guest's.
    void take_raised_signal();

    /// Another thread has stored a reason to look: leave guest mode, sleeps and host calls.
    /// Locks: may be called under the process's lock.
    void notify();
    /// Under the process's lock. seq_cst: see in_host_call_.
    void set_notice(bool on) { notice_.store(on, sync::Order::seq_cst); }

    cpu::Regs regs{};
    TaskSignals signals;
    VirtAddr clear_child_tid;
    VirtAddr robust_list;
    std::string name;
    SyscallCounts counts{};
    /// Of these: answered by ENOSYS.
    SyscallCounts refused{};

  private:
    friend class Process;

    /// First thing on the new host thread: ids to whoever asked for them.
    void announce();
    void handle(const cpu::Exit& exit);
    void handle_syscall();
    void handle_fault(const cpu::Exit& exit);
    void handle_exception(const cpu::Exit& exit);
    void leave();

    Process& process_;
    std::unique_ptr<cpu::Vcpu> vcpu_;
    sync::Atomic<int> tid_;
    Parker parker_;
    /// Written by whoever makes a signal pending, before it notifies; the thread then looks.
    sync::Atomic<bool> notice_{false};
    /// seq_cst on both sides: either the notifier sees that a host call is in progress, or the
    /// thread sees the notice before it enters the call.
    sync::Atomic<bool> in_host_call_{false};
    sync::Atomic<int> host_tid_{0};
    std::uint64_t faults_ = 0;
    bool exiting_ = false;
    int exit_code_ = 0;
    /// The call to repeat, and why, until the signals have been looked at.
    struct Interrupted {
        std::uint64_t number;
        SysResult reason;
    };
    std::optional<Interrupted> interrupted_;
    /// rt_sigreturn has loaded every register; its result is none.
    bool frame_restored_ = false;
    /// For the signal frame.
    struct LastFault {
        std::uint64_t address = 0;
        std::uint64_t code = 0;
        std::uint64_t vector = 0;
    } last_fault_;
    struct Birth {
        VirtAddr parent_tid;
        VirtAddr child_tid;
    } birth_;
    sync::Atomic<int> announced_{0};
    /// Under the process's lock: clone(2) has returned, so the object may go with its thread.
    bool known_to_parent_ = false;

    friend class SignalDelivery;
};

/// The host signal that makes a server thread leave a host call. Blocked but inside `poll_host`
/// and `call_host`.
int notice_signal();
/// Installs its handler. Fails with inval.
Result<void> install_notice_handler();

}  // namespace surefoot::inline SF_BUILD::linux_abi
