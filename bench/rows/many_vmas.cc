// A fault must not care how many regions there are.

#include <algorithm>
#include <memory>
#include <mutex>
#include <random>

#include "harness/clock.hpp"
#include "harness/world.hpp"
#include "limits/host_memory.hpp"
#include "rows/rows.hpp"

namespace surefoot::bench {
namespace {

constexpr VirtAddr kAt{1ULL << 40};

/// Every second page of a range is touched in a random order; it is one region, or each touched
/// page is a region of its own.
struct Scattered {
    Scattered(std::uint64_t regions, bool one) : order(regions) {
        if (one) world.map_at(kAt, 2 * regions);
        for (std::uint64_t i = 0; i < regions; ++i) {
            order[i] = kAt + 2 * i * kPage;
            if (!one) world.map_at(order[i], 1);
        }
        std::shuffle(order.begin(), order.end(), std::mt19937_64(1));
    }
    Reading round() {
        const Reading reading = timed(order.size(), [&](std::uint64_t) {
            for (const VirtAddr va : order) world.write_fault(va);
        });
        // A hole between two regions is ENOMEM, after the rest has been done.
        static_cast<void>(mm::madvise(world.mm(), kAt, 2 * order.size() * kPage,
                                      mm::uapi::MADV_DONTNEED));
        return reading;
    }
    World world{384ULL << 20};
    std::vector<VirtAddr> order;
};

std::vector<Case> scattered_cases(const Scale& scale) {
    const std::uint64_t regions = scale.operations(20'000);
    auto many = std::make_shared<Scattered>(regions, false);
    auto one = std::make_shared<Scattered>(regions, true);
    return {{Column::surefoot, [=] { return many->round(); }},
            {Column::limit, [=] { return one->round(); }}};
}

}  // namespace

void add_many_vma_rows(std::vector<Row>& rows) {
    rows.push_back({.name = "fault.20000vmas",
                    .unit = "ns",
                    .what = "random faults in 20,000 regions; limit: the same in one region",
                    .target = Target{Target::Kind::ratio, 1.3},
                    .rounds = 15,
                    .make = scattered_cases});
}

}  // namespace surefoot::bench
