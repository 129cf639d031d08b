# SPDX-License-Identifier: Apache-2.0
# Completion of `shmbus` for bash. What commands, options and choices there are is what the command's own help says;
# which buses and channels, what it lists.

# Prints the commands.
_shmbus_commands() {
    "$1" help 2>/dev/null | sed -n '/^Usage:/,/^Examples:/s/^  \([a-z][a-z-]*\) .*/\1/p'
}

# Prints the options of command $2.
_shmbus_options() {
    "$1" help "$2" 2>/dev/null | sed -n 's/^  \(-., \|    \)\(--[a-z-]*\).*/\2/p'
    echo --help
}

# Prints what the option $3 of command $2 takes, as "NAME" or "lines|length"; nothing when it takes nothing.
_shmbus_takes() {
    local text
    text=$("$1" help "$2" 2>/dev/null)
    case $3 in
    --?*) sed -n "s/^  \(-., \|    \)$3=\([^ ]*\).*/\2/p" <<<"$text" ;;
    -[!-]) sed -n "s/^  $3, --[a-z-]*=\([^ ]*\).*/\1/p" <<<"$text" ;;
    esac
}

# Prints what the arguments of command $2 are, as "[BUS...]".
_shmbus_arguments() {
    "$1" help "$2" 2>/dev/null | sed -n 's/^Usage: .*\[OPTION\.\.\.\] *//p'
}

# Prints the names in the JSON that the rest of the arguments print.
_shmbus_names() {
    "$@" --json 2>/dev/null | sed -n 's/^ *"name": "\(.*\)",\{0,1\}$/\1/p'
}

# The bus that the line names, or else the default one.
_shmbus_chosen_bus() {
    local i bus=${SHMBUS_BUS:-default}
    for ((i = 1; i < COMP_CWORD; i++)); do
        case ${COMP_WORDS[i]} in
        -b | --bus)
            [ "${COMP_WORDS[i + 1]-}" != "=" ] || ((i++))
            bus=${COMP_WORDS[i + 1]-}
            ;;
        --bus=*) bus=${COMP_WORDS[i]#--bus=} ;;
        esac
    done
    printf '%s\n' "$bus"
}

# Offers each line of $1 that begins with $2, quoted as the shell wants it.
_shmbus_offer() {
    local line
    while IFS= read -r line; do
        if [ -n "$line" ] && [[ $line == "$2"* ]]; then
            COMPREPLY+=("$(printf %q "$line")")
        fi
    done <<<"$1"
}

# Where the program begins that `exec` runs: the word behind "--"; nothing when the line is not there yet.
_shmbus_program() {
    local i
    for ((i = 2; i < COMP_CWORD; i++)); do
        if [ "${COMP_WORDS[i]}" = "--" ]; then
            echo $((i + 1))
            return
        fi
    done
}

# Offers what a placeholder of the help, as BUS or FILE or lines|length, stands for.
_shmbus_offer_value() {
    local tool=$1 what=$2 word=$3 option=$4
    case $what in
    *\|*) _shmbus_offer "${what//|/$'\n'}" "$word" ;;
    *BUS*) _shmbus_offer "$(_shmbus_names "$tool" ls)" "$word" ;;
    *CHANNEL*) _shmbus_offer "$(_shmbus_names "$tool" ls -b "$(_shmbus_chosen_bus)")" "$word" ;;
    FILE | PATH | *FOLDER*)
        compopt -o filenames 2>/dev/null
        mapfile -t COMPREPLY < <(compgen -f -- "$word")
        ;;
    NAME)
        case $option in
        -b | --bus) _shmbus_offer "$(_shmbus_names "$tool" ls)" "$word" ;;
        esac
        ;;
    esac
}

_shmbus() {
    local tool=${COMP_WORDS[0]} word=${COMP_WORDS[COMP_CWORD]} option=${COMP_WORDS[COMP_CWORD - 1]}
    local command=${COMP_WORDS[1]-} takes program
    COMPREPLY=()
    if [ "$COMP_CWORD" -eq 1 ]; then
        _shmbus_offer "$(_shmbus_commands "$tool")"$'\n--version' "$word"
        return
    fi
    if [ "$command" = help ]; then
        [ "$COMP_CWORD" -gt 2 ] || _shmbus_offer "$(_shmbus_commands "$tool")" "$word"
        return
    fi
    program=$(_shmbus_program)
    if [ -n "$program" ]; then
        compopt -o filenames 2>/dev/null
        [ "$program" -lt "$COMP_CWORD" ] || mapfile -t COMPREPLY < <(compgen -c -- "$word")
        [ "${#COMPREPLY[@]}" -gt 0 ] || mapfile -t COMPREPLY < <(compgen -f -- "$word")
        return
    fi
    # bash cuts "--option=value" into three words.
    if [ "$word" = "=" ]; then
        word=
    elif [ "$option" = "=" ]; then
        option=${COMP_WORDS[COMP_CWORD - 2]}
    fi
    case $option in
    -*)
        takes=$(_shmbus_takes "$tool" "$command" "$option")
        if [ -n "$takes" ]; then
            _shmbus_offer_value "$tool" "$takes" "$word" "$option"
            return
        fi
        ;;
    esac
    case $word in
    -*) _shmbus_offer "$(_shmbus_options "$tool" "$command")" "$word" ;;
    *) _shmbus_offer_value "$tool" "$(_shmbus_arguments "$tool" "$command")" "$word" "" ;;
    esac
}

complete -F _shmbus shmbus
