#pragma once

// A host descriptor of the server's own, while a scope or an object holds it.

#include <unistd.h>

#include <utility>

#include "base/base.hpp"

namespace surefoot::inline SF_BUILD::linux_abi {

/// Closes on destruction.
class FileHandle {
  public:
    FileHandle() = default;
    explicit FileHandle(int fd) : fd_(fd) {}
    FileHandle(FileHandle&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    FileHandle& operator=(FileHandle&& other) noexcept {
        std::swap(fd_, other.fd_);
        return *this;
    }
    ~FileHandle() {
        if (fd_ >= 0) ::close(fd_);
    }
    int get() const { return fd_; }

  private:
    int fd_ = -1;
};

}  // namespace surefoot::inline SF_BUILD::linux_abi
