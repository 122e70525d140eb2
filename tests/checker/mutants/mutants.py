#!/usr/bin/env python3
"""Engines made wrong on purpose: each has to be caught by the test that is named for it.

usage: mutants.py BUILD [NAME...]

mutants.txt has the edits. A copy of checker/ is edited, what the edit touches is compiled with the
build's own commands, the named test is linked with it in front of the library and has to fail; with
the engine as it is, it has to pass. An edit whose lines are not found exactly once is an error.
"""
import json
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ENGINE = HERE.parents[2] / "checker"
TIMEOUT = 300


class Mutant:
    def __init__(self, name):
        self.name, self.file, self.test = name, "", []
        self.edits = []                     # (lines, lines), found and put instead

    def apply(self, copy):
        path = copy / self.file
        text = path.read_text()
        for old, new in self.edits:
            pattern = r"[ \t]*" + r"\n[ \t]*".join(re.escape(line) for line in old) + r"(?=\n)"
            text, count = re.subn(pattern, lambda _: "\n".join(new), text)
            if count != 1:
                sys.exit(f"{self.name}: {self.file} has this {count} times, wanted once; "
                         "the edit has to follow the engine:\n  " + "\n  ".join(old))
        path.write_text(text)


def read_mutants():
    mutants = []
    for line in (HERE / "mutants.txt").read_text().splitlines():
        if line.startswith("== "):
            mutants.append(Mutant(line[3:].strip()))
        elif line.startswith("file: "):
            mutants[-1].file = line[6:].strip()
        elif line.startswith("test: "):
            mutants[-1].test = line[6:].split()
        elif line.startswith("@@"):
            mutants[-1].edits.append(([], []))
        elif line.startswith(("- ", "+ ")):
            mutants[-1].edits[-1][line[0] == "+"].append(line[2:].strip())
        elif line.strip() and not line.startswith("#"):
            sys.exit(f"mutants.txt: what is this? {line}")
    return mutants


class Builder:
    def __init__(self, build):
        self.build = build
        self.commands = {}
        for entry in json.loads((build / "compile_commands.json").read_text()):
            source = Path(entry["file"])
            if source.is_relative_to(ENGINE):
                self.commands[source.relative_to(ENGINE)] = entry
        self.tests = {}

    def beside(self, header):
        return [source for source in self.commands if source.parts[0] == header.parts[0]]

    def compile(self, relative, copy):
        entry = self.commands[relative]
        output = copy / relative.with_suffix(".o")
        words = [word.replace(str(ENGINE), str(copy)) for word in shlex.split(entry["command"])]
        words[words.index("-o") + 1] = str(output)
        run([*words, "-w"], entry["directory"])
        return output

    def link(self, target, objects, output):
        """Objects come before the library: it then has nothing left to say."""
        if target not in self.tests:
            text = run(["ninja", "-t", "commands", "-s", f"tests/{target}"], self.build)
            self.tests[target] = text.splitlines()[-1]
        command = self.tests[target].replace(
            f" -o tests/{target} ", f" {' '.join(map(str, objects))} -o {output} ")
        run(["sh", "-c", command], self.build)


def run(command, directory):
    done = subprocess.run(command, cwd=directory, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)}\n{done.stdout}{done.stderr}")
    return done.stdout


def status_of(program, arguments):
    try:
        return subprocess.run([str(program), *arguments], timeout=TIMEOUT,
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode
    except subprocess.TimeoutExpired:
        return "no end"


def is_caught(mutant, builder, place):
    copy = place / mutant.name
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(ENGINE, copy)
    mutant.apply(copy)
    changed = Path(mutant.file)
    sources = [changed] if changed in builder.commands else builder.beside(changed)
    objects = [builder.compile(source, copy) for source in sources]
    target, *arguments = mutant.test
    builder.link(target, objects, copy / target)
    status = status_of(copy / target, arguments)
    print(f"{'SURVIVED' if status == 0 else 'caught  '} {mutant.name}: "
          f"{' '.join(mutant.test)}: {status}", flush=True)
    shutil.rmtree(copy)
    return status != 0


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    build, wanted = Path(sys.argv[1]).resolve(), sys.argv[2:]
    mutants = [m for m in read_mutants() if not wanted or m.name in wanted]
    builder = Builder(build)
    for test in sorted({tuple(mutant.test) for mutant in mutants}):
        if status_of(build / "tests" / test[0], test[1:]) != 0:
            sys.exit(f"fails with the engine as it is: {' '.join(test)}")
    survivors = [m.name for m in mutants if not is_caught(m, builder, build / "mutants")]
    print(f"{len(mutants)} mutants, {len(survivors)} survived {' '.join(survivors)}")
    sys.exit(1 if survivors or not mutants else 0)


main()
