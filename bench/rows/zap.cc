// Giving touched memory back.

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

constexpr std::uint64_t kPages = 256;
constexpr std::uint64_t kRepeats = 8;
constexpr std::uint64_t kAt = 1ULL << 40;

/// `kRepeats` times: `fill()` not timed, `empty()` timed; a page.
template <class Fill, class Empty>
Reading zap_round(std::uint64_t pages, Fill&& fill, Empty&& empty) {
    Stopwatch watch;
    for (std::uint64_t i = 0; i < kRepeats; ++i) {
        fill();
        watch.start();
        empty();
        watch.stop();
    }
    return watch.per(kRepeats * pages);
}

struct Ours {
    World world;
    std::mutex lock;
    void fill(std::uint64_t pages) {
        world.map_at(VirtAddr(kAt), kPages);
        world.touch(VirtAddr(kAt), pages);
    }
    void empty(std::uint64_t pages, bool whole) {
        whole ? world.unmap(VirtAddr(kAt), kPages) : world.discard(VirtAddr(kAt), pages);
    }
};

/// What can't be left out for a page: its entry exchanged, its reference dropped.
Case limit_case(std::uint64_t pages) {
    auto words = std::make_shared<AtomicWords>();
    return {Column::limit, [=] {
        return timed(kRepeats * pages, [&](std::uint64_t ops) {
            for (std::uint64_t i = 0; i < ops; ++i) words->touch(2);
        });
    }};
}

std::vector<Case> zap_cases(const Scale& scale, bool whole) {
    const std::uint64_t pages = scale.operations(kPages);
    auto ours = std::make_shared<Ours>();
    auto radix = std::make_shared<RadixTable>(kPages);
    radix->map(kAt, kAt + kPages * kPage, 3);
    const auto fill = [=] { ours->fill(pages); };
    std::vector<Case> cases;
    cases.push_back({Column::surefoot, [=] {
        return zap_round(pages, fill, [&] { ours->empty(pages, whole); });
    }});
    cases.push_back(limit_case(pages));
    cases.push_back({Column::host, [=] {
        std::optional<HostRegion> region;
        const auto host_fill = [&] {
            if (!region) region.emplace(kPages);
            region->touch(0, pages);
        };
        return zap_round(pages, host_fill, [&] { whole ? region.reset() : region->discard(0, pages); });
    }});
    cases.push_back({Column::global_lock, [=] {
        return zap_round(pages, fill, [&] {
            const std::lock_guard lock(ours->lock);
            ours->empty(pages, whole);
        });
    }});
    cases.push_back({Column::radix, [=] {
        const auto radix_fill = [&] {
            for (std::uint64_t i = 0; i < pages; ++i) must(radix->fault(kAt + i * kPage), "a fault");
        };
        return zap_round(pages, radix_fill, [&] { radix->discard(kAt, kAt + pages * kPage); });
    }});
    return cases;
}

}  // namespace

void add_zap_rows(std::vector<Row>& rows) {
    rows.push_back({.name = "zap.munmap",
                    .unit = "ns",
                    .what = "munmap of 256 touched pages, a page; limit: 2 atomics",
                    .target = Target{Target::Kind::at_most, 40},
                    .make = [](const Scale& scale) { return zap_cases(scale, true); }});
    rows.push_back({.name = "zap.dontneed",
                    .unit = "ns",
                    .what = "MADV_DONTNEED of 256 touched pages, a page; limit: 2 atomics",
                    .target = Target{Target::Kind::at_most, 40},
                    .make = [](const Scale& scale) { return zap_cases(scale, false); }});
}

}  // namespace surefoot::bench
