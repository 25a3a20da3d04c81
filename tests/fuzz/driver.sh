#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What the fuzz targets' driver promises, by a target that is broken: driver.sh FUZZ-BROKEN.
# Nothing in the files brings it down, something that is made of them does, and the file that this
# is kept in does it again.

source "$(dirname "$0")/../style/lib.sh"
make_tmp
ulimit -c 0
export STORESCAN_FUZZ_OUT=$TMP/out
BROKEN=$1

# run ARGUMENT...: what is said and how it ends goes to $said and $status.
run() {
    status=0
    said=$("$BROKEN" "$@" 2>&1) || status=$?
}

for word in abort exit hang segv stack; do
    mkdir -p "$TMP/$word" "$TMP/out"
    printf '%s 1000\n' "$word" >"$TMP/$word/seed"
    case $word in
    exit) how='ended the program' ;;
    hang) how=hung ;;
    *) how=crashed ;;
    esac

    run "$TMP/$word"
    ((status == 0)) || fail "$word: the seed itself ends it with $status: $said"
    run --runs 20000 --limit 1 "$TMP/$word"
    ((status != 0)) || fail "$word: nothing that was made brings it down: $said"
    files=("$TMP"/out/*)
    ((${#files[@]} == 1)) && [[ ${files[0]} =~ /crash-broken-1-[0-9]+$ ]] || fail "$word: kept: ${files[*]}"
    [[ $said == *"$how on ${files[0]}"* ]] || fail "$word: not told how, or where: $said"
    [[ $(tr -d '\0' <"${files[0]}") == "$word"* ]] || fail "$word: another input is kept"

    mv "$TMP/out" "$TMP/first"
    run --limit 1 "$TMP/first/${files[0]##*/}"
    ((status != 0)) || fail "$word: what is kept does not bring it down again"
    [[ $said == *"$how on $TMP/first/"* ]] || fail "$word: not told how again: $said"

    # The same seed finds the same, for another there is another name.
    if [[ $word == abort ]]; then
        mkdir "$TMP/out"
        run --runs 20000 "$TMP/$word"
        cmp "$TMP/out/${files[0]##*/}" "$TMP/first/${files[0]##*/}" || fail 'the same seed makes other inputs'
        run --runs 20000 --seed 2 "$TMP/$word"
        ((status != 0)) && compgen -G "$TMP/out/crash-broken-2-*" >/dev/null || fail "by another seed: $said"
        rm -r "$TMP/out"
        run --runs 20000 "$TMP/$word"
        [[ $status != 0 && $said == *"can't be written"* ]] || fail "without a folder: $said"
    fi
    rm -r "$TMP/first"
done

for bad in --runs '--runs -1' '--runs 1x' '--seed 99999999999999999999' --what; do
    # shellcheck disable=SC2086 # two words
    run $bad "$TMP/abort"
    ((status == 2)) && [[ $said == *Usage:* ]] || fail "'$bad' is taken: $said"
done
run
((status == 2)) || fail "no input is no mistake: $said"
mkdir "$TMP/none"
run "$TMP/none"
((status == 1)) || fail "an empty folder is no mistake: $said"
