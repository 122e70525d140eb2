#pragma once

#include <cstddef>
#include <new>

#include "impl/engine.hpp"

namespace surefoot::inline SF_BUILD::sync {

/// Base of what tasks share and `new` makes: in a search it lies in the engine's arena, at the same
/// address in every execution, and is watched after `delete`.
struct SharedObject {
    static void* operator new(std::size_t bytes, std::align_val_t align,
                              const std::nothrow_t&) noexcept {
        return engine::allocate(bytes, static_cast<std::size_t>(align));
    }
    static void* operator new(std::size_t bytes, const std::nothrow_t&) noexcept {
        return engine::allocate(bytes, alignof(std::max_align_t));
    }
    static void operator delete(void* object, std::align_val_t align) noexcept {
        engine::release(object, static_cast<std::size_t>(align));
    }
    static void operator delete(void* object) noexcept {
        engine::release(object, alignof(std::max_align_t));
    }
};

/// An allocator of ours hands `piece` out, or takes it back. In a search a piece is a block of the
/// engine's arena, which reports who touches it while it is free, or does not know its new owner.
inline void mark_in_use(void* piece) { engine::mark_in_use(piece); }
inline void mark_free(void* piece) { engine::mark_free(piece); }
/// Whether freed memory need not be kept back for that.
inline constexpr bool kWatchesFreeMemory = true;

}  // namespace surefoot::inline SF_BUILD::sync
