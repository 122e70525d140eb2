// mmap, munmap, mprotect: changes of the set of regions.

#include <cstring>
#include <memory>
#include <mutex>

#include "harness/clock.hpp"
#include "harness/world.hpp"
#include "limits/host_memory.hpp"
#include "limits/memory.hpp"
#include "limits/radix_table.hpp"
#include "rows/rows.hpp"

namespace surefoot::bench {
namespace {

/// What a change of the tree can't do without: taking and dropping the lock, and a copy of a
/// leaf, twice.
struct TwoChanges {
    AtomicWords words;
    alignas(64) std::byte leaf[2][640] = {};

    void run() {
        for (int i = 0; i < 2; ++i) {
            words.touch(2);
            std::memcpy(leaf[1 - i], leaf[i], sizeof leaf[0]);
            keep(leaf);
        }
    }
};

Case limit_case(std::uint64_t n) {
    auto changes = std::make_shared<TwoChanges>();
    return {Column::limit, [=] {
        return timed(n, [&](std::uint64_t ops) {
            for (std::uint64_t i = 0; i < ops; ++i) changes->run();
        });
    }};
}

template <class Operation>
Case repeated(Column column, std::uint64_t n, Operation operation) {
    return {column, [=] {
        return timed(n, [&](std::uint64_t ops) {
            for (std::uint64_t i = 0; i < ops; ++i) operation();
        });
    }};
}

/// A few other regions, so that the tree is a tree.
struct Peopled {
    Peopled() {
        for (std::uint64_t i = 0; i < 40; ++i) world.map_at(VirtAddr((1ULL << 40) + i * 4 * kPage), 2);
    }
    World world;
    std::mutex lock;
};

std::vector<Case> untouched_cases(const Scale& scale) {
    constexpr std::uint64_t kMapped = 16;
    const std::uint64_t n = scale.operations(2'000);
    auto ours = std::make_shared<Peopled>();
    auto radix = std::make_shared<RadixTable>(1);
    for (std::uint64_t i = 0; i < 40; ++i) radix->map(i << 20, (i << 20) + kPage, 3);
    const auto map_unmap = [=] { ours->world.unmap(ours->world.map(kMapped), kMapped); };
    return {
        repeated(Column::surefoot, n, map_unmap),
        limit_case(n),
        repeated(Column::host, n, [] { HostRegion region(kMapped); }),
        repeated(Column::global_lock, n, [=] {
            const std::lock_guard lock(ours->lock);
            map_unmap();
        }),
        repeated(Column::radix, n, [=] {
            radix->map(1ULL << 40, (1ULL << 40) + kMapped * kPage, 3);
            radix->unmap(1ULL << 40);
        }),
    };
}

struct Protected {
    Peopled people;
    VirtAddr at = people.world.map(3);
    Protected() { people.world.touch(at, 3); }
    void set(std::uint32_t prot) {
        must(mm::mprotect(people.world.mm(), at + kPage, kPage, prot).has_value(), "mprotect");
    }
    void split_and_merge() {
        set(mm::uapi::PROT_READ);
        set(mm::uapi::PROT_READ | mm::uapi::PROT_WRITE);
    }
};

std::vector<Case> protect_cases(const Scale& scale) {
    const std::uint64_t n = scale.operations(2'000);
    auto ours = std::make_shared<Protected>();
    auto host = std::make_shared<HostRegion>(3);
    host->touch(0, 3);
    auto radix = std::make_shared<RadixTable>(1);
    for (std::uint64_t i = 0; i < 40; ++i) radix->map(i << 20, (i << 20) + 3 * kPage, 3);
    return {
        repeated(Column::surefoot, n, [=] { ours->split_and_merge(); }),
        limit_case(n),
        repeated(Column::host, n, [=] {
            host->protect(1, false);
            host->protect(1, true);
        }),
        repeated(Column::global_lock, n, [=] {
            const std::lock_guard lock(ours->people.lock);
            ours->split_and_merge();
        }),
        repeated(Column::radix, n, [=] {
            constexpr std::uint64_t kMiddle = (20ULL << 20) + kPage;
            radix->protect(kMiddle, kMiddle + kPage, 1);
            radix->protect(kMiddle, kMiddle + kPage, 3);
        }),
    };
}

}  // namespace

void add_mapping_rows(std::vector<Row>& rows) {
    rows.push_back({.name = "mmap.untouched",
                    .unit = "ns",
                    .what = "mmap and munmap of 16 pages that nobody touched",
                    .target = Target{Target::Kind::at_most, 150},
                    .make = untouched_cases});
    rows.push_back({.name = "mprotect.middle",
                    .unit = "ns",
                    .what = "mprotect of one page in the middle and back: split, then merge",
                    .target = Target{Target::Kind::at_most, 250},
                    .make = protect_cases});
}

}  // namespace surefoot::bench
