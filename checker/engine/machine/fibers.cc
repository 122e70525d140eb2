#include "engine/machine/fibers.hpp"

#include <cxxabi.h>
#include <sanitizer/asan_interface.h>
#include <sys/mman.h>

#include <boost/context/detail/fcontext.hpp>
#include <cstdint>
#include <stdexcept>
#include <utility>

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

Stacks::Stacks(unsigned count, std::size_t bytes) : count_(count), bytes_(bytes) {
    void* const got = mmap(nullptr, count_ * stride(), PROT_NONE,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (got == MAP_FAILED) throw std::runtime_error("no address space for the checker's stacks");
    base_ = static_cast<char*>(got);
    for (unsigned i = 0; i < count_; ++i)
        if (mprotect(at(i), bytes_, PROT_READ | PROT_WRITE) != 0)
            throw std::runtime_error("no memory for the checker's stacks");
}

Stacks::~Stacks() { munmap(base_, count_ * stride()); }

bool Stacks::guards(const void* address) const {
    const auto offset =
        reinterpret_cast<std::uintptr_t>(address) - reinterpret_cast<std::uintptr_t>(base_);
    return offset < count_ * stride() && offset % stride() < kGuardBytes;
}

void Fiber::start(void* stack, std::size_t bytes, void (*body)(void*), void* argument) {
    context_ = context::make_fcontext(static_cast<char*>(stack) + bytes, bytes, entry);
    stack_ = stack;
    bytes_ = bytes;
    forget_marks();
    body_ = body;
    argument_ = argument;
    exceptions_ = {};
}

void unpoison(const void* stack, std::size_t bytes) { ASAN_UNPOISON_MEMORY_REGION(stack, bytes); }

void Fiber::forget_marks() const { unpoison(stack_, bytes_); }

std::span<std::byte> Fiber::frames() const {
    forget_marks();
    auto* const bottom = static_cast<std::byte*>(const_cast<void*>(stack_));
    auto* const from = static_cast<std::byte*>(context_);
    if (from < bottom || from >= bottom + bytes_) return {};
    return {from, bottom + bytes_};
}

void Switcher::enter(Fiber& to) {
    current_ = &root_;
    switch_to(to);
}

void Switcher::switch_to(Fiber& to) {
    Fiber* const from = current_;
    Handover handover{*from, to.body_, to.argument_};
    current_ = &to;
    auto& exceptions = *reinterpret_cast<Exceptions*>(abi::__cxa_get_globals());
    from->exceptions_ = std::exchange(exceptions, to.exceptions_);
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
    pause();
    __builtin_trap();
}

}  // namespace surefoot::checker::engine
