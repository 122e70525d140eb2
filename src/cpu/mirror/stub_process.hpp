#pragma once

// Processes as the server sees them: the zygote, and the stubs that it forks.

#include <sys/types.h>

#include <memory>
#include <string>
#include <utility>

#include "cpu/descriptor.hpp"
#include "cpu/mirror/layout.hpp"
#include "cpu/mirror/port_native.hpp"

namespace surefoot::inline SF_BUILD::cpu::mirror {

/// The control memory of one space.
class ControlMemory {
public:
    ControlMemory() = default;
    explicit ControlMemory(std::byte* start) : start_(start) {}
    ControlMemory(ControlMemory&& other) noexcept : start_(std::exchange(other.start_, nullptr)) {}
    ControlMemory& operator=(ControlMemory&&) = delete;
    ~ControlMemory();

    SpaceControl& space() const { return *reinterpret_cast<SpaceControl*>(start_); }
    std::byte* block(std::uint32_t slot) const { return start_ + block_offset(slot); }
    Slot& slot(std::uint32_t slot) const { return *reinterpret_cast<Slot*>(block(slot)); }

private:
    std::byte* start_ = nullptr;
};

/// A stub process. Its end is waited for when this is destroyed.
class StubProcess {
public:
    StubProcess(pid_t pid, Descriptor pidfd, ControlMemory control)
        : pid_(pid), pidfd_(std::move(pidfd)), control_(std::move(control)) {}
    StubProcess(const StubProcess&) = delete;
    StubProcess& operator=(const StubProcess&) = delete;
    ~StubProcess() { kill_and_wait(); }

    pid_t pid() const { return pid_; }
    int pidfd() const { return pidfd_.get(); }
    const ControlMemory& control() const { return control_; }

    void kill() noexcept;
    /// Returns when none of its threads can execute an instruction: SIGKILL alone is asynchronous.
    void kill_and_wait() noexcept;

private:
    pid_t pid_;
    Descriptor pidfd_;
    ControlMemory control_;
};

/// The process that forks stubs.
class Zygote {
public:
    struct Options {
        std::string path;
        int arena_fd = -1;
        std::uint64_t arena_bytes = 0;
        sync::FailPlan* fail = nullptr;
    };

    static Result<std::unique_ptr<Zygote>> start(const Options& options) noexcept;
    Zygote(pid_t pid, Descriptor pidfd, Descriptor socket, sync::FailPlan* fail)
        : pid_(pid), pidfd_(std::move(pidfd)), socket_(std::move(socket)), fail_(fail) {}
    Zygote(const Zygote&) = delete;
    Zygote& operator=(const Zygote&) = delete;
    ~Zygote();

    pid_t pid() const { return pid_; }
    /// A stub that has started, without address space and threads.
    Result<std::unique_ptr<StubProcess>> spawn() noexcept;

private:
    Result<std::unique_ptr<StubProcess>> request(const Descriptor& memory,
                                                 ControlMemory control) noexcept;

    const pid_t pid_;
    Descriptor pidfd_;
    Descriptor socket_;
    sync::FailPlan* const fail_;
    sync::Mutex<sync::LockId::leaf> mutex_;  // one request at a time
};

/// Finds the executable: the option, the environment, or a place relative to this program.
Result<std::string> find_zygote(const std::string& option);

}  // namespace surefoot::inline SF_BUILD::cpu::mirror
