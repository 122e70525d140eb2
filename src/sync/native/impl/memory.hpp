#pragma once

#include "sync/order.hpp"

namespace surefoot::inline SF_BUILD::sync {

/// Base of what threads share and `new` makes. The checked build places it where it is watched.
struct SharedObject {};

/// An allocator of ours hands `piece` out, or takes it back. The checked build reports who touches
/// a piece that is free, or that was handed out to somebody else.
inline void mark_in_use(void* /*piece*/) {}
inline void mark_free(void* /*piece*/) {}
/// Whether it does.
inline constexpr bool kWatchesFreeMemory = false;

}  // namespace surefoot::inline SF_BUILD::sync
