// First touch of private anonymous memory: one thread, two threads, and what zeroing costs.

#include <latch>
#include <memory>
#include <mutex>
#include <thread>

#include "harness/clock.hpp"
#include "harness/world.hpp"
#include "limits/host_memory.hpp"
#include "limits/memory.hpp"
#include "limits/radix_table.hpp"
#include "rows/rows.hpp"

namespace surefoot::bench {
namespace {

/// Less than a table's span, so that discarding between rounds leaves the table; and 1 MiB of
/// frames, so that both sides zero lines that are in L2.
constexpr std::uint64_t kPages = 256;
constexpr std::uint64_t kRepeats = 4;

/// `kRepeats` times: `faults(pages)` timed, `reset()` not.
template <class Faults, class Reset>
Reading fault_round(std::uint64_t pages, Faults&& faults, Reset&& reset) {
    Stopwatch watch;
    for (std::uint64_t i = 0; i < kRepeats; ++i) {
        watch.start();
        faults(pages);
        watch.stop();
        reset(pages);
    }
    return watch.per(kRepeats * pages);
}

struct Touched {
    World world;
    VirtAddr at = world.map(kPages);
    std::mutex lock;
};

Case zeroing_case(std::uint64_t pages) {
    auto memory = std::make_shared<Pages>(kPages);
    auto words = std::make_shared<AtomicWords>();
    return {Column::limit, [=] {
        return timed(kRepeats * pages, [&](std::uint64_t ops) {
            for (std::uint64_t i = 0; i < ops; ++i) {
                zero_page(memory->page(i % pages), Zeroing::cached);
                words->touch(3);
            }
        });
    }};
}

std::vector<Case> anonymous_cases(const Scale& scale) {
    const std::uint64_t pages = scale.operations(kPages);
    auto ours = std::make_shared<Touched>();
    auto radix = std::make_shared<RadixTable>(2 * kPages);
    radix->map(0x10000, 0x10000 + kPages * kPage, 3);
    auto host = std::make_shared<HostRegion>(kPages);
    const auto discard = [=](std::uint64_t n) { ours->world.discard(ours->at, n); };
    std::vector<Case> cases;
    cases.push_back({Column::surefoot, [=] {
        return fault_round(pages, [&](std::uint64_t n) { ours->world.touch(ours->at, n); }, discard);
    }});
    cases.push_back(zeroing_case(pages));
    cases.push_back({Column::host, [=] {
        return fault_round(pages, [&](std::uint64_t n) { host->touch(0, n); },
                           [&](std::uint64_t n) { host->discard(0, n); });
    }});
    cases.push_back({Column::host_bare, [=] {
        return fault_round(pages, [&](std::uint64_t n) { must(host->populate(0, n), "populate"); },
                           [&](std::uint64_t n) { host->discard(0, n); });
    }});
    cases.push_back({Column::global_lock, [=] {
        const auto locked = [&](std::uint64_t n) {
            for (std::uint64_t i = 0; i < n; ++i) {
                const std::lock_guard lock(ours->lock);
                ours->world.write_fault(ours->at + i * kPage);
            }
        };
        return fault_round(pages, locked, discard);
    }});
    cases.push_back({Column::radix, [=] {
        const auto faults = [&](std::uint64_t n) {
            for (std::uint64_t i = 0; i < n; ++i) must(radix->fault(0x10000 + i * kPage), "a fault");
        };
        return fault_round(pages, faults,
                           [&](std::uint64_t n) { radix->discard(0x10000, 0x10000 + n * kPage); });
    }});
    return cases;
}

/// What two ways of zeroing cost alone: the choice that the fault makes.
std::vector<Case> zeroing_cases(const Scale& scale) {
    const std::uint64_t pages = scale.operations(kPages);
    auto memory = std::make_shared<Pages>(kPages);
    const auto with = [=](Column column, Zeroing how) {
        return Case{column, [=] {
            return timed(kRepeats * pages, [&](std::uint64_t ops) {
                for (std::uint64_t i = 0; i < ops; ++i) zero_page(memory->page(i % pages), how);
            });
        }};
    };
    return {with(Column::surefoot, Zeroing::cached), with(Column::limit, Zeroing::non_temporal)};
}

// Two threads. The figure is how much of two single threads' work they do: 2 where they share
// nothing. Thread-CPU time tells it on a machine whose CPUs are shared with others, too.

constexpr std::uint64_t kParallelPages = 256;

/// Thread-CPU time a fault, over `threads` threads that fault in ranges of their own.
template <class Fault, class Reset>
Reading parallel_round(unsigned threads, std::uint64_t pages, Fault&& fault, Reset&& reset) {
    std::vector<Reading> each(threads);
    std::latch ready(threads);
    std::vector<std::thread> running;
    for (unsigned t = 0; t < threads; ++t) {
        running.emplace_back([&, t] {
            reset(t, pages);
            ready.arrive_and_wait();
            Stopwatch watch;
            for (unsigned i = 0; i < 8 * kRepeats; ++i) {
                watch.start();
                for (std::uint64_t page = 0; page < pages; ++page) fault(t, page);
                watch.stop();
                reset(t, pages);
            }
            each[t] = watch.per(8 * kRepeats * pages);
        });
    }
    Reading sum;
    for (unsigned t = 0; t < threads; ++t) {
        running[t].join();
        sum.wall += each[t].wall / threads;
        sum.cpu += each[t].cpu / threads;
    }
    return sum;
}

template <class Fault, class Reset>
Reading scaling(std::uint64_t pages, Fault&& fault, Reset&& reset) {
    const Reading one = parallel_round(1, pages, fault, reset);
    const Reading two = parallel_round(2, pages, fault, reset);
    return {2 * one.wall / two.wall, 2 * one.cpu / two.cpu};
}

struct ParallelWorld {
    World world;
    // A table's span apart, with a hole between: nothing but the address space in common.
    VirtAddr at[2] = {world.map_at(VirtAddr(1ULL << 40), kParallelPages),
                      world.map_at(VirtAddr((1ULL << 40) + (4ULL << 20)), kParallelPages)};
    std::mutex lock;

    void fault(unsigned thread, std::uint64_t page) { world.write_fault(at[thread] + page * kPage); }
    void reset(unsigned thread, std::uint64_t pages) { world.discard(at[thread], pages); }
};

std::vector<Case> parallel_cases(const Scale& scale) {
    const std::uint64_t pages = scale.operations(kParallelPages);
    auto ours = std::make_shared<ParallelWorld>();
    auto host = std::make_shared<HostRegion>(8192);
    auto radix = std::make_shared<RadixTable>(1024);
    radix->map(0x10000, 0x10000 + 1024 * kPage, 3);
    const auto reset = [=](unsigned t, std::uint64_t n) { ours->reset(t, n); };
    std::vector<Case> cases;
    cases.push_back({Column::surefoot, [=] {
        return scaling(pages, [&](unsigned t, std::uint64_t page) { ours->fault(t, page); }, reset);
    }});
    cases.push_back({Column::global_lock, [=] {
        const auto locked = [&](unsigned t, std::uint64_t page) {
            const std::lock_guard lock(ours->lock);
            ours->fault(t, page);
        };
        return scaling(pages, locked, reset);
    }});
    cases.push_back({Column::host, [=] {
        return scaling(pages, [&](unsigned t, std::uint64_t page) { host->touch(4096 * t + page, 1); },
                       [&](unsigned t, std::uint64_t n) { host->discard(4096 * t, n); });
    }});
    cases.push_back({Column::radix, [=] {
        const auto at = [](unsigned t, std::uint64_t page) { return 0x10000 + (512 * t + page) * kPage; };
        return scaling(pages, [&](unsigned t, std::uint64_t page) { must(radix->fault(at(t, page)), "a fault"); },
                       [&](unsigned t, std::uint64_t n) { radix->discard(at(t, 0), at(t, n)); });
    }});
    return cases;
}

}  // namespace

void add_fault_rows(std::vector<Row>& rows) {
    rows.push_back({.name = "fault.anon",
                    .unit = "ns",
                    .what = "anonymous write fault; limit: zeroing a page and 3 atomics",
                    .target = Target{Target::Kind::ratio, 1.3},
                    .rounds = 100,
                    .make = anonymous_cases});
    rows.push_back({.name = "fault.zeroing",
                    .unit = "ns",
                    .what = "zeroing a page as the fault does (surefoot) and past the caches (limit)",
                    .target = {},
                    .rounds = 100,
                    .make = zeroing_cases});
    rows.push_back({.name = "fault.2threads",
                    .unit = "x",
                    .what = "faults of 2 threads in disjoint ranges, as a multiple of one thread",
                    .target = Target{Target::Kind::at_least, 1.9},
                    .rounds = 15,
                    .make = parallel_cases});
}

}  // namespace surefoot::bench
