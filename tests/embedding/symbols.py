#!/usr/bin/env python3
"""What libsurefoot.a defines, judged: names in surefoot:: or sf_ only, and no mutable globals.

usage: symbols.py [--nm NM] ARCHIVE | symbols.py --selftest
"""
import argparse
import re
import subprocess
import sys

# Strong definitions that a program sees. Weak ones are instances of templates and inline functions,
# which the linker merges with the program's own.
OURS = re.compile(r"sf_\w+$|(.* (for|to) )?surefoot::")

# Storage that may change: data of every kind, common, and what the linker merges (u, V).
MUTABLE = set("bBdDsSgGCuV")
NAMED = {
    # Threads take their slot number from it.
    r"surefoot::native::sync::\(anonymous namespace\)::slots_taken",
    # What waits for a grace period: RCU's readers are the process's, by liburcu's registry.
    r"surefoot::native::sync::\(anonymous namespace\)::callbacks",
    # Per thread: that number, what gives it back at the thread's end, and (with the lock
    # validator) which locks the thread holds.
    r"surefoot::native::sync::this_thread_slot_value",
    r"(guard variable for )?surefoot::native::sync::draw_thread_slot\(\)::at_end",
    r"surefoot::native::sync::lockdep::this_thread_locks\(\)::mine",
    r"guard variable for surefoot::native::sync::lockdep::this_thread_locks\(\)::mine",
    # The C++ library's: whom a thread wakes that leaves std::atomic::wait, and two constants.
    r"std::__detail::__waiter_pool_base::_S_for\(void const\*\)::__w",
    r"std::__detail::__to_chars_10_impl<.*>\(.*\)::__digits",
    r"std::_Sp_make_shared_tag::_S_ti\(\)::__tag",
    # Constant once the loader has relocated them.
    r"DW\.ref\..*",
    r"(vtable|typeinfo|typeinfo name) for .*",
}


def complaints(lines):
    found = []
    for line in lines:
        match = re.match(r"^[0-9a-f]* +([A-Za-z]) (.*)$", line)
        if not match:
            continue
        kind, name = match.groups()
        if kind in "Uwv":
            continue
        if kind in MUTABLE and not any(re.fullmatch(named, name) for named in NAMED):
            found.append(f"mutable data: {kind} {name}")
        if kind.isupper() and kind not in "WV" and not OURS.match(name):
            found.append(f"a name outside surefoot:: and sf_: {kind} {name}")
    return found


def selftest():
    good = ["0000 T sf_fault", "0000 T surefoot::Space::fault(unsigned long)", "     U malloc",
            "0000 W std::vector<int>::push_back(int)", "0000 r surefoot::table",
            "0000 b surefoot::native::sync::this_thread_slot_value", "0000 t helper"]
    bad = ["0000 T helper", "0000 b surefoot::counter", "0000 D surefoot::table", "0000 C common",
           "0000 u surefoot::f()::count"]
    wrong = [line for line in good if complaints([line])]
    wrong += [line for line in bad if not complaints([line])]
    for line in wrong:
        print("misjudged:", line)
    return 1 if wrong else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--nm", default="nm")
    parser.add_argument("--selftest", action="store_true")
    parser.add_argument("archive", nargs="?")
    options = parser.parse_args()
    if options.selftest:
        return selftest()
    listing = subprocess.run([options.nm, "-C", options.archive], check=True, text=True,
                             capture_output=True).stdout.splitlines()
    defined = [line for line in listing if re.match(r"^[0-9a-f]+ [A-Za-z] ", line)]
    if not any(" T sf_machine_create" in line for line in defined):
        print("the archive does not define sf_machine_create")
        return 1
    found = complaints(listing)
    for line in found:
        print(line)
    print(f"symbols: {len(defined)} definitions, {len(found)} complaints")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
