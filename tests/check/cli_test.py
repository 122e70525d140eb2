#!/usr/bin/env python3
"""surefoot check, list and explain as commands: exit statuses, messages, JSON. usage: cli_test.py SUREFOOT"""
import json
import subprocess
import sys

SUREFOOT = sys.argv[1]
failures = 0


def run(*words):
    done = subprocess.run([SUREFOOT, *words], capture_output=True, text=True)
    return done.returncode, done.stdout, done.stderr


def check(what, wanted, got):
    global failures
    if wanted != got:
        failures += 1
        print(f"{what}: wanted {wanted!r}, got {got!r}")


def check_holds():
    status, out, _ = run("check", "mm/fault-f*", "--json")
    found = [json.loads(line) for line in out.splitlines()]
    check("holds: status", 0, status)
    check("holds: models", ["sc", "tso"], [one["model"] for one in found])
    for one in found:
        check("holds: verdict", "holds", one["verdict"])
        check("holds: off", [], one["off"])
        check("holds: pruned", 0, one["executions"]["pruned"])


def check_violated():
    words = ["check", "mm/fault-fault", "--model=sc", "--off=fault_rechecks_none"]
    status, out, _ = run(*words, "--json")
    found = json.loads(out)
    check("violated: status", 1, status)
    check("violated: verdict", "violated", found["verdict"])
    check("violated: off", ["fault_rechecks_none"], found["off"])
    check("violated: reached", True, "fault_rechecks_none" in found["reached"])
    status, again, _ = run(*words, "--replay=" + found["replay"], "--json")
    check("replay: status", 1, status)
    check("replay: invariant", found["invariant"], json.loads(again)["invariant"])
    status, out, _ = run(*words)
    check("text: status", 1, status)
    check("text: replay", True, "--replay=" + found["replay"] in out)
    check("text: tasks", True, "fault A" in out and "fault B" in out)
    check("text: names", True, "mm.vmas" in out and "descriptor" in out)


def check_incomplete():
    status, out, _ = run("check", "mm/fault-fault", "--model=sc", "--random=5")
    check("random: status", 3, status)
    check("random: verdict", True, "incomplete" in out)


def check_rules():
    status, out, _ = run("check", "--all-rules")
    rules = {line.split()[0] for line in run("list", "rules")[1].splitlines()}
    check("all rules: status", 0, status)
    check("all rules: table", rules, {line.split()[0] for line in out.splitlines()})


def check_texts():
    check("scenarios", True, "mm/fault-munmap" in run("list", "scenarios")[1])
    status, out, _ = run("explain", "map_lock_rechecks_pmd")
    check("explain: status", 0, status)
    command = [line.split() for line in out.splitlines() if "surefoot check" in line][0]
    check("explain: command breaks it", 1, run(*command[1:])[0])


def check_refused():
    refused = [
        (["check", "nope"], "surefoot: nope: no such scenario (surefoot list scenarios)\n"),
        (["check", "--off=nope"], "surefoot: --off=nope: no such rule (surefoot list rules)\n"),
        (["explain", "nope"], "surefoot: nope: no such rule or scenario\n"),
    ]
    for words, message in refused:
        status, out, err = run(*words)
        check(f"{words}: status", 2, status)
        check(f"{words}: output", "", out)
        check(f"{words}: message", message, err)
    for words in [["check", "--model=arm"], ["check", "--frob"], ["list", "frobs"], ["explain"]]:
        status, _, err = run(*words)
        check(f"{words}: status", 2, status)
        check(f"{words}: one line", 1, err.count("\n"))
    status, out, _ = run("check", "--help")
    check("help: status", 0, status)
    check("help", True, "--all-rules" in out)


check_holds()
check_violated()
check_incomplete()
check_rules()
check_texts()
check_refused()
sys.exit(1 if failures else 0)
