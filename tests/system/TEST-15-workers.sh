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
scan_timeout = 20s
worker_timeout = 25s"
add_store store "$root/user" on_error=deny
add_store lax "$root/lax" on_error=allow
start_storescand
make_mail "$root/user/cur/virus" eicar-base64
expect_denied "$root/user/cur/virus"

# Of our build, whoever their parent is.
worker_processes() {
    local exe
    for exe in /proc/[0-9]*/exe; do
        [[ $(readlink "$exe" 2>/dev/null) != "$BUILD"/daemon/worker/storescan-worker* ]] || echo "$exe"
    done
}
has_workers() { (($(worker_pids | wc -l) == $1)); }
wait_until 20 has_workers 3 || fail 'there are not three workers'

# read_all FOLDER: reads everything in it with eight readers; prints what went wrong.
read_all() {
    find "$1" -type f -print0 | xargs -0 -n 1 -P 8 bash -c '
        if timeout 60 cat -- "$1" >/dev/null 2>&1; then
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
kills=0
while kill -0 "$reader" 2>/dev/null; do
    for pid in $(worker_pids | shuf -n 1); do
        kill -KILL "$pid" 2>/dev/null && ((kills += 1))
    done
    sleep 0.15
done
wait "$reader" || fail 'the readers failed'
((kills > 3)) || fail "only $kills workers could be killed"
say "$kills kills"
# A message may have lost two workers in a row: denied by on_error, which is right. A virus never.
! grep -q '^read: ' "$WORK/wrong" || fail "let through: $(grep -m 3 '^read: ' "$WORK/wrong")"
denied=$(grep -c '^denied: ' "$WORK/wrong" || true)
undecided=$(count_lines 'undecided: .*crash')
((denied <= undecided)) || fail "$denied clean messages denied, but $undecided reported as lost"
wait_for_line '^storescand: worker-died: '
wait_until 20 has_workers 3 || fail 'dead workers were not replaced'
expect_readable "$root"/user/cur/*clean*
(($(counter workers_died) >= kills)) || fail "workers_died is $(counter workers_died), not $kills"

say 'the loader is killed'
before=$(loader_pid)
kill -KILL "$before"
"$MAKE_MAIL" clean --seed 1000 -n 20 -o "$root/user/cur" >/dev/null
"$MAKE_MAIL" eicar-nested --seed 1000 -n 5 -o "$root/user/cur" >/dev/null
read_all "$root/user" >"$WORK/wrong"
[[ ! -s $WORK/wrong ]] || fail "after the loader's end: $(head -n 3 "$WORK/wrong")"
[[ $(loader_pid) != "$before" ]] || fail 'the loader was not replaced'
wait_until 20 has_workers 3 || fail 'the new loader has not three workers'
stop_storescand

say 'workers hang: they are killed after worker_timeout, and their jobs done by others'
SCANNER_CONF=${SCANNER_CONF/scan_timeout = 20s/scan_timeout = 4s}
SCANNER_CONF=${SCANNER_CONF/worker_timeout = 25s/worker_timeout = 5s}
start_storescand
wait_until 20 has_workers 3 || fail 'there are not three workers'
make_mail "$root/user/cur/hung-mail" clean --seed 77
make_mail "$root/user/cur/hung-virus" eicar-base64 --seed 77
make_mail "$root/lax/user/cur/lax-mail" clean --seed 78
make_mail "$root/lax/user/cur/lax-virus" eicar-base64 --seed 78
for pid in $(worker_pids); do kill -STOP "$pid"; done
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
((waited >= 3 && waited <= 15)) || fail "readers waited for $waited s, scan_timeout is 4 s"
wait_for_line '^storescand: undecided: .*timeout'
wait_for_line '^storescand: worker-hung: ' 30
# The scans went on after the readers had gone: their verdicts are stamped.
expect_stamp_soon() { wait_until 30 has_stamp "$1" "$2" || fail "the scan did not go on: $1"; }
expect_stamp_soon "$root/user/cur/hung-mail" c
expect_stamp_soon "$root/user/cur/hung-virus" i
expect_readable "$root/user/cur/hung-mail"
expect_denied "$root/user/cur/hung-virus" "$root/lax/user/cur/lax-virus"
wait_until 20 has_workers 3 || fail 'hung workers were not replaced'
(($(counter workers_hung) >= 3)) || fail "workers_hung is $(counter workers_hung)"
(($(counter retries) >= 3)) || fail "retries is $(counter retries)"

say 'one of three workers hangs: the others do the work, the one job is late'
for pid in $(worker_pids | sed -n 1p); do kill -STOP "$pid"; done
"$MAKE_MAIL" clean --seed 2000 -n 50 -o "$root/lax/user/new" >/dev/null
read_all "$root/lax" >"$WORK/wrong"
! grep -q denied "$WORK/wrong" || fail "on_error = allow: $(cat "$WORK/wrong")"
stop_storescand

say 'the end with openers that wait'
start_storescand
wait_until 20 has_workers 3 || fail 'there are not three workers'
for pid in $(worker_pids); do kill -STOP "$pid"; done
make_mail "$root/user/cur/last" clean --seed 79
events=$(counter events) # that it was written is one as well
cat "$root/user/cur/last" >/dev/null 2>&1 &
waiting=$!
wait_until 10 counter_reaches events $((events + 1)) || fail 'no event'
stop_storescand
status=0
wait "$waiting" || status=$?
((status == 1)) || fail "the opener that waited got status $status; on_error is deny"
expect_readable "$root/user/cur/last"
[[ -z $(worker_processes) ]] || fail "workers were left behind: $(worker_processes)"
