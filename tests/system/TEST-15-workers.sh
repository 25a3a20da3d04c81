#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Workers and their loader are killed, stopped and starved: each reader gets the right verdict, or
# on_error; infected mail is never let through.

source "$(dirname "$0")/../lib.sh"
setup
make_fs store ext4 128M
root=$WORK/store
make_maildir "$root/user" "$root/lax/user"
SCANNER_CONF+="
scan_timeout = $((20 * PATIENCE))s
worker_timeout = $((25 * PATIENCE))s"
add_store store "$root/user" on_error=deny
add_store lax "$root/lax" on_error=allow
cp "$BUILD/daemon/worker/storescan-worker" "$WORK/storescan-worker"
export STORESCAN_WORKER=$WORK/storescan-worker
start_storescand
make_mail "$root/user/cur/virus" eicar-base64
expect_denied "$root/user/cur/virus"

# Whoever their parent is; not those of other tests.
worker_processes() {
    local exe
    for exe in /proc/[0-9]*/exe; do
        [[ $(readlink "$exe" 2>/dev/null) != "$STORESCAN_WORKER"* ]] || echo "$exe"
    done
}
# shellcheck disable=SC2317 # wait_until calls it
no_workers() { [[ -z $(worker_processes) ]]; }
wait_until 20 workers_are 3 || fail 'there are not three workers'
(($(worker_processes | wc -l) >= 3)) || fail 'workers are not found by their program'

# read_all FOLDER: reads everything in it with eight readers; prints what went wrong.
read_all() {
    find "$1" -type f -print0 | xargs -0 -n 1 -P 8 bash -c '
        if timeout $((60 * PATIENCE)) cat -- "$1" >/dev/null 2>&1; then
            [[ $1 != *virus* && $1 != *eicar* ]] || echo "read: $1"
        else
            [[ $1 != *clean* ]] || echo "denied: $1"
        fi' reader
}

say 'workers are killed again and again while mail is read'
"$MAKE_MAIL" clean -n 300 -s 30000 -o "$root/user/cur" >/dev/null
"$MAKE_MAIL" eicar-base64 -n 50 -s 30000 -o "$root/user/new" >/dev/null
read_all "$root/user" >"$WORK/wrong" &
reader=$!
PIDS+=("$reader")
declare -A killed=() # one that was killed may be found again for a while
while kill -0 "$reader" 2>/dev/null; do
    for pid in $(worker_pids | shuf -n 1); do
        kill -KILL "$pid" 2>/dev/null && killed[$pid]=yes
    done
    sleep 0.15
done
wait "$reader" || fail 'the readers failed'
kills=${#killed[@]}
((kills > 3)) || fail "only $kills workers could be killed"
say "$kills kills"
# A message may have lost two workers in a row: denied by on_error, which is right. A virus never.
! grep -q '^read: ' "$WORK/wrong" || fail "let through: $(grep -m 3 '^read: ' "$WORK/wrong")"
denied=$(grep -c '^denied: ' "$WORK/wrong" || true)
reported() { (($(count_lines 'undecided: .*crash') >= denied)); } # behind the answer
wait_until 20 reported || fail "$denied clean messages denied, but $(count_lines 'undecided: .*crash') reported as lost"
wait_for_line '^storescand: worker-died: '
wait_until 20 workers_are 3 || fail 'dead workers were not replaced'
expect_readable "$root"/user/cur/*clean*
wait_until 20 counter_reaches workers_died "$kills" || fail "workers_died is $(counter workers_died), not $kills"

say 'the loader is killed'
before=$(loader_pid)
kill -KILL "$before"
"$MAKE_MAIL" clean --seed 1000 -n 20 -o "$root/user/cur" >/dev/null
"$MAKE_MAIL" eicar-nested --seed 1000 -n 5 -o "$root/user/cur" >/dev/null
read_all "$root/user" >"$WORK/wrong"
[[ ! -s $WORK/wrong ]] || fail "after the loader's end: $(head -n 3 "$WORK/wrong")"
wait_until 20 is_loader_other_than "$before" || fail 'the loader was not replaced'
wait_until 20 workers_are 3 || fail 'the new loader has not three workers'
stop_storescand

say 'workers hang: they are killed after worker_timeout, and their jobs done by others'
SCANNER_CONF=${SCANNER_CONF/scan_timeout = $((20 * PATIENCE))s/scan_timeout = 4s}
SCANNER_CONF=${SCANNER_CONF/worker_timeout = $((25 * PATIENCE))s/worker_timeout = 5s}
start_storescand
wait_until 20 workers_are 3 || fail 'there are not three workers'
make_mail "$root/user/cur/hung-mail" clean --seed 77
make_mail "$root/user/cur/hung-virus" eicar-base64 --seed 77
make_mail "$root/lax/user/cur/lax-mail" clean --seed 78
make_mail "$root/lax/user/cur/lax-virus" eicar-base64 --seed 78
hold_workers
start=$SECONDS
# The reader waits for scan_timeout, then on_error: denied, or allowed.
expect_denied "$root/user/cur/hung-mail" &
one=$!
expect_denied "$root/user/cur/hung-virus" &
two=$!
expect_readable "$root/lax/user/cur/lax-mail" &
three=$!
wait "$one" || fail 'on_error = deny let a reader through'
wait "$two" || fail 'on_error = deny let a reader through'
wait "$three" || fail 'on_error = allow denied a reader'
waited=$((SECONDS - start))
((waited >= 3 && waited <= 25 * PATIENCE)) || fail "readers waited for $waited s, scan_timeout is 4 s"
wait_for_line '^storescand: undecided: .*timeout'
wait_for_line '^storescand: worker-hung: ' 30
# The scans went on after the readers had gone: their verdicts are stamped.
expect_stamp_soon() { wait_until 30 has_stamp "$1" "$2" || fail "the scan did not go on: $1"; }
expect_stamp_soon "$root/user/cur/hung-mail" c
expect_stamp_soon "$root/user/cur/hung-virus" i
expect_readable "$root/user/cur/hung-mail"
expect_denied "$root/user/cur/hung-virus"
wait_until 20 workers_are 3 || fail 'hung workers were not replaced'
wait_until 20 counter_reaches workers_hung 3 || fail "workers_hung is $(counter workers_hung)"
wait_until 20 counter_reaches retries 3 || fail "retries is $(counter retries)"
# Where on_error allows, a scan that takes too long would let it through.
read_file "$root/lax/user/cur/lax-virus" >/dev/null 2>&1 || true
expect_stamp_soon "$root/lax/user/cur/lax-virus" i
expect_denied "$root/lax/user/cur/lax-virus"

say 'one of three workers hangs: the others do the work, the one job is late'
for pid in $(worker_pids | sed -n 1p); do kill -STOP "$pid"; done
"$MAKE_MAIL" clean --seed 2000 -n 50 -o "$root/lax/user/new" >/dev/null
read_all "$root/lax" >"$WORK/wrong"
! grep -q denied "$WORK/wrong" || fail "on_error = allow: $(cat "$WORK/wrong")"
stop_storescand

say 'the end with openers that wait'
start_storescand
wait_until 20 workers_are 3 || fail 'there are not three workers'
hold_workers
make_mail "$root/user/cur/last" clean --seed 79
events=$(counter events) # that it was written is one as well
cat "$root/user/cur/last" >/dev/null 2>&1 &
waiting=$!
wait_until 20 counter_reaches events $((events + 1)) || fail 'no event'
stop_storescand
status=0
wait "$waiting" || status=$?
((status == 1)) || fail "the opener that waited got status $status; on_error is deny"
expect_readable "$root/user/cur/last"
wait_until 20 no_workers || fail "workers were left behind: $(worker_processes)"
