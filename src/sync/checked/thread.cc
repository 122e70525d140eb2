#include "impl/thread.hpp"

#include <new>

namespace surefoot::inline SF_BUILD::sync {

Result<Thread> Thread::start(std::function<void()> body) noexcept {
    const auto call = [](void* raw) { (*static_cast<std::function<void()>*>(raw))(); };
    Thread thread;
    if (engine::in_task()) {
        // Kept until the execution ends.
        void* const memory = engine::allocate(sizeof body, alignof(decltype(body)));
        if (memory == nullptr) return Errno::again;
        thread.task_ =
            sfc_spawn(call, new (memory) std::function(std::move(body)), SFC_ANY_CPU, nullptr);
    } else if (!engine::run_on_new_cpu(call, &body)) {
        return Errno::again;
    }
    thread.joinable_ = true;
    return thread;
}

}  // namespace surefoot::inline SF_BUILD::sync
