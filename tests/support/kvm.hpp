#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>

/// Why tests that need KVM are skipped here; empty where they are not.
inline std::string why_no_kvm() {
    const int fd = ::open("/dev/kvm", O_RDWR | O_CLOEXEC);
    if (fd < 0) return std::string("/dev/kvm does not open: ") + std::strerror(errno);
    ::close(fd);
    return "";
}
