#include "engine/search/shared_table.hpp"

#include <sched.h>
#include <sys/mman.h>

#include <stdexcept>

#include "engine/machine/hash.hpp"

namespace surefoot::checker::engine {
namespace {

constexpr std::uint64_t kPage = 4096;

/// Holds a shard. Critical sections are short, and no process ends in one.
class Guard {
  public:
    explicit Guard(std::atomic<bool>& locked) : locked_(locked) {
        while (locked_.exchange(true, std::memory_order_acquire))
            sched_yield();
    }
    ~Guard() { locked_.store(false, std::memory_order_release); }
    Guard(const Guard&) = delete;
    Guard& operator=(const Guard&) = delete;

  private:
    std::atomic<bool>& locked_;
};

}  // namespace

SharedTable::SharedTable() {
    void* const got = mmap(nullptr, kPage + kShards * kShardBytes, PROT_READ | PROT_WRITE,
                           MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (got == MAP_FAILED) throw std::runtime_error("no address space for the table of prefixes");
    shards_ = static_cast<Shard*>(got);
    memory_ = static_cast<char*>(got) + kPage;
}

SharedTable::~SharedTable() { munmap(shards_, kPage + kShards * kShardBytes); }

/// All sizes that a shard has had lie one behind the other.
SharedTable::Entry* SharedTable::entries(unsigned shard, std::uint32_t grown) const {
    char* const begin = memory_ + shard * kShardBytes;
    return reinterpret_cast<Entry*>(begin) + (std::uint64_t{1} << (kLeast + grown));
}

/// Its entry, or the free one where it belongs.
SharedTable::Entry& SharedTable::find(Entry* entries, std::uint64_t mask, std::uint64_t key) {
    std::uint64_t at = key / kShards & mask;
    while (entries[at].value != 0 && entries[at].key != key)
        at = (at + 1) & mask;
    return entries[at];
}

bool SharedTable::raise(std::uint64_t key, std::uint32_t value) {
    key = mix(key);
    const unsigned number = key % kShards;
    Shard& shard = shards_[number];
    const Guard guard(shard.locked);
    const std::uint64_t size = std::uint64_t{1} << (kLeast + shard.grown);
    Entry& entry = find(entries(number, shard.grown), size - 1, key);
    if (entry.value > value) return false;
    const bool is_new = entry.value == 0;
    entry = {key, std::uint64_t{value} + 1};
    if (is_new && ++shard.count > size / 4 * 3) grow(number);
    return true;
}

void SharedTable::grow(unsigned number) {
    Shard& shard = shards_[number];
    if (kLeast + shard.grown == kMost) {
        shards_->full = true;
        return;
    }
    Entry* const old = entries(number, shard.grown);
    const std::uint64_t size = std::uint64_t{1} << (kLeast + shard.grown);
    Entry* const larger = entries(number, shard.grown + 1);
    for (std::uint64_t i = 0; i < size; ++i)
        if (old[i].value != 0) find(larger, 2 * size - 1, old[i].key) = old[i];
    ++shard.grown;
    if (size * sizeof(Entry) >= kPage) madvise(old, size * sizeof(Entry), MADV_REMOVE);
}

}  // namespace surefoot::checker::engine
