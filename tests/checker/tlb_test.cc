// Design table V: what a CPU may see through its TLB. The rows are the Arm shapes of herdtools
// (VMSA and break-before-make), as x86 has them: what is not present is never cached, what is
// cached outlives a store until it is dropped, and a shootdown is an interrupt that is waited for.
//
// A state is what the loads found, in the order of the text, and z's last value if somebody stores
// to z. All states are listed, so that each row says what is possible and what is not.

#include <gtest/gtest.h>

#include <iostream>
#include <set>
#include <sstream>
#include <string>

#include "rows.hpp"
#include "shapes.hpp"

namespace surefoot::checker {
namespace {

using shapes::entry_of;

struct Row {
    const char* name;
    const char* arm;
    std::uint64_t entry;  // what the entry is at first
    const char* program;
    const char* outcome;  // that the row asks for
    const char* sc;       // all states
    const char* tso = sc;
    const char* note = "";
};

constexpr const char* kNeverCached = "what is not present is not cached";
constexpr const char* kTwoFences = "no ISB: a full fence stands for both";

const Row kRows[] = {
    {"V1_load", "Allowed", 0, "P1 T", "0", "1", "1", kNeverCached},
    {"V2_load_dsb", "Allowed", 0, "P1 F T", "0", "1", "1", kNeverCached},
    {"V2_load_dsb_isb", "Forbidden", 0, "P1 F F T", "0", "1", "1", kTwoFences},
    {"V3_load_shoot", "Allowed", 0, "P1 X T", "0", "1", "1", kNeverCached},
    {"V3_load_shoot_all", "Allowed", 0, "P1 A T", "0", "1", "1", kNeverCached},
    {"V4_store", "Allowed", 0, "P1 S", "0", "1", "1", kNeverCached},
    {"V4_store_dsb", "Allowed", 0, "P1 F S", "0", "1", "1", kNeverCached},
    {"V4_store_dsb_isb", "Forbidden", 0, "P1 F F S", "0", "1", "1", kTwoFences},
    {"V5_load_valid", "Forbidden", entry_of(1), "P2 T", "0", "1 2"},
    {"V5_load_valid_elsewhere", "Forbidden", entry_of(1), "P2 | T", "0", "1 2"},
    {"V6_shoot_po", "Allowed", 0, "P1 X Wy1 | Ry T", "10", "00 01 11", "00 01 11", kNeverCached},
    {"V6_shoot_ctrl", "Allowed", 0, "P1 X Wy1 | Ry?1 T", "10", "09 11", "09 11", kNeverCached},
    {"V7_shoot_dmb_ld", "Forbidden", 0, "P1 X Wy1 | Ry B T", "10", "00 01 11"},
    {"V7_shoot_acq", "Forbidden", 0, "P1 X Wy1 | Ry.acq T", "10", "00 01 11"},
    {"V8_load", "Allowed", 0, "P1 Wy1 | Ry T", "10", "00 01 11", "00 01 11", kNeverCached},
    {"V8_load_dsb", "Forbidden", 0, "P1 F Wy1 | Ry F T", "10", "00 01 11"},
    {"V9_sb_dsb", "Forbidden", 0, "P1 F Ry | Wy1 F T", "00", "01 10 11"},
    {"V9_sb", "-", 0, "P1 Ry | Wy1 T", "00", "01 10 11", "00 01 10 11", "stores wait in a buffer"},
    {"V9_sb_dsb_writer", "-", 0, "P1 F Ry | Wy1 T", "00", "01 10 11", "00 01 10 11", "as before"},
    {"V10_2_2w", "Forbidden", 0, "P1 Wz1 | Wz2 F S", "0z2", "0z1 1z1 1z2"},
    {"V10_2_2w_bare", "-", 0, "P1 Wz1 | Wz2 S", "0z2", "0z1 1z1 1z2", "0z1 0z2 1z1 1z2",
     "stores wait in a buffer"},
    {"V12_coRW_DB", "Forbidden", entry_of(1), "D S", "11", "01"},
    {"V12_coRW_DB_elsewhere", "Forbidden", entry_of(1), "D | S", "00", "01 11"},
    {"V13_bbm", "Forbidden", entry_of(1), "P0 X P2 | T T", "21", "00 02 10 11 12 22"},
    {"V13_no_shootdown", "-", entry_of(1), "P0 P2 | T T", "21", "00 02 10 11 12 21 22"},
    {"V15_same_frame", "Warning", entry_of(1), "P2 | T T", "21", "11 12 21 22", "11 12 21 22",
     "no break before make: both translations are in use for a while"},

    // What the machine promises beside the table.
    {"own_store_leaves_the_tlb", "-", entry_of(1), "P2 T Ry | Wy1", "10", "10 11 20 21"},
    {"own_invlpg_drops_it", "-", entry_of(1), "P2 I T", "1", "2"},
    {"own_clear_leaves_the_tlb", "-", entry_of(1), "P0 T", "1", "0 1"},
    {"a_store_leaves_what_is_cached", "-", entry_of(1), "P0 Wy1 | Ry T", "11", "00 01 10 11"},
    {"a_shootdown_drops_it", "-", entry_of(1), "P0 X Wy1 | Ry T", "11", "00 01 10"},
    {"a_shootdown_of_others_does_not", "-", entry_of(1), "P0 N Wy1 | Ry T", "11", "00 01 10 11"},
    {"not_accessed_is_not_cached", "-", entry_of(1) & ~shapes::kAccessed, "P0 Wy1 | Ry T", "11",
     "00 01 10"},
    {"not_dirty_is_not_stored_through", "-", entry_of(1), "P0 Wy1 | Ry S", "11", "00 01 10"},
};

const std::vector<LeftOut> kLeftOut{
    {"V7_shoot_addr", "x86 orders loads without a dependency: the program is V6_shoot_po"},
    {"V11 V14", kNoSuchRow},
};

std::set<std::string> states(const Row& row, Model model) {
    const shapes::Text text = shapes::parse(row.program);
    const bool with_z = std::string(row.program).find("Wz") != std::string::npos;
    std::set<std::string> seen, states;
    const Result result = check(shapes::body(text, &seen, row.entry), {.model = model});
    EXPECT_EQ(result.verdict, Verdict::holds) << result.message;
    EXPECT_EQ(result.redundant, 0U);
    for (const std::string& line : seen) {
        std::istringstream words(line);
        std::string state, word;
        while (words >> word)
            if (word[0] < 'w' || (word[0] == 'z' && with_z)) state += word;
        states.insert(state);
    }
    return states;
}

std::string joined(const std::set<std::string>& states) {
    std::string text;
    for (const std::string& state : states)
        text += (text.empty() ? "" : " ") + state;
    return text;
}

class Tlb : public testing::TestWithParam<Row> {};

TEST_P(Tlb, has_these_states) {
    const Row& row = GetParam();
    const auto verdict = [&row](const std::set<std::string>& states) {
        return !states.contains(row.outcome) ? "Never"
               : states.size() == 1          ? "Always"
                                             : "Sometimes";
    };
    const std::set<std::string> sc = states(row, Model::sc), tso = states(row, Model::tso);
    EXPECT_EQ(joined(sc), row.sc);
    EXPECT_EQ(joined(tso), row.tso);
    std::cout << row.name << ": Arm " << row.arm << ", sc " << verdict(sc) << ", tso "
              << verdict(tso) << (*row.note != '\0' ? "; " : "") << row.note << '\n';
}

INSTANTIATE_TEST_SUITE_P(V, Tlb, testing::ValuesIn(kRows),
                         [](const auto& row) { return std::string(row.param.name); });

TEST(TlbTable, has_every_row) { expect_every_row('V', 15, kRows, kLeftOut); }

TEST(TlbTable, is_refused_under_weak) {
    const shapes::Text text = shapes::parse("P1 T");
    const Result result = check(shapes::body(text), {.model = Model::weak});
    EXPECT_EQ(result.verdict, Verdict::wrong);
    EXPECT_EQ(result.message, "a translation: not under the model weak");
}

TEST(TlbTable, a_store_marks_the_entry_dirty_before_it_goes_through) {
    for (const Model model : {Model::sc, Model::tso}) {
        const Result result = check(
            [](Program& program) {
                auto& state = program.make<shapes::State>();
                state.entry.store(entry_of(1));
                program.spawn([&state] {
                    // Write protection that keeps what the processor set.
                    const std::uint64_t old = state.entry.exchange(0, SFC_FULL);
                    state.loads[0] = (old & shapes::kDirty) != 0;
                });
                program.spawn(
                    [&state] { state.loads[1] = shapes::translate(state, SFC_TLB_STORE); });
                program.finish([&state] {
                    require(state.loads[0] != 0 || state.loads[1] == 0,
                            "a store went through an entry that was not dirty");
                });
            },
            {.model = model});
        EXPECT_EQ(result.verdict, Verdict::holds) << result.message;
        EXPECT_EQ(result.complete, 3U);  // before, between the look and the mark, after
    }
}

TEST(TlbTable, a_store_to_what_is_read_only_faults) {
    const Result result = check([](Program& program) {
        auto& state = program.make<shapes::State>();
        state.entry.store(entry_of(1) & ~shapes::kWritable);
        program.spawn([&state] {
            require(shapes::translate(state, SFC_TLB_STORE) == 0, "a store went through");
            require(shapes::translate(state, SFC_TLB_LOAD) == 1, "a load faulted");
        });
    });
    EXPECT_EQ(result.verdict, Verdict::holds) << result.message;
}

}  // namespace
}  // namespace surefoot::checker
