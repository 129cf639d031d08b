#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# genmc.sh FILE NAME:COUNT|- [FLAG...]: the program under GenMC, in the C11 memory model as RC11 has it, if there is one on
# PATH; with NAME:COUNT once for each value of that choice.
set -euo pipefail
file=$1 choice=$2
shift 2
if ! command -v genmc >/dev/null; then
    echo "skipped: no genmc on PATH"
    exit 77
fi
help=$(genmc --help 2>&1 || true)
options=()
for option in --rc11 --disable-estimation; do
    ! grep -q -- "$option" <<<"$help" || options+=("$option")
done

# check [FLAG...]
check() {
    genmc "${options[@]}" -- -std=c11 -Wno-unused-function "$@" "$file"
}

if [ "$choice" = - ]; then
    check "$@"
else
    for ((value = 0; value < ${choice#*:}; value++)); do
        check "-D${choice%:*}=$value" "$@"
    done
fi
