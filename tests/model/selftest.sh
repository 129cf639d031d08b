#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# selftest.sh SPIN CC: shows that check.sh can fail, in each of its ways.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
spin=$1 cc=$2
[ -x "$(command -v "$spin")" ] || exit 77
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
cp "$here"/check.sh "$here"/*.pml "$tree"
echo 'this is no model' >"$tree/broken.pml"
echo 'byte x; init { assert(x == 1) }' >"$tree/asserts.pml"
small=(SENDERS=1 SLEEPERS=1)

# expect STATUS WORDS ARGUMENT...: what check.sh returns, and says
expect() {
    local expected=$1 words=$2 status=0
    shift 2
    bash "$tree/check.sh" "$spin" "$cc" "$@" >"$tree/log" 2>&1 || status=$?
    if [ "$status" -ne "$expected" ] || ! grep -q -- "$words" "$tree/log"; then
        echo "check.sh $*: $status, not $expected with '$words'"
        cat "$tree/log"
        exit 1
    fi
}

expect 0 ': holds, [1-9]' holds direct "${small[@]}"
expect 0 ': refuted, [1-9]' refuted direct "${small[@]}" MUTANT_LOOK
expect 1 ': holds, ' refuted direct "${small[@]}"
expect 1 ': refuted, ' holds direct "${small[@]}" MUTANT_LOOK
expect 1 'no macro MUTANT_UNKNOWN' refuted direct MUTANT_UNKNOWN
expect 1 'redefined' holds direct "${small[@]}" SENDERS=2
expect 1 'rror' holds broken
expect 1 'assertion violated' refuted asserts
expect 0 ': violated, [1-9]' violated asserts
expect 1 ': violated, ' holds asserts
