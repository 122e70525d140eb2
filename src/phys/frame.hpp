#pragma once

// The descriptor of one frame: 32 bytes, half of Linux's struct page. What a frame is used for
// decides which of the words mean what.

#include <cstdint>

#include "arch/arch.hpp"
#include "sync/sync.hpp"

namespace surefoot::inline SF_BUILD::phys {

using sync::Order;

/// Bits of Frame::flags. The lowest 8 are flags, then the order of a free or allocated block, and
/// on top the bits 32 to 39 of a folio's index.
struct FrameFlags {
    /// Free, the first frame of a block in the buddy lists.
    static constexpr std::uint32_t kBuddy = 1U << 0;
    /// A page table.
    static constexpr std::uint32_t kTable = 1U << 1;
    /// A private copy of a file's page that was not written yet.
    static constexpr std::uint32_t kFileCopy = 1U << 2;
    /// Belongs to a shared-memory object.
    static constexpr std::uint32_t kShmem = 1U << 3;

    static constexpr unsigned kOrderShift = 8;
    static constexpr std::uint32_t kOrderMask = 0xfU << kOrderShift;
    static constexpr unsigned kIndexHighShift = 24;
};

struct Frame {
    /// Folio: one a mapping, one for membership in a shared object, and temporary ones. Pins of a
    /// small folio count 1024 each. Table: 1 while allocated.
    sync::RefCount refcount;
    /// Folio: page-table entries that map it.
    sync::Atomic<std::uint32_t> mapcount;
    sync::Atomic<std::uint32_t> flags;
    /// Table: the split lock (ptl of a PTE table, pml of a PMD table). It stays usable until the
    /// table's grace period is over, since late lockers may still come. Folio: the swap slot.
    sync::ClasslessLock lock;
    /// Free block: neighbours in its list. Table: next in a list of unlinked or deposited ones.
    /// Folio: neighbours in the LRU. All as frame numbers.
    sync::Shared<Pfn> next;
    sync::Shared<Pfn> prev;
    /// Folio: handle of its anon_vma or address space, and the low 32 bits of its index there.
    sync::Shared<std::uint32_t> mapping;
    sync::Shared<std::uint32_t> index;

    unsigned order() const {
        return (flags.load(Order::relaxed) & FrameFlags::kOrderMask) >> FrameFlags::kOrderShift;
    }
    bool has(std::uint32_t flag) const { return (flags.load(Order::relaxed) & flag) != 0; }
    /// The frame is exclusively owned.
    void set_kind(std::uint32_t bits, unsigned order) {
        flags.store(bits | (order << FrameFlags::kOrderShift), Order::relaxed);
    }
};

#ifdef SF_RELEASE
static_assert(sizeof(Frame) <= 32);
#endif

}  // namespace surefoot::inline SF_BUILD::phys
