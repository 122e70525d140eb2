// Exact numbers of executions of programs from the literature.

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "programs.hpp"
#include "rows.hpp"

namespace surefoot::checker {
namespace {

using namespace programs;

struct Row {
    std::string name;
    Body body;
    std::uint64_t sc;
    std::uint64_t tso;
    std::uint64_t weak;
};

std::vector<Row> rows() {
    std::vector<Row> all;
    const auto add = [&](const std::string& name, Body body, std::uint64_t sc,
                         std::uint64_t tso = 0, std::uint64_t weak = 0) {
        if (tso == 0) tso = sc;
        all.push_back({name, std::move(body), sc, tso, weak != 0 ? weak : tso});
    };
    const std::uint64_t factorial[] = {1, 1, 2, 6, 24, 120, 720, 5040, 40320};
    const auto name = [](const char* id, int n) { return id + std::to_string(n); };
    for (int n = 2; n <= 7; ++n)
        add(name("P1_ainc", n), increments(n, 1), factorial[n]);
    for (int n = 2; n <= 4; ++n) {
        add(name("P2_binc", n), increments(n, 2), factorial[n] * factorial[n]);
        add(name("P3_cinc", n), increments(n, 3), factorial[n] * factorial[n] * factorial[n]);
    }
    for (int n : {2, 8, 13})
        add(name("P4_readers", n), readers(n), std::uint64_t{1} << n);
    for (int n = 2; n <= 5; ++n) {
        add(name("P5_writers", n), writers(n, true), factorial[n + 1]);
        add(name("P6_lastwrite", n), lastwrite(n), factorial[n]);
    }
    add("P8_lastzero5", lastzero(5), 64);
    add("P8_lastzero10", lastzero(10), 3328);
    const std::uint64_t rotations[] = {2, 5, 14, 43, 144, 523, 2048, 8597, 38486};
    for (int n = 2; n <= 10; ++n)
        add(name("P10_casrot", n), casrot(n), rotations[n - 2]);
    add("P11_casw2", casw(2), 6);
    add("P11_casw3", casw(3), 66);
    add("P11_casw4", casw(4), 1200);
    for (int n = 2; n <= 5; ++n)
        add(name("P12_cas", n), cas(n), static_cast<std::uint64_t>(n));
    for (int n = 2; n <= 4; ++n) {
        add(name("P14_inc", n), unlocked_increments(n), factorial[n] * factorial[n]);
        add(name("P14_rw", n), reads_and_writes(n), factorial[n] * factorial[n]);
        add(name("P15_wainc", n), writer_and_increments(n), factorial[n + 1]);
    }
    for (int n = 2; n <= 7; ++n)
        add(name("P17_lockinc", n), locked_increments<Mutex>(n), factorial[n]);
    for (int n = 2; n <= 6; ++n)
        add(name("P17_spininc", n), locked_increments<Spinlock>(n), factorial[n]);
    add("P18_fib1", fib_bench(1), 11, 11);
    add("P18_fib2", fib_bench(2), 140, 153);
    add("P18_fib3", fib_bench(3), 1698, 2258);
    add("P18_fib4", fib_bench(4), 19605, 34205);
    add("P21_peterson", peterson(), 4, 22);
    add("P23_dekker", dekker(), 3);
    for (int n = 2; n <= 3; ++n)
        add(name("P25_barrier", n), barrier(n), factorial[n] * factorial[n]);
    add("P28_gup_fix_fence", gup_against_collapse({.recheck_pmd = true, .fence = true}), 8);
    add("P28_two_gups_fix_fence",
        gup_against_collapse({.recheck_pmd = true, .fence = true, .readers = 2}), 174);
    add("P28_two_gups_fix_fence_relaxed",
        gup_against_collapse({.recheck_pmd = true, .fence = true, .readers = 2, .relaxed = true}),
        174, 174, 190);
    for (int n = 2; n <= 4; ++n) {
        add(name("D1_ticket_lock", n), ticket_lock(n), factorial[n]);
        add(name("D2_cas_spinlock", n), test_and_set_lock(n), factorial[n] * factorial[n]);
    }
    add("D3_ttas_lock", ttas_lock(2, true), 4);
    add("D3_ttas_lock_optimised", ttas_lock(2, false), 2);
    add("D7_seqlock", seqlock(), 2);
    return all;
}

constexpr const char* kTextNotGiven = "the count hangs on a program that the table does not give";
const std::vector<LeftOut> kLeftOut{
    {"P7 P9 P13 P16 P19 P22 P26 P27 D4 D8 D9", kNoSuchRow},
    {"P17_lock2inc P20 P23_szymanski P23_lamport P24 D10 D11 D12", kTextNotGiven},
    {"D5 D6", "the count is that of the kernel's text, which is GPL, with its loops unrolled"},
};

/// `ctest -C long -L long` runs these.
std::vector<Row> large_rows() {
    return {{"P1_ainc8", increments(8, 1), 40320, 40320, 40320},
            {"P8_lastzero15", lastzero(15), 147456, 147456, 147456},
            {"P11_casw5", casw(5), 32880, 32880, 32880},
            {"P18_fib5", fib_bench(5), 218243, 525630, 525630}};
}

class Counts : public testing::TestWithParam<Row> {};

TEST_P(Counts, are_exact_under_sc) {
    const Result result = check(GetParam().body, {.model = Model::sc});
    EXPECT_EQ(result.verdict, Verdict::holds) << result.message;
    EXPECT_EQ(result.complete, GetParam().sc);
    EXPECT_LE(2 * result.redundant, result.complete);
}

TEST_P(Counts, are_exact_under_tso) {
    const Result result = check(GetParam().body, {.model = Model::tso});
    EXPECT_EQ(result.verdict, Verdict::holds) << result.message;
    EXPECT_EQ(result.complete, GetParam().tso);
    EXPECT_LE(2 * result.redundant, result.complete);
}

/// Where stores release and loads acquire, tso's counts are those of weak.
TEST_P(Counts, are_exact_under_weak) {
    const Result result = check(GetParam().body, {.model = Model::weak});
    EXPECT_EQ(result.verdict, Verdict::holds) << result.message;
    EXPECT_EQ(result.complete, GetParam().weak);
    EXPECT_LE(2 * result.redundant, result.complete + result.blocked);
}

std::string name_of(const testing::TestParamInfo<Row>& row) { return row.param.name; }

INSTANTIATE_TEST_SUITE_P(Programs, Counts, testing::ValuesIn(rows()), name_of);
INSTANTIATE_TEST_SUITE_P(Large, Counts, testing::ValuesIn(large_rows()), name_of);

TEST(CountsTable, has_every_row) {
    expect_every_row('P', 28, rows(), kLeftOut);
    expect_every_row('D', 12, rows(), kLeftOut);
}

constexpr Model kModels[] = {Model::sc, Model::tso, Model::weak};

TEST(Lastwrite, reads_each_writers_value) {
    for (const Model model : kModels) {
        std::uint64_t seen[5] = {};
        check(lastwrite(4, seen), {.model = model});
        EXPECT_EQ(seen[0], 0U);
        for (int value = 1; value <= 4; ++value)
            EXPECT_EQ(seen[value], 6U);
    }
}

/// Complete executions and violations.
std::uint64_t executions(const GupOptions& options, Model model) {
    const Result all =
        check(gup_against_collapse(options), {.model = model, .stop_at_error = false});
    return all.complete + all.violations;
}

TEST(Gup, without_the_recheck_pins_a_collapsed_page) {
    for (const Model model : kModels) {
        EXPECT_EQ(check(gup_against_collapse({}), {.model = model}).verdict, Verdict::violated);
        EXPECT_EQ(executions({}, model), 4U);
        EXPECT_EQ(executions({.readers = 2}, model), 30U);
        EXPECT_EQ(executions({.readers = 2, .relaxed = true}, model),
                  model == Model::weak ? 32U : 30U);
    }
}

TEST(Gup, recheck_without_fences_fails_where_stores_are_late) {
    for (const Model model : kModels) {
        const bool late = model != Model::sc;
        EXPECT_EQ(check(gup_against_collapse({.recheck_pmd = true}), {.model = model}).verdict,
                  late ? Verdict::violated : Verdict::holds);
        EXPECT_EQ(executions({.recheck_pmd = true}, model), late ? 9U : 8U);
    }
}

}  // namespace
}  // namespace surefoot::checker
