#pragma once

// Event counters, named as in /proc/vmstat where Linux has the event.

#include <cstdint>

#include "sync/sync.hpp"

namespace surefoot::inline SF_BUILD::mm {

enum class Event : std::uint8_t {
    pgfault,
    pgmajfault,
    pgreuse,
    vma_lock_success,
    vma_lock_abort,
    vma_lock_retry,
    vma_lock_miss,
    // Not in Linux: what faults did, and the lost races that they survived.
    fault_anon,
    fault_around,  // pages that came with the one asked for
    fault_zero_page,
    fault_file,
    fault_shmem,
    fault_spurious,
    fault_lost_table,  // the map came back empty
    fault_lost_entry,  // the entry was changed by somebody else
    stack_growth,
    zap_lost_table,
    table_reclaimed,
    table_reclaim_slow,  // the PML was contended, or the batch was full
    kCount,
};

constexpr const char* name_of(Event event) {
    constexpr const char* kNames[] = {
        "pgfault",          "pgmajfault",       "pgreuse",       "vma_lock_success",
        "vma_lock_abort",   "vma_lock_retry",   "vma_lock_miss", "fault_anon",
        "fault_around",     "fault_zero_page",  "fault_file",    "fault_shmem",
        "fault_spurious",   "fault_lost_table", "fault_lost_entry", "stack_growth",
        "zap_lost_table",   "table_reclaimed",  "table_reclaim_slow"};
    static_assert(std::size(kNames) == static_cast<std::size_t>(Event::kCount));
    return kNames[static_cast<std::size_t>(event)];
}

/// Split by thread slot, so that counting writes no shared line.
class Events {
public:
    void count(Event event, std::uint64_t n = 1) {
        counters_.add(static_cast<std::size_t>(event), n);
    }
    std::uint64_t read(Event event) const {
        return counters_.read(static_cast<std::size_t>(event));
    }

private:
    sync::SlotCounters<std::uint64_t, static_cast<std::size_t>(Event::kCount)> counters_;
};

}  // namespace surefoot::inline SF_BUILD::mm
