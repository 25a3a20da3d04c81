#compdef storescanctl storescan-stamp
# SPDX-License-Identifier: Apache-2.0
# Completion of storescanctl(1) and storescan-stamp(1) in zsh: the program itself says what may follow.

_storescan() {
    local line word
    local -a proposals

    for line in ${(f)"$("${(Q)words[1]}" --complete "${(@Q)words[2,CURRENT]}" 2>/dev/null)"}; do
        if [[ $line == :files ]]; then
            _files
            return
        fi
        # _describe takes "word:meaning".
        word=${line%%$'\t'*}
        proposals+=("${word//:/\\:}:${line#*$'\t'}")
    done
    _describe 'proposal' proposals
}

_storescan "$@"
