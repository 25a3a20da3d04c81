# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# What style tests share. A missing tool skips a test, and says so.

set -euo pipefail
shopt -s inherit_errexit

SOURCE=${SOURCE:-$(readlink -f "$(dirname "${BASH_SOURCE[0]}")/../..")}
BUILD=${BUILD:-$SOURCE/build}

fail() {
    printf 'FAIL: %s\n' "$*" >&2
    exit 1
}

need_program() {
    local program
    for program; do
        command -v "$program" >/dev/null && continue
        printf 'SKIP: needs the program %s\n' "$program" >&2
        exit 77
    done
}

make_tmp() {
    TMP=$(mktemp -d)
    trap 'rm -rf "$TMP"' EXIT
}

# The project's own files of some names, NUL between them; build folders are left out.
source_files() {
    local args=() pattern
    for pattern; do args+=(-o -name "$pattern"); done
    find "$SOURCE" \( -name .git -o -name 'build*' -type d \) -prune -o \
        -type f \( "${args[@]:1}" \) -print0 | sort -z
}

# same WHAT-A LIST-A WHAT-B LIST-B: fails with the difference of two sorted lists.
same() {
    local a b
    a=$(comm -23 <(sort -u <<<"$2") <(sort -u <<<"$4"))
    b=$(comm -13 <(sort -u <<<"$2") <(sort -u <<<"$4"))
    [[ -z $a ]] || fail "in $1 but not in $3: ${a//$'\n'/, }"
    [[ -z $b ]] || fail "in $3 but not in $1: ${b//$'\n'/, }"
}
