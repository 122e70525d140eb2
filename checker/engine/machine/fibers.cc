#include "engine/machine/fibers.hpp"

#include <sanitizer/asan_interface.h>

#include <boost/context/detail/fcontext.hpp>

namespace surefoot::checker::engine {
namespace {

namespace context = boost::context::detail;

// AddressSanitizer is told whose stack is in use: what an exception unwinds depends on it.
#ifdef __SANITIZE_ADDRESS__
void start_switch(void** fake_stack, const void* stack, std::size_t bytes) {
    __sanitizer_start_switch_fiber(fake_stack, stack, bytes);
}
void finish_switch(void* fake_stack, const void** stack, std::size_t* bytes) {
    __sanitizer_finish_switch_fiber(fake_stack, stack, bytes);
}
#else
void start_switch(void**, const void*, std::size_t) {}
void finish_switch(void*, const void**, std::size_t*) {}
#endif

/// What one fiber hands to the next.
struct Handover {
    Fiber& from;
    void (*body)(void*);
    void* argument;
};

void entry(context::transfer_t from) {
    const Handover handover = *static_cast<Handover*>(from.data);
    Switcher::arrive(handover.from, from.fctx, nullptr);
    handover.body(handover.argument);
    __builtin_trap();
}

}  // namespace

void Fiber::start(void* stack, std::size_t bytes, void (*body)(void*), void* argument) {
    // Frames that were abandoned there have left their marks.
    ASAN_UNPOISON_MEMORY_REGION(stack, bytes);
    context_ = context::make_fcontext(static_cast<char*>(stack) + bytes, bytes, entry);
    stack_ = stack;
    bytes_ = bytes;
    body_ = body;
    argument_ = argument;
}

void Switcher::enter(Fiber& to) {
    current_ = &root_;
    switch_to(to);
}

void Switcher::switch_to(Fiber& to) {
    Fiber* const from = current_;
    Handover handover{*from, to.body_, to.argument_};
    current_ = &to;
    void* fake_stack = nullptr;
    start_switch(&fake_stack, to.stack_, to.bytes_);
    const context::transfer_t back = context::jump_fcontext(to.context_, &handover);
    arrive(static_cast<Handover*>(back.data)->from, back.fctx, fake_stack);
}

void Switcher::arrive(Fiber& from, void* context, void* fake_stack) {
    from.context_ = context;
    // Nobody but the sanitizer knows the root's stack.
    finish_switch(fake_stack, &from.stack_, &from.bytes_);
}

void Switcher::leave() {
    switch_to(root_);
    __builtin_trap();
}

}  // namespace surefoot::checker::engine
