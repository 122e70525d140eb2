// What the litmus parser takes, and where it says that it does not.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "litmus/litmus.hpp"
#include "litmus/parser/primitives.hpp"

namespace surefoot::litmus {
namespace {

using testing::HasSubstr;

std::string complaint(const std::string& text) {
    const auto test = parse(text);
    if (test) return "no complaint";
    return std::to_string(test.error().place.line) + ":" +
           std::to_string(test.error().place.column) + ": " + test.error().what;
}

/// One process of this body, whose parameters are int *x and spinlock_t *s.
std::string in_process(const std::string& body) {
    return complaint("C t\n{}\nP0(int *x, spinlock_t *s)\n{\n" + body + "\n}\n");
}

std::string in_initial_state(const std::string& items) {
    return complaint("C t\n{\n" + items + "\n}\nP0(int *x)\n{\nint r0;\n}\n");
}

/// The condition of a test with variables x and lo, and a register 0:r0.
std::string in_condition(const std::string& condition) {
    return complaint("C t\n{ spinlock_t lo; }\nP0(int *x)\n{\nint r0;\n}\n" + condition);
}

TEST(Parser, reads_every_part_of_a_test) {
    const auto test = parse(R"(C A+b-1.c (* a (* nested *) comment *)
"what diy wrote"
Cycle=Fre PodWR
(* more *)
{
 int x = 1; y; [z] = -2; int *p = &x; q = x;
 0:r1 = 5; P0:r2 = y;
 atomic_t a = ATOMIC_INIT(3);
 struct srcu_struct ss; spinlock_t lo;
} // C comments are welcome here
P0(int *x, int **p, struct srcu_struct *ss) /* and here */
{
    int *r1, r2 = 0x10;   // 16
    if (r2 == 16) { r1 = READ_ONCE(*p); } else WRITE_ONCE(*x, (int)r2);
}
P1(void) {}
locations [0:r1; x int; y;]
filter (0:r2 = 16)
exists (* why *) (0:r1=x /\ ~(x=2 \/ [z]!=0)))");
    ASSERT_TRUE(test) << test.error().what;
    EXPECT_EQ(test->name, "A+b-1.c");
    ASSERT_EQ(test->processes.size(), 2U);
    EXPECT_EQ(test->quantifier, Quantifier::exists);
    EXPECT_TRUE(test->filter.has_value());
    std::string shown;
    for (const Location& location : test->shown)
        shown += location.name + " ";
    EXPECT_EQ(shown, "r1 x y z ");
    const auto named = [&](const std::string& name) {
        for (const Variable& variable : test->variables) {
            if (variable.name == name) return variable;
        }
        return Variable{};
    };
    EXPECT_EQ(named("x").initial.number, 1);
    EXPECT_EQ(named("z").initial.number, -2);
    EXPECT_EQ(test->variables[named("p").initial.address_of - 1].name, "x");
    EXPECT_EQ(test->variables[named("q").initial.address_of - 1].name, "x");
    EXPECT_EQ(named("a").initial.number, 3);
    EXPECT_EQ(named("ss").kind, VariableKind::srcu);
    EXPECT_EQ(named("lo").kind, VariableKind::spinlock);
}

TEST(Parser, a_condition_prints_as_herd7_prints_it) {
    const auto printed = [](const std::string& condition) {
        const auto test = parse("C t\n{}\nP0(int *x, int *y)\n{\nint r0;\n}\n" + condition);
        if (!test) return test.error().what;
        const std::string text = to_text(*test, {});
        const auto start = text.find("Condition ") + 10;
        return text.substr(start, text.find('\n', start) - start);
    };
    EXPECT_EQ(printed("exists (x=1)"), "exists ([x]=1)");
    EXPECT_EQ(printed("~exists (0:r0=y /\\ (x=1 /\\ y=2))"),
              "~exists (0:r0=y /\\ [x]=1 /\\ [y]=2)");
    EXPECT_EQ(printed("forall x=1 \\/ y=1 /\\ 0:r0=-1"), "forall ([x]=1 \\/ [y]=1 /\\ 0:r0=-1)");
    EXPECT_EQ(printed("exists ((x=1 \\/ y=1) /\\ x<>2)"),
              "exists (([x]=1 \\/ [y]=1) /\\ not ([x]=2))");
    EXPECT_EQ(printed("exists (x=1 => y=[x] => true)"), "exists ([x]=1 => [y]=[x] => true)");
    EXPECT_EQ(printed("exists (x=1 \\/ y=1 => false)"), "exists ([x]=1 \\/ ([y]=1 => false))");
    EXPECT_EQ(printed("exists (not (x=0x10))"), "exists (not ([x]=16))");
    EXPECT_EQ(printed(""), "forall (true)");
}

TEST(Parser, a_malformed_frame_is_refused_with_its_place) {
    EXPECT_EQ(complaint(""), "1:1: a C litmus test begins with 'C' and its name");
    EXPECT_EQ(complaint("PPC t\n{}"), "1:1: a test of PPC: only C tests are read");
    EXPECT_EQ(complaint("X86_64 t\n{}"), "1:1: a test of X86_64: only C tests are read");
    EXPECT_EQ(complaint("C"), "1:2: the test has no name");
    EXPECT_EQ(complaint("C t"), "1:4: expected the initial state, '{ ... }'");
    EXPECT_EQ(complaint("C t\nP0() {}"), "2:1: expected the initial state, '{ ... }'");
    EXPECT_EQ(complaint("C t\n{}\n"), "3:1: expected process P0, but found the file ends");
    EXPECT_EQ(complaint("C t\n{}\nP1() {}"), "3:1: expected process P0, but found 'P1'");
    EXPECT_EQ(complaint("C t\n{}\nP0() {}\nP2() {}"), "4:1: expected process P1, but found 'P2'");
    EXPECT_EQ(complaint("C t\n{}\nP0() {}\nPrior"),
              "4:1: expected 'exists', '~exists' or 'forall', but found 'Prior'");
    EXPECT_EQ(complaint("C t (* never closed"), "1:5: this comment does not end");
    EXPECT_EQ(complaint("C t \"never closed\n"), "1:5: this string does not end");
    EXPECT_EQ(complaint("C t\n{}\nP0() { $"), "3:8: unexpected character");
    EXPECT_EQ(complaint("C t\n{}\nP0() {"), "3:7: expected a statement, but found the file ends");
    std::string many = "C t\n{}\n";
    for (unsigned i = 0; i <= SFC_MAX_CPUS; ++i)
        many += "P" + std::to_string(i) + "() {}\n";
    EXPECT_EQ(complaint(many), "19:1: more than 16 processes");
}

TEST(Parser, a_malformed_initial_state_is_refused_with_its_place) {
    EXPECT_EQ(in_initial_state("x = ;"),
              "3:5: expected a number or the name of a shared variable, but found ';'");
    EXPECT_EQ(in_initial_state("x = 1 y = 2"), "3:7: expected ';' or '}', but found 'y'");
    EXPECT_EQ(in_initial_state("int x[2];"), "3:6: arrays are not part of the language");
    EXPECT_EQ(in_initial_state("7:r0 = 1;"), "3:3: there is no process P7");
    EXPECT_EQ(in_initial_state("0:r9 = 1;"), "3:3: P0 has no register r9");
    EXPECT_EQ(in_initial_state("spinlock_t x = 1;"), "3:12: x is a lock: it has no value");
    EXPECT_EQ(in_initial_state("int x = 99999999999999999999;"),
              "3:9: this number needs more than 64 bits");
    EXPECT_EQ(in_initial_state("x = 12ab;"), "3:5: '12ab' is no number");
    EXPECT_EQ(in_initial_state("rwlock_t x;"),
              "3:1: rwlock_t: not part of the kernel's litmus language");
    EXPECT_EQ(in_initial_state("x = 1; x = 1;"), "3:8: x has an initial value already");
    EXPECT_EQ(in_initial_state("0:r0 = 1; P0:r0 = 2;"), "3:14: r0 has an initial value already");
    EXPECT_EQ(in_initial_state("spinlock_t x;"), "5:9: x was declared with another type before");
}

TEST(Parser, what_would_take_too_long_is_refused_with_its_place) {
    const auto repeated = [](unsigned times, const auto& line) {
        std::string text;
        for (unsigned i = 0; i < times; ++i)
            text += line(i);
        return text;
    };
    const auto variable = [](unsigned i) { return "x" + std::to_string(i) + ";\n"; };
    EXPECT_EQ(in_initial_state(repeated(1022, variable)), "no complaint");
    EXPECT_EQ(in_initial_state(repeated(1025, variable)),
              "1027:1: more than 1024 shared variables");
    const auto store = [](unsigned) { return std::string("WRITE_ONCE(*x, 1);\n"); };
    EXPECT_EQ(in_process(repeated(1024, store)), "no complaint");
    EXPECT_EQ(in_process(repeated(1025, store)),
              "1029:1: this process has more than 1024 operations");
    const auto name = [](unsigned i) { return "int r" + std::to_string(i) + ";\n"; };
    EXPECT_EQ(in_process(repeated(5000, name)), "4099:5: this process is too long");
}

TEST(Parser, a_malformed_process_is_refused_with_its_place) {
    EXPECT_EQ(in_process("frob(x);"),
              "5:1: frob(): no such primitive in the kernel's litmus language");
    EXPECT_EQ(in_process("READ_ONCE(x);"), "5:11: expected '*' and a pointer, but found 'x'");
    EXPECT_EQ(in_process("WRITE_ONCE(*x);"), "5:14: expected ',', but found ')'");
    EXPECT_EQ(in_process("smp_mb(x);"), "5:8: smp_mb() takes 0 arguments");
    EXPECT_EQ(in_process("spin_lock(s, s);"), "5:12: spin_lock() takes 1 argument");
    EXPECT_EQ(in_process("int r0 = smp_mb();"), "5:10: smp_mb() has no value");
    EXPECT_EQ(in_process("int r0 = y;"), "5:10: y is no register or parameter of this process");
    EXPECT_EQ(in_process("int r0 = 1 ? 2 : 3;"),
              "5:12: '?:' is not part of the language: use 'if'");
    EXPECT_EQ(in_process("int r0 = &x;"),
              "5:10: '&' takes no address here: the parameters are addresses already");
    EXPECT_EQ(in_process("int r0\nr0 = 1;"), "6:1: expected ';', but found 'r0'");
    EXPECT_EQ(in_process("r0 += 1;"), "5:4: expected '=', but found '+='");
    EXPECT_EQ(in_process("spinlock_t mine;"),
              "5:1: a lock is shared: it belongs into the initial state");
    EXPECT_THAT(in_process("int r0;\nwhile (r0) ;"), HasSubstr("6:1: 'while' is not part of"));
    EXPECT_THAT(in_process("if (*x) goto out;"), HasSubstr("5:9: 'goto' is not part of"));
    EXPECT_EQ(in_process("if (*x WRITE_ONCE(*x, 1);"), "5:8: expected ')', but found 'WRITE_ONCE'");
    EXPECT_EQ(in_process(std::string(200, '{')), "5:101: nested too deeply");
    EXPECT_EQ(in_process("int r0 = " + std::string(200, '(')), "5:109: nested too deeply");
    std::string loads;
    for (int i = 0; i < 65; ++i)
        loads += "READ_ONCE(*x);\n";
    EXPECT_EQ(in_process(loads), "69:1: this process has more than 64 loads");
    EXPECT_EQ(complaint("C t\n{}\nP0(int x) {}"),
              "3:4: a parameter is a pointer to a shared variable: 'int *x'");
    EXPECT_EQ(complaint("C t\n{}\nP0(int *x, int *x) {}"), "3:17: x is named twice");
    EXPECT_EQ(complaint("C t\n{}\nP0(int *x {}"), "3:11: expected ',' or ')', but found '{'");
}

TEST(Parser, a_malformed_condition_is_refused_with_its_place) {
    EXPECT_EQ(in_condition("exists (x=1 && x=2)"), "7:13: expected '/\\' or '\\/', but found '&&'");
    EXPECT_EQ(in_condition("exists (x=1"), "7:12: expected ')', but found the file ends");
    EXPECT_EQ(in_condition("exists (y=1)"), "7:9: there is no shared variable y");
    EXPECT_EQ(in_condition("exists (x=y)"), "7:11: there is no shared variable y");
    EXPECT_EQ(in_condition("exists (0:r5=1)"), "7:11: P0 has no register r5");
    EXPECT_EQ(in_condition("exists (4:r0=1)"), "7:9: there is no process 4");
    EXPECT_EQ(in_condition("exists (lo=1)"), "7:9: lo is a lock: it has no value");
    EXPECT_EQ(in_condition("exists (x>1)"), "7:10: expected '=', but found '>'");
    EXPECT_EQ(in_condition("exists (x=1) more"),
              "7:14: expected the end of the file, but found 'more'");
    EXPECT_EQ(in_condition("~forall (x=1)"), "7:2: expected 'exists', but found 'forall'");
    EXPECT_EQ(in_condition("locations [x y z]\nexists (x=1)"),
              "7:16: expected ';' or ']', but found 'z'");
    EXPECT_EQ(in_condition("exists " + std::string(200, '~')), "7:107: nested too deeply");
}

TEST(Primitives, names_have_parts) {
    const auto found = find_primitive("atomic_fetch_andnot_acquire");
    ASSERT_TRUE(found);
    EXPECT_EQ(found->rmw, SFC_AND);
    EXPECT_EQ(found->order, SFC_ACQUIRE);
    EXPECT_TRUE(found->complemented);
    EXPECT_EQ(find_primitive("atomic_long_inc_return")->order, SFC_FULL);
    EXPECT_EQ(find_primitive("cmpxchg_release")->order, SFC_RELEASE);
    EXPECT_EQ(find_primitive("atomic64_add")->value, Primitive::Value::none);
    for (const char* name : {"atomic_or_return", "atomic_add_relaxed", "atomic_or_and_test",
                             "atomic_fetch_add_and_test", "atomic_", "atomic_fetch_", "xchg_full",
                             "fetch_add", "atomic_add_and_test", "READ_ONCE_relaxed"})
        EXPECT_FALSE(find_primitive(name)) << name;
}

}  // namespace
}  // namespace surefoot::litmus
