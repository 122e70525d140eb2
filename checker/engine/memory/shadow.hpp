#pragma once

// Accesses to memory, byte by byte, that a later one may race with.

#include <algorithm>
#include <cstdint>
#include <deque>
#include <iterator>
#include <vector>

#include "engine/machine/tables.hpp"
#include "engine/memory/access.hpp"

namespace surefoot::checker::engine {

/// Calls `visit(granule, bytes)` for each piece of a byte range, until that returns false.
template <class Visit>
void for_granules(Address address, std::size_t size, Visit&& visit) {
    const Address end = address + size;
    for (Address granule = address & ~Address{7}; granule < end; granule += 8) {
        unsigned bytes = 0xff;
        if (granule < address) bytes &= 0xffU << (address - granule);
        if (granule + 8 > end) bytes &= 0xffU >> (granule + 8 - end);
        if (!visit(granule, static_cast<std::uint8_t>(bytes))) return;
    }
}

class Shadow {
  public:
    Shadow(Address arena, std::size_t arena_bytes) : index_(arena, arena_bytes) {}

    /// A place in an execution, as that of Tables.
    struct Mark {
        std::size_t granules;
        std::uint64_t first;
        bool used;
    };

    void new_execution() {
        first_ = ++epoch_;
        used_ = false;
    }
    Mark mark() {
        ++epoch_;
        is_kept_ = true;
        return {old_.size(), first_, used_};
    }
    void return_to(const Mark& mark) {
        for (; old_.size() > mark.granules; old_.pop_back()) {
            const Old& old = old_.back();
            const auto before = old_accesses_.begin() + old.accesses;
            old.granule->epoch = old.epoch;
            old.granule->accesses.assign(before, old_accesses_.end());
            old_accesses_.erase(before, old_accesses_.end());
        }
        first_ = mark.first;
        used_ = mark.used;
        ++epoch_;
    }
    /// Whether anything was noted in this execution.
    bool used() const { return used_; }

    /// An earlier access that conflicts and is not known to come before; null if there is none.
    template <class Knows>
    const Access* find_race(Address granule, const Access& access, const Knows& knows) {
        const auto& earlier = of(granule);
        const auto found = std::find_if(earlier.begin(), earlier.end(), [&](const Access& other) {
            return access.conflicts_with(other) && !knows(other);
        });
        return found != earlier.end() ? &*found : nullptr;
    }
    /// An earlier access of any kind that is not known to come before.
    template <class Knows>
    const Access* find_use(Address granule, const Knows& knows) {
        const auto& earlier = of(granule);
        const auto found = std::find_if(earlier.begin(), earlier.end(),
                                        [&](const Access& other) { return !knows(other); });
        return found != earlier.end() ? &*found : nullptr;
    }
    void note(Address granule, Access access) {
        used_ = true;
        auto& earlier = of(granule);
        std::erase_if(earlier, [&](const Access& other) {
            if (!access.stands_for(other)) return false;
            if (other.write) access.found = other.found;
            return true;
        });
        earlier.push_back(access);
    }

  private:
    struct Granule {
        std::uint64_t epoch = 0;  // in which it was last met
        std::vector<Access> accesses;
    };
    /// What a granule was; its accesses lie in `old_accesses_` from there on.
    struct Old {
        Granule* granule;
        std::uint64_t epoch;
        std::ptrdiff_t accesses;
    };

    std::vector<Access>& of(Address granule) {
        std::uint32_t& index = index_[granule];
        if (index == 0) {
            granules_.emplace_back();
            index = static_cast<std::uint32_t>(granules_.size());
        }
        Granule& found = granules_[index - 1];
        if (found.epoch != epoch_) meet(found);
        return found.accesses;
    }
    void meet(Granule& granule) {
        std::vector<Access>& accesses = granule.accesses;
        if (is_kept_) {
            old_.push_back({&granule, granule.epoch, std::ssize(old_accesses_)});
            old_accesses_.insert(old_accesses_.end(), accesses.begin(), accesses.end());
        }
        if (granule.epoch < first_) accesses.clear();
        granule.epoch = epoch_;
    }

    GranuleMap index_;
    std::deque<Granule> granules_;
    std::uint64_t epoch_ = 1;
    std::uint64_t first_ = 1;
    bool used_ = false;
    bool is_kept_ = false;  // what granules were before
    std::vector<Old> old_;
    std::vector<Access> old_accesses_;
};

}  // namespace surefoot::checker::engine
