#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <cstdint>
#include <span>

#include "phys/phys.hpp"

/// Zeroed memory that costs nothing until it is written.
class SparseMemory {
  public:
    explicit SparseMemory(std::size_t bytes) : bytes_(bytes) {
        void* const at = mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                              MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        SF_ASSERT(at != MAP_FAILED);
        start_ = static_cast<std::byte*>(at);
    }
    ~SparseMemory() { munmap(start_, bytes_); }
    SparseMemory(const SparseMemory&) = delete;
    SparseMemory& operator=(const SparseMemory&) = delete;

    std::span<std::byte> bytes() const { return {start_, bytes_}; }

  private:
    std::byte* start_ = nullptr;
    std::size_t bytes_;
};

/// An arena of `frames` frames with its memory.
class TestArena {
    SparseMemory memory_;
    SparseMemory descriptors_;

  public:
    explicit TestArena(std::uint64_t frames)
        : memory_(frames << surefoot::arch::kPageShift),
          descriptors_(
              surefoot::phys::Arena::descriptor_bytes(frames << surefoot::arch::kPageShift)),
          arena(memory_.bytes(), descriptors_.bytes()) {}

    surefoot::phys::Arena arena;
};
