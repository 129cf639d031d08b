#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# format.sh ROOT [fix]: every C file is as clang-format 14 would write it, or is made so. Exits 77 (skipped)
# without clang-format 14.
set -euo pipefail
fix=${2:-}
cd "$1"

formatter=$(command -v clang-format-14 || command -v clang-format || true)
if [ -z "$formatter" ]; then
    echo "skipped: clang-format is not installed; ./dev tidy installs it"
    exit 77
fi
version=$("$formatter" --version | grep -oE 'version [0-9]+' | cut -d' ' -f2)
if [ "$version" != 14 ]; then
    echo "skipped: $formatter is version $version; another version than 14 formats differently"
    exit 77
fi

mapfile -t files < <(find include bus shm_tools tests perf docs -name '*.[ch]' | sort)
printf '%d files\n' "${#files[@]}"
[ "${#files[@]}" -gt 0 ]
if [ "$fix" = fix ]; then
    exec "$formatter" -i "${files[@]}"
fi
if ! report=$("$formatter" --dry-run --Werror "${files[@]}" 2>&1); then
    grep -oE '^[^ :]+:[0-9]+' <<<"$report" | sort -u -t: -k1,1 -k2,2n
    echo "not as .clang-format says; ./dev format writes them so"
    exit 1
fi
