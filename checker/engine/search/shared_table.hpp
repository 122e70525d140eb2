#pragma once

// A hash table that the processes of a search share, once they are forked: it never moves, but
// grows within address space that is set aside for it.

#include <atomic>
#include <cstdint>

namespace surefoot::checker::engine {

class SharedTable {
  public:
    /// Throws std::runtime_error when there is no address space to be had.
    SharedTable();
    ~SharedTable();
    SharedTable(const SharedTable&) = delete;
    SharedTable& operator=(const SharedTable&) = delete;

    /// Whether the key is new, or has a smaller value so far; it then has this one.
    bool raise(std::uint64_t key, std::uint32_t value);
    /// Whether it may not take another key.
    bool full() const { return shards_->full; }

  private:
    struct Entry {
        std::uint64_t key;
        std::uint64_t value;  // and 1; 0: no entry
    };
    /// Keys are spread over shards, each of which is locked and grows for itself.
    struct Shard {
        std::atomic<bool> locked;
        std::uint32_t grown;  // how often: there are 2^(kLeast + grown) entries
        std::uint64_t count;
        std::atomic<bool> full;  // of the first: some shard is
    };
    static constexpr unsigned kShards = 16;
    static constexpr unsigned kLeast = 7, kMost = 25;  // entries of a shard, as powers of two
    static constexpr std::uint64_t kShardBytes = (sizeof(Entry) << (kMost + 1));

    Entry* entries(unsigned shard, std::uint32_t grown) const;
    static Entry& find(Entry* entries, std::uint64_t mask, std::uint64_t key);
    void grow(unsigned shard);

    char* memory_;
    Shard* shards_;
};

}  // namespace surefoot::checker::engine
