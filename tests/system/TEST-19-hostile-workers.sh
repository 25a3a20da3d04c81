#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Workers that crash, hang, stay silent or lie (fake-worker): no reader is let through on the word
# of one, every job ends, and the daemon goes on.

source "$(dirname "$0")/../lib.sh"
setup
make_fs store ext4
make_maildir "$WORK/store/u"
mail=$WORK/store/u/cur
PATIENT=$SCANNER_CONF
add_store s "$WORK/store"
cp "$BUILD/tests/system/fake-worker" "$WORK/fake-worker"
chmod 0755 "$WORK/fake-worker"
make_fs box ext4
mkdir "$WORK/box/u"
add_store b "$WORK/box" format=mbox
start() { start_storescand env STORESCAN_WORKER="$WORK/fake-worker"; }
start

say 'an honest worker'
echo 'nothing' >"$mail/clean"
echo 'INFECTED' >"$mail/infected"
expect_readable "$mail/clean"
expect_denied "$mail/infected"
expect_stamp "$mail/clean" c
expect_stamp "$mail/infected" i

say 'each way to lie costs the worker its life, twice, and the content is not clean'
for lie in LIE-ID LIE-KNOWN LIE-SHORT LIE-VERDICT; do
    echo "$lie" >"$mail/$lie"
    expect_denied "$mail/$lie"
    expect_no_stamp "$mail/$lie"
    wait_for_line "Denied open of '.*/$lie' by .*: could not be scanned \(protocol\)"
done

say 'fds that a worker sends are thrown away'
fds_before=$(find "/proc/$DAEMON_PID/fd" | wc -l)
for n in {1..50}; do
    echo "LIE-FDS $n" >"$mail/fds-$n"
    expect_readable "$mail/fds-$n"
done
few_fds() { (($(find "/proc/$DAEMON_PID/fd" | wc -l) <= fds_before + 4)); }
wait_until 20 few_fds || fail 'the gate keeps fds that a worker sent'

say 'a second answer is nonsense: the worker goes, its first verdict stands'
echo LIE-TWICE >"$mail/twice"
expect_readable "$mail/twice"

say 'a crash is tried once more'
echo CRASH >"$mail/crash"
expect_denied "$mail/crash"
wait_for_line "Denied open of '.*/crash' by .*: could not be scanned \(crash\)"
echo 'CRASH-ONCE' >"$mail/crash-once"
expect_readable "$mail/crash-once"

say 'a slow scan keeps other readers waiting only if they want the same content'
echo SLOWER >"$mail/slow"
events=$(counter events) # that it was written is one as well
read_file "$mail/slow" >/dev/null &
slow=$!
wait_until 20 counter_reaches events $((events + 1)) || fail 'nobody asks for the slow message'
echo quick >"$mail/quick"
expect_readable "$mail/quick"
kill -0 "$slow" 2>/dev/null || fail 'the slow scan was not slow'
wait "$slow" || fail 'the slow but clean message was not readable'
stop_storescand

say 'a reader waits no longer than scan_timeout for a worker that hangs; the scan goes on'
SCANNER_CONF+="
scan_timeout = 3s
worker_timeout = 4s"
start
echo HANG >"$mail/hang"
expect_denied "$mail/hang"
wait_for_line "Denied open of '.*/hang' by .*: could not be scanned \(timeout\)"
wait_for_line 'Worker . took too long and was killed; its content has now cost two workers' 30
expect_equal "$(counter workers_hung)" 2 'workers killed'
expect_no_stamp "$mail/hang"

say 'a worker that claims to have done more than there is has no more time for that'
printf 'From a@example.org Sat Nov 28 08:00:00 2026\nSubject: x\n\nLIE-SIZE\n\n' >"$WORK/box/u/inbox"
read_file "$WORK/box/u/inbox" >/dev/null || true # of this one message it can say what it likes
hung_are() { (($(counter workers_hung) == $1)); }
wait_until 30 hung_are 3 || fail "$(counter workers_hung) workers were killed, not 3"
expect_no_stamp "$WORK/box/u/inbox"

say 'on_error = allow lets failed scans through, and says so'
stop_storescand
SCANNER_CONF=$PATIENT
STORES_CONF=
add_store s "$WORK/store" on_error=allow
start
expect_readable "$mail/crash"
wait_for_line "Allowed open of '.*/crash' by .*: could not be scanned \(crash\)"
expect_no_stamp "$mail/crash"
expect_denied "$mail/infected"

say 'the loader dies: a new one takes over, readers wait for it'
old=$(loader_pid)
kill -KILL "$old"
echo after >"$mail/after"
expect_readable "$mail/after"
wait_until 20 is_loader_other_than "$old" || fail 'no new loader'
stop_storescand
