#include "engine/fibers.hpp"

#include <boost/context/detail/fcontext.hpp>

namespace surefoot::checker::engine {
namespace {

namespace context = boost::context::detail;

/// What one fiber hands to the next: where to keep the context of the one that was left.
struct Handover {
    void** keep;
    void (*body)(void*);
    void* argument;
};

void entry(context::transfer_t from) {
    const Handover handover = *static_cast<Handover*>(from.data);
    *handover.keep = from.fctx;
    handover.body(handover.argument);
    __builtin_trap();
}

}  // namespace

void Fiber::start(void* stack, std::size_t bytes, void (*body)(void*), void* argument) {
    context_ = context::make_fcontext(static_cast<char*>(stack) + bytes, bytes, entry);
    body_ = body;
    argument_ = argument;
}

void Switcher::enter(Fiber& to) {
    current_ = &root_;
    switch_to(to);
}

void Switcher::switch_to(Fiber& to) {
    Fiber* const from = current_;
    Handover handover{&from->context_, to.body_, to.argument_};
    current_ = &to;
    const context::transfer_t back = context::jump_fcontext(to.context_, &handover);
    *static_cast<Handover*>(back.data)->keep = back.fctx;
}

void Switcher::leave() {
    switch_to(root_);
    __builtin_trap();
}

}  // namespace surefoot::checker::engine
