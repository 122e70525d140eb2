// Exact numbers of executions of programs from the literature.

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "programs.hpp"

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
    for (int n = 2; n <= 7; ++n)
        add("ainc" + std::to_string(n), increments(n, 1), factorial[n]);
    for (int n = 2; n <= 4; ++n)
        add("binc" + std::to_string(n), increments(n, 2), factorial[n] * factorial[n]);
    for (int n = 2; n <= 4; ++n)
        add("cinc" + std::to_string(n), increments(n, 3),
            factorial[n] * factorial[n] * factorial[n]);
    for (int n : {2, 8, 13})
        add("readers" + std::to_string(n), readers(n), std::uint64_t{1} << n);
    for (int n = 2; n <= 5; ++n)
        add("writers" + std::to_string(n) + "r", writers(n, true), factorial[n + 1]);
    for (int n = 2; n <= 5; ++n)
        add("lastwrite" + std::to_string(n), writers(n, false), factorial[n]);
    add("lastzero5", lastzero(5), 64);
    add("lastzero10", lastzero(10), 3328);
    const std::uint64_t rotations[] = {2, 5, 14, 43, 144, 523, 2048, 8597, 38486};
    for (int n = 2; n <= 10; ++n)
        add("casrot" + std::to_string(n), casrot(n), rotations[n - 2]);
    add("casw2", casw(2), 6);
    add("casw3", casw(3), 66);
    add("casw4", casw(4), 1200);
    for (int n = 2; n <= 5; ++n)
        add("cas" + std::to_string(n), cas(n), static_cast<std::uint64_t>(n));
    add("inc2", unlocked_increments(2), 4);
    add("inc3", unlocked_increments(3), 36);
    add("inc4", unlocked_increments(4), 576);
    for (int n = 2; n <= 4; ++n)
        add("wainc" + std::to_string(n), writer_and_increments(n), factorial[n + 1]);
    for (int n = 2; n <= 7; ++n)
        add("lockinc" + std::to_string(n), locked_increments<Mutex>(n), factorial[n]);
    for (int n = 2; n <= 6; ++n)
        add("spininc" + std::to_string(n), locked_increments<Spinlock>(n), factorial[n]);
    for (int n = 2; n <= 4; ++n) {
        add("ticket_lock" + std::to_string(n), ticket_lock(n), factorial[n]);
        add("test_and_set" + std::to_string(n), test_and_set_lock(n), factorial[n] * factorial[n]);
    }
    add("seqlock", seqlock(), 2);
    add("fib1", fib_bench(1), 11, 11);
    add("fib2", fib_bench(2), 140, 153);
    add("fib3", fib_bench(3), 1698, 2258);
    add("fib4", fib_bench(4), 19605, 34205);
    add("gup+fix+fence", gup_against_collapse({.recheck_pmd = true, .fence = true}), 8);
    add("gup+gup+fix+fence",
        gup_against_collapse({.recheck_pmd = true, .fence = true, .readers = 2}), 174, 174, 190);
    return all;
}

/// `ctest -C long -L long` runs these.
std::vector<Row> large_rows() {
    return {{"ainc8", increments(8, 1), 40320, 40320, 40320},
            {"lastzero15", lastzero(15), 147456, 147456, 147456},
            {"casw5", casw(5), 32880, 32880, 32880},
            {"fib5", fib_bench(5), 218243, 525630, 525630}};
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

/// Where stores release and loads acquire, tso's counts are those of weak; the page's readers are
/// relaxed, and the oracle's enumerator has the same number for them.
TEST_P(Counts, are_exact_under_weak) {
    const Result result = check(GetParam().body, {.model = Model::weak});
    EXPECT_EQ(result.verdict, Verdict::holds) << result.message;
    EXPECT_EQ(result.complete, GetParam().weak);
}

std::string name_of(const testing::TestParamInfo<Row>& row) {
    std::string name = row.param.name;
    std::replace(name.begin(), name.end(), '+', '_');
    return name;
}

INSTANTIATE_TEST_SUITE_P(Programs, Counts, testing::ValuesIn(rows()), name_of);
INSTANTIATE_TEST_SUITE_P(Large, Counts, testing::ValuesIn(large_rows()), name_of);

TEST(Gup, without_the_recheck_pins_a_collapsed_page) {
    for (const Model model : {Model::sc, Model::tso, Model::weak}) {
        const Body body = gup_against_collapse({});
        EXPECT_EQ(check(body, {.model = model}).verdict, Verdict::violated);
        const Result all = check(body, {.model = model, .stop_at_error = false});
        EXPECT_EQ(all.complete + all.violations, 4U);
        const Result two =
            check(gup_against_collapse({.readers = 2}), {.model = model, .stop_at_error = false});
        EXPECT_EQ(two.complete + two.violations, model == Model::weak ? 32U : 30U);
    }
}

TEST(Gup, recheck_without_fences_fails_where_stores_are_late) {
    const Body body = gup_against_collapse({.recheck_pmd = true});
    const Result sc = check(body, {.model = Model::sc});
    EXPECT_EQ(sc.verdict, Verdict::holds);
    EXPECT_EQ(sc.complete, 8U);
    const Result tso = check(body, {.model = Model::tso, .stop_at_error = false});
    EXPECT_EQ(tso.verdict, Verdict::violated);
    EXPECT_EQ(tso.complete + tso.violations, 9U);
    const Result weak = check(body, {.model = Model::weak, .stop_at_error = false});
    EXPECT_EQ(weak.verdict, Verdict::violated);
    EXPECT_EQ(weak.complete + weak.violations, 9U);
}

}  // namespace
}  // namespace surefoot::checker
