#!/usr/bin/env python3
"""Runs memops directly and under `surefoot run`, and compares what the two print, byte by byte.

usage: compare.py --quiet-exec FILE --memops FILE --surefoot COMMAND [--fault-around N]
                  [--seed N] [--operations N]

What mincore tells is compared only if a fault populates one page, as on a kernel that has
multi-size THP off.

At a difference, the operations before it are printed one by one with the mappings after each.
"""
import argparse
import itertools
import os
import random
import re
import subprocess
import sys

WINDOW = 256


def run(prefix, options, seed, extra):
    command = [options.quiet_exec, *prefix, options.memops, str(seed), str(options.operations),
               *extra]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if done.returncode != 0:
        print(f"{' '.join(command)}: status {done.returncode}\n{done.stderr}")
    return done.returncode, done.stdout.splitlines()


def first_difference(a, b):
    for i, (x, y) in enumerate(itertools.zip_longest(a, b)):
        if x != y:
            return i
    return None


def explain(options, seed, end):
    window = ["--from", str(max(0, end - WINDOW)), "--to", str(end), "--maps"]
    (_, kernel), (_, ours) = both(options, seed, window)
    at = first_difference(kernel, ours)
    if at is None:
        print("the same when run again: it depends on more than the seed")
        return
    before = [line for line in kernel[:at] if re.match(r"\d", line)]
    print("last operation that agreed:", before[-1] if before else "none")
    for name, lines in (("kernel", kernel), ("surefoot", ours)):
        print(f"{name}:")
        for i in range(max(0, at - 3), min(len(lines), at + 4)):
            print(" >"[i == at], lines[i])


def both(options, seed, extra):
    if not options.remap:
        extra = ["--no-remap", *extra]
    if options.fault_around > 1:
        extra = ["--no-residency", *extra]
    surefoot = [*options.surefoot.split(), "run", f"--fault-around={options.fault_around}", "--"]
    return run([], options, seed, extra), run(surefoot, options, seed, extra)


def compare(options, seed):
    require = ["--require", "100"] if options.operations >= 200_000 else []
    (status, kernel), (our_status, ours) = both(options, seed, require)
    at = first_difference(kernel, ours)
    if at is None and status == our_status == 0:
        print("\n".join(line for line in kernel if not line.startswith("digest")))
        return 0
    if at is None:
        print("\n".join(line for line in kernel if "TOO FEW" in line))
        return 1
    print("first difference:", kernel[at:at + 1], ours[at:at + 1])
    found = re.match(r"digest (\d+)", kernel[at]) if at < len(kernel) else None
    explain(options, seed, int(found.group(1)) if found else options.operations)
    return 1


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--quiet-exec", required=True)
    parser.add_argument("--memops", required=True)
    parser.add_argument("--surefoot", required=True)
    parser.add_argument("--fault-around", type=int, default=1)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--operations", type=int, default=1_000_000)
    options = parser.parse_args()
    seed = options.seed
    if seed is None:
        seed = int(os.environ.get("SUREFOOT_SEED", random.randrange(1 << 32)))
    print(f"replay with SUREFOOT_SEED={seed}", flush=True)
    options.remap = subprocess.run([options.memops, "probe-remap"]).returncode == 0
    if not options.remap:
        print("mremap is not compared: this kernel's is older than Linux 6.17", flush=True)
    return compare(options, seed)


if __name__ == "__main__":
    sys.exit(main())
