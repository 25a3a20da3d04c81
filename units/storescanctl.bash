# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Completion of storescanctl(1) in bash. A test compares the words with "storescanctl help".

_storescanctl() {
    local cur=${COMP_WORDS[COMP_CWORD]} word i
    local -a words=()
    local -A commands=(
        [stamp]='show verify clear'
        [key]='generate list public'
        [check-config]=''
        [version]=''
        [help]=''
    )
    local options='--json --type --keys --help --version -j -t -k -h -V'

    COMPREPLY=()
    for ((i = 1; i < COMP_CWORD; i++)); do
        word=${COMP_WORDS[i]}
        [[ $word == -* ]] || words+=("$word")
    done

    if [[ $cur == -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$options" -- "$cur")
    elif ((${#words[@]} == 0)); then
        mapfile -t COMPREPLY < <(compgen -W "${!commands[*]}" -- "$cur")
    elif ((${#words[@]} == 1)) && [[ -n ${commands[${words[0]}]-} ]]; then
        mapfile -t COMPREPLY < <(compgen -W "${commands[${words[0]}]}" -- "$cur")
    elif [[ ${words[0]} == stamp || ${words[0]} == check-config ]]; then
        compopt -o filenames
        mapfile -t COMPREPLY < <(compgen -f -- "$cur")
    fi
}
complete -F _storescanctl storescanctl
