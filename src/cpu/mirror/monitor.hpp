#pragma once

// A thread of the server that learns of the death of stubs, and keeps the pool filled.

#include <functional>
#include <memory>
#include <unordered_map>

#include "cpu/mirror/stub_process.hpp"

namespace surefoot::inline SF_BUILD::cpu::mirror {

/// Told from the monitor's thread, with the monitor's lock held.
class DeathListener {
public:
    virtual ~DeathListener() = default;
    virtual void stub_died() noexcept = 0;
};

class Monitor {
public:
    /// @param on_poke runs on the monitor's thread after each `poke`
    static Result<std::unique_ptr<Monitor>> start(std::function<void()> on_poke,
                                                  sync::FailPlan* fail) noexcept;
    Monitor(Descriptor epoll, Descriptor event, std::function<void()> on_poke)
        : epoll_(std::move(epoll)), event_(std::move(event)), on_poke_(std::move(on_poke)) {}
    Monitor(const Monitor&) = delete;
    Monitor& operator=(const Monitor&) = delete;
    ~Monitor();

    void poke() noexcept;
    /// Until `unwatch`; a process that is dead already is told of at once.
    Result<std::uint64_t> watch(int pidfd, DeathListener& listener) noexcept;
    /// After the return the listener is not called any more.
    void unwatch(std::uint64_t id, int pidfd) noexcept;

private:
    void run();

    Descriptor epoll_;
    Descriptor event_;
    const std::function<void()> on_poke_;
    sync::Atomic<bool> stop_{false};
    sync::Mutex<sync::LockId::leaf> mutex_;
    std::unordered_map<std::uint64_t, DeathListener*> listeners_;  // under mutex_
    std::uint64_t next_id_ = 1;                                    // under mutex_
    sync::Thread thread_;
};

}  // namespace surefoot::inline SF_BUILD::cpu::mirror
