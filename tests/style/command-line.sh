#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# storescanctl's help, man page and completion name the same commands and options: help is printed
# from the table that the program itself runs by.

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
    sed 's/\\-/-/g' | grep -oE -- '--?[a-z-]*[a-z]|-[jftkchV]')
same 'help' "$commands" "$man" "$man_commands"
same 'help' "$options" "$man" "$man_options"
# Nothing in the man page's list that the program does not have.
listed=$(awk '/^\.SH/ { on = ($0 == ".SH COMMANDS") } on && tag && /^\.B / {
    sub(/^\.B /, ""); sub(/ *\\f.*/, ""); print } { tag = ($0 == ".TP") }' "$man")
same "$man" "$listed" 'help' "$commands"

# The completion, asked as bash would ask it.
complete_words() {
    bash -c '
        compopt() { :; }
        source "$1"; shift
        COMP_WORDS=(storescanctl "$@"); COMP_CWORD=$(($# ))
        _storescanctl
        printf "%s\n" "${COMPREPLY[@]}"
    ' completion "$SOURCE/units/storescanctl.bash" "$@"
}
same 'help' "$(awk '{ print $1 }' <<<"$commands")" 'the completion' "$(complete_words '')"
while read -r verb; do
    subs=$(awk -v verb="$verb" '$1 == verb && NF > 1 { print $2 }' <<<"$commands")
    [[ -z $subs ]] || same 'help' "$subs" "the completion of $verb" "$(complete_words "$verb" '')"
done < <(awk '{ print $1 }' <<<"$commands" | sort -u)
same 'help' "$options" 'the completion' "$(complete_words -)"

# The same of storescan-stamp.
stamp=$BUILD/daemon/stamp/storescan-stamp
help=$("$stamp" --help)
while IFS= read -r line; do
    ((${#line} <= 80)) || fail "help line longer than 80 columns: $line"
done <<<"$help"
stamp_options=$(awk '/^Options:/ { on = 1; next } /^$/ { on = 0 }
    on { sub(/=.*/, "", $2); print $2; print $1 }' <<<"$help")
stamp_words() {
    bash -c '
        compopt() { :; }
        source "$1"
        COMP_WORDS=(storescan-stamp "$2"); COMP_CWORD=1
        _storescan_stamp
        printf "%s\n" "${COMPREPLY[@]}"
    ' completion "$SOURCE/units/storescan-stamp.bash" "$1"
}
same 'help' "$stamp_options" 'the completion' "$(stamp_words -)"
same 'help' "$stamp_options" 'storescan-stamp(1)' \
    "$(awk '/^\.SH/ { on = ($2 == "OPTIONS") } on && /^\.BR / { print }' \
        "$SOURCE/units/man/storescan-stamp.1" | sed 's/\\-/-/g' | grep -oE -- '--[a-z-]*[a-z]|-[a-zA-Z] ' | tr -d ' ')"
same 'help' "$(awk '/^Commands:/ { on = 1; next } /^$/ { on = 0 } on && /^  [a-z]/ { print $1 }' <<<"$help")" \
    'the completion' "$(stamp_words '')"

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
expect_status 2 "$ctl" --json version
expect_status 2 "$ctl" --forever quarantine list
expect_status 2 "$ctl" --config /dev/null stamp show "$0"
expect_status 2 "$ctl" quarantine export
expect_status 2 "$ctl" allow add
expect_status 2 "$ctl" stamp show /nonexistent/file
[[ $("$ctl" version) == "$("$ctl" --version)" ]] || fail 'version and --version differ'
