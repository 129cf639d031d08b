#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# needs_exec.sh PROGRAM COMMAND...: runs COMMAND, which starts programs of another machine, where the kernel hands
# those, such as PROGRAM, to an emulator; is skipped elsewhere.
if ! "$1" --nothing 2>/dev/null; then
    echo "skipped: the kernel starts no program of this machine: binfmt_misc has no handler for $1"
    exit 77
fi
exec "${@:2}"
