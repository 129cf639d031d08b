#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# format_selftest.sh ROOT: shows that format.sh finds a badly formatted file, and accepts a good one.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT
mkdir "$tree"/{include,bus,shm_tools,tests,perf,docs}
cp "$1/.clang-format" "$tree"

printf 'int good(char *p)\n{\n    return *p;\n}\n' >"$tree/bus/a.c"
status=0
bash "$here/format.sh" "$tree" || status=$?
[ "$status" -eq 0 ] || exit "$status" # 77 without clang-format

printf 'int bad(char* p) {\n  return *p; }\n' >"$tree/bus/b.c"
if bash "$here/format.sh" "$tree" >"$tree/log" 2>&1; then
    echo "a badly formatted file was accepted"
    exit 1
fi
grep -q 'bus/b.c' "$tree/log"
