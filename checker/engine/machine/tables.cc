#include "engine/machine/tables.hpp"

#include <sys/mman.h>

#include <cstring>
#include <stdexcept>

namespace surefoot::checker::engine {
namespace {

constexpr std::size_t kFirstSlots = 1024;

std::size_t slot_of(Address key, std::size_t slots) {
    return static_cast<std::size_t>((key >> 3) * 0x9e3779b97f4a7c15ULL >> 32) & (slots - 1);
}

}  // namespace

GranuleMap::GranuleMap(Address arena, std::size_t arena_bytes)
    : arena_(arena), arena_bytes_(arena_bytes), outside_(kFirstSlots) {
    void* const got = mmap(nullptr, arena_bytes / 2, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (got == MAP_FAILED) throw std::runtime_error("no address space for the checker's tables");
    in_arena_ = static_cast<std::uint32_t*>(got);
}

GranuleMap::~GranuleMap() { munmap(in_arena_, arena_bytes_ / 2); }

std::uint32_t& GranuleMap::outside(Address granule) {
    if (2 * outside_count_ >= outside_.size()) {
        std::vector<Slot> old(2 * outside_.size());
        old.swap(outside_);
        for (const Slot& slot : old) {
            if (slot.key == 0) continue;
            std::size_t at = slot_of(slot.key, outside_.size());
            while (outside_[at].key != 0)
                at = (at + 1) & (outside_.size() - 1);
            outside_[at] = slot;
        }
    }
    std::size_t at = slot_of(granule, outside_.size());
    while (outside_[at].key != 0 && outside_[at].key != granule)
        at = (at + 1) & (outside_.size() - 1);
    if (outside_[at].key == 0) {
        outside_[at].key = granule;
        ++outside_count_;
    }
    return outside_[at].value;
}

Tables::Tables(Address arena, std::size_t arena_bytes)
    : heads_(arena, arena_bytes), lock_slots_(kFirstSlots) {}

Word& Tables::add_word(Address granule, std::uint8_t bytes, std::uint32_t& head) {
    Word& word = words_.emplace_back();
    word.granule = granule;
    word.bytes = bytes;
    word.object = head != 0 ? words_[head - 1].object : objects_++;
    word.next = head;
    head = static_cast<std::uint32_t>(words_.size());
    return met(word, old_words_);
}

Lock& Tables::lock(Address address) {
    std::size_t at = slot_of(address, lock_slots_.size());
    while (lock_slots_[at].key != 0 && lock_slots_[at].key != address)
        at = (at + 1) & (lock_slots_.size() - 1);
    if (lock_slots_[at].key == 0) {
        if (2 * (locks_.size() + 1) >= lock_slots_.size()) {
            lock_slots_.assign(2 * lock_slots_.size(), Slot{});
            for (std::size_t i = 0; i < locks_.size(); ++i) {
                std::size_t to = slot_of(locks_[i].address, lock_slots_.size());
                while (lock_slots_[to].key != 0)
                    to = (to + 1) & (lock_slots_.size() - 1);
                lock_slots_[to] = {locks_[i].address, static_cast<std::uint32_t>(i)};
            }
            at = slot_of(address, lock_slots_.size());
            while (lock_slots_[at].key != 0)
                at = (at + 1) & (lock_slots_.size() - 1);
        }
        lock_slots_[at] = {address, static_cast<std::uint32_t>(locks_.size())};
        Lock& made = locks_.emplace_back();
        made.address = address;
        made.object = kLockObjects + static_cast<std::uint32_t>(locks_.size());
    }
    return met(locks_[lock_slots_[at].value], old_locks_);
}

void Tables::begin(Lock& lock) {
    lock.writer = 0;
    lock.readers = lock.releasing = 0;
    lock.write_acquired = lock.write_released = lock.last_queue = 0;
    lock.acquirers = lock.releasers = lock.probers = 0;
    lock.sleeper_count = 0;
}

Domain& Tables::domain(Address address) {
    for (Domain& domain : domains_)
        if (domain.address == address) return met(domain, old_domains_);
    Domain& made = domains_.emplace_back();
    made.address = address;
    made.object = kDomainObjects + static_cast<std::uint32_t>(domains_.size() - 1);
    return met(made, old_domains_);
}

void Tables::begin(Domain& domain) {
    const Address address = domain.address;
    const std::uint32_t object = domain.object;
    std::memset(static_cast<void*>(&domain), 0, sizeof domain);
    domain.address = address;
    domain.object = object;
}

}  // namespace surefoot::checker::engine
