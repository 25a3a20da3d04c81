#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Content that crashes or hangs two workers is not scanned a third time: on_error decides at once, over
# restarts too, until it is cleared or other signatures come. It is never stamped, and a copy is kept.

source "$(dirname "$0")/../lib.sh"
setup
[[ -x $BUILD/tests/system/fragile-worker ]] || skip 'built without libclamav'
source "$(dirname "$0")/../bus.sh"
start_bus
wait_until 20 test -S "$WORK/bus" || fail "no bus: $(<"$WORK/bus.log")"
make_fs store ext4
root=$WORK/store
make_maildir "$root/user" "$root/lax/user"
cp "$BUILD/tests/system/fragile-worker" "$WORK/fragile-worker"
cp -r "$SIGNATURES" "$WORK/signatures"
SIGNATURES=$WORK/signatures
SCANNER_CONF="${SCANNER_CONF/database = */database = $SIGNATURES
tmpdir = $WORK/scan/worker
user = $TEST_USER
workers = 2}"
add_store store "$root/user" on_error=deny
add_store lax "$root/lax" on_error=allow
add_store box "$root/box" format=mbox on_error=deny
fragile_mail() {
    printf 'From: a@example.org\nSubject: %s\n\nFRAGILE: %s\n%s\n' "$1" "$2" "${3-}"
}
big_text() { head -c 3000000 /dev/zero | tr '\0' x | fold -w 70; }
mkdir -p "$root/box"
start() { start_storescand env STORESCAN_WORKER="$WORK/fragile-worker"; }
lost() { echo $(($(counter workers_died) + $(counter workers_hung))); }
list() { "$STORESCANCTL" --config "$CONF" --json poison list; }
listed() { list >"$WORK/list" && (($(wc -l <"$WORK/list") == $1)); }
# shellcheck disable=SC2317 # called by wait_until
saved() { [[ -e $WORK/verdicts/poison/list ]] && listed "$1"; }

say 'a crash, twice'
fragile_mail one crash >"$root/user/cur/crash"
cp "$root/user/cur/crash" "$root/user/cur/copy"
cp "$root/user/cur/crash" "$root/lax/user/cur/copy"
make_mail "$root/user/cur/clean" clean
make_mail "$root/user/cur/virus" eicar-base64
start
expect_denied "$root/user/cur/crash"
wait_for_line '^storescand: poison: .*/user/cur/crash.*It cost two workers'
wait_until 20 saved 1 || fail "not in the list: $(list)"
expect_equal "$(lost)" 2 'workers lost'

say 'the same content again, and copies of it: at once, and no worker is lost'
expect_denied "$root/user/cur/crash" "$root/user/cur/copy"
expect_readable "$root/lax/user/cur/copy"
wait_until 20 counter_reaches poison_hits 3 || fail "poison_hits is $(counter poison_hits)"
wait_for_line '^storescand: undecided: .*lax/user/cur/copy.*poison'
expect_equal "$(lost)" 2 'workers lost'
expect_equal "$(counter poisoned)" 1 'poisoned'
expect_readable "$root/user/cur/clean"
expect_denied "$root/user/cur/virus"
expect_no_stamp "$root/user/cur/crash" "$root/user/cur/copy" "$root/lax/user/cur/copy"

say 'the copy'
copy=$(sed -n 's/.*"copy":"\([^"]*\)".*/\1/p' "$WORK/list")
cmp "$copy" "$root/lax/user/cur/copy" || fail "the copy is not the content: $copy"
expect_equal "$(stat -c %a "$copy") $(stat -c %a "$(dirname "$copy")")" '600 700' 'modes'

say 'a large file, which workers read by themselves, and an item of many'
{
    fragile_mail large crash
    big_text
} >"$root/user/cur/large"
{
    printf 'From a@example.org Thu Nov 26 20:00:00 2026\n'
    fragile_mail first none
    printf '\nFrom a@example.org Thu Nov 26 20:00:00 2026\n'
    fragile_mail second crash box
    printf '\nFrom a@example.org Thu Nov 26 20:00:00 2026\n'
    fragile_mail third none
} >"$root/box/mbox"
expect_denied "$root/user/cur/large"
wait_until 20 saved 2 || fail "not in the list: $(list)"
cat "$root/box/mbox" >/dev/null 2>&1 || true
wait_until 20 saved 3 || fail "not in the list: $(list)"
wait_for_line '^storescand: poison: .*the message at byte [1-9][0-9]* of .*/box/mbox'
lost=$(lost)
expect_denied "$root/user/cur/large"
cat "$root/box/mbox" >"$WORK/read" 2>/dev/null || true
! grep -q 'FRAGILE: crash' "$WORK/read" || breach 'content that could not be scanned was read'
expect_equal "$(lost)" "$lost" 'workers lost'

say 'a restart: nothing is forgotten'
stop_storescand
SCANNER_CONF+="
scan_timeout = 3s
worker_timeout = 4s"
start
expect_denied "$root/user/cur/crash" "$root/user/cur/large"
expect_equal "$(lost)" 0 'workers lost'

say 'a hang, twice'
fragile_mail hang hang >"$root/user/cur/hang"
expect_denied "$root/user/cur/hang"
wait_until 20 saved 4 || fail "not in the list: $(list)"
grep -q '"reason":"hang"' "$WORK/list" || fail "not for a hang: $(list)"
expect_denied "$root/user/cur/hang"
expect_equal "$(counter workers_hung)" 2 'workers_hung'

say 'workers that are killed are no fault of what they were at'
make_mail "$root/user/cur/innocent" clean --seed 3
for ((i = 0; i < 40; i++)); do
    worker_pids | xargs -r kill -KILL 2>/dev/null || true
    timeout 5 cat "$root/user/cur/innocent" >/dev/null 2>&1 || true
done
listed 4 || fail "killed workers made it poison: $(list)"

say 'other signatures: tried again, once'
printf 'Other.Test:0:*:%s\n' "$(printf 'another test' | od -An -tx1 | tr -d ' \n')" \
    >"$SIGNATURES/other.ndb"
kill -HUP "$DAEMON_PID"
wait_for_line '^storescand: generation-changed'
wait_until 20 saved 0 || fail "not forgotten: $(list)"
expect_denied "$root/user/cur/crash"
wait_until 20 saved 1 || fail "not in the list: $(list)"

say 'cleared: tried again, and no copy is left; by nobody but root'
! setpriv --reuid "$TEST_USER" --clear-groups "$STORESCANCTL" poison clear 2>"$WORK/refused" ||
    fail 'anybody may clear it'
grep -q 'for root' "$WORK/refused" || fail "refused for another reason: $(<"$WORK/refused")"
copies() { find "$WORK/verdicts/poison" -name 'content-*' | wc -l; }
(($(copies) > 0)) || fail 'there are no copies'
"$STORESCANCTL" poison clear >/dev/null
wait_until 20 saved 0 || fail "not cleared: $(list)"
expect_equal "$(copies)" 0 'copies'
lost=$(lost)
expect_denied "$root/user/cur/crash"
wait_until 20 saved 1 || fail "not in the list: $(list)"
expect_equal "$(lost)" $((lost + 2)) 'workers lost'
stop_storescand
