#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# storescand on a system bus: what anybody may read there, what storescanctl makes of it, and that the
# bus may come late, hang or go without a file waiting for it.

source "$(dirname "$0")/../lib.sh"
setup
source "$(dirname "$0")/../bus.sh"

as_nobody() { setpriv --reuid "$TEST_USER" --clear-groups env "$@"; }

make_fs store ext4
make_maildir "$WORK/store/alice"
"$MAKE_MAIL" clean -n 2 -o "$WORK/store/alice/cur" >/dev/null
make_mail "$WORK/store/alice/cur/bad:2,S" eicar-base64
chmod 0755 "$WORK"
add_store odd.name "$WORK/store" on_infected=block
cp -r "$SIGNATURES" "$WORK/signatures"
SCANNER_CONF=${SCANNER_CONF/"$SIGNATURES"/"$WORK/signatures"}

# shellcheck disable=SC2317 # wait_until calls it
generation_was_told() { told_change /org/storescan Generation "$(property Generation | cut -d ' ' -f 2)"; }

say 'no bus: storescand guards all the same'
start_storescand
expect_denied "$WORK/store/alice/cur/bad:2,S"
status=0
output=$("$STORESCANCTL" status 2>&1) || status=$?
expect_equal "$status" 3 'status without a bus'
[[ $output == *'bus can'*'be reached'* ]] || fail "does not name the bus: $output"

say 'the bus comes late'
start_bus
wait_until 20 has_name || fail "storescand is not on the bus: $(<"$WORK/bus.log")"
expect_equal "$(property Guarding)" 'b true' 'Guarding'
expect_equal "$(property Waiting)" 'u 0' 'Waiting'
expect_equal "$(busctl get-property org.storescan /org/storescan/store/odd_2ename org.storescan.Store Path)" \
    "s \"$WORK/store\"" 'path of the store'
busctl tree --list org.storescan >"$WORK/tree"
grep -qx '/org/storescan/store/odd_2ename' "$WORK/tree" || fail 'the store is not listed'
busctl introspect org.storescan /org/storescan org.storescan.Manager >"$WORK/introspection"
grep -q '^\.Counters ' "$WORK/introspection" || fail 'no introspection'

say 'storescanctl status and stats'
"$STORESCANCTL" status >"$WORK/status" || fail "status: $(<"$WORK/status")"
grep -q 'guards its stores' "$WORK/status" || fail "status: $(<"$WORK/status")"
grep -Eq 'Found +1 infected' "$WORK/status" || fail "status: $(<"$WORK/status")"
json=$("$STORESCANCTL" --json status)
expect_equal "$(jq -r '[.guarding, .waiting, .counters.infected, .counters.denied] | @csv' <<<"$json")" \
    'true,0,1,1' 'status in JSON'
"$STORESCANCTL" stats >"$WORK/stats"
grep -Eq '^infected +1 ' "$WORK/stats" || fail 'stats'
expect_equal "$("$STORESCANCTL" --json stats | jq .infected)" 1 'stats in JSON'

expect_equal "$(jq -r '[.health, .today.infected, .today.denied, .breaker, .stages.scan.count > 0] | @csv' <<<"$json")" \
    '"well",1,1,"closed",true' 'health, today and stages in JSON'
grep -Eq 'Today +1 infected.* 1 opens denied' "$WORK/status" || fail "status: $(<"$WORK/status")"
grep -Eq 'Stages +99 of 100 within .*scan' "$WORK/status" || fail "status: $(<"$WORK/status")"

say 'for everybody to read'
cp "$STORESCANCTL" "$WORK/storescanctl"
as_nobody "$WORK/storescanctl" status >/dev/null || fail 'status for a user'

say 'what root may ask, and nobody else'
"$STORESCANCTL" reload >/dev/null || fail 'reload'
wait_for_line ' config-reloaded: '
# refused_to_user VERB...: and who may is said.
refused_to_user() {
    local status=0 output
    output=$(as_nobody "$WORK/storescanctl" "$@" 2>&1) || status=$?
    expect_equal "$status" 2 "$* for a user"
    [[ $output == *'for root'* ]] || fail "$*: does not say who may: $output"
}
# Nothing of it is done.
all_refused_to_user() {
    refused_to_user reload
    refused_to_user pause 1min
    refused_to_user resume
    refused_to_user store detach odd.name
    refused_to_user store attach odd.name
    refused_to_user sweep start odd.name
    refused_to_user sweep stop odd.name
    refused_to_user poison clear
    expect_equal "$(property Paused)" 'b false' 'Paused'
    expect_equal "$(busctl get-property org.storescan /org/storescan/store/odd_2ename org.storescan.Store State)" \
        's "guarded"' 'state of the store'
    ! grep -Eq '^storescand: (store-detached|sweep-started|paused)' "$LOG" || fail 'a user was obeyed'
    expect_denied "$WORK/store/alice/cur/bad:2,S"
}
all_refused_to_user

say 'errors have names'
error=$(SYSTEMD_LOG_LEVEL=debug busctl call org.storescan /org/storescan org.storescan.Manager SweepStart s nobody 2>&1) &&
    fail 'a store that is not there is swept'
[[ $error == *org.storescan.Error.NoSuchStore* ]] || fail "error: $error"

say 'a pause, which root orders and which ends'
expect_denied "$WORK/store/alice/cur/bad:2,S"
for time in 0s 25h forever; do
    status=0
    output=$("$STORESCANCTL" pause "$time" 2>&1) || status=$?
    expect_equal "$status" 2 "pause '$time'"
    [[ $output == *"'$time'"* ]] || fail "does not name '$time': $output"
done
expect_denied "$WORK/store/alice/cur/bad:2,S"
watch_signals
"$STORESCANCTL" pause 1min >/dev/null || fail 'pause'
expect_told /org/storescan Paused true
expect_readable "$WORK/store/alice/cur/bad:2,S"
status=0
output=$("$STORESCANCTL" status) || status=$?
expect_equal "$status" 1 'status in a pause'
[[ $output == *PAUSED* ]] || fail "does not tell of the pause: $output"
refused_to_user resume
expect_equal "$(property Paused)" 'b true' 'Paused, when a user wanted its end'
"$STORESCANCTL" resume || fail 'resume'
expect_told /org/storescan Paused false
expect_denied "$WORK/store/alice/cur/bad:2,S"
"$STORESCANCTL" pause 1s >/dev/null || fail 'pause'
# shellcheck disable=SC2317 # wait_until calls it
ended() { ! read_file "$WORK/store/alice/cur/bad:2,S" >/dev/null 2>&1; }
wait_until 20 ended || fail 'the pause did not end by itself'

say 'signatures that are refused, and others that are not'
echo nonsense >"$WORK/signatures/broken.ndb"
"$STORESCANCTL" reload >/dev/null || fail 'reload'
expect_told /org/storescan Refused '["signatures"]'
status=0
output=$("$STORESCANCTL" status) || status=$?
expect_equal "$status" 1 'status when signatures were refused'
[[ $output == *'signatures were refused'*'-> journalctl'* ]] || fail "does not tell of it: $output"
rm "$WORK/signatures/broken.ndb"
echo "$(printf hello | md5sum | cut -d ' ' -f 1):5:Test.New" >"$WORK/signatures/new.hdb"
"$STORESCANCTL" reload >/dev/null || fail 'reload'
expect_told /org/storescan Refused '[]'
wait_until 20 generation_was_told || fail "no new generation was told: $(<"$WORK/signals")"
"$STORESCANCTL" status >"$WORK/status" || fail "status: $(<"$WORK/status")"

say 'a bus that hangs keeps nobody waiting'
kill -STOP "$BUS"
timeout 2 busctl get-property org.storescan /org/storescan org.storescan.Manager Waiting 2>/dev/null &&
    fail 'the bus is not stopped'
expect_readable "$WORK/store/alice/cur"/*clean*
kill -CONT "$BUS"
wait_until 20 has_name || fail 'not on the bus after it hung'

say 'a bus that goes, and another one that comes'
kill "$BUS"
wait "$BUS" 2>/dev/null || true
expect_readable "$WORK/store/alice/cur"/*clean*
# This one lets everybody through: storescand asks who calls all the same.
sed -i 's|<include>.*|<policy context="default"><allow own="*"/><allow send_destination="*"/></policy>|' "$WORK/bus.conf"
start_bus
wait_until 30 has_name || fail 'not on the second bus'
: >"$LOG"
all_refused_to_user
"$STORESCANCTL" reload >/dev/null || fail 'reload on the second bus'
stop_storescand
# shellcheck disable=SC2317 # wait_until calls it
has_no_name() { ! has_name; }
wait_until 20 has_no_name || fail 'still on the bus after its end'
