// Small shapes of the memory-model literature: how many executions each has under each model, and
// whether its weak outcome is one of them.
//
// An outcome lists what the loads read, in the order of the text, then final values.

#include <gtest/gtest.h>

#include <set>
#include <sstream>
#include <string>
#include <vector>

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
    // docs/checker.md, table L
    {"SB", "Wx1 Ry | Wy1 Rx", "0 0", 3, 4, false, true, 4, true},
    {"SB_mb", "Wx1 F Ry | Wy1 F Rx", "0 0", 3, 3, false, false, 3, false},
    {"SB_rfi", "Wx1 Rx Ry | Wy1 Ry Rx", "1 0 1 0", 3, 4, false, true, 4, true},
    {"SB3", "Wx1 Ry | Wy1 Rz | Wz1 Rx", "0 0 0", 7, 8, false, true, 8, true},
    {"MP", "Wx1 Wy1 | Ry Rx", "1 0", 3, 3, false, false, 4, true},
    {"MP_rel_acq", "Wx1 Wy1.rel | Ry.acq Rx", "1 0", 3, 3, false, false, 3, false},
    {"LB", "Rx Wy1 | Ry Wx1", "1 1", 3, 3, false, false, 3, false},
    {"LB3", "Rx Wy1 | Ry Wz1 | Rz Wx1", "1 1 1", 7, 7, false, false, 7, false},
    {"CoRR", "Wx1 Wx2 | Rx Rx", "2 1", 6, 6, false, false, 6, false},
    {"CoRW", "Rx Wx1 | Wx2", "1", 3, 3, false, false, 3, false},
    {"CoWR", "Wx1 Rx | Wx2", "0", 3, 3, false, false, 3, false},
    {"W_RR_RR_W", "Wx1 | Rx Rx | Rx Rx | Wx2", "1 2 2 1", 72, 72, false, false, 72, false},
    {"R_mb", "Wx1 F Wy1 | Wy2 F Rx", "0 y2", 3, 3, false, false, 3, false},
    {"2_2W", "Wx1 Wy2 | Wy1 Wx2", "x1 y1", 3, 3, false, false, 4, true},
    {"WRC", "Wx1 | Rx Wy1 | Ry Rx", "1 1 0", 7, 7, false, false, 8, true},
    {"RWC_mb", "Wx1 | Rx F Ry | Wy1 F Rx", "1 0 0", 7, 7, false, false, 7, false},
    {"W_RWC", "Wx1 Wz1.rel | Rz.acq F Ry | Wy1 F Rx", "1 0 0", 7, 7, false, false, 7, false},
    {"IRIW_mb", "Wx1 | Rx F Ry | Wy1 | Ry F Rx", "1 0 1 0", 15, 15, false, false, 15, false},
    {"ISA2_rel_acq", "Wx1 Wy1.rel | Ry.acq Wz1.rel | Rz.acq Rx", "1 1 0", 7, 7, false, false, 7,
     false},
    {"Z6_mb", "Wx1 Wy1 | Ry Wz1 | Wz2 F Rx", "1 0 z2", 7, 7, false, false, 8, true},
    {"MPU", "Wx1 Wy1.rel | Uy | Ry.acq?2 Rx", "2 0", 6, 6, false, false, 6, false},
    {"IRIW", "Wx1 | Rx Ry | Wy1 | Ry Rx", "1 0 1 0", 15, 15, false, false, 16, true},
    {"ISA2", "Wx1 Wy1 | Ry Wz1 | Rz Rx", "1 1 0", 7, 7, false, false, 8, true},
    {"Z6_0", "Wx1 Wy1 | Ry Wz1 | Wz2 Rx", "1 0 z2", 7, 8, false, true, 8, true},
    {"WWC", "Wx2 | Rx Wy1 | Ry Wx1", "2 1 x2", 9, 9, false, false, 0, true},
    {"W3_2", "Wx1 Wy2 | Wy1 Wz2 | Wz1 Wx2", "x1 y1 z1", 7, 7, false, false, 8, true},
};

/// Table K: rings of read-side sections and grace periods. Those that the kernel's model allows
/// need loads that are late, or stores that are early: no model here has them. Under weak, K15
/// needs its dependency, which is not told. The last rows show what the sections are for. Nobody
/// else counted these executions: 0.
const Shape kRcuShapes[] = {
    {"K1", "[ Wx1 Wy1 ] | Ry G Rx", "1 0", 0, 0, false, false, 0, false},
    {"K1_reversed", "[ Rx Ry ] | Wx1 G Wy1", "0 1", 0, 0, false, false, 0, false},
    {"K2", "[ Rx Ry ] | Wy1 G Wx1", "1 0", 0, 0, false, false, 0, false},
    {"K3", "[ Rx Wy1 ] | [ Ry Wz1 ] | Rz G Wx1", "1 1 1", 0, 0, false, false, 0, false},
    {"K4", "[ Rx Wy1 ] | [ Ry Wz1 ] | Rz G Ww1 | Rw G Wx1", "1 1 1 1", 0, 0, false, false, 0,
     false},
    {"K6", "[ Rx F Wy1 ] | [ Ry Wz1 ] | Rz G Wx1", "1 1 1", 0, 0, false, false, 0, false},
    {"K8", "[ Wz1 ] | [ Rx Wy1 ] | Ry F Rz | Rz G Wx1", "1 1 0 1", 0, 0, false, false, 0, false},
    {"K10", "Wx1 G Wy1 | [ Rx?0 Ry ]", "0 1", 0, 0, false, false, 0, false},
    {"K10_bare", "Wx1 G Wy1 | Rx?0 Ry", "0 1", 0, 0, true, true, 0, true},
    {"K11", "Wx1 G Ry | [ Rx?0 Wy1 Wy0 ]", "1 0", 0, 0, false, false, 0, false},
    {"K11_bare", "Wx1 G Ry | Rx?0 Wy1 Wy0", "1 0", 0, 0, true, true, 0, true},
    {"K13", "Wx1 G Wy1 | Ry Rx", "1 0", 0, 0, false, false, 0, true},
    {"K15", "Wx1 Wy1.rel | Ry?1 Rx", "1 0", 0, 0, false, false, 0, true},
    {"two_sections", "Wx1 G Wy1 | [ Rx ] [ Ry ]", "0 1", 0, 0, true, true, 0, true},
};

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
    EXPECT_EQ(sc.executions, shape.sc != 0 ? shape.sc : sc.executions);
    EXPECT_EQ(sc.redundant, 0U);
    EXPECT_EQ(allows(sc, shape.outcome), shape.sc_allows);
    const Outcome tso = explore(program, Model::tso);
    EXPECT_EQ(tso.executions, shape.tso != 0 ? shape.tso : tso.executions);
    EXPECT_EQ(tso.redundant, 0U);
    EXPECT_EQ(allows(tso, shape.outcome), shape.tso_allows);
    const Outcome weak = explore(program, Model::weak);
    EXPECT_EQ(weak.executions, shape.weak != 0 ? shape.weak : weak.executions);
    EXPECT_EQ(weak.redundant, 0U);
    EXPECT_EQ(allows(weak, shape.outcome), shape.weak_allows);
}

std::string name_of(const testing::TestParamInfo<Shape>& shape) { return shape.param.name; }

INSTANTIATE_TEST_SUITE_P(Shapes, Litmus, testing::ValuesIn(kShapes), name_of);
INSTANTIATE_TEST_SUITE_P(Rcu, Litmus, testing::ValuesIn(kRcuShapes), name_of);

}  // namespace
}  // namespace surefoot::checker
