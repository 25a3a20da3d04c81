#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# storescanctl scan: each file is scanned, whatever access would leave out, and what it says is what was
# found. Invariant: what could not be scanned is never said to be clean, though its open was allowed.

source "$(dirname "$0")/../lib.sh"
setup
source "$(dirname "$0")/../bus.sh"

export STORESCAN_WORKER=$BUILD/tests/system/fake-worker
SCANNER_CONF+="
scan_timeout = $((30 * PATIENCE))s
worker_timeout = $((60 * PATIENCE))s"
make_fs store ext4
make_fs boxes ext4
for folder in block detect; do
    make_maildir "$WORK/store/$folder"
    for word in clean INFECTED UNSCANNABLE CRASH SLOW; do echo "$word $folder" >"$WORK/store/$folder/cur/$word"; done
done
block=$WORK/store/block/cur detect=$WORK/store/detect/cur
mkdir "$WORK/boxes/mail"
message() { printf 'From a@b.example Thu Jan  1 00:00:00 2026\nSubject: test\n\n%s\n\n' "$1"; }
{ message clean; message again; } >"$WORK/boxes/mail/clean"
{ message clean; message again; message INFECTED; } >"$WORK/boxes/mail/infected"
add_store block "$WORK/store/block" on_infected=block on_error=allow
add_store detect "$WORK/store/detect" on_infected=detect on_error=deny on_unscannable=deny
add_store boxes "$WORK/boxes" format=mbox on_infected=detect
start_bus
start_storescand
wait_until 20 has_name || fail "storescand is not on the bus: $(<"$WORK/bus.log")"

scan() { "$STORESCANCTL" --json scan "$@"; }
# expect_found STATUS VERDICT KNOWN OPEN FILE
expect_found() {
    local json status=0
    json=$(scan "$5") || status=$?
    expect_equal "$(jq -r '[.verdict, .known, .open] | join(" ")' <<<"$json")" "$2 $3 $4" "scan $5"
    expect_equal "$status" "$1" "status of scan $5"
}
# expect_not_scanned TEXT FILE: it says why, and never that it is clean.
expect_not_scanned() {
    local json status=0
    json=$(scan "$2" 2>"$WORK/said") || status=$?
    expect_equal "$status" 2 "status of scan $2"
    expect_equal "$(jq -r 'has("verdict")' <<<"$json")" false "scan $2"
    [[ $(jq -r .error <<<"$json") == *"$1"* && $(<"$WORK/said") == *"$1"* ]] || fail "does not say why: $json"
}

# Again until its stamp says so: on a busy machine one may be written too late to say anything of its file.
# shellcheck disable=SC2317 # wait_until calls it
is_known() { [[ $(scan "$1" | jq .known) == true ]]; }

say 'what is found, by a scan and then by the stamp'
expect_found 0 clean false allowed "$block/clean"
expect_found 1 infected false denied "$block/INFECTED"
expect_found 1 infected false allowed "$detect/INFECTED"
expect_equal "$(counter swept)" 3 'opens that are announced'
for file in "$block/clean" "$block/INFECTED" "$detect/INFECTED"; do
    wait_until 20 is_known "$file" || fail "its stamp does not say it: $file: $(stamp_of "$file")"
done
expect_found 0 clean true allowed "$block/clean"
expect_found 1 infected true denied "$block/INFECTED"

say 'what could not be scanned is not clean, whatever is allowed'
expect_found 2 unscannable false allowed "$block/UNSCANNABLE"
expect_found 2 unscannable false denied "$detect/UNSCANNABLE"
expect_found 2 unknown false allowed "$block/CRASH"
expect_found 2 unknown false denied "$detect/CRASH"

say 'files of many messages: all of them, though none is read'
expect_found 0 clean false allowed "$WORK/boxes/mail/clean"
expect_found 1 infected false allowed "$WORK/boxes/mail/infected"

say 'others wait for that scan as for any'
before=$(counter swept)
scan "$detect/SLOW" >"$WORK/slow" &
slow=$!
expect_readable "$detect/SLOW"
wait "$slow"
expect_equal "$(jq -r .verdict "$WORK/slow")" clean 'a scan of a second'
expect_equal "$(counter swept)" "$((before + 1))" 'opens that are announced'

say 'the highest status of all files'
status=0
"$STORESCANCTL" scan "$block/clean" "$block/INFECTED" "$detect/SLOW" >"$WORK/said" || status=$?
expect_equal "$status" 1 'status'
expect_equal "$(wc -l <"$WORK/said")" 3 'lines'
grep -Fxq "$block/clean: clean, by its stamp" "$WORK/said" || fail "text is: $(<"$WORK/said")"
grep -Fq "$block/INFECTED: infected, by its stamp; the open was denied" "$WORK/said" || fail "text is: $(<"$WORK/said")"

say 'a hot file raises no event, and is clean'
tier() { "$STORESCANCTL" --json explain "$1" | jq -r .tier; }
for ((i = 0; i < 50; i++)); do
    read_file "$block/clean" >/dev/null
    [[ $(tier "$block/clean") != hot ]] || break
done
expect_equal "$(tier "$block/clean")" hot 'tier'
expect_found 0 clean true allowed "$block/clean"

say 'what is not looked at says why'
echo x >"$WORK/store/block/dovecot.index.log"
: >"$block/empty"
expect_not_scanned 'is no mail' "$WORK/store/block/dovecot.index.log"
expect_not_scanned 'nothing to scan' "$block/empty"
echo outside >"$WORK/outside"
expect_not_scanned 'no store has this path' "$WORK/outside"
expect_not_scanned 'folder' "$block"
expect_not_scanned 'regular file' /dev/null
expect_not_scanned 'No such file' "$block/nothing"
"$STORESCANCTL" pause 1min >/dev/null
expect_not_scanned 'passes unscanned' "$detect/INFECTED"
"$STORESCANCTL" resume

say 'an announcement is for one open of one file by one process'
announce() { busctl call org.storescan /org/storescan org.storescan.Manager "$1" utt "$2" "$(stat -c %d "$3")" "$(stat -c %i "$3")"; }
announce ScanBegin $$ "$detect/INFECTED"
before=$(counter swept)
expect_readable "$detect/INFECTED" "$detect/clean"
exec 5<"$detect/clean" 5<"$detect/INFECTED" 5<"$detect/INFECTED" 5<&-
expect_equal "$(counter swept)" "$((before + 1))" 'opens that are announced'
expect_equal "$(announce ScanResult $$ "$detect/INFECTED")" 'sb "infected" true' 'result'
expect_equal "$(announce ScanResult $$ "$detect/INFECTED")" 'sb "none" false' 'result of what is not announced'
for ((i = 1; i <= 20; i++)); do announce ScanBegin "$i" "$block/clean"; done
expect_found 1 infected true denied "$block/INFECTED"

say 'for whom'
cp "$STORESCANCTL" "$WORK/storescanctl"
status=0
output=$(setpriv --reuid "$TEST_USER" --clear-groups "$WORK/storescanctl" scan "$block/clean" 2>&1) || status=$?
expect_equal "$status" 2 'scan for a user'
[[ $output == *'for root'* ]] || fail "does not say who may: $output"
stop_storescand
status=0
output=$("$STORESCANCTL" scan "$block/clean" 2>&1) || status=$?
expect_equal "$status" 2 'scan without storescand'
[[ $output == *'does not run'* ]] || fail "does not say why: $output"
exit 0
