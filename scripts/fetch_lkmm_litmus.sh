#!/bin/bash
# Fetches the litmus tests of the Linux kernel's memory model into DIR, from Debian's source package.
# They are GPL: they stay out of this repository.
#   scripts/fetch_lkmm_litmus.sh DIR
set -euo pipefail

package=linux-source-6.1
version=${package#linux-source-}
dir=${1:?usage: scripts/fetch_lkmm_litmus.sh DIR}
[ ! -d "$dir" ] || { echo "$dir is there already"; exit 0; }

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
(cd "$work" && apt-get download -q "$package")
mkdir "$work/out"
dpkg-deb --fsys-tarfile "$work"/*.deb |
    tar -xO "./usr/src/$package.tar.xz" |
    tar -xJ -C "$work/out" --wildcards "*-$version/*/litmus-tests/*.litmus"
mkdir -p "$(dirname "$dir")"
mv "$work/out" "$dir"
echo "$(find "$dir" -name '*.litmus' | wc -l) litmus tests in $dir"
