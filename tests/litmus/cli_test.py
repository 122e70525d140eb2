#!/usr/bin/env python3
"""surefoot litmus as a command: exit statuses, messages, many files. usage: cli_test.py SUREFOOT"""
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

SUREFOOT = sys.argv[1]
PROGRAMS = Path(__file__).parent / "programs"
failures = 0


def run(*words, text=None):
    done = subprocess.run([SUREFOOT, "litmus", *map(str, words)], capture_output=True, text=True,
                          input=text)
    return done.returncode, done.stdout, done.stderr


def check(what, wanted, got):
    global failures
    if wanted != got:
        failures += 1
        print(f"{what}: wanted {wanted!r}, got {got!r}")


def refused(what, words, message):
    status, out, err = run(*words)
    check(f"{what}: status", 2, status)
    check(f"{what}: message", f"surefoot: {message}\n", err)
    return out


sb, mp = PROGRAMS / "SB.litmus", PROGRAMS / "MP.litmus"
with tempfile.TemporaryDirectory() as folder:
    bad = Path(folder) / "bad.litmus"
    bad.write_text("C bad\n{}\nP0(int *x)\n{\n\tfrob(x);\n}\n")
    wrong = Path(folder) / "wrong.litmus"
    wrong.write_text("C wrong\n{}\nP0(int *x)\n{\n\tspin_lock(x);\n}\n")

    status, out, err = run("--model=sc", sb, mp)
    check("two files: status", 0, status)
    check("two files: nothing on standard error", "", err)
    tests = [line for line in out.splitlines() if line.startswith(("Test", "Observation"))]
    check("two files", ["Test SB Allowed", "Observation SB Never 0 3",
                        "Test MP Allowed", "Observation MP Never 0 3"], tests)

    check("--quiet", (0, "Observation SB Sometimes 1 3\n", ""), run("--model=tso", "--quiet", sb))
    status, out, _ = run("--model=tso", "--json", sb, mp)
    check("--json", [(str(sb), "SB", "Sometimes"), (str(mp), "MP", "Never")],
          [(test["file"], test["name"], test["observation"]) for test in map(json.loads, out.splitlines())])
    check("after --", (0, "Observation SB Never 0 3\n", ""), run("--model=sc", "--quiet", "--", sb))

    check("standard input", (0, "Observation SB Never 0 3\n", ""),
          run("--model=sc", "--quiet", "-", text=sb.read_text()))

    deadlock = Path(folder) / "deadlock.litmus"
    deadlock.write_text("C deadlock\n{}\nP0(spinlock_t *s)\n{\n\tspin_lock(s);\n\tspin_lock(s);\n}\n"
                        "exists (true)\n")
    check("deadlock", (0, "Observation deadlock Never 0 0\n",
                       f"surefoot: {deadlock}: deadlock: in 1 of 1 executions a process waits for "
                       "ever\n"), run("--model=sc", "--quiet", deadlock))
    crossed = Path(folder) / "crossed.litmus"
    crossed.write_text("C crossed\n{}\n"
                       "P0(spinlock_t *a, spinlock_t *b)\n{\n\tspin_lock(a);\n\tspin_lock(b);\n"
                       "\tspin_unlock(b);\n\tspin_unlock(a);\n}\n"
                       "P1(spinlock_t *a, spinlock_t *b)\n{\n\tspin_lock(b);\n\tspin_lock(a);\n"
                       "\tspin_unlock(a);\n\tspin_unlock(b);\n}\nexists (true)\n")
    check("deadlock of some executions",
          (0, "Observation crossed Always 2 0\n",
           f"surefoot: {crossed}: deadlock: in 1 of 3 executions a process waits for ever\n"),
          run("--model=sc", "--quiet", crossed))
    status, out, err = run("--quiet", "--json", sb)
    check("--quiet --json", (2, "", True), (status, out, "excludes" in err))
    refused("a flag's value", ["--json=x", sb],
            "--json=x: --json takes no value (surefoot litmus --help)")

    status, alone, _ = run("--model=sc", sb)
    check("--jobs", (0, alone), run("--model=sc", "--jobs=3", sb)[:2])
    check("--jobs=0", 2, run("--jobs=0", sb)[0])

    refused("malformed", ["--model=sc", bad],
            f"{bad}:5:2: frob(): no such primitive in the kernel's litmus language")
    refused("refused while running", ["--model=sc", wrong],
            f"{wrong}:5:2: x is a word, not a spinlock_t")
    out = refused("the others still run", ["--model=sc", "--quiet", bad, sb],
                  f"{bad}:5:2: frob(): no such primitive in the kernel's litmus language")
    check("the others still run: output", "Observation SB Never 0 3\n", out)
    refused("no such file", [f"{folder}/none"], f"{folder}/none: No such file or directory")
    refused("a folder", [folder], f"{folder}: Is a directory: give {folder}/*.litmus")
    refused("no file", [], "litmus: no file is given (surefoot litmus --help)")
    refused("unknown model", ["--model=arm", sb], "--model=arm: not one of sc, tso, weak")
    refused("unknown option", ["--frob", sb], "--frob: unknown option (surefoot litmus --help)")
    status, out, _ = run("--help")
    check("--help", (0, True), (status, "--model" in out))
    with open("/dev/full", "w", encoding="ascii") as full:
        done = subprocess.run([SUREFOOT, "litmus", "--model=sc", sb], stdout=full,
                              stderr=subprocess.PIPE, text=True, env=os.environ)
    check("standard output cannot be written", (2, "surefoot: standard output: No space left on device\n"),
          (done.returncode, done.stderr))

print("litmus_cli:", "FAILED" if failures else "passed")
sys.exit(1 if failures else 0)
