// What is printed, byte by byte; and what a running program is refused for.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "support.hpp"

namespace surefoot::litmus {
namespace {

using checker::Model;
using testing::HasSubstr;

std::string printed(const std::string& name, Model model) {
    const auto [test, outcome] = run_file(program(name), model);
    return to_text(test, outcome);
}

TEST(Output, exists_that_is_found) {
    EXPECT_EQ(printed("SB", Model::tso), R"(Test SB Allowed
States 4
0:r0=0; 1:r0=0;
0:r0=0; 1:r0=1;
0:r0=1; 1:r0=0;
0:r0=1; 1:r0=1;
Ok
Witnesses
Positive: 1 Negative: 3
Condition exists (0:r0=0 /\ 1:r0=0)
Observation SB Sometimes 1 3)");
}

TEST(Output, exists_that_is_not_found_with_final_values) {
    EXPECT_EQ(printed("R+mbs", Model::sc), R"(Test R+mbs Allowed
States 3
1:r0=0; [y]=1;
1:r0=1; [y]=1;
1:r0=1; [y]=2;
No
Witnesses
Positive: 0 Negative: 3
Condition exists ([y]=2 /\ 1:r0=0)
Observation R+mbs Never 0 3)");
}

TEST(Output, addresses_have_names_and_witnesses_are_for_the_quantifier) {
    EXPECT_EQ(printed("forbidden", Model::sc), R"(Test forbidden Forbidden
States 2
1:r0=0; 1:r1=7;
1:r0=x; 1:r1=1;
Ok
Witnesses
Positive: 2 Negative: 0
Condition ~exists (1:r0=0 /\ not (1:r1=7) \/ 1:r0=x /\ not (1:r1=1))
Observation forbidden Never 0 2)");
}

TEST(Output, a_filter_drops_executions_and_locations_add_to_states) {
    EXPECT_EQ(printed("filter", Model::sc), R"(Test filter Required
States 1
1:r0=1; 1:r1=1; [x]=1;
Ok
Witnesses
Positive: 1 Negative: 0
Condition forall (1:r1=1)
Observation filter Always 1 0)");
}

TEST(Output, no_execution_completes) {
    EXPECT_EQ(printed("self-deadlock", Model::sc), R"(Test self-deadlock Allowed
States 0
No
Witnesses
Positive: 0 Negative: 0
Condition exists ([x]=1)
Observation self-deadlock Never 0 0)");
}

TEST(Output, json) {
    auto [test, outcome] = run_file(program("forbidden"), Model::tso);
    outcome.seconds = 0;
    EXPECT_EQ(
        to_json("MP.litmus", test, outcome),
        R"({"file":"MP.litmus","name":"forbidden","model":"tso",)"
        R"json("condition":"~exists (1:r0=0 /\\ not (1:r1=7) \\/ 1:r0=x /\\ not (1:r1=1))","ok":true,)json"
        R"("observation":"Never","positive":0,"negative":2,)"
        R"("states":[{"1:r0":0,"1:r1":7},{"1:r0":"x","1:r1":1}],"data_race":false,)"
        R"("executions":{"complete":2,"blocked":0},"exhausted":true,"estimate":2.0,"seconds":0.0})");
}

TEST(Output, a_data_race_is_flagged) {
    EXPECT_EQ(printed("plain-published-too-early", Model::weak),
              R"(Test plain-published-too-early Allowed
States 2
1:r0=0;
1:r0=1;
Ok
Witnesses
Positive: 2 Negative: 1
Flag data-race
Condition exists (1:r0=1)
Observation plain-published-too-early Sometimes 2 1)");
    const auto [test, outcome] = run_file(program("plain-published-too-early"), Model::weak);
    EXPECT_NE(to_json("", test, outcome).find(R"("data_race":true)"), std::string::npos);
}

/// A test of one process with int *x, spinlock_t *s and struct srcu_struct *ss, that must be
/// refused.
std::string refusal(const std::string& body) {
    const auto test =
        parse("C t\n{}\nP0(int *x, spinlock_t *s, struct srcu_struct *ss) {\n" + body + "\n}\n");
    if (!test) return describe("parse", test.error());
    const auto outcome = run(*test, Model::sc);
    return outcome ? "no refusal" : describe("run", outcome.error());
}

TEST(Refusals, name_what_and_where) {
    EXPECT_EQ(refusal("int r0 = *x;\nr0 = READ_ONCE(*r0);"), "run:5:6: P0 uses 0 as an address");
    EXPECT_EQ(refusal("spin_lock(x);"), "run:4:1: x is a word, not a spinlock_t");
    EXPECT_EQ(refusal("WRITE_ONCE(*s, 1);"), "run:4:1: s is a spinlock_t, not a word");
    EXPECT_EQ(refusal("synchronize_srcu(s);"),
              "run:4:1: s is a spinlock_t, not a struct srcu_struct");
    EXPECT_EQ(refusal("spin_unlock(s);"), "run:4:1: P0 unlocks what it has not locked");
    EXPECT_EQ(refusal("rcu_read_unlock();"), "run:4:1: rcu_read_unlock() without rcu_read_lock()");
    EXPECT_EQ(refusal("rcu_read_lock();"), "run:4:1: this process ends inside rcu_read_lock()");
    EXPECT_EQ(refusal("srcu_read_unlock(ss, 0);"),
              "run:4:1: srcu_read_unlock() without its srcu_read_lock()");
    EXPECT_EQ(refusal("int r0 = 1 / *x;"), "run:4:12: division by zero");
    EXPECT_EQ(refusal("int r0 = 1 << 64;"), "run:4:12: a shift by 64");
}

}  // namespace
}  // namespace surefoot::litmus
