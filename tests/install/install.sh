#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# install.sh CMAKE BUILD LIBDIR CC CONSUMER: installs into a fresh prefix, moves it, and builds and runs a
# program there as users would: with pkg-config and with find_package(), against both libraries.
set -euo pipefail

cmake=$1 build=$2 libdir=$3 cc=$4 consumer=$5
work=$(mktemp -d -p "${SHMBUS_SYSROOT:-${TMPDIR:-/tmp}}")
trap 'rm -rf "$work"' EXIT
prefix=$work/moved
number=0
target=() # what tells a cross compiler where its root is
[ -z "${SHMBUS_SYSROOT:-}" ] || target=(--sysroot="$SHMBUS_SYSROOT")

# run PROGRAM: on a bus of its own
run() {
    number=$((number + 1))
    echo "-- $1"
    LD_LIBRARY_PATH=$prefix/$libdir "$1" "test-install-$$-$number"
}

# links PROGRAM yes|no: is it bound to the shared library?
links() {
    local found=no dynamic
    dynamic=$(readelf -d "$1")
    if grep -q 'NEEDED.*\[libshmbus\.so\.0\]' <<<"$dynamic"; then found=yes; fi
    [ "$found" = "$2" ] || {
        echo "$1: linked to libshmbus.so.0: $found, not $2"
        exit 1
    }
}

"$cmake" --install "$build" --prefix "$work/first" >"$work/log" || {
    cat "$work/log"
    exit 1
}
mv "$work/first" "$prefix"

for file in "$libdir"/libshmbus.{a,so,so.0} "$libdir"/pkgconfig/shmbus.pc include/shmbus/{shmbus,inspect}.h bin/shmbus; do
    [ -e "$prefix/$file" ] || {
        echo "not installed: $file"
        exit 1
    }
done
"$prefix/bin/shmbus" --help >/dev/null

export PKG_CONFIG_PATH=$prefix/$libdir/pkgconfig
read -ra flags < <(pkg-config --cflags --libs shmbus)
"$cc" "${target[@]}" -Wall -Wextra -Werror -o "$work/by-pkg-config" "$consumer/consumer.c" "${flags[@]}"
links "$work/by-pkg-config" yes
run "$work/by-pkg-config"

read -ra flags < <(pkg-config --static --cflags --libs shmbus | sed 's/-lshmbus\b/-l:libshmbus.a/')
"$cc" "${target[@]}" -Wall -Wextra -Werror -o "$work/by-pkg-config-static" "$consumer/consumer.c" "${flags[@]}"
links "$work/by-pkg-config-static" no
run "$work/by-pkg-config-static"

"$cmake" -S "$consumer" -B "$work/build" -G Ninja -DCMAKE_C_COMPILER="$cc" -DCMAKE_PREFIX_PATH="$prefix" >"$work/log" &&
    "$cmake" --build "$work/build" >>"$work/log" || {
    cat "$work/log"
    exit 1
}
links "$work/build/consumer_shared" yes
links "$work/build/consumer_static" no
run "$work/build/consumer_shared"
run "$work/build/consumer_static"
