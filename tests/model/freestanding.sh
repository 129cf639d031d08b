#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# freestanding.sh CC ROOT [SOURCE...]: the ring core compiles without a libc's headers and needs nothing of one but memcpy
# and memset. Sources stand for it in the self-test.
set -euo pipefail
cc=$1 root=$2
shift 2
core=(ring_producer ring_window ring_consumer ring_slot ring_repair cursor)
sources=("${core[@]/#/$root/bus/}")
sources=("${sources[@]/%/.c}")
[ $# -eq 0 ] || sources=("$@")
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

objects=()
for source in "${sources[@]}"; do
    object=$scratch/$(basename "$source").o
    "$cc" -std=gnu11 -O2 -Wall -Wextra -Werror -ffreestanding -nostdinc \
        -isystem "$("$cc" -print-file-name=include)" -isystem "$root/tests/model/freestanding" \
        -I "$root/include" -iquote "$root/bus" -c "$source" -o "$object"
    objects+=("$object")
done
"$cc" -nostdlib -r -o "$scratch/core.o" "${objects[@]}"
missing=$(nm -u "$scratch/core.o" | awk '$2 != "memcpy" && $2 != "memset" { print $2 }')
if [ -n "$missing" ]; then
    echo "the ring core wants: $missing"
    exit 1
fi
echo "${#sources[@]} sources want memcpy and memset at most"
