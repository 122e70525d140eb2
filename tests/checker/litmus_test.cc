// Small shapes of the memory-model literature: how many executions each has under each model, and
// whether its weak outcome is one of them.
//
// An outcome lists what the loads read, in the order of the text, then final values.

#include <gtest/gtest.h>

#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "rows.hpp"
#include "shapes.hpp"

namespace surefoot::checker {
namespace {

struct Shape {
    const char* name;
    const char* program;
    const char* outcome;
    std::uint64_t sc, tso;
    bool sc_allows, tso_allows;
    std::uint64_t weak;
    bool weak_allows;
};

const Shape kShapes[] = {
    // Design table L.
    {"L1_SB", "Wx1 Ry | Wy1 Rx", "0 0", 3, 4, false, true, 4, true},
    {"L2_SB_mb", "Wx1 F Ry | Wy1 F Rx", "0 0", 3, 3, false, false, 3, false},
    {"L3_SB_rfi", "Wx1 Rx Ry | Wy1 Ry Rx", "1 0 1 0", 3, 4, false, true, 4, true},
    {"L5_SB3", "Wx1 Ry | Wy1 Rz | Wz1 Rx", "0 0 0", 7, 8, false, true, 8, true},
    {"L6_MP", "Wx1 Wy1 | Ry Rx", "1 0", 3, 3, false, false, 4, true},
    {"L7_MP_rel_acq", "Wx1 Wy1.rel | Ry.acq Rx", "1 0", 3, 3, false, false, 3, false},
    {"L8_LB", "Rx Wy1 | Ry Wx1", "1 1", 3, 3, false, false, 3, false},
    {"L9_LB3", "Rx Wy1 | Ry Wz1 | Rz Wx1", "1 1 1", 7, 7, false, false, 7, false},
    {"L10_CoRR", "Wx1 Wx2 | Rx Rx", "2 1", 6, 6, false, false, 6, false},
    {"L11_CoRW", "Rx Wx1 | Wx2", "1", 3, 3, false, false, 3, false},
    {"L12_CoWR", "Wx1 Rx | Wx2", "0", 3, 3, false, false, 3, false},
    {"L13_W_RR_RR_W", "Wx1 | Rx Rx | Rx Rx | Wx2", "1 2 2 1", 72, 72, false, false, 72, false},
    {"L16_R_mb", "Wx1 F Wy1 | Wy2 F Rx", "0 y2", 3, 3, false, false, 3, false},
    {"L17_2_2W", "Wx1 Wy2 | Wy1 Wx2", "x1 y1", 3, 3, false, false, 4, true},
    {"L18_WRC", "Wx1 | Rx Wy1 | Ry Rx", "1 1 0", 7, 7, false, false, 8, true},
    {"L20_RWC_mb", "Wx1 | Rx F Ry | Wy1 F Rx", "1 0 0", 7, 7, false, false, 7, false},
    {"L21_W_RWC", "Wx1 Wz1.rel | Rz.acq F Ry | Wy1 F Rx", "1 0 0", 7, 7, false, false, 7, false},
    {"L23_IRIW_mb", "Wx1 | Rx F Ry | Wy1 | Ry F Rx", "1 0 1 0", 15, 15, false, false, 15, false},
    {"L25_ISA2_rel_acq", "Wx1 Wy1.rel | Ry.acq Wz1.rel | Rz.acq Rx", "1 1 0", 7, 7, false, false, 7,
     false},
    {"Z6_mb", "Wx1 Wy1 | Ry Wz1 | Wz2 F Rx", "1 0 z2", 7, 7, false, false, 8, true},
    {"L30_MPU", "Wx1 Wy1.rel | Uy | Ry.acq?2 Rx", "2 0", 6, 6, false, false, 6, false},
    {"L22_IRIW", "Wx1 | Rx Ry | Wy1 | Ry Rx", "1 0 1 0", 15, 15, false, false, 16, true},
    {"ISA2", "Wx1 Wy1 | Ry Wz1 | Rz Rx", "1 1 0", 7, 7, false, false, 8, true},
    {"L26_Z6_0", "Wx1 Wy1 | Ry Wz1 | Wz2 Rx", "1 0 z2", 7, 8, false, true, 8, true},
    {"L29_WWC", "Wx2 | Rx Wy1 | Ry Wx1", "2 1 x2", 9, 9, false, false, 10, true},
    {"L27_Z6_mb_acq", "Wx1 F Wy1 | Ry.acq Wz1 | Wz2 F Rx", "1 0 z2", 7, 7, false, false, 7, false},
    {"L32_PeterZ", "Wx1 F Wy1 | Wy2 F Rz | Wz1 F Rx", "0 0 y2", 7, 7, false, false, 7, false},
    {"L34_W3_2", "Wx1 Wy2 | Wy1 Wz2 | Wz1 Wx2", "x1 y1 z1", 7, 7, false, false, 8, true},
};

/// Table K: rings of read-side sections and grace periods. Those that the kernel's model allows
/// need loads that are late, or stores that are early: no model here has them. rcu_dereference() is
/// an acquire load, or a dependency that is told. The last row shows what one section is for.
/// Nobody else counted these executions: docs/model.md says what counts, and the searches agree.
const Shape kRcuShapes[] = {
    {"K1", "[ Wx1 Wy1 ] | Ry G Rx", "1 0", 4, 4, false, false, 3, false},
    {"K1_reversed", "[ Rx Ry ] | Wx1 G Wy1", "0 1", 4, 4, false, false, 3, false},
    {"K2", "[ Rx Ry ] | Wy1 G Wx1", "1 0", 4, 4, false, false, 3, false},
    {"K3", "[ Rx Wy1 ] | [ Ry Wz1 ] | Rz G Wx1", "1 1 1", 15, 15, false, false, 7, false},
    {"K4", "[ Rx Wy1 ] | [ Ry Wz1 ] | Rz G Ww1 | Rw G Wx1", "1 1 1 1", 80, 80, false, false, 15,
     false},
    {"K6", "[ Rx F Wy1 ] | [ Ry Wz1 ] | Rz G Wx1", "1 1 1", 15, 15, false, false, 7, false},
    {"K8", "[ Wz1 ] | [ Rx Wy1 ] | Ry F Rz | Rz G Wx1", "1 1 0 1", 33, 33, false, false, 15, false},
    {"K10", "Wx1 G Wy1 | [ Rx?0 Ry ]", "0 1", 3, 3, false, false, 2, false},
    {"K10_bare", "Wx1 G Wy1 | Rx?0 Ry", "0 1", 3, 3, true, true, 3, true},
    {"K11", "Wx1 G Ry | [ Rx?0 Wy1 Wy0 ]", "1 0", 3, 3, false, false, 2, false},
    {"K11_bare", "Wx1 G Ry | Rx?0 Wy1 Wy0", "1 0", 4, 4, true, true, 4, true},
    {"K13", "Wx1 G Wy1 | Ry Rx", "1 0", 3, 3, false, false, 4, true},
    {"K15", "Wx1 Wy1.rel | Ry.acq?1 Rx", "1 0", 2, 2, false, false, 2, false},
    {"K15_dependency", "Wx1 Wy1.rel | Ry?1 Rx.dep", "1 0", 2, 2, false, false, 2, false},
    {"K15_untold", "Wx1 Wy1.rel | Ry?1 Rx", "1 0", 2, 2, false, false, 3, true},
    {"two_sections", "Wx1 G Wy1 | [ Rx ] [ Ry ]", "0 1", 8, 8, true, true, 4, true},
};

const std::vector<LeftOut> kLeftOutShapes{{"L4 L14 L15 L19 L24 L28 L31 L33", kNoSuchRow}};
const std::vector<LeftOut> kLeftOutRcuShapes{{"K5 K7 K9 K12 K14", kNoSuchRow}};

struct Outcome {
    std::uint64_t executions = 0;
    std::uint64_t redundant = 0;
    std::set<std::string> seen;
};

Outcome explore(const shapes::Text& text, Model model) {
    Outcome outcome;
    const Result result = check(shapes::body(text, &outcome.seen), {.model = model});
    EXPECT_EQ(result.verdict, Verdict::holds) << result.message;
    outcome.executions = result.complete;
    outcome.redundant = result.redundant;
    return outcome;
}

/// Loads are compared in order; a final value anywhere.
bool allows(const Outcome& outcome, const std::string& wanted) {
    std::string loads;
    std::vector<std::string> finals;
    std::istringstream words(wanted);
    for (std::string word; words >> word;) {
        if (word[0] >= 'w')
            finals.push_back(word + " ");
        else
            loads += word + " ";
    }
    for (const std::string& seen : outcome.seen) {
        bool matches = seen.compare(0, loads.size(), loads) == 0;
        for (const std::string& final_value : finals)
            matches &= seen.find(final_value) != std::string::npos;
        if (matches) return true;
    }
    return false;
}

class Litmus : public testing::TestWithParam<Shape> {};

TEST_P(Litmus, has_its_executions_and_outcomes) {
    const Shape& shape = GetParam();
    const shapes::Text program = shapes::parse(shape.program);
    const Outcome sc = explore(program, Model::sc);
    EXPECT_EQ(sc.executions, shape.sc);
    EXPECT_EQ(sc.redundant, 0U);
    EXPECT_EQ(allows(sc, shape.outcome), shape.sc_allows);
    const Outcome tso = explore(program, Model::tso);
    EXPECT_EQ(tso.executions, shape.tso);
    EXPECT_EQ(tso.redundant, 0U);
    EXPECT_EQ(allows(tso, shape.outcome), shape.tso_allows);
    const Outcome weak = explore(program, Model::weak);
    EXPECT_EQ(weak.executions, shape.weak);
    EXPECT_LE(weak.redundant, weak.executions);  // dead ends, beside grace periods alone
    EXPECT_EQ(allows(weak, shape.outcome), shape.weak_allows);
}

std::string name_of(const testing::TestParamInfo<Shape>& shape) { return shape.param.name; }

INSTANTIATE_TEST_SUITE_P(Shapes, Litmus, testing::ValuesIn(kShapes), name_of);
INSTANTIATE_TEST_SUITE_P(Rcu, Litmus, testing::ValuesIn(kRcuShapes), name_of);

/// The search that follows no races counts the same.
TEST(LitmusTable, of_rcu_counts_alike_in_the_bounded_search) {
    for (const Shape& shape : kRcuShapes) {
        const shapes::Text text = shapes::parse(shape.program);
        const auto count = [&text](Model model) {
            const Options options{.model = model, .strategy = Strategy::bounded, .bound = 100};
            return check(shapes::body(text), options).complete;
        };
        EXPECT_EQ(count(Model::sc), shape.sc) << shape.name;
        EXPECT_EQ(count(Model::tso), shape.tso) << shape.name;
    }
}

TEST(LitmusTable, has_every_row) {
    expect_every_row('L', 34, kShapes, kLeftOutShapes);
    expect_every_row('K', 15, kRcuShapes, kLeftOutRcuShapes);
}

}  // namespace
}  // namespace surefoot::checker
