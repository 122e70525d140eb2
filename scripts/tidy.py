#!/usr/bin/env python3
"""Checks of the house rules that a compiler does not make. CONTRIBUTING.md has the rules by name.

usage: scripts/tidy.py [--root DIR] [--quiet]

Fails (exit status 1) on: downward-only, one-door, no-leftovers, tests-decide, lock-order,
named-exceptions.
Notes, without failing: sizes, and every SF_CONTEXT_UNSAFE. The last line is a summary.
"""
import argparse
import fnmatch
import re
import sys
from pathlib import Path

LAYERS = {
    "base": 0,
    "arch": 1, "sync": 1,
    "phys": 2, "host": 2,
    "pgtable": 3, "vma": 3,
    "rmap": 4,
    "mm": 5,
    "thp": 6, "hugetlb": 6, "ksm": 6, "swap": 6, "uffd": 6, "pagecache": 6,
    "api": 7, "cpu": 7,
    "linux": 8,
}
PUBLIC_HEADERS_FROM = 7          # the lowest layer that sees include/surefoot
SEAM_HEADERS = {"impl/build.hpp", "impl/format.hpp"}   # of src/sync, open to every folder
CHECKED_SEAM = "src/sync/checked/"   # what meets the checker's engine
CHECKER_SEES_UP_TO = 0           # the checker knows base, and nothing that it checks

CODE = {".cc", ".hpp", ".h", ".inl", ".c", ".S", ".def"}
PARSED = {".cc", ".hpp", ".h", ".inl", ".c"}
TREES = ["src", "include", "checker", "scenarios", "tools", "tests", "bench", "examples"]

LINE_LIMITS = {"tests": 1000, ".cc": 600, ".hpp": 400, ".h": 400, ".inl": 400}
FUNCTION_LIMIT = 60
FOLDER_LIMIT = 15

ZYGOTE = "src/cpu/mirror/zygote"
FREESTANDING = re.compile(
    r"(cstdint|cstddef|climits|limits|type_traits|concepts|bit|utility|array|span|version"
    r"|std(int|def|arg|bool)\.h|limits\.h|(linux|asm|asm-generic)/.*)$")

BANNED = [(name, re.compile(pattern)) for name, pattern in [
    ("std::atomic", r"\bstd::(atomic\w*|memory_order\w*)\b"),
    ("std::mutex", r"\bstd::(mutex|recursive_mutex|timed_mutex|lock_guard|unique_lock|scoped_lock"
                   r"|call_once|once_flag)\b"),
    ("std::shared_mutex", r"\bstd::shared_(mutex|timed_mutex|lock)\b"),
    ("std::thread", r"\bstd::(jthread|thread|this_thread|async|future|promise|stop_token)\b"),
    ("std::condition_variable", r"\bstd::(condition_variable\w*|counting_semaphore"
                                r"|binary_semaphore|latch|barrier)\b"),
    ("<atomic>", r"#\s*include\s*<(atomic|mutex|shared_mutex|thread|condition_variable|semaphore"
                 r"|latch|barrier|future|stop_token|stdatomic\.h|threads\.h)>"),
    ("volatile", r"\bvolatile\b"),
    ("__sync_", r"\b__sync_\w+"),
    ("__atomic_", r"\b__atomic_\w+"),
    ("asm", r"\b(asm|__asm|__asm__)\b"),
    ("urcu", r"\burcu\w*|#\s*include\s*<urcu[^>]*>"),
    ("pthread_", r"\bpthread_\w+|#\s*include\s*<pthread\.h>"),
    ("thread_local", r"\b(thread_local|__thread)\b"),
    ("futex", r"\bsyscall\s*\(\s*(SYS|__NR)_futex\b"),
]]

LEFTOVERS = re.compile(
    r"\b(TODO|FIXME|XXX|HACK|WIP|TBD)\b"
    r"|\b(not implemented|not yet implemented|unimplemented|implement (me|later))\b", re.I)
BUILD_IFDEF = re.compile(r"^\s*#\s*(if|ifdef|ifndef|elif)\b.*(checked|native)", re.I)

SLEEPS = re.compile(r"\b(sleep_for|sleep_until|usleep|nanosleep|clock_nanosleep|sleep)\s*\(")
TRIVIAL = [re.compile(p) for p in [
    r"\b(EXPECT|ASSERT)_TRUE\s*\(\s*true\s*\)",
    r"\b(EXPECT|ASSERT)_FALSE\s*\(\s*false\s*\)",
    r"\b(EXPECT|ASSERT)_(EQ|LE|GE)\s*\(\s*([\w:.]+)\s*,\s*\3\s*\)",
    r"\bSUCCEED\s*\(",
]]
DECIDES = re.compile(
    r"\b(EXPECT_|ASSERT_|ADD_FAILURE|FAIL\b|static_assert\b|GTEST_SKIP)"
    r"|\b(check|expect|verify|require)\w*\s*(<[^;()]*>)?\s*\(", re.I)


class Tidy:
    def __init__(self, root):
        self.root = Path(root)
        self.failures = []
        self.notes = []
        self.unsafe = []
        self.files = 0
        self.exceptions = []
        self.read_exceptions()

    # --- findings ---------------------------------------------------------------------------

    def read_exceptions(self):
        path = self.root / "scripts/tidy_exceptions.txt"
        if not path.exists():
            return
        for number, line in enumerate(path.read_text().splitlines(), 1):
            if not line.strip() or line.startswith("#"):
                continue
            head, _, reason = line.partition(" : ")
            words = head.split()
            if len(words) != 3 or not reason.strip():
                self.failures.append(f"scripts/tidy_exceptions.txt:{number}: named-exceptions: "
                                     "want 'RULE PATH WHAT : reason'")
                continue
            self.exceptions.append(words)

    def excepted(self, rule, path, what):
        return any(rule == r and fnmatch.fnmatch(path, p) and fnmatch.fnmatch(what, w)
                   for r, p, w in self.exceptions)

    def fail(self, rule, path, line, what, text):
        if not self.excepted(rule, path, what):
            self.failures.append(f"{path}:{line}: {rule}: {text}")

    def note(self, path, what, text):
        if not self.excepted("sizes", path, what):
            self.notes.append(f"{path}: note: {text}")

    # --- the run ----------------------------------------------------------------------------

    def run(self):
        for tree in TREES:
            folders = {}
            for path in sorted((self.root / tree).rglob("*")):
                if path.is_file() and path.suffix in CODE:
                    name = path.relative_to(self.root).as_posix()
                    if "/build/" in name:
                        continue
                    folders.setdefault(str(Path(name).parent), []).append(name)
                    self.files += 1
                    self.check(name, path.suffix, path.read_text(errors="replace"))
            for folder, names in folders.items():
                if len(names) > FOLDER_LIMIT:
                    self.note(folder, "folder", f"{len(names)} files (wanted: {FOLDER_LIMIT})")
        self.check_lock_order()
        return not self.failures

    def check_lock_order(self):
        """docs/locking.md shows the lock classes in the order of src/sync/lock_classes.hpp."""
        code = self.root / "src/sync/lock_classes.hpp"
        page = self.root / "docs/locking.md"
        if not code.is_file() or not page.is_file():
            return
        body = re.search(r"enum class LockId[^{]*\{(.*?)\};", code.read_text(), re.S)
        shown = re.search(r"<!-- lock-order -->\n```\n(.*?)```", page.read_text(), re.S)
        rows = re.findall(r"^\s*(\w+),\s*(?://\s*(.*))?$", body.group(1) if body else "", re.M)
        wanted = [f"{name:<18}{text}".rstrip() for name, text in rows]
        if not shown or shown.group(1).splitlines() != wanted:
            self.fail("lock-order", "docs/locking.md", 1, "*",
                      "the lock order differs from src/sync/lock_classes.hpp")

    def check(self, name, suffix, text):
        code = blank(text, keep_strings=False)
        tree = name.split("/")[0]
        if tree in ("src", "checker", "include"):
            self.check_includes(name, blank(text, keep_strings=True))
        if tree in ("src", "include") and not name.startswith("src/sync/"):
            self.check_one_door(name, code)
        self.check_leftovers(name, text)
        functions, variables = [], []
        if suffix in PARSED:
            functions, variables = scan(code)
        if tree in ("src", "include") and not name.startswith("src/sync/"):
            for line, head in variables:
                self.fail("one-door", name, line, "static", f"mutable static: {head}")
        if tree == "tests":
            self.check_tests(name, code, blank(text, keep_strings=True), functions)
        self.check_sizes(name, suffix, text, functions)
        for match in re.finditer(r"^(?!\s*#).*?\bSF_CONTEXT_UNSAFE\(\s*([^)]*)\)",
                                 blank(text, keep_strings=True), re.M):
            line = line_of(text, match.start(1))
            self.unsafe.append(f"{name}:{line}: {match.group(1)}")
            if not re.search(r'"[^"]*\w[^"]*"', match.group(1)):
                self.fail("named-exceptions", name, line, "SF_CONTEXT_UNSAFE",
                          "SF_CONTEXT_UNSAFE without a reason")

    # --- downward-only ----------------------------------------------------------------------

    def check_includes(self, name, text):
        for match in re.finditer(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"\n]+)[>"]', text, re.M):
            bracket, target = match.groups()
            complaint = self.judge_include(name, bracket, target)
            if complaint:
                self.fail("downward-only", name, line_of(text, match.start(1)), target,
                          f"{target}: {complaint}")

    def judge_include(self, name, bracket, target):
        parts = name.split("/")
        mine = parts[1] if parts[0] == "src" and len(parts) > 2 else None
        theirs = target.split("/")[0] if "/" in target else None
        if name.startswith(ZYGOTE + "/") and bracket == "<" and not FREESTANDING.match(target):
            return "the zygote is freestanding"
        if ".." in target.split("/"):
            return "an include path goes down from src/, never through '..'"
        if theirs == "impl":
            if mine == "sync" or target in SEAM_HEADERS:
                return None
            return "the seam's headers belong to src/sync"
        if target.startswith("surefoot/checker/"):
            if parts[0] == "src" and not name.startswith(CHECKED_SEAM):
                return "the engine is met through src/sync only"
            return None
        if theirs == "surefoot":
            if parts[0] == "src" and LAYERS.get(mine, 99) < PUBLIC_HEADERS_FROM:
                return "the public headers are above this layer"
            return None
        ours = theirs in LAYERS and (bracket == '"' or (self.root / "src" / target).exists())
        if ours:
            return self.judge_edge(parts[0], mine, theirs, target)
        if bracket == '"' and parts[0] == "src":
            here = self.root / Path(name).parent / target
            if not here.exists() and theirs != "sys":
                return "no such header here; other folders are named from src/"
        return None

    def judge_edge(self, tree, mine, theirs, target):
        if tree == "include":
            return "a public header shows no internal header"
        if tree == "checker":
            if LAYERS[theirs] > CHECKER_SEES_UP_TO:
                return "the checker sees src/base only"
            return None
        if mine not in LAYERS:
            return "the folder has no layer (scripts/tidy.py)"
        if mine == theirs:
            return None
        if (mine, target) == ("sync", "base/rules.def"):
            return None
        if LAYERS[theirs] > LAYERS[mine]:
            return f"upward: layer {LAYERS[mine]} includes layer {LAYERS[theirs]}"
        if LAYERS[theirs] == LAYERS[mine]:
            return f"sideways: {mine} and {theirs} are both on layer {LAYERS[mine]}"
        if target != f"{theirs}/{theirs}.hpp":
            return f"other folders include {theirs}/{theirs}.hpp only"
        return None

    # --- one-door, no-leftovers, tests-decide, sizes ----------------------------------------

    def check_one_door(self, name, code):
        for number, line in enumerate(code.splitlines(), 1):
            for what, pattern in BANNED:
                match = pattern.search(line)
                if match:
                    self.fail("one-door", name, number, what,
                              f"{match.group(0)}: src/sync is the only door to concurrency")

    def check_leftovers(self, name, text):
        for number, line in enumerate(text.splitlines(), 1):
            match = LEFTOVERS.search(line)
            if match:
                self.fail("no-leftovers", name, number, match.group(0), f"'{match.group(0)}'")
            if BUILD_IFDEF.search(line):
                self.fail("no-leftovers", name, number, "ifdef",
                          "the builds differ by include path, never by #if")

    def check_tests(self, name, code, with_strings, functions):
        lines = code.splitlines()
        for number, line in enumerate(lines, 1):
            if SLEEPS.search(line):
                self.fail("tests-decide", name, number, "sleep", "a test waits for an event")
            if any(pattern.search(line) for pattern in TRIVIAL):
                self.fail("tests-decide", name, number, "trivial", "this cannot fail")
        for match in re.finditer(r"\bGTEST_SKIP\s*\(\s*\)([^;]*);", with_strings):
            if not re.search(r'<<\s*.*\w', match.group(1), re.S):
                self.fail("tests-decide", name, line_of(with_strings, match.start()), "skip",
                          "GTEST_SKIP() without a printed reason")
        for head, first, last in functions:
            if re.match(r"(TEST|TEST_F|TEST_P|TYPED_TEST|TYPED_TEST_P)\s*\(", head):
                if not DECIDES.search("\n".join(lines[first - 1:last])):
                    self.fail("tests-decide", name, first, "nothing", f"{head} asserts nothing")

    def check_sizes(self, name, suffix, text, functions):
        limit = LINE_LIMITS["tests"] if name.startswith("tests/") else LINE_LIMITS.get(suffix)
        lines = text.count("\n")
        if limit and lines > limit:
            self.note(name, "file", f"{lines} lines (wanted: {limit})")
        for head, first, last in functions:
            if last - first + 1 > FUNCTION_LIMIT:
                self.note(name, "function", f"line {first}: {last - first + 1} lines "
                          f"(wanted: {FUNCTION_LIMIT}): {head[:60]}")


# --- reading C++ ------------------------------------------------------------------------------

TOKEN = re.compile(
    r'(?P<comment>//(?:\\\n|[^\n])*|/\*.*?\*/)'
    r'|(?P<raw>R"(?P<tag>[^()\\\s]{0,16})\(.*?\)(?P=tag)")'
    r'|(?P<string>"(?:\\.|[^"\\\n])*")'
    r"|(?<![0-9a-fA-F])(?P<char>'(?:\\.|[^'\\\n])+')", re.S)


def blank(text, keep_strings):
    """The text with comments (and what strings hold) blanked; lines and columns stay."""
    def erase(match):
        if match.group("comment"):
            return re.sub(r"[^\n]", " ", match.group(0))
        line_start = text.rfind("\n", 0, match.start()) + 1
        if keep_strings or re.match(r"\s*#\s*include", text[line_start:match.start()]):
            return match.group(0)
        return '"' + re.sub(r"[^\n]", " ", match.group(0)[1:-1]) + '"'
    return TOKEN.sub(erase, text)


def line_of(text, offset):
    return text.count("\n", 0, offset) + 1


def is_constant(head):
    if re.search(r"\b(constexpr|consteval)\b", head):
        return True
    return bool(re.search(r"\bconst\b", head)) and (
        "*" not in head or bool(re.search(r"\*\s*const\b", head)))


def is_mutable_variable(head, in_function):
    """Whether a declaration makes storage of static duration that can change."""
    head = re.sub(r"\[\[.*?\]\]|\balignas\s*\([^()]*\)", " ", head, flags=re.S).strip()
    head = re.sub(r"^(public|private|protected)\s*:\s*", "", head)
    if re.search(r"\boperator\b", head):
        return False
    before = re.split(r"[={]", head, maxsplit=1)[0]
    if "(" in before or is_constant(before):
        return False
    if re.search(r"\bstatic\b", before):
        return True
    if in_function or not before or "#" in before:
        return False
    if re.match(r"(using|typedef|struct|class|enum|union|template|namespace|friend"
                r"|static_assert|concept|requires|goto|return|asm)\b", before):
        return False
    return bool(re.match(r"[\w:][\w:<>,\s*&]*[\s*&>][\w:]+\s*(\[[^\]]*\]\s*)*$", before))


def kind_of(head, outer):
    plain = re.sub(r"\[\[.*?\]\]", " ", head, flags=re.S).strip()
    plain = re.sub(r"^(public|private|protected)\s*:\s*", "", plain)
    while plain.startswith("template"):
        plain = strip_template(plain)
    if re.match(r'(inline\s+)?namespace\b|extern\s*"', plain):
        return "namespace"
    if outer in ("namespace", "type"):
        if re.match(r"(typedef\s+|static\s+|inline\s+|const\w*\s+)*(class|struct|union|enum)\b",
                    plain) and not re.search(r"\)\s*(const|noexcept|override|\s)*$", plain):
            return "type"
        if "(" in plain and not re.search(r"=\s*$", plain):
            before = plain.split("(", 1)[0]
            if re.search(r"\)\s*(noexcept\s*)?:(?!:)", plain) and re.search(r"[\w>]\s*$", plain):
                return "block"              # a member's initialiser, `: member_{...}`
            if "=" not in before or "operator" in before:
                return "function"
    return "block"


def strip_template(head):
    depth, index = 0, head.find("<")
    if index < 0:
        return head[len("template"):].lstrip()
    for position in range(index, len(head)):
        if head[position] == "<":
            depth += 1
        elif head[position] == ">" and head[position - 1] != "-":
            depth -= 1
            if depth == 0:
                rest = head[position + 1:].lstrip()
                return re.sub(r"^requires\b[^{;]*?(?=\b(class|struct)\b)", "", rest)
    return head[len("template"):].lstrip()


def scan(code):
    """Functions as (head, first line, last line) and mutable variables as (line, head)."""
    def drop(match):
        return re.sub(r"[^\n]", " ", match.group(0))
    code = re.sub(r"^[ \t]*#(?:\\\n|[^\n])*", drop, code, flags=re.M)
    functions, variables = [], []
    scopes = [["namespace", "", 0, 0]]          # kind, statement so far, its offset, head line
    for match in re.finditer(r"[{};]|[^{};]+", code):
        token = match.group(0)
        scope = scopes[-1]
        if token == "{":
            kind = kind_of(scope[1], scope[0])
            scopes.append([kind, "", 0, line_of(code, scope[2] or match.start())])
        elif token == "}":
            if len(scopes) == 1:
                continue
            done = scopes.pop()
            outer = scopes[-1]
            if done[0] == "function":
                functions.append((" ".join(outer[1].split()), done[3],
                                  line_of(code, match.start())))
            if done[0] in ("function", "namespace") or (
                    done[0] == "block" and outer[0] in ("function", "block")
                    and "static" not in outer[1]):
                outer[1], outer[2] = "", 0
            else:
                outer[1] += "{}"
        elif token == ";":
            if scope[1]:
                if is_mutable_variable(scope[1], scope[0] != "namespace"):
                    variables.append((line_of(code, scope[2]), " ".join(scope[1].split())[:70]))
            scope[1], scope[2] = "", 0
        elif token.strip():
            if not scope[1]:
                scope[2] = match.start() + len(token) - len(token.lstrip())
            scope[1] += token.strip() + " "
    return functions, variables


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", default=Path(__file__).resolve().parent.parent)
    parser.add_argument("--quiet", action="store_true", help="no notes")
    options = parser.parse_args()
    tidy = Tidy(options.root)
    good = tidy.run()
    if not options.quiet:
        for line in tidy.notes:
            print(line)
        for line in tidy.unsafe:
            print(f"unsafe: {line}")
    for line in tidy.failures:
        print(line)
    print(f"tidy: {tidy.files} files, {len(tidy.failures)} failures, {len(tidy.notes)} notes, "
          f"{len(tidy.unsafe)} SF_CONTEXT_UNSAFE")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
