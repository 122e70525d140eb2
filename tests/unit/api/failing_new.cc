#include "failing_new.hpp"

#include <cstdlib>
#include <new>

namespace {

/// 0: off, or it came.
unsigned fails_in = 0;

bool this_one_fails() { return fails_in != 0 && --fails_in == 0; }

}  // namespace

void fail_new_in(unsigned n) { fails_in = n; }

bool stop_failing_new() {
    const bool came = fails_in == 0;
    fails_in = 0;
    return came;
}

// Apart from the test, so that the compiler pairs no new with a free().
void* operator new(std::size_t bytes) {
    void* const at = this_one_fails() ? nullptr : std::malloc(bytes);
    if (at == nullptr) throw std::bad_alloc();
    return at;
}
void* operator new(std::size_t bytes, const std::nothrow_t&) noexcept {
    return this_one_fails() ? nullptr : std::malloc(bytes);
}
void* operator new(std::size_t bytes, std::align_val_t to, const std::nothrow_t&) noexcept {
    const auto alignment = static_cast<std::size_t>(to);
    const std::size_t rounded = (bytes + alignment - 1) / alignment * alignment;
    return this_one_fails() ? nullptr : std::aligned_alloc(alignment, rounded);
}
void* operator new(std::size_t bytes, std::align_val_t to) {
    void* const at = operator new(bytes, to, std::nothrow);
    if (at == nullptr) throw std::bad_alloc();
    return at;
}
void operator delete(void* at) noexcept { std::free(at); }
void operator delete(void* at, std::size_t) noexcept { std::free(at); }
void operator delete(void* at, std::align_val_t) noexcept { std::free(at); }
void operator delete(void* at, std::size_t, std::align_val_t) noexcept { std::free(at); }
