#pragma once

#include <csignal>
#include <cstdint>

#include "linux/abi.hpp"

namespace surefoot::inline SF_BUILD::linux_abi {

enum class DefaultAction : std::uint8_t { terminate, ignore, stop };

/// What SIG_DFL means. SIGCONT counts as ignored: the host continues the server as a whole.
constexpr DefaultAction default_action(int signal) {
    switch (signal) {
        case SIGCHLD:
        case SIGCONT:
        case SIGURG:
        case SIGWINCH:
            return DefaultAction::ignore;
        case SIGSTOP:
        case SIGTSTP:
        case SIGTTIN:
        case SIGTTOU:
            return DefaultAction::stop;
        default:
            return DefaultAction::terminate;
    }
}

}  // namespace surefoot::inline SF_BUILD::linux_abi
