#pragma once

// Stacks and the switch between them (Boost.Context).

#include <cstddef>
#include <span>

namespace surefoot::checker::engine {

/// Stacks of one size. Below each is a guard that faults when it is touched.
class Stacks {
  public:
    /// Throws std::runtime_error when there is no address space.
    Stacks(unsigned count, std::size_t bytes);
    ~Stacks();
    Stacks(const Stacks&) = delete;
    Stacks& operator=(const Stacks&) = delete;

    char* at(unsigned index) const { return base_ + index * stride() + kGuardBytes; }
    std::size_t bytes() const { return bytes_; }
    /// Whether the address is in a guard: the stack above it has overflowed.
    bool guards(const void* address) const;

  private:
    /// As much as the frame of a function that steps over it without touching it.
    static constexpr std::size_t kGuardBytes = std::size_t{64} << 10;
    std::size_t stride() const { return kGuardBytes + bytes_; }

    unsigned count_;
    std::size_t bytes_;
    char* base_;
};

/// What the C++ runtime keeps of a thread (Itanium C++ ABI, 2.2.2), and here of each fiber: which
/// exceptions are being handled, and how many are on their way.
struct Exceptions {
    void* caught = nullptr;
    unsigned uncaught = 0;
};

/// Takes away AddressSanitizer's marks of frames that were abandoned there.
void unpoison(const void* stack, std::size_t bytes);

/// One stack. A fiber is abandoned by starting another function on it: nothing is unwound.
class Fiber {
  public:
    /// The next switch_to() enters `body(argument)`, which must not return.
    void start(void* stack, std::size_t bytes, void (*body)(void*), void* argument);
    /// What lies on its stack, while it does not run; nothing if a signal handler was left standing.
    std::span<std::byte> frames() const;
    /// What is copied to or from the stack is none of AddressSanitizer's business.
    void forget_marks() const;
    /// Whether it stands in a handler, or in a destructor that an exception runs.
    bool has_exceptions() const {
        return exceptions_.caught != nullptr || exceptions_.uncaught != 0;
    }

  private:
    friend class Switcher;
    void* context_ = nullptr;
    const void* stack_ = nullptr;
    std::size_t bytes_ = 0;
    void (*body_)(void*) = nullptr;
    void* argument_ = nullptr;
    Exceptions exceptions_;
};

/// Which fiber runs. The thread that calls enter() is the root.
class Switcher {
  public:
    /// From the root into `to`. Returns when some fiber calls leave().
    void enter(Fiber& to);
    /// From the running fiber into another one.
    void switch_to(Fiber& to);
    /// From the running fiber back to the root. Returns when the root enters this fiber again.
    void pause() { switch_to(root_); }
    /// The same for good.
    [[noreturn]] void leave();

    Fiber* current() const { return current_; }
    bool on_fiber() const { return current_ != nullptr && current_ != &root_; }

    /// First on the stack that was switched to. `context` is where `from` goes on.
    /// @param fake_stack  AddressSanitizer's, of the fiber that goes on
    static void arrive(Fiber& from, void* context, void* fake_stack);

  private:
    Fiber root_;
    Fiber* current_ = nullptr;
};

}  // namespace surefoot::checker::engine
