#include "engine/machine/executor.hpp"

#include <fmt/format.h>

#include <exception>
#include <utility>

namespace surefoot::checker::engine {

void Executor::run_alone(const char* name, void (*body)(void*), void* context) {
    alone_name_ = name;
    alone_body_ = body;
    alone_context_ = context;
    Fiber fiber;
    fiber.start(alone_stack_.at(0), alone_stack_.bytes(), alone_main, this);
    switcher_.enter(fiber);
    alone_name_ = nullptr;
}

void Executor::alone_main(void* self) {
    Executor& executor = *static_cast<Executor*>(self);
    executor.guarded(executor.alone_body_, executor.alone_context_);
    executor.switcher_.leave();
}

void Executor::guarded(void (*body)(void*), void* context) {
    std::string thrown;
    try {
        return body(context);
    } catch (const std::exception& exception) {
        thrown = exception.what();
    } catch (...) {
        thrown = "no std::exception";
    }
    // Behind the handlers: fail() may leave this stack for good.
    thrown = fmt::format("an exception leaves {}: {}", who(), thrown);
    fail(std::move(thrown), last_pc());
}

std::string Executor::overflow(const void* address) const {
    if (stacks_.guards(address))
        return fmt::format("the stack of {} overflows: a task has {} KiB", who(),
                           stacks_.bytes() >> 10);
    if (alone_stack_.guards(address))
        return fmt::format("the stack of {} overflows: it has {} KiB", who(),
                           alone_stack_.bytes() >> 10);
    return {};
}

std::string Executor::who() const { return alone() ? alone_name_ : running_task(); }

void Executor::abandon(std::string message, const void* pc, bool mistake) {
    fail(std::move(message), pc, mistake);
    switcher_.leave();
}

}  // namespace surefoot::checker::engine
