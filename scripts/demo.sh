#!/bin/bash
# What 'make run' shows: a real, unmodified program on Surefoot's own page tables, its result held
# against the same program run directly, and the memory report.
# usage: scripts/demo.sh [path of the surefoot binary]
set -euo pipefail
cd "$(dirname "$0")/.."
surefoot=${1:-build/release/bin/surefoot}

die() {
    echo "demo: $*" >&2
    exit 1
}

[ -x "$surefoot" ] || die "$surefoot: not built"
busybox=$(command -v busybox) || die "busybox: not found; run scripts/setup.sh"
if ldd "$busybox" >/dev/null 2>&1; then
    die "$busybox: linked dynamically; surefoot runs static programs (package busybox-static)"
fi

input=$(mktemp)
trap 'rm -f "$input"' EXIT
seq 1 3000000 >"$input"

echo "\$ $surefoot run --report -- busybox sha256sum <$(stat -c %s "$input") bytes>"
ours=$("$surefoot" run --report -- "$busybox" sha256sum <"$input")
direct=$("$busybox" sha256sum <"$input")
echo
echo "on surefoot: $ours"
echo "directly:    $direct"
[ "$ours" = "$direct" ] || die "the results differ"
echo "the same"
