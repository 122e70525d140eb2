#include "linux/host_signals.hpp"

#include <poll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>

namespace surefoot::inline SF_BUILD::linux_abi {

namespace {

/// All but faults of the server itself and what it uses.
sigset_t forwarded_signals() {
    sigset_t set;
    sigfillset(&set);
    for (const int signal :
         {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGSYS, notice_signal()}) {
        sigdelset(&set, signal);
    }
    return set;
}

SigSet ignored_signals() {
    SigSet ignored = 0;
    for (int signal = 1; signal <= kSignals; ++signal) {
        struct sigaction action{};
        // Refused for those that the C library keeps to itself.
        if (sigaction(signal, nullptr, &action) == 0 && action.sa_handler == SIG_IGN) {
            ignored |= sig_bit(signal);
        }
    }
    return ignored;
}

/// The host's codes for what files and children do are positive, but for SI_KERNEL.
bool is_event(const signalfd_siginfo& host) {
    return host.ssi_code > 0 && host.ssi_code != SI_KERNEL;
}

/// The guest has no children: those that end are the server's.
bool is_for_guest(const signalfd_siginfo& host) {
    return host.ssi_signo != SIGCHLD || !is_event(host);
}

Siginfo to_guest(const signalfd_siginfo& host) {
    Siginfo info;
    info.signo = static_cast<std::int32_t>(host.ssi_signo);
    info.code = host.ssi_code;
    if (is_event(host)) {
        info.u.poll = {host.ssi_band, host.ssi_fd};
    } else {
        info.u.sender = {static_cast<std::int32_t>(host.ssi_pid), host.ssi_uid, host.ssi_ptr};
    }
    return info;
}

/// A guest that is slow, or sent two signals at once, is left its time.
constexpr std::chrono::seconds kPatience{1};

[[noreturn]] void end_by(int signal) {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, signal);
    ::signal(signal, SIG_DFL);
    raise(signal);
    sigprocmask(SIG_UNBLOCK, &set, nullptr);
    _exit(128 + signal);
}

}  // namespace

HostSignals::~HostSignals() {
    if (fd_ >= 0) ::close(fd_);
}

bool HostSignals::take_over() {
    const sigset_t forwarded = forwarded_signals();
    fd_ = signalfd(-1, &forwarded, SFD_CLOEXEC | SFD_NONBLOCK);
    sigset_t blocked = forwarded;
    sigaddset(&blocked, notice_signal());
    sigset_t before;
    if (fd_ < 0 || sigprocmask(SIG_SETMASK, &blocked, &before) != 0) return false;
    std::memcpy(&inherited_.blocked, &before, sizeof inherited_.blocked);
    inherited_.ignored = ignored_signals();
    return true;
}

void HostSignals::forward(Process& process, const Siginfo& info) {
    if (info.signo == SIGTERM || info.signo == SIGINT) {
        const auto now = std::chrono::steady_clock::now();
        if (!asked_to_end_ || !process.has_to_take(sig_bit(SIGTERM) | sig_bit(SIGINT))) {
            asked_to_end_ = now;
        } else if (now - *asked_to_end_ >= kPatience) {
            end_by(info.signo);
        }
    }
    process.send(info);
}

void HostSignals::forward_until_done(Process& process) {
    std::array<pollfd, 3> fds{{{process.done_fd(), POLLIN, 0},
                               {fd_, POLLIN, 0},
                               {process.death_fd(), POLLIN, 0}}};
    for (;;) {
        if (poll(fds.data(), fds.size(), -1) < 0) {
            if (errno != EINTR) return;
            continue;
        }
        if (fds[0].revents != 0) return;
        if (fds[2].revents != 0) {
            process.on_host_death();
            fds[2] = {-1, 0, 0};
        }
        signalfd_siginfo host{};
        while (read(fd_, &host, sizeof host) == static_cast<ssize_t>(sizeof host)) {
            if (is_for_guest(host)) forward(process, to_guest(host));
        }
    }
}

}  // namespace surefoot::inline SF_BUILD::linux_abi
