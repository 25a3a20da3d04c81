#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# storescand is killed while storescan-remedy is in the middle of a replacement: at each step of it, with and
# without the remedy, and with one that is still at it when storescand runs again. Invariants: afterwards
# nobody reads anything but the notice, the original lies in quarantine, and comes back by a release.

source "$(dirname "$0")/../lib.sh"
setup
need_program jq
make_fs store ext4 128M
mkdir -p "$WORK"/store/{maildir/user,mbox}
make_maildir "$WORK/store/maildir/user"
add_store maildir "$WORK/store/maildir" format=maildir on_infected=replace
add_store mbox "$WORK/store/mbox" format=mbox on_infected=replace
cp "$BUILD/daemon/remedy/crashing-remedy" "$WORK/remedy"
export STORESCAN_REMEDY=$WORK/remedy
NOTICE='Infected content was removed'

ctl() { "$STORESCANCTL" --config "$CONF" "$@"; }

remedy_pid() {
    local pid
    for pid in $(children "$DAEMON_PID"); do
        [[ $(readlink "/proc/$pid/exe") != "$WORK/remedy" ]] || printf '%s\n' "$pid"
    done
}
is_stopped() { [[ $(awk '/^State:/ { print $2 }' "/proc/$1/status") == T ]]; }
remedy_stops() { REMEDY_PID=$(remedy_pid) && [[ -n $REMEDY_PID ]] && is_stopped "$REMEDY_PID"; }
is_gone() { [[ ! -e /proc/$1 ]]; }

# make FORMAT NUMBER: infected mail in FILE, as it was in $WORK/before.
make() {
    make_mail "$WORK/mail" eicar-text --seed "$2" --size 6000
    if [[ $1 == maildir ]]; then
        FILE=$WORK/store/maildir/user/cur/$2.M1P1.vm:2,S
        cp "$WORK/mail" "$WORK/before"
    else
        FILE=$WORK/store/mbox/box-$2
        { echo 'From a@example.org Mon Nov 23 10:00:00 2026' && cat "$WORK/mail" && echo; } >"$WORK/before"
    fi
    cp "$WORK/before" "$FILE"
}

# serves: what, is in $WORK/got: the notice, never what was there, nor some of it.
serves() { read_file "$FILE" >"$WORK/got" 2>/dev/null; }
expect_notice() {
    ! grep -Fq "$(eicar)" "$WORK/got" || breach "$WHAT: the virus was served"
    grep -Fq "$NOTICE" "$WORK/got" || fail "$WHAT: something else than the notice was served"
}

# kill_at POINT: storescand, when its remedy has come there for a reader.
kill_at() {
    echo "$1" >"$WORK/remedy.stop"
    start_storescand
    timeout $((60 * PATIENCE)) cat "$FILE" >/dev/null 2>&1 &
    READER=$!
    PIDS+=("$READER")
    wait_until 20 remedy_stops || fail "$WHAT: the remedy does not come there"
    PIDS+=("$REMEDY_PID")
    rm "$WORK/remedy.stop"
    kill -KILL "$DAEMON_PID"
    wait "$DAEMON_PID" 2>/dev/null || true
    wait "$READER" || true
}

expect_recovered() {
    local id path=$FILE
    wait_until 40 serves || fail "$WHAT: it can't be read"
    expect_notice
    expect_equal "$(stat -c %s "$FILE")" "$(stat -c %s "$WORK/before")" "$WHAT: size"
    id=$(ctl --json quarantine list | jq -r --arg path "$path" 'select(.path == $path and .state == "replaced") | .id')
    [[ -n $id && $id != *$'\n'* ]] || fail "$WHAT: in quarantine it is '$id'"
    cmp "$WORK/quarantine/$id.item" "$WORK/before" || breach "$WHAT: the original was lost"
    [[ ! -e $WORK/quarantine/$id.plan ]] || fail "$WHAT: the plan was left"
    [[ ! -e $FILE.lock ]] || fail "$WHAT: a lock file was left"
    [[ $1 != release ]] || ctl quarantine release --forever "$id" >/dev/null || fail "$WHAT: not released"
    [[ $1 != release ]] || wait_until 20 cmp -s "$FILE" "$WORK/before" || fail "$WHAT: not what it was"
}

# killed_at FORMAT POINT WITH-REMEDY: with it, as by the service manager; or by itself, so that the remedy goes on.
N=0
killed_at() {
    N=$((N + 1))
    WHAT="$1, step $2, with the remedy $3"
    make "$1" "$N"
    kill_at "$2"
    kill -"$([[ $3 == yes ]] && echo KILL || echo CONT)" "$REMEDY_PID"
    wait_until 20 is_gone "$REMEDY_PID" || fail "$WHAT: the remedy stays"
    start_storescand
    expect_recovered "$([[ $2 == 5 ]] && echo release)"
    stop_storescand
}

say 'before, in the middle, behind'
for point in 1 4 5 6 8; do killed_at maildir "$point" yes; done
killed_at maildir 5 no
for point in 5 8; do killed_at mbox "$point" yes; done
killed_at mbox 5 no

say 'a remedy that is still at it'
N=$((N + 1))
WHAT='still there'
make maildir "$N"
kill_at 5
start_storescand
wait_for_line "can't be completed yet"
for _ in {1..5}; do ! serves || breach 'it was served while it was half replaced'; done
expect_denied "$FILE"
kill -CONT "$REMEDY_PID"
expect_recovered ''
stop_storescand

say 'locked when storescand comes back'
N=$((N + 1))
WHAT='locked'
make mbox "$N"
kill_at 5
kill -KILL "$REMEDY_PID"
lock_file "$FILE"
start_storescand
expect_denied "$FILE"
kill "$LOCKER"
wait "$LOCKER" || true
expect_recovered ''
stop_storescand
