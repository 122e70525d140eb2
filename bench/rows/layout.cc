// Sizes, which are counted and not timed.

#include <memory>

#include "harness/world.hpp"
#include "rows/rows.hpp"

namespace surefoot::bench {
namespace {

Reading bytes(std::uint64_t n) {
    const auto value = static_cast<double>(n);
    return {value, value};
}

/// Page-table bytes that are left after each 2 MiB of a range was touched and given back.
std::uint64_t bytes_after_sweep(std::uint64_t steps) {
    constexpr std::uint64_t kStep = 512;
    World world;
    const VirtAddr at = world.map_unreserved(steps * kStep);
    for (std::uint64_t i = 0; i < steps; ++i) {
        const VirtAddr step = at + i * kStep * kPage;
        world.write_fault(step);
        world.discard(step, kStep);
    }
    return world.mm().tables.bytes();
}

std::vector<Case> sweep_cases(const Scale& scale) {
    const std::uint64_t steps = scale.operations(50 * 512);
    return {{Column::surefoot, [=] { return bytes(bytes_after_sweep(steps)); }},
            // Four levels of one path.
            {Column::limit, [] { return bytes(4 * kPage); }}};
}

}  // namespace

void add_layout_rows(std::vector<Row>& rows) {
    rows.push_back({.name = "tables.reclaim",
                    .unit = "bytes",
                    .what = "page tables after touching and discarding 50 GiB in steps of 2 MiB",
                    .target = Target{Target::Kind::at_most, 240 * 1024},
                    .rounds = 1,
                    .make = sweep_cases});
    rows.push_back({.name = "frame.descriptor",
                    .unit = "bytes",
                    .what = "descriptor of a 4 KiB frame",
                    .target = Target{Target::Kind::at_most, 32},
                    .rounds = 1,
                    .make = [](const Scale&) {
                        return std::vector<Case>{
                            {Column::surefoot, [] { return bytes(sizeof(phys::Frame)); }}};
                    }});
}

}  // namespace surefoot::bench
