#!/usr/bin/env python3
"""Feeds scripts/tidy.py small trees, most of them bad, and expects its verdicts."""
import sys
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
from tidy import Tidy, scan  # noqa: E402


def tidy(files):
    with tempfile.TemporaryDirectory() as folder:
        for name, text in files.items():
            path = Path(folder, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        result = Tidy(folder)
        result.run()
        return result


class Includes(unittest.TestCase):
    def judge(self, name, include, good):
        result = tidy({name: f"#include {include}\n"})
        self.assertEqual(not result.failures, good, (name, include, result.failures))

    def test_downward_through_the_umbrella_is_allowed(self):
        self.judge("src/mm/fault.cc", '"pgtable/pgtable.hpp"', True)
        self.judge("src/mm/fault.cc", '"mm/rights.hpp"', True)
        self.judge("src/mm/fault.cc", "<cstdint>", True)
        self.judge("src/arch/x86_64.hpp", '"impl/build.hpp"', True)
        self.judge("src/sync/lock.hpp", '"impl/lock.hpp"', True)
        self.judge("src/sync/rules.hpp", '"base/rules.def"', True)
        self.judge("src/api/space.cc", '"surefoot/space.hpp"', True)
        self.judge("src/host/linux/tlb.cc", '"sync/sync.hpp"', True)
        self.judge("src/sync/checked/lock.cc", '"surefoot/checker/engine.h"', True)

    def test_upward(self):
        self.judge("src/pgtable/walk.cc", '"mm/mm.hpp"', False)
        self.judge("src/base/types.hpp", '"sync/sync.hpp"', False)
        self.judge("src/mm/space.cc", '"surefoot/space.hpp"', False)

    def test_sideways(self):
        self.judge("src/pgtable/walk.cc", '"vma/vma.hpp"', False)
        self.judge("src/thp/collapse.cc", '"ksm/ksm.hpp"', False)
        self.judge("src/cpu/mirror/fill.cc", '"api/api.hpp"', False)

    def test_past_the_umbrella(self):
        self.judge("src/mm/fault.cc", '"pgtable/walk.hpp"', False)
        self.judge("src/phys/frame.cc", '"base/rules.def"', False)

    def test_the_seam(self):
        self.judge("src/mm/fault.cc", '"impl/lock.hpp"', False)
        self.judge("src/mm/fault.cc", '"surefoot/checker/engine.h"', False)
        self.judge("src/sync/native/lock.cc", '"surefoot/checker/engine.h"', False)

    def test_walls(self):
        self.judge("checker/engine/engine.cc", '"base/base.hpp"', True)
        self.judge("checker/engine/engine.cc", '"phys/phys.hpp"', False)
        self.judge("include/surefoot/space.hpp", '"mm/mm.hpp"', False)
        self.judge("src/cpu/mirror/zygote/main.cc", "<linux/futex.h>", True)
        self.judge("src/cpu/mirror/zygote/main.cc", "<vector>", False)
        self.judge("src/mm/fault.cc", '"../pgtable/pgtable.hpp"', False)
        self.judge("src/mm/fault.cc", '"nowhere.hpp"', False)
        self.judge("src/novel/fault.cc", '"base/base.hpp"', False)


class OneDoor(unittest.TestCase):
    def judge(self, text, good, name="src/mm/fault.cc"):
        result = tidy({name: text + "\n"})
        self.assertEqual(not result.failures, good, (text, result.failures))

    def test_banned_names(self):
        for text in ["std::atomic<int> f();", "void f(std::mutex& m);", "void f(std::thread& t);",
                     "void f(volatile int* p);", "void f() { __sync_synchronize(); }",
                     "void f(int* p) { __atomic_load_n(p, 0); }", 'void f() { asm(""); }',
                     "void f() { pthread_self(); }", "#include <urcu/urcu-bp.h>",
                     "#include <atomic>", "void f() { urcu_bp_read_lock(); }",
                     "void f(std::shared_mutex&);", "void f(std::jthread&);",
                     "void f(std::condition_variable&);", "extern thread_local int x;",
                     "void f() { syscall(SYS_futex, 0); }"]:
            self.judge(text, False)
            self.judge(text, True, "src/sync/native/a.cc")

    def test_words_and_comments_are_not_banned(self):
        self.judge("// volatile, std::mutex\n", True)
        self.judge('const char* f() { return "asm volatile"; }', True)
        self.judge("void f(int nonvolatile);", True)

    def test_mutable_statics(self):
        for text in ["static int calls;", "namespace { int calls = 0; }", "int calls{3};",
                     "void f() { static int calls = 0; ++calls; }",
                     "void f() { static Foo foo{1}; }", "static const char* name = nullptr;",
                     "struct A { inline static int calls = 0; };", "std::vector<int> all;",
                     "namespace a::inline B { inline Foo* last; }", "extern int shared;"]:
            self.judge(text, False)

    def test_what_only_looks_like_a_mutable_static(self):
        for text in ["static constexpr int kCalls = 3;", "static int f(int x);",
                     "static const char* const kName = nullptr;", "constexpr int kTable[] = {1, 2};",
                     "struct A { static int f(); int x = 0; static bool operator==(A, A); };",
                     "void f() { int x = 0; g(x); }", "template class Walker<int>;",
                     "using X = int;", "enum class E : int { a, b };", "static_assert(true);",
                     "class A { public: A() : x_{1}, y_(2) {} private: int x_; int y_; };",
                     "int A::f() { return x_; }\nstruct B;\n", "static const Foo kFoo{1};",
                     "template <class T> concept C = requires(T t) { t.f(); };",
                     "inline constexpr auto kF = [](int x) { return x; };"]:
            self.judge(text, True)

    def test_an_exception_needs_a_reason(self):
        bad = {"src/cpu/a.cc": 'void f() { asm(""); }\n'}
        line = "one-door src/cpu/* asm"
        self.assertTrue(tidy(bad).failures)
        self.assertFalse(tidy(bad | {"scripts/tidy_exceptions.txt": line + " : entry\n"}).failures)
        self.assertTrue(tidy(bad | {"scripts/tidy_exceptions.txt": line + "\n"}).failures)


class Leftovers(unittest.TestCase):
    def test_leftovers(self):
        for text in ["// TO" + "DO: later", "// FIX" + "ME", "int x();  // X" + "XX",
                     'const char* f() { return "not ' + 'implemented"; }',
                     "#ifdef SF_CHECKED", "#if defined(SUREFOOT_NATIVE)"]:
            for tree in ["src/mm", "tools/a", "tests/unit", "bench"]:
                self.assertTrue(tidy({tree + "/a.cc": text + "\n"}).failures, (tree, text))

    def test_not_leftovers(self):
        for text in ["// mkstemp: /tmp/aXXXXXX", "#ifdef SF_RELEASE", "int implemented();"]:
            self.assertFalse(tidy({"src/mm/a.cc": text + "\n"}).failures, text)


class Tests(unittest.TestCase):
    def judge(self, body, good):
        result = tidy({"tests/unit/a_test.cc": "TEST(a, b) {\n" + body + "\n}\n"})
        self.assertEqual(not result.failures, good, (body, result.failures))

    def test_tests_that_decide_nothing(self):
        self.judge("EXPECT_EQ(f(), 3);", True)
        self.judge("check_tables(mm);", True)
        self.judge("f();", False)
        self.judge("EXPECT_TRUE(true);", False)
        self.judge("EXPECT_EQ(x, x);", False)
        self.judge("SUCCEED();", False)

    def test_sleeps(self):
        self.judge("usleep(10); EXPECT_EQ(f(), 3);", False)
        self.judge("std::this_thread::sleep_for(1ms); EXPECT_EQ(f(), 3);", False)

    def test_skips(self):
        self.judge("GTEST_SKIP();", False)
        self.judge('GTEST_SKIP() << "";', False)
        self.judge('GTEST_SKIP() << "no /dev/kvm";', True)


class Notes(unittest.TestCase):
    def test_sizes_are_notes(self):
        long = "void f() {\n" + "    g();\n" * 70 + "}\n"
        for files in [{"src/mm/a.cc": "\n" * 601}, {"src/mm/a.hpp": "\n" * 401},
                      {"tests/a.cc": "\n" * 1001}, {"src/mm/a.cc": long},
                      {f"src/mm/a{i}.cc": "\n" for i in range(16)}]:
            result = tidy(files)
            self.assertEqual((len(result.notes), result.failures), (1, []))

    def test_context_unsafe_is_listed_and_needs_a_reason(self):
        good = tidy({"src/mm/a.cc": 'void f() SF_CONTEXT_UNSAFE("factory") {}\n'})
        self.assertEqual((len(good.unsafe), good.failures), (1, []))
        self.assertTrue(tidy({"src/mm/a.cc": 'void f() SF_CONTEXT_UNSAFE("") {}\n'}).failures)

    def test_functions_are_found(self):
        code = ("namespace a {\ntemplate <class T>\nstruct S : B<(1)> {\n  int f() const {\n    "
                "if (x) {\n      g();\n    }\n    return 1;\n  }\n};\n"
                "S::S(int x) : a_{x}, b_(x) {\n}\n}\n")
        functions, _ = scan(code)
        self.assertEqual([(first, last) for _, first, last in functions], [(4, 9), (11, 12)])


if __name__ == "__main__":
    unittest.main()
