#pragma once

// The arena that checked programs allocate from: the same addresses in every execution.

#include <cstddef>
#include <cstdint>
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

    void reset();
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
    Region regions_[kMaxProcs + 1];
    bool watched_ = false;
    std::vector<Block> blocks_;
    std::uint32_t* owner_;  // block of each grain, as index + 1
    std::vector<std::uint32_t> free_;
};

}  // namespace surefoot::checker::engine
