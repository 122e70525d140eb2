#pragma once

// What the memory of this machine can't do faster: dependent loads, zeroing, copies, atomics.

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace surefoot::bench {

/// A ring of pointers over `bytes`, one a cache line, in random order.
class PointerRing {
public:
    explicit PointerRing(std::size_t bytes);
    /// Follows `hops` pointers, each load waiting for the one before and the first for `after`.
    /// @return 0, which the processor knows when it is done
    std::uint64_t chase(std::uint64_t hops, std::uint64_t after) {
        Line* at = at_ + after;
        for (std::uint64_t i = 0; i < hops; ++i) at = at->next;
        at_ = at;
        return reinterpret_cast<std::uint64_t>(at) & 1;
    }

private:
    struct alignas(64) Line {
        Line* next = nullptr;
    };
    std::vector<Line> lines_;
    Line* at_;
};

/// Shared memory as an arena has it.
class Pages {
public:
    explicit Pages(std::size_t pages);
    ~Pages();
    Pages(const Pages&) = delete;
    Pages& operator=(const Pages&) = delete;
    std::byte* page(std::size_t i) const { return start_ + i * 4096; }
    std::size_t size() const { return pages_; }

private:
    std::size_t pages_;
    std::byte* start_;
};

enum class Zeroing : std::uint8_t { cached, non_temporal };
void zero_page(std::byte* page, Zeroing how);

/// Words on lines of their own, for uncontended atomic operations.
class AtomicWords {
public:
    /// `n` locked read-modify-writes, each on another line.
    void touch(unsigned n);

private:
    struct alignas(64) Word {
        std::uint64_t value = 0;
    };
    Word words_[8];
};

}  // namespace surefoot::bench
