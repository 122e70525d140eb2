#pragma once

// The one header that defines macros: assertions, and the words of clang's thread-safety analysis
// spelt as the kernel's context analysis spells them.

#include "impl/build.hpp"

namespace surefoot::inline SF_BUILD {

/// Reports a failed assertion and does not return. Implemented by `sync`: the native build prints
/// one line and aborts, the checked build ends the execution and prints its schedule.
[[noreturn]] void assertion_failed(const char* expression, const char* file, int line) noexcept;

}  // namespace surefoot::inline SF_BUILD

/// Always on; for conditions that cost next to nothing.
#define SF_ASSERT(condition)          \
    (__builtin_expect(!!(condition), 1) \
         ? static_cast<void>(0)         \
         : ::surefoot::assertion_failed(#condition, __FILE__, __LINE__))

/// On in every preset but `release` and `bench`.
#ifdef SF_RELEASE
#define SF_DEBUG_ASSERT(condition) static_cast<void>(sizeof(!(condition)))
#else
#define SF_DEBUG_ASSERT(condition) SF_ASSERT(condition)
#endif

#define SF_UNREACHABLE(why) ::surefoot::assertion_failed("unreachable: " why, __FILE__, __LINE__)

#ifdef __clang__
#define SF_ATTRIBUTE(x) __attribute__((x))
#else
#define SF_ATTRIBUTE(x)
#endif

#define SF_CAPABILITY(name) SF_ATTRIBUTE(capability(name))
#define SF_SCOPED_GUARD SF_ATTRIBUTE(scoped_lockable)
#define SF_GUARDED_BY(...) SF_ATTRIBUTE(guarded_by(__VA_ARGS__))
#define SF_ACQUIRED_AFTER(...) SF_ATTRIBUTE(acquired_after(__VA_ARGS__))
#define SF_MUST_HOLD(...) SF_ATTRIBUTE(requires_capability(__VA_ARGS__))
#define SF_MUST_HOLD_SHARED(...) SF_ATTRIBUTE(requires_shared_capability(__VA_ARGS__))
#define SF_MUST_NOT_HOLD(...) SF_ATTRIBUTE(locks_excluded(__VA_ARGS__))
#define SF_ACQUIRES(...) SF_ATTRIBUTE(acquire_capability(__VA_ARGS__))
#define SF_ACQUIRES_SHARED(...) SF_ATTRIBUTE(acquire_shared_capability(__VA_ARGS__))
#define SF_TRY_ACQUIRES(...) SF_ATTRIBUTE(try_acquire_capability(__VA_ARGS__))
#define SF_TRY_ACQUIRES_SHARED(...) SF_ATTRIBUTE(try_acquire_shared_capability(__VA_ARGS__))
#define SF_RELEASES(...) SF_ATTRIBUTE(release_capability(__VA_ARGS__))
#define SF_RELEASES_SHARED(...) SF_ATTRIBUTE(release_shared_capability(__VA_ARGS__))
#define SF_RELEASES_ANY(...) SF_ATTRIBUTE(release_generic_capability(__VA_ARGS__))
#define SF_ASSERTS_HELD(...) SF_ATTRIBUTE(assert_capability(__VA_ARGS__))
#define SF_ASSERTS_HELD_SHARED(...) SF_ATTRIBUTE(assert_shared_capability(__VA_ARGS__))
/// Switches the analysis off for one function; the reason is required and the tidy test lists it.
#define SF_CONTEXT_UNSAFE(reason) SF_ATTRIBUTE(no_thread_safety_analysis)
