#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# When sweeps start by themselves and when they rest: once a day, after new signatures, while the machine
# is busy; whose stamps they believe; stores of attachments; a store that is not there.

source "$(dirname "$0")/../lib.sh"
source "$(dirname "$0")/../sweep.sh"

# make_messages FOLDER COUNT SEED: COUNT messages, no two alike.
make_messages() {
    "$MAKE_MAIL" clean -n "$2" -s 2000 --seed "$3" -o "$1" >/dev/null
}

# age_state STORE SECONDS: its last sweep began so much earlier.
age_state() {
    python3 - "$WORK/verdicts/sweep/$1.state" "$2" <<'END'
import re
import sys

def fnv(data):
    h = 0xcbf29ce484222325
    for byte in data:
        h = (h ^ byte) * 0x100000001b3 & 0xffffffffffffffff
    return h

path, seconds = sys.argv[1], int(sys.argv[2])
data = open(path, 'rb').read()
out = bytearray(65536)
for at in (0, 32768):
    body, found, end = data[at:at + 32768].partition(b'\nend ')
    if not found:
        continue
    body = re.sub(rb'^started (\d+)$', lambda m: b'started %d' % (int(m[1]) - seconds * 1000), body + b'\n', flags=re.M)
    body += b'end %016x\n' % fnv(body)
    out[at:at + len(body)] = body
open(path, 'wb').write(out)
END
}

begun() { count_lines '^storescand: sweep-started: '; }
has_begun() { (($(begun) >= $1)); }
# comes_on STORE PASS: this one has done something; until then its predecessor's end is what is written down.
comes_on() { state_is "$1" pass "$2" && [[ $(state "$1" 'done') -gt 0 ]]; }
# hurry: a sweep that was begun slowly, so that it is under way for long enough, goes on as fast as it can.
hurry() {
    sed -i 's/^rate = 1$/rate = 0/' "$CONF"
    kill -HUP "$DAEMON_PID"
}

# signatures N: a set of its own, another one for each N.
signatures() {
    mkdir -p "$SETS"
    cp "$SIGNATURES"/* "$SETS/"
    printf 'Set.%d:0:*:%s\n' "$1" "$(printf 'set-%d-evil' "$1" | xxd -p)" >"$WORK/own.part"
    mv "$WORK/own.part" "$SETS/own.ndb"
}
changed_to() { (($(count_lines '^storescand: generation-changed: ') >= $1)); }

# hold_anew SET: a sweep is under way that is to start anew, by signatures SET + 1, and is kept from it; what is
# written down is the pass before, which is number $pass + 1.
hold_anew() {
    again mail 'after_update = yes' 'rate = 1'
    pass=$(state mail pass)
    signatures "$1"
    wait_until 30 changed_to 1 || fail 'the signatures were not taken up'
    wait_until 20 comes_on mail $((pass + 1)) || fail 'the sweep does not come on'
    touch "$WORK/bin/storescan-sweep.hold"
    signatures $(($1 + 1))
    wait_until 30 changed_to 2 || fail 'the signatures were not taken up'
    wait_until 20 has_begun 2 || fail 'the sweep did not start anew'
    wait_until 20 sweep_runs || fail 'the sweep does not run'
    expect_state mail pass $((pass + 1))
}

setup
source "$(dirname "$0")/../bus.sh"
start_bus
need_program xxd unshare
SETS=$WORK/sets
signatures 0
SCANNER_CONF="database = $SETS
tmpdir = $WORK/scan/worker
user = $TEST_USER
workers = 3"

say 'once a day, when its hours begin'
make_fs mail ext4
MAIL=$WORK/mail/user
make_maildir "$MAIL"
make_messages "$MAIL/cur" 40 1
add_store mail "$WORK/mail"
STORES=$STORES_CONF
window=$(date -d '2 minutes ago' +%H:%M)-$(date -d '3 hours' +%H:%M)
again mail 'schedule = daily' "window = $window"
swept mail
expect_state mail judged 40
again mail 'schedule = daily' "window = $window"
make_mail "$MAIL/new/1.early" eicar-text # not swept: it was today
expect_equal "$(begun)" 0 'sweeps, of which there was one today'
stop_storescand
expect_no_stamp "$MAIL/new/1.early"
age_state mail $((24 * 3600))
again mail 'schedule = daily' "window = $window"
swept mail
expect_state mail pass 2
expect_state mail infected 1
expect_stamp "$MAIL/new/1.early" i

say 'a start after new signatures; one under way starts anew'
again mail 'after_update = yes' 'rate = 1'
expect_equal "$(begun)" 0 'sweeps without new signatures'
signatures 1
wait_until 30 changed_to 1 || fail 'the signatures were not taken up'
wait_until 20 has_begun 1 || fail 'no sweep after new signatures'
wait_until 20 comes_on mail 3 || fail 'the sweep does not come on'
make_mail "$MAIL/cur/0.evil:2,S" clean
printf 'set-2-evil\n' >>"$MAIL/cur/0.evil:2,S" # the sweep is past it
signatures 2
wait_until 30 changed_to 2 || fail 'the signatures were not taken up'
wait_until 20 has_begun 2 || fail 'the sweep did not start anew'
hurry
swept mail
expect_state mail pass 4
expect_state mail mixed 0
expect_state mail infected 2
expect_stamp "$MAIL/cur/0.evil:2,S" i
expect_equal "$(count_lines '^storescand: sweep-failed: ')" 0 'sweeps that failed'

say 'and after those that came while nothing ran'
stop_storescand
signatures 3
again mail 'after_update = yes'
swept mail
expect_state mail pass 5
expect_state mail mixed 0
stop_storescand
signatures 4
again mail 'after_update = no'
expect_equal "$(begun)" 0 'sweeps that were not to start'

say 'the signatures change: it goes on, and what it saw before is not up to date'
again mail 'schedule = boot' 'rate = 1'
wait_until 20 comes_on mail 6 || fail 'the sweep does not come on'
signatures 5
wait_until 30 changed_to 1 || fail 'the signatures were not taken up'
hurry
swept mail
expect_state mail pass 6
expect_state mail mixed 1
again mail 'schedule = boot'
swept mail
expect_state mail current 0

say 'one that is to start anew and dies before it does: so does its successor'
stop_storescand
mkdir "$WORK/bin"
cp "$BUILD/tests/system/held-sweep" "$WORK/bin/storescan-sweep"
cp "$BUILD/daemon/sweep/storescan-sweep" "$WORK/bin/storescan-sweep.real"
export STORESCAN_SWEEP=$WORK/bin/storescan-sweep
hold_anew 60
kill -KILL "$(sweep_pid)"
wait_for_line "sweep-failed: The process that swept store 'mail' died"
# And with other settings it is another process.
hurry
wait_for_line '^storescand: config-reloaded: '
rm "$WORK/bin/storescan-sweep.hold"
swept mail
expect_state mail pass $((pass + 2))
expect_state mail mixed 0
stop_storescand

say 'one that is stopped before it has started anew does so when it is started'
hold_anew 62
wait_until 20 has_name || fail 'storescand is not on the bus'
"$STORESCANCTL" sweep stop mail
kill -KILL "$(sweep_pid)"
wait_for_line "sweep-stopped: "
rm "$WORK/bin/storescan-sweep.hold"
wait_until 20 state_is mail status stopped || fail 'that it was stopped is not written down'
hurry
wait_for_line '^storescand: config-reloaded: '
"$STORESCANCTL" sweep start mail
swept mail
expect_state mail pass $((pass + 2))
expect_state mail mixed 0
unset STORESCAN_SWEEP
stop_storescand

# What the kernel says of the load, as the test has it.
LOAD=$WORK/load
mkdir "$LOAD"
# The kernel's counters go on by themselves. Fixed widths, written in place: the sweep has the files open, and
# must never see half a text.
some() {
    printf 'some avg10=%05.2f avg60=0.00 avg300=0.00 total=%020d\n' "$1" "$((${EPOCHREALTIME/./} * ${1%.*} / 100))" 1<>"$LOAD/$2"
}
count_on() {
    while :; do
        read -r cpu io <"$LOAD/levels"
        some "$cpu" cpu
        some 0.00 memory
        some "$io" io
        read -r -t 0.05 <>"$LOAD/never" || true
    done
}
# shellcheck disable=SC2016 # for the inner shell
in_load() {
    run=(unshare --mount --propagation private bash -c '
        for name in cpu memory io; do
            [[ ! -e /proc/pressure/$name ]] || mount --bind "$0/$name" "/proc/pressure/$name" || exit
        done
        mount --bind "$0/average" /proc/loadavg && exec "$@"' "$LOAD")
}
loads() {
    printf '%s %s\n' "$1" "$2" >"$LOAD/levels.new"
    mv "$LOAD/levels.new" "$LOAD/levels"
    printf '%s 0.10 0.10 1/100 1000\n' "$3" >"$LOAD/average"
}
# busy LOADS IDLE-LOADS OPTION...: by the first it rests, by the second it goes on. Far from the limits: on a busy
# machine count_on is late now and then.
busy() {
    local busy=$1 idle=$2 n=$((++BUSY))
    shift 2
    # shellcheck disable=SC2086 # three numbers
    loads $busy
    touch -h "$MAIL"/cur/* # all of it would be opened
    [[ -z $DAEMON_PID ]] || stop_storescand
    SWEEP_CONF="[sweep]
schedule = boot
$(printf '%s\n' "$@")"
    STORES_CONF=$STORES$SWEEP_CONF
    in_load
    start_storescand "${run[@]}"
    wait_for_line "sweep-paused: The sweep of store 'mail' waits for the machine to be less busy"
    expect_equal "$(counter swept)" 0 "opens while the machine is busy, $n"
    # shellcheck disable=SC2086
    loads $idle
    swept mail
}
BUSY=0
: >"$LOAD/cpu"

say 'while others wait for CPU or disk it rests'
if [[ -e /proc/pressure/cpu ]]; then
    mkfifo "$LOAD/never"
    touch "$LOAD/memory" "$LOAD/io"
    loads 0.00 0.00 0.00
    count_on &
    COUNTER=$!
    PIDS+=("$COUNTER")
    busy '90.00 0.00 0.00' '30.00 0.00 99.00' 'max_pressure = 60' 'max_load = 1'
    busy '0.00 95.00 0.00' '0.00 10.00 0.00' 'max_pressure = 60'
    loads 99.00 99.00 99.00
    stop_storescand
    touch -h "$MAIL"/cur/*
    STORES_CONF="${STORES}[sweep]
schedule = boot
max_pressure = 0
max_load = 0"
    start_storescand "${run[@]}"
    swept mail
    kill "$COUNTER"
    wait "$COUNTER" || true
fi

say 'where the kernel does not tell that, by the load average'
loads() {
    : >"$LOAD/cpu"
    : >"$LOAD/memory"
    : >"$LOAD/io"
    printf '%s 0.10 0.10 1/100 1000\n' "$3" >"$LOAD/average"
}
cpus=$(nproc)
busy "0 0 $((cpus * 3 + 1)).00" "0 0 $((cpus * 2)).00" 'max_load = 3'
stop_storescand

say 'stores of attachments, if only those are swept'
STORES_CONF=
HASH=0123456789012345678901234567890123456789
mkdir -p "$WORK/mail/sis/01/23"
printf 'an attachment\n' >"$WORK/mail/sis/01/23/$HASH-01"
eicar >"$WORK/mail/sis/01/23/$HASH-02"
add_store mail "$MAIL"
add_store attachments "$WORK/mail/sis" format=sis
STORES=$STORES_CONF
again mail 'schedule = boot' 'attachments_only = yes'
swept attachments
expect_equal "$(begun)" 1 'sweeps'
expect_state attachments judged 2
expect_state attachments infected 1
expect_stamp "$WORK/mail/sis/01/23/$HASH-02" i

say "a hub's word, believed and not"
STORES_CONF=
stop_storescand
mkdir "$WORK/keys"
"$STORESCANCTL" --keys "$WORK/keys" key generate hub
HUB=$WORK/mail/hub
make_maildir "$HUB"
for n in {1..5}; do
    "$MAKE_MAIL" clean --seed "9$n" | "$SOURCE/tests/data/make-stamp" --key "$WORK/keys/hub" >"$HUB/cur/$n.hub:2,S"
done
"$MAKE_MAIL" clean --seed 99 >"$HUB/cur/6.other:2,S"
STAMP_CONF="keys = $WORK/keys"
CACHE_CONF='size = 0'
add_store hub "$HUB"
STORES=$STORES_CONF
again hub 'schedule = boot'
swept hub
expect_equal "$(counter scans)" 1 'scans with a hub that is believed'
expect_equal "$(counter hub_accepted)" 5 'stamps of the hub'
again hub 'schedule = boot' 'ignore_hub_stamps = yes'
swept hub
expect_equal "$(counter scans)" 5 'scans with a hub that is not'
expect_state hub known 1
again hub 'schedule = boot' 'ignore_hub_stamps = yes'
swept hub
expect_equal "$(counter scans)" 0 'scans of what was scanned'

say 'a store that is not there'
stop_storescand
STORES_CONF=
STORES=
mkdir -p "$WORK/mail/gone/cur"
add_store gone "$WORK/mail/gone" format=maildir
STORES=$STORES_CONF
again gone 'after_update = yes'
rm -r "$WORK/mail/gone"
signatures 6
wait_for_line "sweep-failed: The sweep of store 'gone' can't open the folder of the store"
make_maildir "$WORK/mail/coming"
make_mail "$WORK/mail/coming/new/1.again" eicar-text
mv "$WORK/mail/coming" "$WORK/mail/gone" # as a whole, or it is swept before the mail is there
swept gone
expect_state gone pass 1
expect_stamp "$WORK/mail/gone/new/1.again" i
stop_storescand
