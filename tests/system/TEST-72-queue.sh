#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Who is served first when more is asked for than can be scanned: users in turn, readers before what
# nobody waits for; what a reader waits for, and what he meets behind his deadline.

source "$(dirname "$0")/../lib.sh"
need_program setpriv
setup
make_fs store ext4 128M
make_maildir "$WORK"/store/{alice,bob}
chmod -R go+rX "$WORK/store"
cp "$BUILD/tests/system/fake-worker" "$WORK/fake-worker"
chmod 0755 "$WORK/fake-worker"
alice=$WORK/store/alice/cur bob=$WORK/store/bob/cur
export STORESCAN_WORKER=$WORK/fake-worker

# as UID COMMAND...
as() {
    local uid=$1
    shift
    setpriv --reuid="$uid" --regid="$uid" --clear-groups -- "$@"
}

# reads UID FILE...: all of them at once, in the background.
reads() {
    local uid=$1 file
    shift
    for file; do
        as "$uid" timeout 120 cat -- "$file" >/dev/null 2>&1 &
        PIDS+=("$!")
    done
}

workers_are() { (($(worker_pids | wc -l) == $1)); }

# hold_workers / free_workers: what they have, they keep; what comes, waits.
hold_workers() { for pid in $(worker_pids); do kill -STOP "$pid"; done; }
free_workers() { for pid in $(worker_pids); do kill -CONT "$pid"; done; }

say 'one user has 200 messages open, another opens one'
SCANNER_CONF=${SCANNER_CONF/workers = 3/workers = 1}
SCANNER_CONF+="
scan_timeout = 50s
worker_timeout = 100s"
add_store s "$WORK/store"
start_storescand
wait_until 20 workers_are 1 || fail 'there is not one worker'
for n in {1..200}; do echo "alice $n" >"$alice/$n"; done
echo "bob" >"$bob/1"
chmod -R go+rX "$WORK/store"
hold_workers
reads 5001 "$alice"/*
wait_until 60 counter_reaches events 200 || fail 'not all of them wait'
reads 5002 "$bob/1"
wait_until 10 counter_reaches events 201 || fail 'he does not wait'
expect_equal "$(counter scans)" 0 'scans by a worker that stands still'
# Its first two jobs were given to the worker already; then users take turns. The stamps tell the order.
free_workers
for n in {1..200}; do expect_stamp "$alice/$n" c; done
expect_stamp "$bob/1" c
stamp_time() { stamp_of "$1" | cut -d ' ' -f 4; }
later=0
for n in {1..200}; do
    [[ $(stamp_time "$alice/$n") < $(stamp_time "$bob/1") ]] || ((later += 1))
done
((later >= 190)) || fail "the other user was served before only $later of 200"
(($(counter turns) >= 1)) || fail 'no turn was counted'
stop_storescand

say 'new mail of a public folder is scanned before anybody asks, however it is delivered'
make_fs public ext4
make_fs folders tmpfs
make_maildir "$WORK/store/mailbox" "$WORK/public/team" "$WORK/folders/team"
STORES_CONF=
add_store s "$WORK/store"
add_store public "$WORK/public" kind=public-folder
add_store folders "$WORK/folders" proactive=yes marks=directories
start_storescand
wait_until 20 workers_are 1 || fail 'there is not one worker'
for store in public folders; do
    team=$WORK/$store/team
    make_maildir "$team/.later"
    echo "renamed in $store" >"$team/tmp/renamed"
    mv "$team/tmp/renamed" "$team/new/renamed"
    echo "linked in $store" >"$team/tmp/linked"
    ln "$team/tmp/linked" "$team/new/linked"
    rm "$team/tmp/linked"
    echo "written in $store" >"$team/cur/written"
    echo 'INFECTED' >"$team/cur/infected"
    echo "index in $store" >"$team/dovecot.index"
    echo "later in $store" >"$team/.later/cur/late"
    expect_stamp "$team/new/renamed" c
    expect_stamp "$team/new/linked" c
    expect_stamp "$team/cur/written" c
    expect_stamp "$team/cur/infected" i
    expect_stamp "$team/.later/cur/late" c
    wait_for_line "Found '$team/cur/infected'|'$team/cur/infected'.*Fake.Test"
    expect_no_stamp "$team/dovecot.index"
    expect_denied "$team/cur/infected"
done
expect_equal "$(counter joined)" 0 'joined scans'
scans=$(counter scans)
echo "a mailbox is not" >"$WORK/store/mailbox/cur/1"
echo "synchronise" >"$WORK/public/team/cur/behind"
expect_stamp "$WORK/public/team/cur/behind" c
expect_no_stamp "$WORK/store/mailbox/cur/1"
expect_equal "$(counter scans)" $((scans + 1)) 'scans'

say 'a reader who comes for new mail before its turn raises and joins it'
hold_workers
delivered=$(counter delivered)
for name in before-1 before-2 awaited; do
    echo "$name" >"$WORK/public/team/cur/$name"
    ((delivered += 1))
    wait_until 10 counter_reaches delivered "$delivered" || fail "it was not told of: $name"
done
chmod -R go+rX "$WORK/public"
reads 5001 "$WORK/public/team/cur/awaited"
wait_until 10 counter_reaches joined 1 || fail 'the reader did not join'
expect_equal "$(counter raised)" 1 'raised scans'
free_workers
expect_stamp "$WORK/public/team/cur/awaited" c
expect_stamp "$WORK/public/team/cur/before-2" c

say 'a storm of deliveries is bounded, and nothing of it passes unscanned'
hold_workers
for n in {1..50}; do echo "storm $n" >"$WORK/public/team/tmp/storm-$n"; done
echo INFECTED >"$WORK/public/team/tmp/storm-51"
mv "$WORK"/public/team/tmp/storm-* "$WORK/public/team/new/"
# Of the 51, low_queue wait.
wait_until 10 counter_reaches overflowed 21 || fail "overflowed is $(counter overflowed)"
expect_equal "$(counter overflowed)" 21 'messages left to their readers'
free_workers
expect_denied "$WORK/public/team/new/storm-51"
expect_readable "$WORK"/public/team/new/storm-{1..50}
stop_storescand
