#pragma once

// The arena: physical memory as one range of bytes, and one descriptor a frame. Both are handed
// in and stay the caller's.

#include <cstring>
#include <span>

#include "phys/frame.hpp"

namespace surefoot::inline SF_BUILD::phys {

class Arena {
  public:
    /// @param frames       zeroed, page-aligned; sparse
    /// @param descriptors  zeroed; at least `descriptor_bytes(frames.size())`; sparse
    Arena(std::span<std::byte> frames, std::span<std::byte> descriptors)
        : base_(frames.data()),
          frames_(reinterpret_cast<Frame*>(descriptors.data())),
          nr_frames_(static_cast<std::uint32_t>(frames.size() >> arch::kPageShift)) {
        SF_ASSERT(descriptors.size() >= descriptor_bytes(frames.size()));
        SF_ASSERT((frames.size() >> arch::kPageShift) < Pfn::none().raw());
    }

    static constexpr std::size_t descriptor_bytes(std::size_t arena_bytes) {
        return (arena_bytes >> arch::kPageShift) * sizeof(Frame);
    }

    std::uint32_t nr_frames() const { return nr_frames_; }
    bool contains(Pfn pfn) const { return pfn.raw() < nr_frames_; }

    Frame& frame(Pfn pfn) const {
        SF_DEBUG_ASSERT(contains(pfn));
        return frames_[pfn.raw()];
    }
    Pfn pfn_of(const Frame& frame) const {
        return Pfn(static_cast<std::uint32_t>(&frame - frames_));
    }
    std::byte* address(Pfn pfn) const {
        SF_DEBUG_ASSERT(contains(pfn));
        return base_ + arch::to_phys(pfn).raw();
    }
    std::span<std::byte> page(Pfn pfn) const { return {address(pfn), arch::kPageSize}; }

    /// The word of a page-table entry.
    /// @param index  entry number in the table
    sync::Atomic<std::uint64_t>& entry_word(Pfn table, unsigned index) const {
        return reinterpret_cast<sync::Atomic<std::uint64_t>*>(address(table))[index];
    }
    /// The same by the table's address. That comes last in the sum: a walk has it last, from the
    /// level above.
    sync::Atomic<std::uint64_t>& entry_word(PhysAddr table, unsigned index) const {
        SF_DEBUG_ASSERT(contains(arch::to_pfn(table)));
        std::byte* column = base_ + index * sizeof(std::uint64_t);
        return *reinterpret_cast<sync::Atomic<std::uint64_t>*>(column + table.raw());
    }

  private:
    std::byte* base_;
    Frame* frames_;
    std::uint32_t nr_frames_;
};

}  // namespace surefoot::inline SF_BUILD::phys
