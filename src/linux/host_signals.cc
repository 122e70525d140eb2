#include "linux/host_signals.hpp"

#include <poll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>

namespace surefoot::inline SF_BUILD::linux_abi {

namespace {

constexpr std::array kForwarded{SIGHUP,  SIGINT,   SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2,
                                SIGALRM, SIGWINCH, SIGTSTP, SIGTTIN, SIGTTOU, SIGVTALRM};

Siginfo to_guest(const signalfd_siginfo& host) {
    Siginfo info;
    info.signo = static_cast<std::int32_t>(host.ssi_signo);
    info.code = host.ssi_code;
    info.u.sender = {static_cast<std::int32_t>(host.ssi_pid), host.ssi_uid, host.ssi_ptr};
    return info;
}

}  // namespace

HostSignals::~HostSignals() {
    if (fd_ >= 0) ::close(fd_);
}

bool HostSignals::take_over() {
    sigset_t forwarded;
    sigemptyset(&forwarded);
    for (const int signal : kForwarded)
        sigaddset(&forwarded, signal);
    fd_ = signalfd(-1, &forwarded, SFD_CLOEXEC | SFD_NONBLOCK);
    sigset_t blocked = forwarded;
    // A write to a closed pipe tells its caller, who tells the guest.
    sigaddset(&blocked, SIGPIPE);
    sigaddset(&blocked, notice_signal());
    return fd_ >= 0 && sigprocmask(SIG_BLOCK, &blocked, nullptr) == 0;
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
            process.send(to_guest(host));
        }
    }
}

}  // namespace surefoot::inline SF_BUILD::linux_abi
