# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Completion of storescanctl(1) and storescan-stamp(1) in bash: the program itself says what may follow.

_storescan() {
    local cur=${COMP_WORDS[COMP_CWORD]} line

    COMPREPLY=()
    while IFS= read -r line; do
        if [[ $line == :files ]]; then
            compopt -o filenames
            mapfile -t COMPREPLY < <(compgen -f -- "$cur")
        else
            COMPREPLY+=("${line%%$'\t'*}")
        fi
    done < <("$1" --complete "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
}
complete -F _storescan storescanctl storescan-stamp
