#include "cpu/mirror/monitor.hpp"

#include <sys/epoll.h>
#include <sys/eventfd.h>

namespace surefoot::inline SF_BUILD::cpu::mirror {

namespace {
constexpr std::uint64_t kPoke = 0;
}

Result<std::unique_ptr<Monitor>> Monitor::start(std::function<void()> on_poke,
                                                sync::FailPlan* fail) noexcept {
    if (sync::should_fail(fail)) return Errno::mfile;
    Descriptor epoll(::epoll_create1(EPOLL_CLOEXEC));
    Descriptor event(::eventfd(0, EFD_CLOEXEC));
    if (!epoll || !event) return static_cast<Errno>(errno);
    epoll_event poke{.events = EPOLLIN, .data = {.u64 = kPoke}};
    if (::epoll_ctl(epoll.get(), EPOLL_CTL_ADD, event.get(), &poke) != 0) {
        return static_cast<Errno>(errno);
    }
    auto monitor =
        std::make_unique<Monitor>(std::move(epoll), std::move(event), std::move(on_poke));
    if (sync::should_fail(fail)) return Errno::again;
    Result<sync::Thread> thread =
        sync::Thread::start([raw = monitor.get()] { raw->run(); });
    if (!thread) return thread.error();
    monitor->thread_ = std::move(*thread);
    return monitor;
}

Monitor::~Monitor() {
    stop_.store(true, sync::Order::relaxed);
    poke();
    if (thread_.joinable()) thread_.join();
}

void Monitor::poke() noexcept {
    const std::uint64_t one = 1;
    // Fails only when the counter is full, and then the thread is about to wake anyway.
    [[maybe_unused]] const ssize_t n = ::write(event_.get(), &one, sizeof one);
}

Result<std::uint64_t> Monitor::watch(int pidfd, DeathListener& listener) noexcept {
    sync::Guard guard(mutex_);
    const std::uint64_t id = next_id_++;
    epoll_event death{.events = EPOLLIN | EPOLLONESHOT, .data = {.u64 = id}};
    if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, pidfd, &death) != 0) {
        return static_cast<Errno>(errno);
    }
    listeners_.emplace(id, &listener);
    return id;
}

void Monitor::unwatch(std::uint64_t id, int pidfd) noexcept {
    sync::Guard guard(mutex_);
    listeners_.erase(id);
    ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, pidfd, nullptr);
}

void Monitor::run() {
    for (;;) {
        epoll_event events[16];
        const int n = ::epoll_wait(epoll_.get(), events, 16, -1);
        bool poked = false;
        for (int i = 0; i < n; ++i) {
            if (events[i].data.u64 == kPoke) {
                std::uint64_t count = 0;
                poked = ::read(event_.get(), &count, sizeof count) > 0;
                continue;
            }
            sync::Guard guard(mutex_);
            const auto found = listeners_.find(events[i].data.u64);
            if (found != listeners_.end()) found->second->stub_died();
        }
        if (stop_.load(sync::Order::relaxed)) return;
        if (poked) on_poke_();
    }
}

}  // namespace surefoot::inline SF_BUILD::cpu::mirror
