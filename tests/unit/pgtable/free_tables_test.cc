// free_tables against a model: which tables go for which range, floor and ceiling.

#include <map>
#include <set>

#include "support/page_table_world.hpp"
#include "support/seed.hpp"

namespace {

using namespace surefoot;
using namespace surefoot::arch;
using namespace surefoot::pgtable;

/// A table by its level's number and the first address it covers.
using TableName = std::pair<unsigned, std::uint64_t>;

class Model {
  public:
    explicit Model(Format format) : format_(format) {}

    /// Bytes that a table of this level covers.
    std::uint64_t covers(unsigned level) const {
        return format_.span(static_cast<PtLevel>(level)) * format_.entries();
    }

    void populate(VirtAddr va) {
        for (unsigned level = 0; level < top(); ++level) {
            tables_.insert({level, align_down(va.raw(), covers(level))});
        }
    }

    /// Linux's free_pgtables: a table goes when the walk of `range` meets it, and all that it
    /// covers lies between floor and ceiling.
    void free(VaRange range, VirtAddr floor, VirtAddr ceiling) {
        std::erase_if(tables_, [&](const TableName& table) {
            const VaRange covered{VirtAddr(table.second),
                                  VirtAddr(table.second + covers(table.first))};
            return covered.overlaps(range) && covered.start >= floor &&
                   (ceiling.raw() == 0 || covered.end <= ceiling);
        });
    }

    const std::set<TableName>& tables() const { return tables_; }

  private:
    unsigned top() const { return static_cast<unsigned>(format_.top()); }

    Format format_;
    std::set<TableName> tables_;
};

void collect(const World& world, Pfn table, unsigned level, std::uint64_t start,
             std::set<TableName>& into) {
    const Format f = world.format();
    for (unsigned i = 0; i < f.entries(); ++i) {
        const pmd_t entry{world.memory.arena.entry_word(table, i).load(Order::relaxed)};
        if (!Format::is_table(entry)) continue;
        const std::uint64_t at = start + i * f.span(static_cast<PtLevel>(level));
        into.insert({level - 1, at});
        if (level > 1) collect(world, Format::pfn(entry), level - 1, at, into);
    }
}

std::set<TableName> tables_of(const World& world) {
    std::set<TableName> found;
    collect(world, world.tables.root(), static_cast<unsigned>(world.format().top()), 0, found);
    return found;
}

void expect_same(World& world, Model& model, VaRange range, VirtAddr floor, VirtAddr ceiling) {
    world.free_tables(range, floor, ceiling);
    model.free(range, floor, ceiling);
    EXPECT_EQ(tables_of(world), model.tables())
        << "range " << range.start.raw() << "-" << range.end.raw() << " floor " << floor.raw()
        << " ceiling " << ceiling.raw();
    EXPECT_EQ(world.tables.bytes(), (model.tables().size() + 1) * arch::kPageSize);
}

/// Every mapping of up to 16 pages between every pair of neighbours, in the small geometries.
void check_all_ranges(Format format) {
    const std::uint64_t pages = format.end().raw() / arch::kPageSize;
    if (pages > 16) return;
    for (std::uint64_t start = 0; start < pages; ++start) {
        for (std::uint64_t end = start + 1; end <= pages; ++end) {
            for (std::uint64_t floor = 0; floor <= start; ++floor) {
                for (std::uint64_t ceiling = end; ceiling <= pages; ++ceiling) {
                    World world(format, 64);
                    Model model(format);
                    const auto populate = [&](std::uint64_t from, std::uint64_t to) {
                        for (std::uint64_t p = from; p < to; ++p) {
                            world.populate(World::page(p));
                            model.populate(World::page(p));
                        }
                    };
                    // The neighbours reach to the floor and from the ceiling on.
                    populate(0, floor);
                    populate(start, end);
                    populate(ceiling, pages);
                    expect_same(world, model, {World::page(start), World::page(end)},
                                World::page(floor), World::page(ceiling % pages));
                }
            }
        }
    }
}

class FreeTablesTest : public PageTableTest {};
INSTANTIATE_TEST_SUITE_P(Geometry, FreeTablesTest, ::testing::ValuesIn(geometries()),
                         geometry_name);

TEST_P(FreeTablesTest, all_small_layouts_agree_with_the_model) {
    if (GetParam().end().raw() / arch::kPageSize > 16) {
        GTEST_SKIP() << "too large to try everything; random layouts follow";
    }
    check_all_ranges(GetParam());
}

/// Mappings far apart, unmapped in random order, each between its neighbours of the moment.
TEST_P(FreeTablesTest, random_layouts_agree_with_the_model) {
    std::mt19937_64 random(test_seed());
    const Format f = GetParam();
    const std::uint64_t pages = f.end().raw() / arch::kPageSize;
    for (int round = 0; round < 20; ++round) {
        World fresh(f);
        Model model(f);
        std::map<std::uint64_t, std::uint64_t> mappings;
        for (int i = 0; i < 24; ++i) {
            // Near a random boundary of a random level, where the interesting cases are.
            const unsigned level =
                static_cast<unsigned>(random() % (static_cast<unsigned>(f.top()) + 1));
            const std::uint64_t span = f.span(static_cast<PtLevel>(level)) / arch::kPageSize;
            const std::uint64_t near = random() % (pages / span + 1) * span + random() % 3;
            const std::uint64_t start = near == 0 ? 0 : near - 1;
            const std::uint64_t end = start + 1 + random() % 3;
            const auto next = mappings.lower_bound(start);
            if (end > pages) continue;
            if (next != mappings.end() && next->first < end) continue;
            if (next != mappings.begin() && std::prev(next)->second > start) continue;
            mappings.emplace(start, end);
            for (std::uint64_t p = start; p < end; ++p) {
                fresh.populate(World::page(p));
                model.populate(World::page(p));
            }
        }
        while (!mappings.empty()) {
            const auto it =
                std::next(mappings.begin(), static_cast<long>(random() % mappings.size()));
            const auto after = std::next(it);
            const VirtAddr floor = World::page(it == mappings.begin() ? 0 : std::prev(it)->second);
            const VirtAddr ceiling = World::page(after == mappings.end() ? 0 : after->first);
            expect_same(fresh, model, {World::page(it->first), World::page(it->second)}, floor,
                        ceiling);
            mappings.erase(it);
        }
        EXPECT_TRUE(model.tables().empty());
    }
}

TEST_P(FreeTablesTest, huge_entries_are_left_alone) {
    world.set_huge(world.table(1));
    const std::uint64_t bytes = world.tables.bytes();
    // The ceiling lies in the huge page, as it would while it is mapped.
    world.free_tables({World::page(0), World::page(1)}, VirtAddr(0), world.table(1));
    EXPECT_EQ(world.tables.bytes(), bytes);
    EXPECT_TRUE(Format::is_leaf(world.pmd(world.table(1)).load()));
}

TEST_P(FreeTablesTest, tables_are_unlinked_before_they_are_invalidated) {
    world.populate(World::page(0));
    world.tlb.on_call = [&](const RecordingTlb::Call& call) {
        EXPECT_FALSE(call.tables.empty());
        EXPECT_TRUE(tables_of(world).empty());
        for (const Pfn table : call.tables) {
            EXPECT_EQ(world.tables.frame(table).refcount.read(), 1U);
        }
    };
    world.free_tables(world.whole(), VirtAddr(0), VirtAddr(0));
    EXPECT_EQ(world.tlb.calls.size(), 1U);
    EXPECT_EQ(world.tables.bytes(), arch::kPageSize);
}

}  // namespace
