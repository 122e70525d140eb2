#pragma once

// The arena that checked programs allocate from: the same addresses in every execution.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "engine/machine/clock.hpp"
#include "surefoot/checker/engine.h"

namespace surefoot::checker::engine {

using Address = std::uintptr_t;

/// One piece of the arena that was given out.
struct Block {
    Address begin = 0;
    std::size_t bytes = 0;
    Point made = {};
    Point freed = {};
    unsigned generation = 0;
    bool made_in_setup = true;
    bool is_free = false;
    std::uint32_t over = 0;  // the block that was there before, as index + 1
};

class Memory {
  public:
    static constexpr Address kBase = 0x550000000000;
    static constexpr std::size_t kGrain = 16;

    /// Throws std::runtime_error when the range is taken.
    Memory(std::size_t bytes, sfc_reuse reuse);
    ~Memory();
    Memory(const Memory&) = delete;
    Memory& operator=(const Memory&) = delete;

    /// A place in an execution: what had been given out and freed by then.
    struct Mark {
        std::size_t used[kMaxProcs + 1];
        std::size_t blocks, changes;
        std::vector<std::uint32_t> free;
        bool watched;
    };

    void reset();
    void mark(Mark& mark) const;
    /// The bytes that are in use are not those of the mark.
    void return_to(const Mark& mark);
    /// Calls `visit` for all that is in use, piece by piece.
    template <class Visit>
    void for_used(Visit&& visit) const {
        for (const Region& region : regions_) {
            auto* const begin = reinterpret_cast<std::byte*>(kBase + region.begin);
            if (region.used != 0) visit(std::span(begin, region.used));
        }
    }
    /// Each process allocates from a region of its own, so that what it gets does not depend on
    /// what others did meanwhile. Region 0 is the setup's, and half of the arena.
    /// @return 0 when the region is full
    Address alloc(unsigned region, std::size_t bytes, std::size_t align, const Point& made);
    void free(Block& block, const Point& freed);
    /// Where freed memory is not given out by itself.
    void give_again(Block& block, const Point& made, bool in_setup);
    static void poison(const Block& block);
    /// Whether freed memory is given out again.
    bool reuses() const { return reuse_ == SFC_REUSE_LIFO; }
    /// Whether memory was freed, or given out after setup: only then can it be misused.
    bool watched() const { return watched_; }
    /// The block that holds `address`, the latest if several did; null outside of all.
    Block* find(Address address);
    std::size_t size() const { return bytes_; }
    bool holds(Address address) const { return address - kBase < bytes_; }

  private:
    Address give_out(Block block);

    std::size_t bytes_;
    sfc_reuse reuse_;
    struct Region {
        std::size_t begin = 0, used = 0, bytes = 0;
    };
    static void clear_from(Region& region, std::size_t used);
    void set_owner(const Block& block, std::uint32_t owner);
    std::uint32_t index_of(const Block& block) const {
        return static_cast<std::uint32_t>(&block - blocks_.data());
    }
    Region regions_[kMaxProcs + 1];
    bool watched_ = false;
    std::vector<Block> blocks_;
    std::uint32_t* owner_;  // block of each grain, as index + 1
    std::vector<std::uint32_t> free_;
    struct Change {
        std::uint32_t index;
        Block before;
    };
    std::vector<Change> changes_;  // of blocks, since the execution began
};

}  // namespace surefoot::checker::engine
