#pragma once

// The port through which the core has stale translations removed. One object an address space; a
// CPU back end implements it.

#include <span>

#include "arch/arch.hpp"

namespace surefoot::inline SF_BUILD::host {

/// What changed in the tables of one address space since the last invalidation.
struct Invalidation {
    /// Ranges whose leaf entries were cleared, or now permit less.
    std::span<const VaRange> ranges;
    /// Tables that were unlinked. Their frames stay untouched until the call has returned and a
    /// grace period has passed. Not empty: paging-structure caches are to be flushed as well.
    std::span<const Pfn> unlinked_tables;
};

class TlbShootdown {
public:
    virtual ~TlbShootdown() = default;

    /// Returns when no CPU can use a translation that the entries no longer allow. The stores to
    /// the entries are done before the call; frames and tables are freed after it.
    /// Locks: page-table locks and an RCU read section may be held (the one sleep allowed under
    /// them); the implementation must not call back into the core.
    virtual void invalidate(const Invalidation& what) noexcept = 0;

    /// The same for every translation of the address space. Of tables it is told nothing: those
    /// that were unlinked go through `invalidate` before they are freed.
    virtual void invalidate_all() noexcept = 0;
};

}  // namespace surefoot::inline SF_BUILD::host
