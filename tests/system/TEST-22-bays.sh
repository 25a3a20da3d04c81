#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A worker's slot holds its next job as well. Invariants: a job never waits behind a long one while a
# worker is free; a job that was not begun does not pay for the crash of the one before it; verdicts
# are never mixed up; what nobody waits for never has all workers.

source "$(dirname "$0")/../lib.sh"
setup
make_fs store ext4 128M
root=$WORK/store
cur=$root/cur
make_maildir "$root"
export STORESCAN_WORKER=$BUILD/tests/system/fake-worker
SCANNER_CONF=${SCANNER_CONF/workers = 3/workers = 2}
SCANNER_CONF+="
scan_timeout = $((20 * PATIENCE))s
worker_timeout = $((25 * PATIENCE))s"
[[ $SCANNER_CONF == *'workers = 2'* ]] || fail 'the test needs two workers'
add_store store "$root"
start_storescand

# read_each FILE...: all at once; prints "NAME STATUS MSEC" for each.
read_each() {
    printf '%s\n' "$@" | xargs -P 32 -I {} bash -c '
        start=${EPOCHREALTIME/./}
        status=0
        timeout $((60 * PATIENCE)) cat -- "$1" >/dev/null 2>&1 || status=$?
        printf "%s %s %s\n" "${1##*/}" "$status" "$(((${EPOCHREALTIME/./} - start) / 1000))"' reader {}
}

say 'short jobs do not wait for a long one'
slow=SLOWER soon=4000
((PATIENCE == 1)) || slow=SLOWEST soon=40000
for ((round = 0; round < 20; round++)); do
    printf '%s %s' "$slow" "$round" >"$cur/slow-$round"
    for ((i = 0; i < 16; i++)); do printf 'quick %s %s' "$round" "$i" >"$cur/quick-$round-$i"; done
    read_each "$cur/slow-$round" "$cur/quick-$round"-* >"$WORK/times"
    awk -v soon="$soon" '$2 != 0 { exit 1 } /^quick/ && $3 >= soon { exit 1 }' "$WORK/times" ||
        fail "round $round: $(sort -k3n "$WORK/times" | tail -n 3)"
    (($(counter taken_back) == 0)) || break
done
(($(counter taken_back) > 0)) || fail 'no job was ever taken back from behind a long one'

say 'a job that waits behind a crash is done, and its one retry is left'
for ((round = 0; round < 10; round++)); do
    printf 'CRASH %s' "$round" >"$cur/crash-$round"
    for ((i = 0; i < 8; i++)); do
        printf 'fine %s %s' "$round" "$i" >"$cur/fine-$round-$i"
        printf 'INFECTED %s %s' "$round" "$i" >"$cur/infected-$round-$i"
    done
    read_each "$cur/crash-$round" "$cur/fine-$round"-* "$cur/infected-$round"-* >"$WORK/times"
    # Two workers die of each crash; others that were begun lose at most these two.
    awk '/^fine/ && $2 != 0 || !/^fine/ && $2 == 0 { exit 1 }' "$WORK/times" ||
        fail "round $round: $(grep -E '^fine.* [^0] |^(crash|infected).* 0 ' "$WORK/times" | sed -n 1,3p)"
done
(($(counter workers_died) >= 20)) || fail "only $(counter workers_died) workers died"

say 'lies about the order of jobs end a worker'
for ((i = 0; i < 8; i++)); do printf 'LIE-ID %s' "$i" >"$cur/lie-$i"; done
read_each "$cur"/lie-* >"$WORK/times"
! grep ' 0 [0-9]*$' "$WORK/times" || fail 'a lie was believed'
expect_readable "$cur/fine-0-0"
expect_denied "$cur/infected-0-0"
stop_storescand

say 'what nobody waits for leaves a worker to whoever comes'
STORES_CONF=
add_store store "$root" proactive=yes
start_storescand
all_workers_run() { (($(counter workers_started) == 2)); }
wait_until 20 all_workers_run || fail 'there are not two workers'
for n in 1 2 3; do
    echo "HANG $n" >"$root/tmp/hangs-$n"
    mv "$root/tmp/hangs-$n" "$root/new/"
done
wait_until 10 counter_reaches delivered 3 || fail 'it was not told of new mail'
echo 'quick and awaited' >"$cur/awaited"
READ_TIMEOUT=$((15 * PATIENCE)) expect_readable "$cur/awaited"
expect_equal "$(counter workers_hung)" 0 'workers that were killed meanwhile'
stop_storescand
