// Every scenario holds, and the search is complete, under each model; with as many executions as it
// had when it was last looked at.

#include <gtest/gtest.h>

#include <algorithm>
#include <ostream>

#include "scenario.hpp"

namespace {

using namespace surefoot;
using checker::Model;
using checker::Verdict;

struct Row {
    std::string_view scenario;
    std::uint64_t sc;
    std::uint64_t tso;
};

void PrintTo(const Row& row, std::ostream* out) { *out << row.scenario; }

constexpr Row kRows[] = {
    {"mm/fault-fault", 40, 40},           {"mm/first-faults", 424, 424},
    {"mm/first-faults-deep", 2664, 2664}, {"mm/fault-munmap", 55, 58},
    {"mm/first-fault-munmap", 48, 51},    {"mm/two-faults-munmap", 17036, 19612},
    {"mm/fault-mprotect", 78, 81},        {"mm/fault-dontneed", 88, 88},
    {"tlb/access-dontneed", 4, 4},        {"tlb/access-mprotect", 3, 3},
    {"tlb/two-dontneeds", 20274, 20274},
};

class ScenarioTest : public ::testing::TestWithParam<Row> {
  protected:
    static void expect_holds(Model model, std::uint64_t executions) {
        const scenarios::Scenario* const scenario = scenarios::find(GetParam().scenario);
        ASSERT_NE(scenario, nullptr);
        const checker::Result result = scenarios::run(*scenario, {.model = model}).result;
        EXPECT_EQ(result.verdict, Verdict::holds) << result.message << '\n' << result.schedule;
        EXPECT_EQ(result.complete, executions);
        EXPECT_EQ(result.blocked, 0U);
    }
};

TEST_P(ScenarioTest, holds_under_sc) { expect_holds(Model::sc, GetParam().sc); }
TEST_P(ScenarioTest, holds_under_tso) { expect_holds(Model::tso, GetParam().tso); }

std::string name_of(const ::testing::TestParamInfo<Row>& info) {
    std::string name(info.param.scenario);
    std::ranges::replace_if(name, [](char c) { return c == '/' || c == '-'; }, '_');
    return name;
}

INSTANTIATE_TEST_SUITE_P(Check, ScenarioTest, ::testing::ValuesIn(kRows), name_of);

TEST(Scenarios, each_has_a_row) {
    for (const scenarios::Scenario& scenario : scenarios::all()) {
        EXPECT_EQ(std::ranges::count(kRows, scenario.name, &Row::scenario), 1) << scenario.name;
    }
}

std::string text_of(const sync::RuleSet& rules) {
    std::string names;
    for (std::size_t i = 0; i < rules.size(); ++i) {
        if (rules.test(i)) names += std::string(sync::rule_texts()[i].name) + ' ';
    }
    return names;
}

TEST(Cases, each_has_a_scenario_that_breaks_in_the_way_it_says) {
    for (const scenarios::Case& tried : scenarios::cases()) {
        SCOPED_TRACE(text_of(tried.off));
        const scenarios::Scenario* const scenario = scenarios::find(tried.scenario);
        ASSERT_NE(scenario, nullptr);
        const auto [result, reached] = scenarios::run(*scenario, {.model = tried.model}, tried.off);
        EXPECT_EQ(result.verdict, Verdict::violated);
        EXPECT_NE(result.message.find(tried.breaks), std::string::npos) << result.message;
        EXPECT_EQ(reached & tried.off, tried.off);
    }
}

TEST(Cases, each_rule_has_one) {
    sync::RuleSet tried;
    for (const scenarios::Case& one : scenarios::cases())
        tried |= one.off;
    EXPECT_TRUE(tried.all()) << text_of(~tried);
}

}  // namespace
