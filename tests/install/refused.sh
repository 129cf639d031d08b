#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# refused.sh CMAKE CC SOURCE: 32-bit and big-endian hosts are told that they are refused, and others are not.
set -euo pipefail

cmake=$1 cc=$2 source=$3
message='shmbus needs a 64-bit little-endian host'

# refuses COMMAND...: it fails, and says why
refuses() {
    local said
    if said=$("$@" 2>&1); then
        echo "not refused: $*"
        exit 1
    fi
    grep -q "$message" <<<"$(tr -s '\n ' ' ' <<<"$said")" || {
        echo "refused without the reason: $*"
        echo "$said"
        exit 1
    }
}

target=() # what tells a cross compiler where its root is
[ -z "${SHMBUS_SYSROOT:-}" ] || target=(--sysroot="$SHMBUS_SYSROOT")
compile=("$cc" "${target[@]}" -std=gnu11 -fsyntax-only -x c)
for header in include/shmbus/shmbus.h bus/atomics.h; do
    "${compile[@]}" "$source/$header"
    refuses "${compile[@]}" -U__LP64__ "$source/$header"
    refuses "${compile[@]}" -U__BYTE_ORDER__ -D__BYTE_ORDER__=__ORDER_BIG_ENDIAN__ "$source/$header"
    if "$cc" -m32 -E -x c /dev/null >/dev/null 2>&1; then
        refuses "${compile[@]}" -m32 "$source/$header"
    fi
done

# configure POINTER ORDER: what a compiler with these is told
configure() {
    "$cmake" -DCMAKE_C_COMPILER=cc "-DCMAKE_SIZEOF_VOID_P=$1" "-DCMAKE_C_BYTE_ORDER=$2" -P "$source/cmake/host.cmake"
}
configure 8 LITTLE_ENDIAN
refuses configure 4 LITTLE_ENDIAN
refuses configure 8 BIG_ENDIAN
