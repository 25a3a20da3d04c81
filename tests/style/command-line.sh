#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# storescanctl's help, man page and completion name the same commands and options: help and completion
# are made from the table that the program itself runs by. The same of storescan-stamp.

source "$(dirname "$0")/lib.sh"
ctl=$BUILD/daemon/ctl/storescanctl
man=$SOURCE/units/man/storescanctl.1

help=$("$ctl" help)
expect_same_help=$("$ctl" --help)
[[ $help == "$expect_same_help" ]] || fail 'help and --help differ'
((${#help} > 0)) || fail 'no help'
while IFS= read -r line; do
    ((${#line} <= 80)) || fail "help line longer than 80 columns: $line"
done <<<"$help"

# Words up to the first argument (upper case, brackets), of lines below "Commands:".
commands=$(awk '/^Commands:/ { on = 1; next } /^$/ { on = 0 }
    on { out = ""; for (i = 1; i <= NF && $i ~ /^[a-z-]+$/; i++) out = out (i > 1 ? " " : "") $i
         print out }' <<<"$help")
options=$(awk '/^Options:/ { on = 1; next } /^$/ { on = 0 } on { print $2; print $1 }' <<<"$help")
[[ -n $commands && -n $options ]] || fail 'help could not be read'

man_commands=$(awk '/^\.SH/ { on = ($0 == ".SH COMMANDS") }
    on && /^\.B / { sub(/^\.B /, ""); sub(/ *\\f.*/, ""); print }
    ' "$man" | grep -Fx -f <(printf '%s\n' "$commands") || true)
man_options=$(awk '/^\.SH/ { on = ($2 == "OPTIONS") } on && /^\.BR? / { print }' "$man" |
    sed 's/\\-/-/g' | grep -oP -- '(?<![a-z-])--?[a-zA-Z-]*[a-zA-Z]')
same 'help' "$commands" "$man" "$man_commands"
same 'help' "$options" "$man" "$man_options"
# Nothing in the man page's list that the program does not have.
listed=$(awk '/^\.SH/ { on = ($0 == ".SH COMMANDS") } on && tag && /^\.B / {
    sub(/^\.B /, ""); sub(/ *\\f.*/, ""); print } { tag = ($0 == ".TP") }' "$man")
same "$man" "$listed" 'help' "$commands"

# The completion: what the program proposes, without what it says of each word.
proposed() { "$@" | cut -f 1; }
same 'help' "$(awk '{ print $1 }' <<<"$commands")" 'the completion' "$(proposed "$ctl" --complete '')"
while read -r verb; do
    subs=$(awk -v verb="$verb" '$1 == verb && NF > 1 { print $2 }' <<<"$commands")
    [[ -z $subs ]] || same 'help' "$subs" "the completion of $verb" "$(proposed "$ctl" --complete "$verb" '')"
done < <(awk '{ print $1 }' <<<"$commands" | sort -u)
same 'help' "$options" 'the completion' "$(proposed "$ctl" --complete -)"

# The same of storescan-stamp.
stamp=$BUILD/daemon/stamp/storescan-stamp
help=$("$stamp" --help)
while IFS= read -r line; do
    ((${#line} <= 80)) || fail "help line longer than 80 columns: $line"
done <<<"$help"
stamp_options=$(awk '/^Options:/ { on = 1; next } /^$/ { on = 0 }
    on { sub(/=.*/, "", $2); print $2; print $1 }' <<<"$help")
same 'help' "$stamp_options" 'the completion' "$(proposed "$stamp" --complete -)"
same 'help' "$stamp_options" 'storescan-stamp(1)' \
    "$(awk '/^\.SH/ { on = ($2 == "OPTIONS") } on && /^\.BR / { print }' \
        "$SOURCE/units/man/storescan-stamp.1" | sed 's/\\-/-/g' | grep -oE -- '--[a-z-]*[a-z]|-[a-zA-Z] ' | tr -d ' ')"
same 'help' "$(awk '/^Commands:/ { on = 1; next } /^$/ { on = 0 } on && /^  [a-z]/ { print $1 }' <<<"$help")" \
    'the completion' "$(proposed "$stamp" --complete '')"

# expect_proposals EXPECTED WORD...: of storescanctl, behind these words, with blanks between.
expect_proposals() {
    local expected=$1 actual
    shift
    actual=$(proposed "$ctl" --complete "$@" | paste -sd ' ')
    [[ $actual == "$expected" ]] || fail "proposed behind ${*@Q}: '$actual', not '$expected'"
}
expect_proposals '' nonsense ''
expect_proposals 'status stats store stamp' st
expect_proposals 'show verify clear' --json stamp ''
expect_proposals :files stamp show ''
expect_proposals :files stamp show a -j b
expect_proposals '--json -j --help -h --version -V' stamp show -
expect_proposals :files stamp show -- -
expect_proposals :files --config ''
expect_proposals :files quarantine -c ''
expect_proposals 'list show export release delete clean notify' quarantine -c file ''
expect_proposals 'list show export release delete clean notify' quarantine -cfile ''
expect_proposals 'hmac ed25519' key generate --type ''
expect_proposals ed25519 key -t e
expect_proposals :files check-config ''
expect_proposals '' check-config file ''
expect_proposals 'breaker-open breaker-closed' log --path file br
expect_proposals :files log --path ''
expect_proposals '' version ''
expect_proposals ''

# What shells make of it, each in its own way: words behind "$@", the last of which is under the cursor.
bash_words() {
    bash -c '
        compopt() { :; }
        source "$1"; shift
        COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
        _storescan "$1"
        printf "%s\n" "${COMPREPLY[@]}"
    ' completion "$SOURCE/units/storescan.bash" "$@"
}
zsh_words() {
    zsh -f -c '
        _describe() { print -rl -- "${(@)${(P)2}%%:*}" }
        _files() { print -rl -- *(N) }
        script=$1; shift
        words=("$@") CURRENT=$#
        source "$script"
    ' completion "$SOURCE/units/storescan.zsh" "$@"
}
fish_words() {
    fish --no-config -c '
        source $argv[1]
        complete --do-complete "$argv[2]"
    ' "$SOURCE/units/storescan.fish" "$*" | cut -f 1
}
make_tmp
touch "$TMP/file"
cd "$TMP"
PATH=$BUILD/daemon/ctl:$BUILD/daemon/stamp:$PATH
for shell in bash zsh fish; do
    if ! command -v "$shell" >/dev/null; then
        printf 'The completion of %s is not tried: there is no %s\n' "$shell" "$shell" >&2
        continue
    fi
    same 'help' "$(awk '{ print $1 }' <<<"$commands")" "$shell" "$("${shell}_words" storescanctl '')"
    same 'what there is' $'show\nverify\nclear' "$shell" "$("${shell}_words" storescanctl stamp '')"
    same 'what there is' verify "$shell" "$("${shell}_words" storescanctl --json stamp v)"
    same 'what there is' file "$shell" "$("${shell}_words" storescanctl stamp show '')"
    same 'what there is' $'--help\n--version' "$shell" "$("${shell}_words" storescanctl metrics -- | grep '^--..')"
    same 'what there is' $'sign\nverify' "$shell" "$("${shell}_words" storescan-stamp '')"
done

# Every command can be asked for, and wrong usage is told apart.
expect_status() {
    local expected=$1 status=0
    shift
    "$@" >/dev/null 2>&1 </dev/null || status=$?
    ((status == expected)) || fail "status $status, not $expected: ${*@Q}"
}
expect_status 0 "$ctl" version
expect_status 2 "$ctl"
expect_status 2 "$ctl" nonsense
expect_status 2 "$ctl" stamp
expect_status 2 "$ctl" stamp nonsense
expect_status 2 "$ctl" stamp show
expect_status 2 "$ctl" version extra
expect_status 2 "$ctl" --nonsense
expect_status 2 "$ctl" --json reload
expect_status 2 "$ctl" --forever quarantine list
expect_status 2 "$ctl" --config /dev/null stamp show "$0"
expect_status 2 "$ctl" quarantine export
expect_status 2 "$ctl" allow add
expect_status 2 "$ctl" stamp show /nonexistent/file
[[ $("$ctl" version) == "$("$ctl" --version)" ]] || fail 'version and --version differ'
