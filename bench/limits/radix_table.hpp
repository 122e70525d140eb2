#pragma once

// The least that a guest's memory manager could be: a radix tree of four levels under one mutex,
// regions in a std::map, frames on a stack. No protocol, no sharing, no accounting.

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "limits/memory.hpp"

namespace surefoot::bench {

class RadixTable {
public:
    explicit RadixTable(std::size_t frames);
    ~RadixTable();
    RadixTable(const RadixTable&) = delete;
    RadixTable& operator=(const RadixTable&) = delete;

    void map(std::uint64_t start, std::uint64_t end, unsigned rights);
    void unmap(std::uint64_t start);
    /// Splits a region so that [start, end) has other rights.
    void protect(std::uint64_t start, std::uint64_t end, unsigned rights);
    /// A zeroed frame where there is none. @return false outside every region
    bool fault(std::uint64_t va);
    void discard(std::uint64_t start, std::uint64_t end);
    std::byte* walk(std::uint64_t va);

private:
    struct Node {
        std::array<void*, 512> child{};
    };
    struct Region {
        std::uint64_t end;
        unsigned rights;
    };
    void** slot(std::uint64_t va);
    void free_below(Node& node, unsigned level);
    void split(std::uint64_t at);
    void merge_at(std::uint64_t at);

    std::mutex mutex_;
    Pages pages_;
    std::vector<std::byte*> free_;
    std::map<std::uint64_t, Region> regions_;
    Node root_;
};

}  // namespace surefoot::bench
