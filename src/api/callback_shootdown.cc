#include "api/callback_shootdown.hpp"

#include <algorithm>
#include <array>

namespace surefoot::inline SF_BUILD::api {
namespace {

/// Ranges handed over at once; more come in further calls, each acknowledged for itself.
constexpr std::size_t kBatch = 16;

Range to_range(VaRange range) { return {range.start.raw(), range.end.raw()}; }

}  // namespace

void CallbackShootdown::invalidate(const host::Invalidation& what) noexcept {
    const bool tables_freed = !what.unlinked_tables.empty();
    std::span<const VaRange> left = what.ranges;
    do {
        const std::size_t n = std::min(left.size(), kBatch);
        std::array<Range, kBatch> ranges;
        std::transform(left.begin(), left.begin() + static_cast<std::ptrdiff_t>(n), ranges.begin(),
                       to_range);
        function_(context_,
                  {.ranges = ranges.data(), .nr_ranges = n, .tables_freed = tables_freed});
        left = left.subspan(n);
    } while (!left.empty());
}

void CallbackShootdown::invalidate_all() noexcept {
    const Range whole = to_range(whole_);
    function_(context_, {.ranges = &whole, .nr_ranges = 1, .tables_freed = true, .all = true});
}

}  // namespace surefoot::inline SF_BUILD::api
