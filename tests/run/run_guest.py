#!/usr/bin/env python3
"""Runs programs under `surefoot run` and judges what comes out.

usage: run_guest.py --surefoot "[LAUNCHER] SUREFOOT" MODE ...

  same [--stdin FILE] [--options=WORDS] -- PROGRAM ARGS   as when run directly, byte by byte
  prints REGEX WORDS...                                   standard output
  fails STATUS REGEX WORDS...                             exit status, one line on standard error
  malformed PROGRAM                                       damaged copies of it are refused with 126
  fifo                                                    a FIFO is refused, not waited for
  closed PROGRAM                                          without 0, 1 and 2 it ends as with them
  stub_killed PROGRAM                                     a guest that waits ends with its stub
  open_interrupted                                        a signal ends an open that waits
  stub_stopped PROGRAM                                    SIGTERM, repeated, still ends the server
  limited RESOURCE SOFT WORDS...                          as when run directly with that limit
  limited_hard RESOURCE HARD REGEX WORDS...               one line, exit status 125
  forwarded PROGRAM                                       signals sent to the server reach the guest
  inherited PROGRAM                                       ... blocked and ignored as by the caller
  options PROGRAM                                         --env, --chdir, --report, --json, --maps...
"""
import argparse
import contextlib
import json
import os
import re
import resource
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time

ENVIRONMENT = dict(os.environ, GUEST_ONE="1", GUEST_TWO="two words")


def run(words, stdin=None, **more):
    with open(stdin or os.devnull, "rb") as source:
        return subprocess.run(words, stdin=source, capture_output=True, env=ENVIRONMENT, check=False,
                              **more)


def shell_status(result):
    return 128 - result.returncode if result.returncode < 0 else result.returncode


def complain(text):
    print("FAILED:", text)
    sys.exit(1)


def show(name, data):
    print(f"--- {name}: {len(data)} bytes")
    sys.stdout.write(data[:3000].decode(errors="replace"))


def same(surefoot, arguments):
    if shutil.which(arguments.command[0]) is None:
        print(f"skipped: {arguments.command[0]} is not installed")
        sys.exit(77)
    options = arguments.options.split() if arguments.options else []
    if "--cpu=kvm" in options and not os.access("/dev/kvm", os.R_OK | os.W_OK):
        print("skipped: /dev/kvm does not open")
        sys.exit(77)
    direct = run(arguments.command, arguments.stdin)
    ours = run(surefoot + ["run"] + options + ["--"] + arguments.command, arguments.stdin)
    good = True
    for name in ("stdout", "stderr"):
        if getattr(direct, name) != getattr(ours, name):
            show(f"{name} directly", getattr(direct, name))
            show(f"{name} under surefoot", getattr(ours, name))
            good = False
    if shell_status(direct) != ours.returncode:
        print(f"exit status {shell_status(direct)} directly, {ours.returncode} under surefoot")
        good = False
    if not good:
        complain("the runs differ")
    print(f"the same: {len(ours.stdout)} bytes, exit status {ours.returncode}")


def fails(surefoot, words, status, regex, **more):
    result = run(surefoot + ["run"] + words, **more)
    text = result.stderr.decode()
    print(text, end="")
    if result.returncode != int(status):
        complain(f"exit status {result.returncode}, not {status}")
    if not re.fullmatch(r"surefoot: [^\n]+\n", text):
        complain("not one line 'surefoot: WHAT: WHY'")
    if not re.search(regex, text):
        complain(f"the line does not match {regex}")


def prints(surefoot, words, regex):
    result = run(surefoot + ["run"] + words)
    text = (result.stdout + result.stderr).decode()
    print(text, end="")
    if result.returncode != 0 or not re.fullmatch(regex, text):
        complain(f"exit status {result.returncode}, wanted {regex}")


def patched(data, offset, form, value):
    size = struct.calcsize(form)
    return data[:offset] + struct.pack(form, value) + data[offset + size:]


def malformed(surefoot, program):
    with open(program, "rb") as source:
        good = source.read()
    phoff = struct.unpack_from("<Q", good, 32)[0]
    phnum = struct.unpack_from("<H", good, 56)[0]
    headers = [phoff + 56 * i for i in range(phnum)]
    loads = [h for h in headers if struct.unpack_from("<I", good, h)[0] == 1]
    second = loads[1]
    cases = {
        "empty": b"",
        "not ELF": b"hello, world\n" * 10,
        "a script": b"#!/bin/sh\necho no\n",
        "half a header": good[:40],
        "truncated": good[:len(good) // 2],
        "32 bits": patched(good, 4, "B", 1),
        "big endian": patched(good, 5, "B", 2),
        "another processor": patched(good, 18, "<H", 183),
        "an object file": patched(good, 16, "<H", 1),
        "header size": patched(good, 54, "<H", 32),
        "no headers": patched(good, 56, "<H", 0),
        "too many headers": patched(good, 56, "<H", 65535),
        "headers past the end": patched(good, 32, "<Q", 1 << 40),
        "headers that wrap": patched(good, 32, "<Q", (1 << 64) - 8),
        "segment past the end": patched(good, second + 32, "<Q", 1 << 40),
        "segment larger in the file": patched(good, second + 40, "<Q", 1),
        "huge segment": patched(good, second + 40, "<Q", 1 << 62),
        "segment that wraps": patched(good, second + 16, "<Q", (1 << 64) - 4096),
        "overlap": patched(good, second + 16, "<Q", struct.unpack_from("<Q", good, loads[0] + 16)[0]),
        "misaligned": patched(good, second + 16, "<Q", 0x400123),
        "odd alignment": patched(good, second + 48, "<Q", 4097),
        "entry nowhere": patched(good, 24, "<Q", 0x10),
    }
    for name, data in cases.items():
        with tempfile.NamedTemporaryFile(delete=False) as file:
            file.write(data)
        try:
            os.chmod(file.name, 0o755)
            print(f"{name}: ", end="", flush=True)
            fails(surefoot, [file.name], 126, "surefoot: ")
        finally:
            os.unlink(file.name)


def expect(condition, text, result):
    if condition:
        return
    show("stdout", result.stdout)
    show("stderr", result.stderr)
    complain(text)


def options(surefoot, program):
    result = run(surefoot + ["run", "--env=GUEST_ONE=changed", "--env=GUEST_NEW=3", program, "--json"])
    out = result.stdout.decode()
    expect("environment: GUEST_ONE=changed\n" in out, "--env did not replace", result)
    expect("environment: GUEST_NEW=3\n" in out, "--env did not add", result)
    expect("environment: GUEST_TWO=two words\n" in out, "the environment is lost", result)
    expect("argument 1: --json\n" in out, "an option of the program was taken", result)
    expect(result.stderr == b"", "an ordinary run says something", result)

    with tempfile.TemporaryDirectory() as directory:
        os.symlink(program, f"{directory}/guest")
        report = f"{directory}/report.json"
        result = run(surefoot + ["run", f"--chdir={directory}", f"--report={report}", "--json",
                                 "./guest"])
        expect(b"argument 0: ./guest\n" in result.stdout, "--chdir did not work", result)
        with open(report, encoding="utf-8") as source:
            values = json.load(source)
    expect(values["exit"]["status"] == 0 and values["program"] == ["./guest"], str(values), result)
    expect(values["events"]["fault_file"] > 0, str(values), result)
    expect(values["memory"]["rss_peak_bytes"] >= values["memory"]["rss_bytes"] > 0, str(values), result)
    expect(values["syscalls"]["exit_group"] == 1, str(values), result)

    result = run(surefoot + ["run", "--report", "--maps", "--smaps", "--vmstat", "--verify", program])
    text = result.stderr.decode()
    expect(re.search(r"^[0-9a-f]{8,}-[0-9a-f]+ r-xp [0-9a-f]{8} [0-9a-f:]+ \d+ +/\S+$", text, re.M),
           "no line of maps", result)
    expect("[stack]" in text and "[heap]" in text, "no stack or heap in maps", result)
    expect(re.search(r"^Rss: +\d+ kB$", text, re.M), "no Rss in smaps", result)
    expect(re.search(r"^pgfault \d+$", text, re.M), "no pgfault in vmstat", result)
    expect(re.search(r"^ended +exit status 0", text, re.M), "no report", result)

    result = run(surefoot + ["run", "--report", os.path.dirname(program) + "/ending", "ud2"])
    expect(b"faults, 1 exception, 0 kicks\n" in result.stderr, "one exception is not one", result)

    with tempfile.TemporaryDirectory() as directory:
        result = run(surefoot + ["run", "--report=true", program], cwd=directory)
        expect(os.path.exists(f"{directory}/true"), "a name like a truth value is no file", result)

    with tempfile.NamedTemporaryFile() as report:
        run(surefoot + ["run", f"--report={report.name}", "--json", "busybox", "sh", "-c", "true | true"])
        values = json.load(report)
    expect(values["syscalls_refused"].get("clone") == 1, "a refused fork is not reported", result)

    for words, complaint in (["frob"], b"surefoot: frob: unknown command"), \
                            (["--frob"], b"surefoot: --frob: unknown option"):
        result = run(surefoot + words)
        expect(result.returncode == 125 and complaint in result.stderr, f"{words} accepted", result)
    for words in (["--version"], ["--help"], ["run", "--help"], ["litmus", "--help"]):
        result = run(surefoot + words)
        expect(result.returncode == 0 and result.stdout != b"", f"{words} failed", result)
        expect(b"\n\n\n" not in result.stdout and b"TEXT" not in result.stdout, "untidy", result)
    for words in ([], ["run"]):
        result = run(surefoot + ["help"] + words)
        expect(result.stdout == run(surefoot + words + ["--help"]).stdout, f"help {words}", result)
    result = run(surefoot + ["help", "run"])
    expect(b"or malformed" in result.stdout and b"PROGRAM with a slash" in result.stdout,
           "help run says less than it should", result)
    print("all as documented")


def fifo(surefoot):
    with tempfile.TemporaryDirectory() as directory:
        os.mkfifo(f"{directory}/fifo", 0o755)
        fails(surefoot, [f"{directory}/fifo"], 126, "not a regular file")


def closed(surefoot, program):
    """Our own descriptors get none of the numbers: failures would be written into the arena."""
    words = surefoot + ["run", "--verify", program, "pause"]
    with subprocess.Popen(["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh"] + words,
                          stdin=subprocess.DEVNULL) as server:
        wait_for(lambda: children_of(children_of(server.pid)))
        targets = [os.readlink(f"/proc/{server.pid}/fd/{n}") for n in range(3)]
        server.terminate()
        status = server.wait(timeout=30)
    if targets != ["/dev/null"] * 3:
        complain(f"0, 1 and 2 are {targets}")
    if status != 128 + 15:
        complain(f"exit status {status}")
    print("as with them")


def children_of(*parents):
    parents = [p for group in parents for p in (group if isinstance(group, list) else [group])]
    result = []
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            with open(f"/proc/{entry}/stat", encoding="latin-1") as source:
                fields = source.read().rsplit(")", 1)[1].split()
        except OSError:
            continue
        if int(fields[1]) in parents:
            result.append(int(entry))
    return result


def of_threads(pid, name):
    """The text of /proc/PID/task/*/NAME; threads that end meanwhile are left out."""
    texts = []
    with contextlib.suppress(OSError):
        for thread in os.listdir(f"/proc/{pid}/task"):
            with contextlib.suppress(OSError):
                with open(f"/proc/{pid}/task/{thread}/{name}", encoding="latin-1") as source:
                    texts.append(source.read())
    return texts


def is_stopped(pid):
    return all(text.rsplit(")", 1)[1].split()[0] == "T" for text in of_threads(pid, "stat"))


def waits_in_openat(pid):
    return any(text.split()[:1] == ["257"] for text in of_threads(pid, "syscall"))


def wait_for(condition):
    end = time.monotonic() + 60
    while not condition():
        if time.monotonic() > end:
            complain("waited in vain")
        time.sleep(0.02)


def stub_killed(surefoot, program):
    with subprocess.Popen(surefoot + ["run", program, "pause"], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, stdin=subprocess.DEVNULL) as server:
        server.stdout.readline()
        # The guest waits by now, or will: both must end. Blank stubs of the pool die as well, of
        # themselves when the server notices the first.
        for stub in children_of(children_of(server.pid)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(stub, signal.SIGKILL)
        _, said = server.communicate(timeout=60)
    if server.returncode != 125 or b"the guest's host process was killed" not in said:
        complain(f"exit status {server.returncode}: {said}")
    print(said.decode(), end="")


def open_interrupted(surefoot):
    with tempfile.TemporaryDirectory() as directory:
        os.mkfifo(f"{directory}/fifo")
        script = f"echo ready; read line < {directory}/fifo"
        with subprocess.Popen(surefoot + ["run", "busybox", "sh", "-c", script], stdout=subprocess.PIPE,
                              stdin=subprocess.DEVNULL) as server:
            # From here on, the open that waits is the guest's and no other is made.
            server.stdout.readline()
            wait_for(lambda: waits_in_openat(server.pid))
            server.terminate()
            status = end_of(server)
    if status != 128 + 15:
        complain(f"exit status {status}")
    print("interrupted")


def stub_stopped(surefoot, program):
    with subprocess.Popen(surefoot + ["run", program, "spin"], stdout=subprocess.PIPE,
                          stdin=subprocess.DEVNULL) as server:
        server.stdout.readline()
        for stub in children_of(children_of(server.pid)):
            os.kill(stub, signal.SIGSTOP)
            # Before that, a thread that is not on a processor would take the server's signal first.
            wait_for(lambda pid=stub: is_stopped(pid))
        end = time.monotonic() + 60
        while server.poll() is None and time.monotonic() < end:
            server.terminate()
            time.sleep(0.02)
        status = end_of(server)
    if status != -signal.SIGTERM:
        complain(f"exit status {status}")
    print("ended")


def end_of(process):
    """Its exit status; one that does not end is killed."""
    try:
        return process.wait(timeout=20)
    except subprocess.TimeoutExpired:
        process.kill()
        return complain("it does not end")


def limited(surefoot, kind, soft, *words):
    kind = getattr(resource, f"RLIMIT_{kind}")

    def limit():
        resource.setrlimit(kind, (int(soft), resource.getrlimit(kind)[1]))

    direct, ours = (run(start + list(words), preexec_fn=limit) for start in ([], surefoot + ["run"]))
    expect(direct.stdout == ours.stdout and shell_status(direct) == ours.returncode,
           f"the runs differ: {direct.returncode}, {ours.returncode}", ours)
    print("the same")


def limited_hard(surefoot, kind, hard, regex, *words):
    kind = getattr(resource, f"RLIMIT_{kind}")
    fails(surefoot, list(words), 125, regex, preexec_fn=lambda: resource.setrlimit(kind, (int(hard),) * 2))


def forwarded(surefoot, program):
    """All but faults of the server, and the one that interrupts its own waits."""
    faults = {signal.SIGSEGV, signal.SIGBUS, signal.SIGILL, signal.SIGFPE, signal.SIGTRAP, signal.SIGSYS}
    uncatchable = {signal.SIGKILL, signal.SIGSTOP, 32, 33}
    sent = [s for s in range(1, 65) if s not in faults | uncatchable | {signal.SIGRTMAX - 1, signal.SIGTERM}]
    said = []
    for words in ([program], surefoot + ["run", program]):
        with subprocess.Popen(words, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL) as process:
            lines = [process.stdout.readline()]
            for number in sent + [signal.SIGTERM]:
                process.send_signal(number)
                lines.append(process.stdout.readline())
            said.append((lines, process.wait(timeout=60)))
    for direct, ours in zip(*(lines for lines, _ in said)):
        if direct != ours:
            complain(f"directly {direct}, under surefoot {ours}")
    if said[0][1] != 9 or said[1][1] != 9:
        complain(f"exit statuses {said[0][1]} and {said[1][1]}")
    print(f"{len(sent) + 1} signals arrived")


def inherited(surefoot, program):
    def set_signals():
        for number in (signal.SIGHUP, signal.SIGPIPE, signal.SIGCHLD, signal.SIGUSR1, signal.SIGRTMAX - 1):
            signal.signal(number, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_SETMASK, {signal.SIGHUP, signal.SIGTERM, signal.SIGSEGV,
                                                    signal.SIGRTMIN + 3, signal.SIGRTMAX - 1})

    direct, ours = (run(words + [program, "inherited"], preexec_fn=set_signals, restore_signals=False)
                    for words in ([], surefoot + ["run"]))
    expect(b"signal 1 blocked 1 ignored 1\n" in direct.stdout, "nothing was set", direct)
    expect(ours.returncode == 0 and direct.stdout == ours.stdout, "they are not inherited", ours)
    print("blocked and ignored as before")


def main():
    _, _, surefoot, mode, *rest = sys.argv
    surefoot = surefoot.split()
    if mode == "same":
        mark = rest.index("--")
        parser = argparse.ArgumentParser()
        parser.add_argument("--stdin")
        parser.add_argument("--options")
        arguments = parser.parse_args(rest[:mark])
        arguments.command = rest[mark + 1:]
        same(surefoot, arguments)
    elif mode == "fails":
        fails(surefoot, rest[2:], rest[0], rest[1])
    elif mode == "prints":
        prints(surefoot, rest[1:], rest[0])
    elif mode in ("fifo", "closed", "stub_killed", "open_interrupted", "stub_stopped", "limited", "limited_hard",
                  "forwarded", "inherited"):
        globals()[mode](surefoot, *rest)
    elif mode == "malformed":
        malformed(surefoot, rest[0])
    else:
        options(surefoot, rest[0])


if __name__ == "__main__":
    main()
