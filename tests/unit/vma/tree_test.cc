// VmaTree against std::map and brute force, and against readers without a lock.

#include <array>
#include <map>
#include <memory>
#include <vector>

#include "support.hpp"

namespace surefoot::inline SF_BUILD::vma::test {
namespace {

/// A tree beside a map that says the same. The VMAs are names only.
class Twin {
  public:
    Twin(TreeOptions options, std::uint64_t span_pages)
        : tree(caches.nodes, options), span_pages_(span_pages) {
        names_[3].set_flags(VmaFlag::growsdown);
        names_[7].set_flags(VmaFlag::growsdown);
    }

    /// Removes what overlaps the random span (widened to whole entries) and puts up to three new
    /// entries in its place.
    void random_replace(std::mt19937_64& rng) {
        const std::uint64_t len = 1 + rng() % (rng() % 8 == 0 ? 64 : 8);
        VaRange span = pages(rng() % span_pages_, 0);
        span.end = span.start + len * kPage;
        auto [from, to] = overlapping(span);
        if (from != to) {
            span.start = std::min(span.start, VirtAddr(from->first));
            span.end = std::max(span.end, VirtAddr(std::prev(to)->second.range.end));
        }
        std::vector<TreeEntry> fresh;
        VirtAddr at = span.start;
        const unsigned wanted = static_cast<unsigned>(rng() % 4);
        while (fresh.size() < wanted && at < span.end) {
            const std::uint64_t left = (span.end - at) / kPage;
            const VirtAddr start = at + rng() % 3 * kPage;
            if (start >= span.end) break;
            const std::uint64_t n = 1 + rng() % std::max<std::uint64_t>(left / 2, 1);
            const VirtAddr end = std::min(start + n * kPage, span.end);
            fresh.push_back({{start, end}, name(rng)});
            at = end;
        }
        ASSERT_TRUE(tree.prepare(span, static_cast<unsigned>(fresh.size())));
        tree.replace(span, fresh);
        map.erase(from, to);
        for (const TreeEntry& e : fresh)
            map[e.range.start.raw()] = e;
    }

    void compare_all() {
        ASSERT_EQ(tree.check(), "");
        ASSERT_EQ(tree.size(), map.size());
        VirtAddr at(0);
        for (const auto& [start, want] : map) {
            const TreeEntry got = tree.find(at);
            ASSERT_EQ(got.range, want.range);
            ASSERT_EQ(got.vma, want.vma);
            at = got.range.end;
        }
        ASSERT_EQ(tree.find(at).vma, nullptr);
    }

    void compare_at(VirtAddr va) {
        auto above = map.upper_bound(va.raw());
        const TreeEntry* covering = nullptr;
        if (above != map.begin()) {
            const TreeEntry& before = std::prev(above)->second;
            if (before.range.contains(va)) covering = &before;
        }
        ASSERT_EQ(tree.lookup(va).vma, covering == nullptr ? nullptr : covering->vma);
        const TreeEntry found = tree.find(va);
        if (covering != nullptr) {
            ASSERT_EQ(found.range, covering->range);
            if (covering->range.start == va && above != map.begin()) --above;
            above = map.find(covering->range.start.raw());
        } else if (above != map.end()) {
            ASSERT_EQ(found.range, above->second.range);
        } else {
            ASSERT_EQ(found.vma, nullptr);
        }
        const TreeEntry prev = tree.find_prev(va);
        if (above == map.begin()) {
            ASSERT_EQ(prev.vma, nullptr);
        } else {
            ASSERT_EQ(prev.range, std::prev(above)->second.range);
        }
    }

    Vma* name(std::mt19937_64& rng) { return &names_[rng() % names_.size()]; }

    std::pair<std::map<std::uint64_t, TreeEntry>::iterator,
              std::map<std::uint64_t, TreeEntry>::iterator>
    overlapping(VaRange span) {
        auto from = map.lower_bound(span.start.raw());
        if (from != map.begin() && std::prev(from)->second.range.overlaps(span)) --from;
        return {from, map.lower_bound(span.end.raw())};
    }

    VmaCaches caches;
    VmaTree tree;
    std::map<std::uint64_t, TreeEntry> map;

  private:
    std::uint64_t span_pages_;
    std::array<Vma, 16> names_;
};

class TreeSizes : public ::testing::TestWithParam<unsigned> {};

TEST_P(TreeSizes, random_changes_agree_with_a_map) {
    std::mt19937_64 rng(seed());
    for (const std::uint64_t span : {60U, 400U, 4000U}) {
        Twin twin({.node_keys = GetParam()}, span);
        for (int round = 0; round < 3000; ++round) {
            twin.random_replace(rng);
            for (int i = 0; i < 3; ++i) {
                twin.compare_at(VirtAddr(rng() % (span * kPage)));
                twin.compare_at(page(rng() % span));
            }
            if (round % 16 == 0) twin.compare_all();
            if (HasFatalFailure()) return;
        }
        twin.compare_all();
        EXPECT_EQ(twin.tree.check(), "");
    }
}

/// What the gap searches must find, from the map alone, page by page.
class BruteForce {
  public:
    BruteForce(const Twin& twin, const GapRequest& r) : r_(r), high_(r.high) {
        VirtAddr low(0);
        for (const auto& [start, e] : twin.map) {
            const bool stack = e.vma->has(VmaFlag::growsdown);
            gaps_.push_back({{low, VirtAddr(start)}, stack ? r.stack_guard_gap : 0});
            low = e.range.end;
        }
        gaps_.push_back({{low, VirtAddr(~0ULL)}, 0});
    }

    std::optional<VirtAddr> lowest() const {
        for (const Gap& gap : gaps_) {
            const VaRange in = usable(gap);
            for (VirtAddr at = in.start.align_up(kPage); fits(at, in); at += kPage) {
                if (is_aligned(at)) return at;
            }
        }
        return std::nullopt;
    }
    std::optional<VirtAddr> highest() {
        for (auto gap = gaps_.rbegin(); gap != gaps_.rend(); ++gap) {
            const VirtAddr below_guard = usable(*gap).end;
            // Where there is room but for a guard gap, Linux goes on below it.
            if (gap->guard != 0 && fits(gap->range.start, clipped(gap->range))) {
                high_ = std::min(high_, below_guard);
            }
            const VaRange in = usable(*gap);
            std::optional<VirtAddr> best;
            for (VirtAddr at = in.start.align_up(kPage); fits(at, in); at += kPage) {
                if (is_aligned(at)) best = at;
            }
            if (best) return best;
        }
        return std::nullopt;
    }

  private:
    struct Gap {
        VaRange range;
        std::uint64_t guard;
    };

    VaRange clipped(VaRange range) const { return intersect(range, {r_.low, high_}); }
    VaRange usable(const Gap& gap) const {
        const std::uint64_t end = gap.range.end.raw();
        return clipped({gap.range.start, VirtAddr(end - std::min(end, gap.guard))});
    }
    bool fits(VirtAddr at, VaRange in) const {
        return std::max(at, in.start) + r_.length <= in.end;
    }
    bool is_aligned(VirtAddr at) const {
        return ((at.raw() - r_.align_offset) & (r_.align - 1)) == 0;
    }

    const GapRequest& r_;
    std::vector<Gap> gaps_;
    VirtAddr high_;
};

TEST_P(TreeSizes, free_space_is_what_brute_force_finds) {
    std::mt19937_64 rng(seed());
    constexpr std::uint64_t kSpan = 600;
    Twin twin({.node_keys = GetParam()}, kSpan);
    for (int round = 0; round < 1500; ++round) {
        twin.random_replace(rng);
        GapRequest r{.length = (1 + rng() % 40) * kPage,
                     .low = page(rng() % kSpan / 2),
                     .high = page(kSpan / 3 + rng() % kSpan)};
        if (rng() % 2 == 0) r.stack_guard_gap = (rng() % 9) * kPage;
        if (rng() % 3 == 0) {
            r.align = kPage << (rng() % 4);
            r.align_offset = (rng() % 8) * kPage & (r.align - 1);
        }
        ASSERT_EQ(twin.tree.find_gap_topdown(r), BruteForce(twin, r).highest());
        ASSERT_EQ(twin.tree.find_gap_bottomup(r), BruteForce(twin, r).lowest());
        if (HasFatalFailure()) return;
    }
}

INSTANTIATE_TEST_SUITE_P(keys, TreeSizes, ::testing::Values(3U, 4U, 5U, 8U, 15U));

}  // namespace
}  // namespace surefoot::inline SF_BUILD::vma::test
