#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# clamd servers as the engine: what they find is denied; whatever becomes of one of them, opens of clean
# mail go on with the others and nothing infected is read; without any, on_error decides, or the embedded
# engine; the generation is that of the oldest signatures.

source "$(dirname "$0")/../lib.sh"

SERVER=$(dirname "$0")/clamd-server
NUMBER=0
declare -A CLAMD

# start_clamd NAME [LINE...]: on the socket $WORK/NAME.
start_clamd() {
    local name=$1
    shift
    mkdir -p "$WORK/tmp.$name"
    cat >"$WORK/$name.conf" <<END
LocalSocket $WORK/$name
DatabaseDirectory $WORK/db
TemporaryDirectory $WORK/tmp.$name
PidFile $WORK/$name.pid
Foreground yes
AlertExceedsMax ${LIMITS:-yes}
DisableCache yes
$(printf '%s\n' "$@")
END
    rm -f "$WORK/$name"
    clamd --config-file="$WORK/$name.conf" >"$WORK/$name.log" 2>&1 &
    CLAMD[$name]=$!
    PIDS+=($!)
}

answers() { python3 -c 'import socket, sys; s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1])' "$1"; }
wait_clamd() { wait_until 60 answers "$WORK/$1" || fail "clamd $1 does not start: $(tail -n 3 "$WORK/$1.log")"; }
kill_clamd() {
    kill -KILL "${CLAMD[$1]}"
    wait "${CLAMD[$1]}" 2>/dev/null || true
}

# start_server NAME REAL MODE: what is to be had at $WORK/NAME is not the real one.
start_server() {
    printf '%s\n' "$3" >"$WORK/$1.mode"
    "$SERVER" "$WORK/$1" "$WORK/$2" "$WORK/$1.mode" &
    PIDS+=($!)
    wait_until 20 answers "$WORK/$1" || fail "no server $1"
}
set_mode() {
    printf '%s\n' "$2" >"$WORK/$1.mode.part"
    mv "$WORK/$1.mode.part" "$WORK/$1.mode"
}

# Mail that nobody has seen yet.
new_mail() {
    MAIL=$WORK/mail/a/cur/$((++NUMBER))
    printf 'From: a@example.org\nSubject: %s\n\n%s\n' "$NUMBER $RANDOM" "${1:-nothing}" >"$MAIL"
}
EVIL=
expect_scanning() {
    local started=$SECONDS
    new_mail
    expect_readable "$MAIL"
    new_mail "$EVIL"
    expect_denied "$MAIL"
    ((SECONDS - started <= ${1:-8} * PATIENCE)) || fail "two scans took $((SECONDS - started)) s"
}

# reader: new mail, again and again, until the file stop is there.
reader() {
    local i=0 file
    while [[ ! -e $WORK/stop ]]; do
        file=$WORK/mail/a/cur/reader.$1.$((i % 20))
        rm -f "$file"
        if ((++i % 4 == 0)); then
            printf 'From: b@example.org\n\n%s %s\n' "$EVIL" "$1 $i $RANDOM" >"$file"
            timeout $((30 * PATIENCE)) cat "$file" >/dev/null 2>&1 && echo "infected mail was read: $i" >>"$WORK/failed"
        else
            printf 'From: b@example.org\n\n%s\n' "$1 $i $RANDOM" >"$file"
            timeout $((30 * PATIENCE)) cat "$file" >/dev/null 2>>"$WORK/failed"
        fi
        printf . >>"$WORK/reads"
    done
}
start_readers() {
    local n
    rm -f "$WORK/stop" "$WORK/failed" "$WORK/reads"
    READERS=()
    for n in 1 2 3 4; do
        reader "$n" &
        READERS+=($!)
        PIDS+=($!)
    done
}
stop_readers() {
    touch "$WORK/stop"
    wait "${READERS[@]}" || true
    [[ ! -s $WORK/failed ]] || fail "$1: $(head -n 3 "$WORK/failed")"
}

left_out() { count_lines "^storescand: clamd-left-out: .*/$1 is left out"; }
was_left_out() { (($(left_out "$1") > $2)); }
# expect_left_out NAME BEFORE [WHY]
expect_left_out() {
    wait_until 20 was_left_out "$1" "$2" || fail "$1 is not left out: $3"
    grep "clamd-left-out: .*/$1 is left out" "$LOG" | tail -n 1 >"$WORK/line"
    grep -q -- "$3" "$WORK/line" || fail "$1 is left out for another reason than '$3': $(cat "$WORK/line")"
}
back() { count_lines "^storescand: clamd-back: .*/$1 is used again"; }
was_back() { (($(back "$1") > $2)); }
expect_back() { wait_until 45 was_back "$1" "$2" || fail "$1 is not used again"; }
usable() { [[ $(counter clamd_usable) == "$1" ]]; }
# shellcheck disable=SC2317
has_other_stamp() { [[ $(stamp_of "$MAIL") != "$stamp" ]]; }
expect_usable() { wait_until 45 usable "$1" || fail "$(counter clamd_usable) servers are usable, not $1"; }

use_servers() {
    SCANNER_CONF="engine = clamd
clamd = $1
clamd_fallback = ${2:-none}
database = $WORK/${3:-no-such-folder}
tmpdir = $WORK/scan/worker
user = $TEST_USER
scan_timeout = 10s
worker_timeout = 15s
breaker_failures = 0
workers = 4"
}

setup
need_program clamd xxd
mkdir "$WORK/db" "$WORK/empty"
cp "$SIGNATURES"/* "$WORK/db/"
EVIL=clamd-evil-mail
printf 'Test.Evil:0:*:%s\n' "$(printf '%s' "$EVIL" | xxd -p)" >"$WORK/db/own.ndb"
PORT=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
make_fs mail tmpfs
make_maildir "$WORK/mail/a"
add_store mail "$WORK/mail" on_unscannable=deny

say 'no server is there yet'
use_servers "unix:$WORK/a unix:$WORK/p tcp:127.0.0.1:$PORT*2"
start_storescand
wait_for_line '^storescand: clamd-none: .*/a: No such file'
start_clamd a
start_clamd b
start_clamd c "TCPSocket $PORT" 'TCPAddr 127.0.0.1' 'StreamMaxLength 1M'
for name in a b c; do wait_clamd $name; done
start_server p b good
expect_usable 3

say 'what they find'
for kind in eicar-text eicar-base64 eicar-nested deep-zip; do
    make_mail "$WORK/mail/a/cur/$kind" $kind
    expect_denied "$WORK/mail/a/cur/$kind"
done
{ echo 'GIF89a: x'; "$MAKE_MAIL" eicar-base64; } >"$WORK/mail/a/cur/odd"
expect_denied "$WORK/mail/a/cur/odd"
expect_stamp "$WORK/mail/a/cur/eicar-text" i
make_mail "$WORK/mail/a/cur/clean" clean
expect_readable "$WORK/mail/a/cur/clean"
expect_stamp "$WORK/mail/a/cur/clean" c

say 'killed and started again'
start_readers
before=$(left_out a) again=$(back a)
kill_clamd a
expect_left_out a "$before" 'closed the connection'
expect_scanning
start_clamd a
expect_back a "$again"
stop_readers 'killed'

say 'told to reload, under load'
start_readers
for name in a b; do
    python3 -c 'import socket, sys; s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); s.send(b"zRELOAD\0"); s.recv(99)' "$WORK/$name"
done
expect_scanning
stop_readers 'reload'

say 'stopped'
before=$(left_out a)
again=$(back a)
kill -STOP "${CLAMD[a]}"
start_readers
expect_scanning
expect_left_out a "$before" 'does not answer'
kill -CONT "${CLAMD[a]}"
expect_back a "$again"
stop_readers 'stopped'

say 'wrong answers'
start_readers
while IFS='|' read -r mode why; do
    before=$(left_out p)
    again=$(back p)
    set_mode p "$mode"
    expect_left_out p "$before" "$why"
    expect_scanning
    set_mode p good
    expect_back p "$again"
done <<'END'
garbage|does not speak
forged|does not speak
half|closed the connection
END
stop_readers 'wrong answers'
while IFS='|' read -r mode why; do
    before=$(left_out p)
    again=$(back p)
    set_mode p "$mode"
    # What it is asked makes it be tested, before it is believed.
    until was_left_out p "$before"; do
        new_mail "$EVIL"
        expect_denied "$MAIL"
    done
    expect_left_out p "$before" "$why"
    expect_scanning
    set_mode p good
    expect_back p "$again"
done <<'END'
blind|does not find the test virus\|calls clean what exceeds
panic|harmless mail
END

say 'slow ones, and silent ones'
set_mode p slow
before=$(counter clamd_again)
start_readers
expect_scanning
set_mode p silent
expect_scanning
stop_readers 'slow'
(($(counter clamd_again) > before)) || fail 'no second server was asked'
set_mode p good
expect_equal "$(counter workers_died)" 0 'workers that died'
expect_equal "$(counter workers_hung)" 0 'workers that hung'

say 'what talks to them is killed'
for pid in $(worker_pids); do
    [[ $(cat "/proc/$pid/comm" 2>/dev/null) != storescan-clamd ]] || kill -KILL "$pid"
done
wait_for_line '^storescand: engine-failed: '
expect_usable 3
expect_scanning

# With a generation that stays: after the kill there may have been two, one behind the other.
stop_storescand
start_storescand
expect_usable 3

say 'none is left'
stamped=$WORK/mail/a/cur/clean
expect_readable "$stamped"
expect_stamp "$stamped" c
for name in a b c; do kill_clamd $name; done
wait_for_line '^storescand: clamd-none: .*closed the connection|^storescand: clamd-none: .*refused'
expect_readable "$stamped"
new_mail
expect_denied "$MAIL"
expect_no_stamp "$MAIL"
(($(counter clamd_none) > 0)) || fail 'clamd_none'
stop_storescand

say 'the embedded engine, when none is left'
use_servers "unix:$WORK/a" embedded db
start_storescand
expect_scanning 5
start_clamd a
expect_usable 1
expect_scanning 5
kill_clamd a
expect_scanning 5
stop_storescand

say 'what is larger than a server takes'
use_servers "tcp:127.0.0.1:$PORT"
start_clamd c "TCPSocket $PORT" 'TCPAddr 127.0.0.1' 'StreamMaxLength 1M'
wait_clamd c
start_storescand
{ printf 'From: a@example.org\n\n'; head -c 3000000 /dev/zero | tr '\0' 'x' | fold -w 76; } >"$WORK/large"
cp "$WORK/large" "$WORK/mail/a/cur/large"
expect_denied "$WORK/mail/a/cur/large"
wait_for_line '^storescand: unscannable: .*/large'
expect_scanning 5
for n in {1..9}; do
    { cat "$WORK/large"; echo "$n"; } >"$WORK/mail/a/cur/large.$n"
    cat "$WORK/mail/a/cur/large.$n" >/dev/null 2>&1 &
    new_mail
    expect_readable "$MAIL"
done
expect_equal "$(count_lines '^storescand: clamd-none')" 0 'times that no server was there'
expect_equal "$(counter clamd_left_out)" 0 'servers left out'
stop_storescand

say 'a tunnel on a socket, which passes no fds'
start_server t c tunnel
use_servers "unix:$WORK/t"
start_storescand
# It may hang up before it has passed on what clamd says of the missing fd, and is tried again then.
expect_usable 1
expect_scanning 6
stop_storescand

say 'who talks to them is stopped for a while'
use_servers "tcp:127.0.0.1:$PORT"
SCANNER_CONF=${SCANNER_CONF/scan_timeout = 10s/scan_timeout = 1s}
SCANNER_CONF=${SCANNER_CONF/workers = 4/workers = 1}
start_storescand
pool=$(pgrep -P "$(pgrep -P "$DAEMON_PID" -d,)" -x storescan-clamd)
kill -STOP "$pool"
for _ in 1 2; do # the second is there before the first is looked at
    new_mail
    expect_denied "$MAIL"
done
kill -CONT "$pool"
# Who was stopped for long may take the server for one that is silent, at first.
scans_again() { new_mail && read_file "$MAIL"; }
wait_until 20 scans_again || fail 'nothing is scanned any more'
sed -i 's/^scan_timeout = 1s/scan_timeout = 10s/' "$CONF" # for the next ones, however busy the machine is
kill -HUP "$DAEMON_PID"
wait_for_line '^storescand: config-reloaded: '
expect_scanning
expect_equal "$(counter workers_died)" 0 'workers that died'
stop_storescand

say 'generations'
start_clamd a
start_clamd b
wait_clamd a
wait_clamd b
start_server q a 'version 27500'
set_mode p 'version 27501'
use_servers "unix:$WORK/q unix:$WORK/p"
start_storescand
wait_for_line '^storescand: engine-loaded: .*database version 27500'
expect_usable 2
new_mail
expect_readable "$MAIL"
expect_stamp "$MAIL" c
stamp=$(stamp_of "$MAIL")
set_mode q 'version 27501'
wait_for_line '^storescand: generation-changed: .*database version 27501'
expect_readable "$MAIL"
wait_until 20 has_other_stamp || fail 'the stamp is still of the old generation'
set_mode p 'version 27400'
wait_for_line '^storescand: generation-changed: .*database version 27400'
expect_scanning
generation=$(grep -c 'generation-changed' "$LOG")
kill -HUP "$DAEMON_PID"
wait_for_line '^storescand: signatures-unchanged'
expect_equal "$(grep -c 'generation-changed' "$LOG")" "$generation" 'changes of generation'

say 'a reload to servers that are not there'
sed -i "s|^clamd = .*|clamd = unix:$WORK/nowhere|" "$CONF"
kill -HUP "$DAEMON_PID"
wait_for_line '^storescand: reload-failed: .*no server can be used: .*/nowhere'
expect_scanning
stop_storescand

say 'without AlertExceedsMax'
kill_clamd a
LIMITS=no start_clamd a
wait_clamd a
use_servers "unix:$WORK/a"
start_storescand
wait_for_line '^storescand: clamd-none: .*AlertExceedsMax'

say 'doctor'
# listen ADDRESS: on a port, in OPEN.
listen() {
    rm -f "$WORK/port"
    python3 - "$1" "$WORK/port" <<'END' &
import os, socket, sys, time
s = socket.socket(socket.AF_INET6 if ":" in sys.argv[1] else socket.AF_INET)
s.bind((sys.argv[1], 0))
s.listen()
with open(sys.argv[2] + ".part", "w") as file:
    print(s.getsockname()[1], file=file)
os.rename(sys.argv[2] + ".part", sys.argv[2])
time.sleep(60)
END
    PIDS+=($!)
    wait_until 20 test -e "$WORK/port" || fail "nothing listens on $1"
    OPEN=$(<"$WORK/port")
}
for address in 0.0.0.0 :: 127.0.0.1 ::1; do
    listen "$address"
    use_servers "tcp:127.0.0.1:$OPEN"
    write_config
    "$STORESCANCTL" --config "$CONF" doctor >"$WORK/doctor" 2>&1 || true
    if [[ $address == 127.0.0.1 || $address == ::1 ]]; then
        grep -q "port $OPEN" "$WORK/doctor" && fail "doctor does not like $address"
    else
        grep -q "clamd-port .*port $OPEN, clamd's, listens on $address:" "$WORK/doctor" ||
            fail "doctor does not see a port that is open on $address: $(cat "$WORK/doctor")"
    fi
done
use_servers 'tcp:127.0.0.1:3310 tcp:192.0.2.1:3310'
write_config
"$STORESCANCTL" --config "$CONF" doctor >"$WORK/doctor" 2>&1 || true
grep -q 'clamd .*tcp:192.0.2.1:3310 is reached without' "$WORK/doctor" || fail "doctor: $(cat "$WORK/doctor")"
grep -q '127.0.0.1:3310 is reached' "$WORK/doctor" && fail 'doctor does not like loopback'
stop_storescand
