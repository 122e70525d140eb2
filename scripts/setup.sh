#!/bin/bash
# Installs the packages of packages.txt that are missing. Says nothing when all are there.
# As root it runs apt-get; as anyone else it prints the line to run and exits with 1.
set -eu
cd "$(dirname "$0")/.."

if ! command -v dpkg-query >/dev/null; then
    echo "setup: not a Debian system; packages.txt lists what CMake will look for" >&2
    exit 0
fi

missing=()
while read -r package _; do
    case "$package" in '' | '#'*) continue ;; esac
    state=$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null || true)
    [ "$state" = installed ] || missing+=("$package")
done <packages.txt
[ ${#missing[@]} -gt 0 ] || exit 0

if [ "$(id -u)" -ne 0 ]; then
    echo "setup: packages are missing; as root, run:" >&2
    echo "apt-get update && apt-get install --no-install-recommends -y ${missing[*]}" >&2
    exit 1
fi

export DEBIAN_FRONTEND=noninteractive
echo "setup: installing ${missing[*]}"
apt-get -qq -o DPkg::Lock::Timeout=300 update

unknown=()
for package in "${missing[@]}"; do
    candidate=$(apt-cache policy "$package" | sed -n 's/^ *Candidate: //p')
    case "$candidate" in '' | '(none)') unknown+=("$package") ;; esac
done
if [ ${#unknown[@]} -gt 0 ]; then
    echo "setup: this machine's package lists do not have: ${unknown[*]}" >&2
    echo "setup: Surefoot needs Debian 12 with its updates, or newer (clang 19 comes with those)" >&2
    exit 1
fi

apt-get -qq -o DPkg::Lock::Timeout=300 install --no-install-recommends -y "${missing[@]}" >/dev/null
