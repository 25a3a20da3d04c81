#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Man pages are well-formed, and what they refer to among themselves exists.

source "$(dirname "$0")/lib.sh"
need_program mandoc
(($# > 0)) || set -- "$SOURCE"/units/man/*.[1-9] "$BUILD"/units/*.[1-9]

mandoc -T lint -W warning "$@"

own=$(for page; do basename "$page"; done)
for page; do
    # .BR storescand (8) and man:storescand(8)
    refs=$(sed -n 's/^\.BR \(store[a-z.-]*\) (\([0-9]\)).*/\1.\2/p; s/.*man:\(store[a-z.-]*\)(\([0-9]\)).*/\1.\2/p' "$page")
    missing=$(comm -23 <(sort -u <<<"$refs") <(sort -u <<<"$own") | sed '/^$/d')
    [[ -z $missing ]] || fail "$page refers to what does not exist: $missing"
    [[ $(basename "$page" | sed 's/\.[0-9]$//') == "$(awk '/^\.TH/ { print tolower($2) }' "$page")" ]] ||
        fail "$page: its title is another page's"
done

# And the other way round: what units and catalog refer to.
refs=$(grep -oh 'man:store[a-z.-]*([0-9])' "$SOURCE"/units/*.in "$SOURCE"/units/*.catalog |
    sed 's/man:\(.*\)(\([0-9]\))/\1.\2/' | sort -u)
missing=$(comm -23 <(echo "$refs") <(sort -u <<<"$own"))
[[ -z $missing ]] || fail "units refer to man pages that do not exist: $missing"

# What storescand(8) lists is what there is: counters, event words, journal fields.
section() { awk -v name="$1" '/^\.SH/ { gsub(/"/, ""); on = ($0 == ".SH " name) } on' "$SOURCE/units/man/storescand.8"; }
counters=$(sed -n 's/^ *X(\([a-z_]*\),.*/\1/p' "$SOURCE/daemon/stats.h")
[[ -n $counters ]] || fail 'no counters found in daemon/stats.h'
same 'daemon/stats.h' "$counters" 'storescand(8), COUNTERS' \
    "$(section COUNTERS | awk '/^\.TP/ { tag = 1; next } tag { print $2; tag = 0 }')"
fields=$(grep -oh 'STORESCAN_[A-Z_]*=%' "$SOURCE/daemon/journal.c" | sed 's/=%$//')
same 'daemon/journal.c' "$fields" 'storescand(8), LOG' "$(section LOG | grep -o 'STORESCAN_[A-Z_]*')"

events=$(sed -n 's/^ *X([A-Z_]*, *"\([a-z-]*\)", *"\([0-9a-f]*\)".*/\1 \2/p' "$SOURCE/daemon/events.h")
[[ -n $events ]] || fail 'no events found in daemon/events.h'
same 'daemon/events.h' "$events" 'storescan-events(7)' \
    "$(awk '/^\.TP/ { getline; word = $2 } /^\.I [0-9a-f]/ { print word, $2 }' "$BUILD/units/storescan-events.7")"

# Each test that storescan-security(7) names is there.
named=$(sed 's/\\-/-/g' "$SOURCE/units/man/storescan-security.7" |
    grep -oE '(TEST-[0-9]+|(unit|fuzz)/[a-z-]+|worker-[a-z]+) [,)]' | sed 's/ [,)]$//' | sort -u)
[[ -n $named ]] || fail 'no tests found in storescan-security(7)'
for name in $named; do
    case $name in
    TEST-*) file=("$SOURCE/tests/system/$name"-*.sh) ;;
    unit/*) file=("$SOURCE/tests/unit/test-${name#*/}.c") ;;
    fuzz/*) file=("$SOURCE/tests/fuzz/fuzz-${name#*/}.c") ;;
    *) file=("$SOURCE/tests/system/test-$name.c") ;;
    esac
    [[ -e ${file[0]} ]] || fail "storescan-security(7) names a test that does not exist: $name"
done
