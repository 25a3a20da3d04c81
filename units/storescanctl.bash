# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Completion of storescanctl(1) in bash. A test compares the words with "storescanctl help".

_storescanctl() {
    local cur=${COMP_WORDS[COMP_CWORD]} word i
    local -a words=()
    local -A commands=(
        [status]=''
        [stats]=''
        [doctor]=''
        [metrics]=''
        [reload]=''
        [pause]=''
        [resume]=''
        [sweep]='start stop status'
        [stamp]='show verify clear'
        [quarantine]='list show export release delete clean notify'
        [allow]='list add remove'
        [poison]='list clear'
        [key]='generate list public'
        [check-config]=''
        [version]=''
        [help]=''
    )
    local options='--json --watch --forever --type --keys --config --help --version -j -w -f -t -k -c -h -V'

    COMPREPLY=()
    for ((i = 1; i < COMP_CWORD; i++)); do
        word=${COMP_WORDS[i]}
        [[ $word == -* ]] || words+=("$word")
    done

    if [[ ${COMP_WORDS[COMP_CWORD - 1]} == @(-c|--config) ]]; then
        compopt -o filenames
        mapfile -t COMPREPLY < <(compgen -f -- "$cur")
    elif [[ $cur == -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$options" -- "$cur")
    elif ((${#words[@]} == 0)); then
        mapfile -t COMPREPLY < <(compgen -W "${!commands[*]}" -- "$cur")
    elif ((${#words[@]} == 1)) && [[ -n ${commands[${words[0]}]-} ]]; then
        mapfile -t COMPREPLY < <(compgen -W "${commands[${words[0]}]}" -- "$cur")
    elif [[ ${words[0]} == quarantine && ${words[1]} == @(show|export|release|delete) ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$(storescanctl quarantine list 2>/dev/null |
            cut -d ' ' -f 1)" -- "$cur")
    elif [[ ${words[0]} == allow && ${words[1]} == remove ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$(storescanctl allow list 2>/dev/null |
            cut -d ' ' -f 1)" -- "$cur")
    elif [[ ${words[0]} == @(stamp|check-config|metrics) ]]; then
        compopt -o filenames
        mapfile -t COMPREPLY < <(compgen -f -- "$cur")
    fi
}
complete -F _storescanctl storescanctl
