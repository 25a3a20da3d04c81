# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# The commands and snippets of storescan-quickstart(7), for tests to take them at their word. Sourced behind
# lib.sh.

# quickstart NAME: the example behind the line '.\" block: NAME', as it is read by people.
quickstart() {
    local text
    # shellcheck disable=SC2016 # of awk
    text=$(awk -v name="$1" '$0 == ".\\\" block: " name { found = 1 } found && on && $0 == ".EE" { exit }
        on { print } found && $0 == ".EX" { on = 1 }' "$SOURCE/units/man/storescan-quickstart.7" |
        sed 's/\\-/-/g; s/\\e/\\/g')
    [[ -n $text ]] || fail "storescan-quickstart(7) has no block $1"
    printf '%s\n' "$text"
}
