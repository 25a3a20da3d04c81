#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Ways through or around the gate that a review found, each of which once worked: a stop while found
# files are judged, found files whose folder is swapped for a link, work that nobody waits for any
# more, a store that is itself called cur. The engine is fake-worker.

source "$(dirname "$0")/../lib.sh"
setup
cp "$BUILD/tests/system/fake-worker" "$WORK/fake-worker"
chmod 0755 "$WORK/fake-worker"
SCANNER_CONF=${SCANNER_CONF/workers = 3/workers = 2}
SCANNER_CONF+="
scan_timeout = 4s
worker_timeout = 30s
low_queue = 24
breaker_failures = 0" # half of the queue is for what is found; an overload here is not for the breaker
start() { start_storescand env STORESCAN_WORKER="$WORK/fake-worker"; }

say 'a stop while a found file is judged: the gate ends in order, and who waits is denied'
store=$WORK/folders
make_maildir "$store/u"
add_store folders "$store" marks=directories
start
mkdir -p "$WORK/in/m/cur"
echo SLOW >"$WORK/in/m/cur/slow"
echo 'HANG INFECTED' >"$store/u/cur/hang"
events=$(counter events) # that it was written is one as well
read_file "$store/u/cur/hang" >"$WORK/got" 2>/dev/null &
reader=$!
wait_until 20 counter_reaches events $((events + 1)) || fail 'no open'
mv "$WORK/in/m" "$store/m"
wait_until 20 counter_reaches found 1 || fail 'nothing was found'
stop_storescand
wait "$reader" && fail 'the waiting open was allowed'
[[ ! -s $WORK/got ]] || breach 'infected content was read'

say 'found files are not followed out of the store'
mkdir -p "$WORK/secret" "$WORK/in/n/cur"
for n in {1..30}; do
    echo "SLOW $n" >"$WORK/in/n/cur/$n"
    echo "secret $n" >"$WORK/secret/$n"
done
start
mv "$WORK/in/n" "$store/n"
wait_until 20 counter_reaches found 1 || fail 'nothing was found'
mv "$store/n/cur" "$store/n/old"
ln -s "$WORK/secret" "$store/n/cur"
wait_until 60 counter_reaches clean 12 || fail 'found files were not judged'
for n in {1..30}; do expect_no_stamp "$WORK/secret/$n"; done
stop_storescand

say 'work that nobody waits for any more does not keep others waiting'
rm -rf "$store"
make_maildir "$store/u"
start
readers=()
# However slowly they come.
wait_until 20 workers_are 2 || fail 'there are not two workers'
hold_workers
for n in {1..24}; do
    echo "SLOW $n" >"$store/u/cur/slow-$n"
    read_file "$store/u/cur/slow-$n" >/dev/null 2>&1 &
    readers+=($!)
done
wait_until 20 counter_reaches timeouts 10 || fail 'there was no overload, so nothing was tested'
free_workers
wait "${readers[@]}" || true
echo quick >"$store/u/cur/quick"
expect_readable "$store/u/cur/quick"
stop_storescand

say 'a store that is itself called cur'
mkdir -p "$WORK/alone/cur"
echo INFECTED >"$WORK/alone/cur/virus"
STORES_CONF=
add_store alone "$WORK/alone/cur"
start
expect_denied "$WORK/alone/cur/virus"
stop_storescand
