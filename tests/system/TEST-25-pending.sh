#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# storescanctl pending names who waits, for what and since when, and nobody else; top and store list tell
# what happened meanwhile.

source "$(dirname "$0")/../lib.sh"
setup
source "$(dirname "$0")/../bus.sh"

export STORESCAN_WORKER=$BUILD/tests/system/fake-worker
SCANNER_CONF=${SCANNER_CONF/workers = 3/workers = 1}
SCANNER_CONF+="
scan_timeout = $((50 * PATIENCE))s
worker_timeout = $((100 * PATIENCE))s"
make_fs store ext4
make_maildir "$WORK/store"
cur=$WORK/store/cur
strange=$cur/$'2.\xff\n"M1:2,S'
echo first >"$cur/1"
echo second >"$strange"
SELF_TEST_CONF='self_test = 1h'
add_store mail "$WORK/store"
add_store boxes "$WORK/boxes" format=mbox kind=public-folder on_infected=detect
mkdir "$WORK/boxes"
start_bus
start_storescand
wait_until 20 has_name || fail "storescand is not on the bus: $(<"$WORK/bus.log")"

pending() { "$STORESCANCTL" --json pending; }
# reads UID FILE: in the background, its process in $READER.
reads() {
    setpriv --reuid="$1" --clear-groups -- cat -- "$2" >/dev/null 2>&1 &
    READER=$!
    PIDS+=("$READER")
}
# shellcheck disable=SC2317 # wait_until calls these
waiting_are() { (($(pending | wc -l) == $1)); }
# shellcheck disable=SC2317
workers_are() { (($(worker_pids | wc -l) == $1)); }

say 'nobody waits'
expect_equal "$("$STORESCANCTL" pending)" 'Nobody waits.' 'pending'
expect_equal "$(pending)" '' 'pending in JSON'

say 'two wait for a worker that stands still'
wait_until 20 workers_are 1 || fail 'there is not one worker'
chmod -R go+rX "$WORK/store"
stopped=$(worker_pids)
kill -STOP "$stopped"
reads 5001 "$cur/1"
first=$READER
wait_until 20 waiting_are 1 || fail "who waits is: $(pending)"
reads 5002 "$strange"
second=$READER
wait_until 20 waiting_are 2 || fail "who waits is: $(pending)"
pending >"$WORK/waiting"
expect_equal "$(jq -r '[.pid, .uid, .comm, .access, .store] | join(" ")' "$WORK/waiting")" \
    "$first 5001 cat open mail"$'\n'"$second 5002 cat open mail" 'who waits, the longest first'
expect_equal "$(jq -sr '.[0].path' "$WORK/waiting")" "$cur/1" 'path'
expect_equal "$(jq -sr '.[1].path_base64url' "$WORK/waiting" | tr -- '-_' '+/' | base64 -d 2>/dev/null || true)" \
    "$strange" 'path of any bytes'
jq -se '(.[0].wait_usec >= .[1].wait_usec) and all(.stage == "queue" or .stage == "read" or .stage == "scan")' \
    "$WORK/waiting" >"$WORK/true" || fail "stages or times are not: $(<"$WORK/waiting")"
"$STORESCANCTL" pending >"$WORK/said"
grep -Eq "^ +[0-9.]+ s +$first +cat +5001 +open +[a-z]+ +mail +$cur/1\$" "$WORK/said" ||
    fail "text is: $(<"$WORK/said")"
grep -Eq '/2\.\\xff\\x0a"M1:2,S$' "$WORK/said" || fail "text is: $(<"$WORK/said")"
expect_equal "$(wc -l <"$WORK/said")" 3 'lines'

say 'explain says that it is being scanned'
expect_equal "$("$STORESCANCTL" --json explain "$cur/1" | jq -r '[.tier, .answer, .scanning] | join(" ")')" \
    'joins-scan depends true' 'what is explained'

say 'top sees them answered'
"$STORESCANCTL" --json top >"$WORK/top" &
top=$!
PIDS+=("$top")
kill -CONT "$stopped"
wait "$first" "$second"
wait "$top"
jq -e '.rates.scans >= 0 and .interval_usec >= 1000000 and .interval_usec < 20000000 and .guarding and
    (.stores | keys == ["boxes", "mail"])' "$WORK/top" >"$WORK/true" || fail "top says: $(<"$WORK/top")"
wait_until 20 waiting_are 0 || fail "who waits is: $(pending)"

say 'stores and their counters'
# shellcheck disable=SC2317 # wait_until calls it
is_hooked() { [[ $("$STORESCANCTL" --json store list | jq -r .hooked | paste -sd ' ') == 'yes yes' ]]; }
wait_until 20 is_hooked || fail 'not hooked'
wait_until 20 counter_reaches scans 2 || fail 'not both were scanned'
"$STORESCANCTL" --json store list >"$WORK/stores"
expect_equal "$(jq -r '[.name, .path, .kind, .format, .on_infected, .on_error, .on_unscannable] | join(" ")' "$WORK/stores")" \
    "mail $WORK/store mailbox maildir block deny allow
boxes $WORK/boxes public-folder mbox detect deny allow" 'stores'
expect_equal "$(jq -r .counters.scans "$WORK/stores" | paste -sd ' ')" '2 0' 'scans of each store'

say 'for whom'
cp "$STORESCANCTL" "$WORK/storescanctl"
user() { setpriv --reuid "$TEST_USER" --clear-groups "$WORK/storescanctl" "$@"; }
user store list >"$WORK/said"
grep -q '^mail$' "$WORK/said" || fail "a user sees: $(<"$WORK/said")"
status=0
output=$(user pending 2>&1) || status=$?
expect_equal "$status" 2 'status of pending for a user'
[[ $output == *'for root'* ]] || fail "does not say who may: $output"
stop_storescand
for verb in pending top 'store list'; do
    status=0
    # shellcheck disable=SC2086 # one word or two
    output=$("$STORESCANCTL" $verb 2>&1) || status=$?
    expect_equal "$status" 2 "status of $verb without storescand"
    [[ $output == *'does not run'* ]] || fail "does not say why: $output"
done
exit 0
