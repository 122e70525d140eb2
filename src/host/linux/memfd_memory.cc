#include "host/linux/memfd_memory.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <new>

namespace surefoot::inline SF_BUILD::host {
namespace {

Errno last_error() { return static_cast<Errno>(errno); }

/// A mapping that ends with its owner.
class Mapping {
public:
    Mapping() = default;
    Mapping(const Mapping&) = delete;
    Mapping& operator=(const Mapping&) = delete;
    ~Mapping() {
        if (!bytes_.empty()) munmap(bytes_.data(), bytes_.size());
    }

    /// @param fd  -1 for anonymous memory
    Result<void> map(std::uint64_t size, int fd, sync::FailPlan* plan) {
        if (sync::should_fail(plan)) return Errno::nomem;
        const int kind = fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED;
        void* at = mmap(nullptr, size, PROT_READ | PROT_WRITE, kind | MAP_NORESERVE, fd, 0);
        if (at == MAP_FAILED) return last_error();
        bytes_ = {static_cast<std::byte*>(at), size};
        return {};
    }
    std::span<std::byte> bytes() const { return bytes_; }

private:
    std::span<std::byte> bytes_;
};

class MemfdMemory final : public BackingMemory {
public:
    ~MemfdMemory() override {
        if (fd_ >= 0) close(fd_);
    }

    Result<void> init(std::uint64_t frame_bytes, std::uint64_t descriptor_bytes,
                      sync::FailPlan* plan) {
        if (sync::should_fail(plan)) return Errno::mfile;
        fd_ = memfd_create("surefoot-arena", MFD_CLOEXEC);
        if (fd_ < 0) return last_error();
        if (ftruncate(fd_, static_cast<off_t>(frame_bytes)) != 0) return last_error();
        if (const auto mapped = frames_.map(frame_bytes, fd_, plan); !mapped) return mapped;
        return descriptors_.map(descriptor_bytes, -1, plan);
    }

    std::span<std::byte> frames() noexcept override { return frames_.bytes(); }
    std::span<std::byte> descriptors() noexcept override { return descriptors_.bytes(); }
    int file_descriptor() const noexcept override { return fd_; }

private:
    int fd_ = -1;
    Mapping frames_;
    Mapping descriptors_;
};

class BorrowedMemory final : public BackingMemory {
public:
    BorrowedMemory(std::span<std::byte> frames, int fd) : frames_(frames), fd_(fd) {}

    Result<void> init(std::uint64_t descriptor_bytes, sync::FailPlan* plan) {
        return descriptors_.map(descriptor_bytes, -1, plan);
    }

    std::span<std::byte> frames() noexcept override { return frames_; }
    std::span<std::byte> descriptors() noexcept override { return descriptors_.bytes(); }
    int file_descriptor() const noexcept override { return fd_; }

private:
    std::span<std::byte> frames_;
    int fd_;
    Mapping descriptors_;
};

}  // namespace

Result<std::unique_ptr<BackingMemory>> make_memfd_memory(std::uint64_t frame_bytes,
                                                         std::uint64_t descriptor_bytes,
                                                         sync::FailPlan* plan) noexcept {
    if (sync::should_fail(plan)) return Errno::nomem;
    std::unique_ptr<MemfdMemory> memory(new (std::nothrow) MemfdMemory);
    if (memory == nullptr) return Errno::nomem;
    if (const auto ready = memory->init(frame_bytes, descriptor_bytes, plan); !ready) {
        return ready.error();
    }
    return std::unique_ptr<BackingMemory>(std::move(memory));
}

Result<std::unique_ptr<BackingMemory>> make_borrowed_memory(std::span<std::byte> frames, int fd,
                                                            std::uint64_t descriptor_bytes,
                                                            sync::FailPlan* plan) noexcept {
    if (sync::should_fail(plan)) return Errno::nomem;
    std::unique_ptr<BorrowedMemory> memory(new (std::nothrow) BorrowedMemory(frames, fd));
    if (memory == nullptr) return Errno::nomem;
    if (const auto ready = memory->init(descriptor_bytes, plan); !ready) return ready.error();
    return std::unique_ptr<BackingMemory>(std::move(memory));
}

}  // namespace surefoot::inline SF_BUILD::host
