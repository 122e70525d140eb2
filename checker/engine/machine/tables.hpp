#pragma once

// What the engine knows of words, locks and RCU domains, found by address. Records live as long as
// the search. What belongs to one execution is reset when a record is first met in it; behind a
// mark, what the record was is kept when it is first met, so that an execution can go back to the
// mark.

#include <cstdint>
#include <deque>
#include <vector>

#include "engine/machine/clock.hpp"
#include "engine/machine/step.hpp"
#include "engine/memory/journal.hpp"

namespace surefoot::checker::engine {

/// A byte range of an 8-byte granule that is accessed as one.
struct Word {
    Address granule = 0;
    std::uint32_t object = 0;  // the same for all words of a granule
    std::uint32_t next = 0;    // another word of the same granule, as index + 1
    std::uint8_t bytes = 0;
    Stamp last_write = 0;
    std::uint64_t epoch = 0;   // in which it was last met
    ProcSet readers = 0;       // since the last write
    Stamp read_at[kMaxProcs];  // valid for readers
};

struct Lock {
    Address address = 0;
    std::uint64_t epoch = 0;
    std::uint32_t object = 0;
    std::uint8_t writer = 0;  // process + 1
    std::uint16_t readers = 0;
    std::uint16_t releasing = 0;  // releases in store buffers
    Stamp write_acquired = 0;
    Stamp write_released = 0;
    ProcSet acquirers = 0, releasers = 0, probers = 0;  // shared, since the last exclusive holder
    Stamp acquired_at[kMaxProcs];
    Stamp released_at[kMaxProcs];
    Stamp probed_at[kMaxProcs];
    // sleepers of an address that sfc_wait() names, oldest first
    std::uint8_t sleepers[kMaxProcs];
    std::uint8_t sleeper_count = 0;
    Stamp last_queue = 0;  // latest sleep or wake
};

/// RCU, an srcu_struct, or the TLBs: readers and scanners, commuting among themselves.
struct Domain {
    Address address = 0;
    std::uint64_t epoch = 0;
    std::uint32_t object = 0;
    ProcSet readers = 0, scanners = 0;
    Stamp read_at[kMaxProcs];
    Stamp scanned_at[kMaxProcs];
    std::uint16_t nesting[kMaxProcs];  // as its task sees it
    std::uint32_t opened[kMaxProcs];   // number of sections begun
    std::uint32_t closed[kMaxProcs];   // number of sections over for everybody
    Stamp closed_at[kMaxProcs];
    // callbacks that are queued, barriers that wait for them: these two do not commute
    ProcSet queuers = 0, barriers = 0;
    Stamp queued_at[kMaxProcs];
    Stamp barrier_at[kMaxProcs];
};

/// A grace period, and the latest section of each process when it began.
struct Grace {
    std::uint32_t domain = 0;
    ProcSet waits = 0;
    std::uint32_t section[kMaxProcs];
    Stamp started = 0;
    bool has_callback = false;
    bool callback_done = true;
    Stamp done_at = 0;
    void (*callback)(void*) = nullptr;
    void* argument = nullptr;
    const void* pc = nullptr;
};

/// A number for each 8 bytes of memory, 0 at first.
class GranuleMap {
  public:
    GranuleMap(Address arena, std::size_t arena_bytes);
    ~GranuleMap();
    GranuleMap(const GranuleMap&) = delete;
    GranuleMap& operator=(const GranuleMap&) = delete;

    std::uint32_t& operator[](Address granule) {
        const Address offset = granule - arena_;
        if (offset < arena_bytes_) [[likely]]
            return in_arena_[offset / 8];
        return outside(granule);
    }

  private:
    std::uint32_t& outside(Address granule);

    Address arena_;
    std::size_t arena_bytes_;
    std::uint32_t* in_arena_;  // lazily backed
    struct Slot {
        Address key = 0;
        std::uint32_t value = 0;
    };
    std::vector<Slot> outside_;
    std::size_t outside_count_ = 0;
};

class Tables {
  public:
    /// A place in an execution.
    struct Mark {
        std::size_t words, locks, domains;
        std::uint64_t first;
    };

    Tables(Address arena, std::size_t arena_bytes);

    void new_execution() { first_ = ++epoch_; }
    Mark mark() {
        ++epoch_;
        return {old_words_.mark(), old_locks_.mark(), old_domains_.mark(), first_};
    }
    void return_to(const Mark& mark) {
        old_words_.undo(mark.words);
        old_locks_.undo(mark.locks);
        old_domains_.undo(mark.domains);
        first_ = mark.first;
        ++epoch_;
    }
    Word& word(Address address, unsigned size) {
        const std::uint8_t bytes = static_cast<std::uint8_t>(((1u << size) - 1u) << (address & 7u));
        const Address granule = address & ~Address{7};
        std::uint32_t& head = heads_[granule];
        for (std::uint32_t i = head; i != 0; i = words_[i - 1].next) {
            Word& word = words_[i - 1];
            if (word.bytes == bytes) return met(word, old_words_);
        }
        return add_word(granule, bytes, head);
    }
    /// Calls `visit` for every other word that shares a byte with `word`.
    template <class Visit>
    void for_overlapping(const Word& word, Visit&& visit) {
        if (words_[heads_[word.granule] - 1].next == 0) return;  // the only one
        for_words(word.granule, word.bytes, [&](Word& other) {
            if (&other != &word) visit(other);
        });
    }
    /// Calls `visit` for every word that has one of these bytes.
    template <class Visit>
    void for_words(Address granule, std::uint8_t bytes, Visit&& visit) {
        for (std::uint32_t i = heads_[granule]; i != 0; i = words_[i - 1].next) {
            Word& word = words_[i - 1];
            if ((word.bytes & bytes) != 0) visit(met(word, old_words_));
        }
    }
    Lock& lock(Address address);
    Domain& domain(Address address);
    Domain& domain_at(std::uint32_t index) { return domains_[index]; }
    std::uint32_t index_of(const Domain& domain) const {
        return static_cast<std::uint32_t>(domain.object - kDomainObjects);
    }
    /// The object that stands for the domain's callbacks.
    static std::uint32_t callbacks_of(const Domain& domain) {
        return domain.object + kCallbackObjects;
    }

  private:
    static constexpr std::uint32_t kLockObjects = 1u << 30;
    static constexpr std::uint32_t kDomainObjects = 1u << 31;
    static constexpr std::uint32_t kCallbackObjects = 1u << 29;  // beyond the domain's own

    template <class Record>
    Record& met(Record& record, Journal<Record>& journal) {
        if (record.epoch != epoch_) [[unlikely]]
            meet(record, journal);
        return record;
    }
    /// Apart, since met() is part of every step.
    template <class Record>
    [[gnu::noinline]] void meet(Record& record, Journal<Record>& journal) {
        journal.note(record);
        if (record.epoch < first_) begin(record);
        record.epoch = epoch_;
    }
    // In an execution that meets them for the first time.
    static void begin(Word& word) {
        word.last_write = 0;
        word.readers = 0;
    }
    static void begin(Lock& lock);
    static void begin(Domain& domain);
    Word& add_word(Address granule, std::uint8_t bytes, std::uint32_t& head);

    std::uint64_t epoch_ = 1;  // grows with each execution, mark and return to one
    std::uint64_t first_ = 1;  // of this execution
    GranuleMap heads_;         // the first word of each
    std::deque<Word> words_;   // stable addresses
    std::uint32_t objects_ = 1;
    struct Slot {
        Address key = 0;
        std::uint32_t value = 0;
    };
    std::deque<Lock> locks_;
    std::vector<Slot> lock_slots_;
    std::deque<Domain> domains_;
    Journal<Word> old_words_;
    Journal<Lock> old_locks_;
    Journal<Domain> old_domains_;
};

}  // namespace surefoot::checker::engine
