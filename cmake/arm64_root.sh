#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# arm64_root.sh ROOT PACKAGE...: unpacks Debian's arm64 build of the packages, and of all that they depend on, under
# ROOT. The host's dpkg knows nothing of it: apt works in directories of its own beside ROOT, as any user.
set -euo pipefail

root=$(realpath -m "$1")
shift
apt=$root.apt
stamp=$root/.packages

# The host's sources, keys and proxy; everything that apt writes is ours.
private_apt() {
    apt-get -q -o APT::Architecture=arm64 -o APT::Architectures=arm64 \
        -o Dir::State="$apt/state" -o Dir::State::status="$apt/status" -o Dir::Cache="$apt/cache" \
        -o Dir::Log="$apt/log" -o APT::Sandbox::User="$(id -un)" -o Acquire::Languages=none \
        -o APT::Update::Post-Invoke::= -o DPkg::Post-Invoke::= "$@"
}

download() {
    mkdir -p "$apt"/{state/lists/partial,cache/archives/partial,log}
    : >"$apt/status"
    private_apt update >"$apt/update.log" 2>&1 || {
        cat "$apt/update.log"
        return 1
    }
    private_apt install -y --download-only --no-install-recommends "$@" >"$apt/download.log" 2>&1 || {
        cat "$apt/download.log"
        return 1
    }
}

# Links to absolute paths mean a file of the root, not of the host.
turn_links() {
    local link to
    find "$root" -lname '/*' -printf '%p %l\n' | while read -r link to; do
        ln -sfn "$(realpath -ms --relative-to="$(dirname "$link")" "$root$to")" "$link"
    done
}

unpack() {
    local deb
    rm -rf "$root"
    mkdir -p "$root/usr/lib"
    ln -s usr/lib "$root/lib"
    for deb in "$apt"/cache/archives/*.deb; do
        dpkg-deb --fsys-tarfile "$deb" | tar -x -C "$root" --keep-directory-symlink --no-same-owner \
            --exclude './usr/share/doc/*' --exclude './usr/share/man/*' --exclude './usr/share/locale/*' \
            --exclude './var/*' --exclude './etc/*'
    done
    turn_links
}

[ "$(cat "$stamp" 2>/dev/null)" = "$*" ] && exit 0
download "$@"
unpack
printf '%s\n' "$*" >"$stamp"
rm -rf "$apt"
