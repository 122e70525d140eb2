// Small shapes of the memory-model literature: how many executions each has under each model, and
// whether its weak outcome is one of them.
//
// A program is its CPUs, separated by '|'. Wx1 stores 1 to x, Rx loads x, Ux increments x, F is a
// full fence. An outcome lists what the loads read, in the order of the text, then final values.

#include <gtest/gtest.h>

#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "surefoot/checker/checker.hpp"

namespace surefoot::checker {
namespace {

struct Shape {
    const char* name;
    const char* program;
    const char* outcome;
    std::uint64_t sc, tso;
    bool sc_allows, tso_allows;
};

const Shape kShapes[] = {
    {"SB", "Wx1 Ry | Wy1 Rx", "0 0", 3, 4, false, true},
    {"SB_mb", "Wx1 F Ry | Wy1 F Rx", "0 0", 3, 3, false, false},
    {"SB_rfi", "Wx1 Rx Ry | Wy1 Ry Rx", "1 0 1 0", 3, 4, false, true},
    {"SB3", "Wx1 Ry | Wy1 Rz | Wz1 Rx", "0 0 0", 7, 8, false, true},
    {"MP", "Wx1 Wy1 | Ry Rx", "1 0", 3, 3, false, false},
    {"LB", "Rx Wy1 | Ry Wx1", "1 1", 3, 3, false, false},
    {"LB3", "Rx Wy1 | Ry Wz1 | Rz Wx1", "1 1 1", 7, 7, false, false},
    {"CoRR", "Wx1 Wx2 | Rx Rx", "2 1", 6, 6, false, false},
    {"CoRW", "Rx Wx1 | Wx2", "1", 3, 3, false, false},
    {"CoWR", "Wx1 Rx | Wx2", "0", 3, 3, false, false},
    {"W_RR_RR_W", "Wx1 | Rx Rx | Rx Rx | Wx2", "1 2 2 1", 72, 72, false, false},
    {"R_mb", "Wx1 F Wy1 | Wy2 F Rx", "0 y2", 3, 3, false, false},
    {"2_2W", "Wx1 Wy2 | Wy1 Wx2", "x1 y1", 3, 3, false, false},
    {"WRC", "Wx1 | Rx Wy1 | Ry Rx", "1 1 0", 7, 7, false, false},
    {"RWC_mb", "Wx1 | Rx F Ry | Wy1 F Rx", "1 0 0", 7, 7, false, false},
    {"IRIW", "Wx1 | Rx Ry | Wy1 | Ry Rx", "1 0 1 0", 15, 15, false, false},
    {"ISA2", "Wx1 Wy1 | Ry Wz1 | Rz Rx", "1 1 0", 7, 7, false, false},
    {"Z6_0", "Wx1 Wy1 | Ry Wz1 | Wz2 Rx", "1 0 z2", 7, 8, false, true},
    {"WWC", "Wx2 | Rx Wy1 | Ry Wx1", "2 1 x2", 9, 9, false, false},
    {"W3_2", "Wx1 Wy2 | Wy1 Wz2 | Wz1 Wx2", "x1 y1 z1", 7, 7, false, false},
};

struct Operation {
    char kind;
    int word;
    int value;
    int slot;  // of a load
};

struct Text {
    std::vector<std::vector<Operation>> cpus;
    int loads = 0;
};

Text parse(const std::string& text) {
    Text program;
    program.cpus.emplace_back();
    std::istringstream words(text);
    for (std::string word; words >> word;) {
        if (word == "|") {
            program.cpus.emplace_back();
            continue;
        }
        Operation operation{word[0], 0, 0, 0};
        if (word.size() > 1) operation.word = word[1] - 'x';
        if (word.size() > 2) operation.value = word[2] - '0';
        if (word[0] == 'R') operation.slot = program.loads++;
        program.cpus.back().push_back(operation);
    }
    return program;
}

struct Outcome {
    std::uint64_t executions = 0;
    std::uint64_t redundant = 0;
    std::set<std::string> seen;  // loads, then final x, y, z
};

Outcome explore(const Text& text, Model model) {
    struct State {
        Word<int> words[3];
        int loads[16] = {};
    };
    Outcome outcome;
    const Result result = check(
        [&](Program& program) {
            State& state = program.make<State>();
            for (const auto& cpu : text.cpus) {
                program.spawn([&state, &cpu] {
                    for (const Operation& operation : cpu) {
                        Word<int>& word = state.words[operation.word];
                        switch (operation.kind) {
                            case 'W':
                                word.store(operation.value);
                                break;
                            case 'R':
                                state.loads[operation.slot] = word.load();
                                break;
                            case 'U':
                                word.fetch_add(1);
                                break;
                            default:
                                sfc_fence(SFC_MB, nullptr);
                                break;
                        }
                    }
                });
            }
            program.finish([&state, &text, &outcome] {
                std::string line;
                for (int i = 0; i < text.loads; ++i)
                    line += std::to_string(state.loads[i]) + " ";
                for (int i = 0; i < 3; ++i)
                    line += std::string(1, static_cast<char>('x' + i)) +
                            std::to_string(state.words[i].get()) + " ";
                outcome.seen.insert(line);
            });
        },
        {.model = model});
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
        if (word[0] >= 'x')
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
    const Text program = parse(shape.program);
    const Outcome sc = explore(program, Model::sc);
    EXPECT_EQ(sc.executions, shape.sc);
    EXPECT_EQ(sc.redundant, 0U);
    EXPECT_EQ(allows(sc, shape.outcome), shape.sc_allows);
    const Outcome tso = explore(program, Model::tso);
    EXPECT_EQ(tso.executions, shape.tso);
    EXPECT_EQ(tso.redundant, 0U);
    EXPECT_EQ(allows(tso, shape.outcome), shape.tso_allows);
}

INSTANTIATE_TEST_SUITE_P(Shapes, Litmus, testing::ValuesIn(kShapes),
                         [](const auto& shape) { return std::string(shape.param.name); });

}  // namespace
}  // namespace surefoot::checker
