#include "engine/memory/memory.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <cstring>
#include <iterator>
#include <stdexcept>

namespace surefoot::checker::engine {
namespace {

constexpr int kPoison = 0xdb;

void* map_at(Address where, std::size_t bytes) {
    const int fixed = where != 0 ? MAP_FIXED_NOREPLACE : 0;
    void* const got = mmap(reinterpret_cast<void*>(where), bytes, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | fixed, -1, 0);
    if (got == MAP_FAILED) throw std::runtime_error("no address space for the checker's arena");
    return got;
}

}  // namespace

Memory::Memory(std::size_t bytes, sfc_reuse reuse) : bytes_(bytes), reuse_(reuse) {
    map_at(kBase, bytes_);
    const std::size_t share = bytes_ / 2 / kMaxProcs / kGrain * kGrain;
    regions_[0].bytes = bytes_ / 2;
    for (unsigned i = 1; i <= kMaxProcs; ++i)
        regions_[i] = {bytes_ / 2 + (i - 1) * share, 0, share};
    owner_ = static_cast<std::uint32_t*>(map_at(0, bytes_ / kGrain * sizeof *owner_));
}

Memory::~Memory() {
    munmap(reinterpret_cast<void*>(kBase), bytes_);
    munmap(owner_, bytes_ / kGrain * sizeof *owner_);
}

/// Every execution finds zeroes, whatever the one before left.
void Memory::clear_from(Region& region, std::size_t used) {
    if (region.used > used)
        std::memset(reinterpret_cast<void*>(kBase + region.begin + used), 0, region.used - used);
    region.used = used;
}

void Memory::reset() {
    for (Region& region : regions_) {
        if (region.used == 0) continue;
        std::memset(owner_ + region.begin / kGrain, 0, region.used / kGrain * sizeof *owner_);
        clear_from(region, 0);
    }
    blocks_.clear();
    free_.clear();
    changes_.clear();
    watched_ = false;
}

void Memory::mark(Mark& mark) const {
    std::transform(std::begin(regions_), std::end(regions_), mark.used,
                   [](const Region& region) { return region.used; });
    mark.blocks = blocks_.size();
    mark.changes = changes_.size();
    mark.free = free_;
    mark.watched = watched_;
}

void Memory::return_to(const Mark& mark) {
    for (; changes_.size() > mark.changes; changes_.pop_back())
        blocks_[changes_.back().index] = changes_.back().before;
    for (; blocks_.size() > mark.blocks; blocks_.pop_back())
        set_owner(blocks_.back(), blocks_.back().over);
    for (unsigned i = 0; i <= kMaxProcs; ++i)
        clear_from(regions_[i], mark.used[i]);
    free_ = mark.free;
    watched_ = mark.watched;
}

Address Memory::alloc(unsigned number, std::size_t bytes, std::size_t align, const Point& made) {
    Region& region = regions_[number];
    // Before they are rounded up: near the largest number that gives a small one.
    if (bytes > region.bytes || align > region.bytes) return 0;
    Block block{.bytes = (std::max<std::size_t>(bytes, 1) + kGrain - 1) / kGrain * kGrain,
                .made = made,
                .made_in_setup = number == 0};
    watched_ |= number != 0;
    align = std::max(align, kGrain);
    for (std::size_t i = free_.size(); i-- > 0;) {
        const Block& old = blocks_[free_[i]];
        if (old.bytes != block.bytes || old.begin % align != 0) continue;
        block.begin = old.begin;
        block.generation = old.generation + 1;
        free_.erase(free_.begin() + static_cast<std::ptrdiff_t>(i));
        return give_out(block);
    }
    const std::size_t at = (region.begin + region.used + align - 1) / align * align;
    if (at + block.bytes > region.begin + region.bytes) return 0;
    region.used = at + block.bytes - region.begin;
    block.begin = kBase + at;
    return give_out(block);
}

void Memory::set_owner(const Block& block, std::uint32_t owner) {
    std::fill_n(owner_ + (block.begin - kBase) / kGrain, block.bytes / kGrain, owner);
}

Address Memory::give_out(Block block) {
    if (block.generation != 0) block.over = owner_[(block.begin - kBase) / kGrain];
    blocks_.push_back(block);
    set_owner(block, static_cast<std::uint32_t>(blocks_.size()));
    return block.begin;
}

void Memory::free(Block& block, const Point& freed) {
    changes_.push_back({index_of(block), block});
    block.is_free = watched_ = true;
    block.freed = freed;
    if (reuses()) free_.push_back(index_of(block));
}

void Memory::give_again(Block& block, const Point& made, bool in_setup) {
    changes_.push_back({index_of(block), block});
    block.is_free = false;
    block.made = made;
    block.made_in_setup = in_setup;
    ++block.generation;
}

void Memory::poison(const Block& block) {
    std::memset(reinterpret_cast<void*>(block.begin), kPoison, block.bytes);
}

Block* Memory::find(Address address) {
    if (!holds(address)) return nullptr;
    const std::uint32_t index = owner_[(address - kBase) / kGrain];
    return index != 0 ? &blocks_[index - 1] : nullptr;
}

}  // namespace surefoot::checker::engine
