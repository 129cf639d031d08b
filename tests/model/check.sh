#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# check.sh SPIN CC holds|refuted|violated MODEL [NAME[=VALUE]...]
# Lets Spin look at every state of MODEL.pml with the macros given. `holds`: no state in which everybody is done or asleep
# and somebody should not be. `refuted`: there is one, as there must be with a MUTANT_ or without a time-out. `violated`: an
# assertion of the model fails.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
spin=$1 cc=$2 expected=$3 model=$4
shift 4
[ -x "$(command -v "$spin")" ] || exit 77

fail() {
    echo "$model $*"
    exit 1
}

# A macro that no model knows would check something else than its name says.
options=()
for macro in "$@"; do
    grep -qw -- "${macro%%=*}" "$here"/*.pml || fail "has no macro ${macro%%=*}"
    options+=("-D$macro")
done

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
cp "$here"/*.pml "$scratch" # a trail is left beside the model
cd "$scratch"
"$spin" -a "${options[@]}" "$model.pml" >spin.log 2>&1 || fail "$(cat spin.log)"
[ ! -s spin.log ] || fail "$(cat spin.log)" # it warns of what it then ignores
"$cc" -O1 -w -DSAFETY -DMEMLIM=2048 -o pan pan.c # MB: a search that needs more fails
./pan -m1000000 -w22 >pan.log 2>&1 || fail "$(cat pan.log)"

states=$(awk '/states, stored/ { printf "%d", $1 }' pan.log)
if grep -q 'errors: 0$' pan.log && ! grep -qi 'not completed\|max search depth' pan.log; then
    found=holds
elif grep -q '^pan:1: invalid end state' pan.log; then
    found=refuted
elif grep '^pan:1: assertion violated' pan.log | grep -qv 'array index'; then
    found=violated
else
    fail "$(cat pan.log)"
fi
echo "$model $*: $found, $states states"
if [ "$found" != "$expected" ]; then
    # How it comes to that: what each process does, step by step.
    [ "$found" = holds ] || "$spin" -t -p "${options[@]}" "$model.pml" || true
    exit 1
fi
