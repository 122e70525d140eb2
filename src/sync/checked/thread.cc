#include "impl/thread.hpp"

namespace surefoot::inline SF_BUILD::sync {

Result<Thread> Thread::start(std::function<void()> body) noexcept {
    const auto call = [](void* raw) { (*static_cast<std::function<void()>*>(raw))(); };
    if (!engine::run_on_new_cpu(call, &body)) return Errno::again;
    Thread thread;
    thread.joinable_ = true;
    return thread;
}

}  // namespace surefoot::inline SF_BUILD::sync
