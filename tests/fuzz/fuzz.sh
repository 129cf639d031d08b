#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# fuzz.sh libfuzzer|afl PROGRAM SEEDS SECONDS [KEPT]: fuzzes for so long, from the inputs in the folder SEEDS.
# What is found goes to the folder KEPT, or is shown and forgotten. 1: an input that fails was found, 77: no fuzzer.
set -euo pipefail

engine=$1 program=$2 seeds=$3 seconds=$4
work=$(mktemp -d)
kept=${5:-$work}
export SHMBUS_FUZZ_BUS=fuzz.$$
trap 'rm -rf "$work" "/dev/shm/shmbus.$SHMBUS_FUZZ_BUS" "/dev/shm/shmbus.$SHMBUS_FUZZ_BUS.new"' EXIT
mkdir -p "$kept/found" "$kept/failed"

# An address space that is randomised over too many bits is none for a sanitizer's shadow.
plain=()
if setarch -R true 2>/dev/null; then plain=(setarch -R); fi

# Shows the inputs that fail, as they can be made again.
report() {
    local file failed=0
    for file in "$@"; do
        [ -f "$file" ] || continue
        failed=1
        printf '%s fails on %s:\n' "$program" "$file"
        base64 "$file"
    done
    return $failed
}

# Leaks are the replayer's: looking for them after each input takes most of the time.
run_libfuzzer() {
    "${plain[@]}" "$program" -max_total_time="$seconds" -timeout=20 -rss_limit_mb=4000 -detect_leaks=0 \
        -max_len=500 -len_control=10 -print_final_stats=1 -artifact_prefix="$kept/failed/" \
        "$kept/found" "$seeds" >"$work/log" 2>&1 || true
    grep -E '^(==|SUMMARY|fuzz:|stat::)|DONE|^ +#' "$work/log" || tail -n 20 "$work/log"
    grep -q 'DONE' "$work/log" || report "$kept"/failed/* || return 1
    grep -q 'DONE' "$work/log"
}

run_afl() {
    command -v afl-fuzz >/dev/null || exit 77
    export AFL_SKIP_CPUFREQ=1 AFL_NO_AFFINITY=1 AFL_NO_UI=1 AFL_AUTORESUME=1 AFL_I_DONT_CARE_ABOUT_MISSING_CRASHES=1
    export ASAN_OPTIONS=abort_on_error=1:symbolize=0:detect_leaks=0 UBSAN_OPTIONS=
    "${plain[@]}" afl-fuzz -V "$seconds" -t 20000 -m none -i "$seeds" -o "$kept/afl" -- "$program" \
        >"$work/log" 2>&1 || { tail -n 30 "$work/log"; return 1; }
    grep -E '^(execs_done|execs_per_sec|corpus_count|bitmap_cvg|saved_)' "$kept/afl/default/fuzzer_stats"
    report "$kept"/afl/default/{crashes,hangs}/id* || return 1
    grep -q '^execs_done *: [1-9]' "$kept/afl/default/fuzzer_stats"
}

"run_$engine"
