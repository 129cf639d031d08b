#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# accept.sh CLANG FILE [FLAG...]: is this a program that a stateless model checker takes? Those run LLVM's instructions one
# by one: no assembly, no vectors, no structures in registers, no copies of unknown size, no calls but of threads.
set -euo pipefail
clang=$1 file=$2
shift 2
[ -x "$(command -v "$clang")" ] || exit 77
code=$(mktemp)
trap 'rm -f "$code"' EXIT
calls='pthread_create|pthread_join|pthread_exit|__assert_fail|__VERIFIER_assume'
failed=0

# refuse WHAT PATTERN
refuse() {
    if grep -nE -- "$2" "$code" >"$code.found"; then
        echo "$file has $1:"
        head -3 "$code.found"
        failed=1
    fi
    rm -f "$code.found"
}

# compile LEVEL
compile() {
    "$clang" -std=c11 -Wall -Wextra -Werror -Wno-unused-function "$1" -Xclang -disable-O0-optnone -S -emit-llvm "${@:2}" \
        "$file" -o "$code"
}

for level in -O0 -O1; do
    compile "$level" "$@"
    refuse 'assembly' ' asm '
    refuse 'vectors' '<[0-9]+ x '
    refuse 'copies of unknown size' '@llvm\.mem(cpy|set|move)[^(]*\(.*, i64 %'
    sed -i -E "/^declare .*@(($calls)|llvm\.[a-z0-9.]+)\(/d" "$code"
    refuse 'calls' '^declare '
done
compile -O0 "$@" # as checkers do
refuse 'structures in registers' ' (load|store|ret) (\{|\[)|(load|ret) %[a-z_.]+[,]'
sed -i '/^declare .*@llvm\.mem\(cpy\|set\)\./d' "$code"
refuse 'intrinsics' '^declare .*@llvm\.'
[ $failed -ne 0 ] || echo "$file can be checked"
exit $failed
