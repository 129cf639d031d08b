#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# exported_symbols.sh LIBRARY MAP: the built library exports each function of the map, and nothing else.
set -euo pipefail

library=$1
exported=$(nm -D --defined-only "$library" | awk '$2 != "A" { sub("@.*", "", $3); print $3 }' | sort)

# differs MAP: prints where the library and the map differ; fails when they do not.
differs() {
    local mapped
    mapped=$(awk '/global:/ { on = 1; next } /local:/ { on = 0 } on && NF { sub(";", ""); print $1 }' "$1" | sort)
    ! diff <(echo "$mapped") <(echo "$exported")
}

if differs "$2"; then
    echo "< in the map and not in the library; > in the library and not in the map"
    exit 1
fi

# A map with one line more, and one with one line less, must be told from the library.
changed=$(mktemp)
trap 'rm -f "$changed"' EXIT
for change in 's/^    global:$/&\n shmbus_planted;/' '/shmbus_open;/d'; do
    sed "$change" "$2" >"$changed"
    differs "$changed" >/dev/null || {
        echo "the change $change of the map was not noticed"
        exit 1
    }
done
printf '%s symbols\n' "$(wc -w <<<"$exported")"
