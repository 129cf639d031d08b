# SPDX-License-Identifier: Apache-2.0
# complete.bash COMPLETION WORD...: prints what bash would offer for the last of the words.
source "$1" || exit 1
shift
COMP_WORDS=("$@")
COMP_CWORD=$(($# - 1))
compopt() { :; } # only there while bash itself completes
_shmbus
printf '%s\n' "${COMPREPLY[@]}"
