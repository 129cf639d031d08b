#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# programs_selftest.sh CC CLANG: shows that freestanding.sh, accept.sh and genmc.sh can fail, each in its ways.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
cc=$1 clang=$2
[ -x "$(command -v "$clang")" ] || exit 77
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT

# expect STATUS WORDS COMMAND...
expect() {
    local expected=$1 words=$2 status=0
    shift 2
    "$@" >"$tree/log" 2>&1 || status=$?
    if [ "$status" -ne "$expected" ] || ! grep -q -- "$words" "$tree/log"; then
        echo "$*: $status, not $expected with '$words'"
        cat "$tree/log"
        exit 1
    fi
}

# accept STATUS WORDS CODE
accept() {
    printf '%s\n' '#include <string.h>' "$3" >"$tree/file.c"
    expect "$1" "$2" bash "$here/accept.sh" "$clang" "$tree/file.c"
}

accept 0 'can be checked' 'int main(void) { int a[4], b[4] = {0}; memcpy(a, b, sizeof a); return a[0]; }'
accept 1 'assembly' 'int main(void) { __asm__ volatile("" ::: "memory"); return 0; }'
accept 1 'vectors' 'typedef int v __attribute__((vector_size(16))); v x; int main(void) { x += x; return 0; }'
accept 1 'unknown size' 'char a[8], b[8]; int main(int n, char **v) { (void)v; memcpy(a, b, (unsigned)n); return 0; }'
accept 1 'calls' 'int other(void); int main(void) { return other(); }'
accept 1 'structures' 'struct s { int a, b, c; } g; struct s f(void) { return g; } int main(void) { return f().a; }'
accept 1 'intrinsics' 'int main(int n, char **v) { (void)v; return __builtin_popcount((unsigned)n); }'

echo 'int f(void); int g(void); int g(void) { return f(); }' >"$tree/wants.c"
expect 1 'wants: f' bash "$here/freestanding.sh" "$cc" "$here/../.." "$tree/wants.c"
printf '%s\n' '#include <stdio.h>' 'int unused;' >"$tree/hosted.c"
expect 1 'stdio.h' bash "$here/freestanding.sh" "$cc" "$here/../.." "$tree/hosted.c"

# A genmc that takes what it is given, but not the third value.
mkdir "$tree/bin"
cat >"$tree/bin/genmc" <<'END'
#!/bin/sh
echo "genmc $*"
case "$*" in *X=2*) exit 42 ;; --help) echo --rc11 ;; esac
END
chmod +x "$tree/bin/genmc"
PATH=$tree/bin:$PATH
expect 0 'genmc --rc11 -- .* -DA=1 file.c' bash "$here/genmc.sh" file.c - -DA=1
expect 0 '-DX=1 ' bash "$here/genmc.sh" file.c X:2
expect 42 '-DX=2 ' bash "$here/genmc.sh" file.c X:3
