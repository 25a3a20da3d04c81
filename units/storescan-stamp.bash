# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Completion of storescan-stamp(1) in bash. A test compares the words with "storescan-stamp --help".

_storescan_stamp() {
    local cur=${COMP_WORDS[COMP_CWORD]}
    local options='--key --keys --config --xattr --help --version -i -k -c -x -h -V'

    COMPREPLY=()
    if [[ $cur == -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$options" -- "$cur")
    elif ((COMP_CWORD == 1)); then
        mapfile -t COMPREPLY < <(compgen -W 'sign verify' -- "$cur")
    else
        compopt -o filenames
        mapfile -t COMPREPLY < <(compgen -f -- "$cur")
    fi
}
complete -F _storescan_stamp storescan-stamp
