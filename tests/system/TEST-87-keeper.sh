#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# storescan-keeper without a service manager: storescand is killed under readers of infected and clean mail, and
# nothing gets by; what can't be run is tried on, or not; signals; and the keeper itself ends.

source "$(dirname "$0")/../lib.sh"
setup
source "$(dirname "$0")/../crowd.sh"
KEEPER=$BUILD/daemon/keeper/storescan-keeper
KEEPER_PID=
PROGRAM=$STORESCAND
HOW=()
TARGET_MS=${TARGET_MS:-$((3000 * PATIENCE))}
[[ -x $KEEPER ]] || fail "no $KEEPER: build first"
# For a storescand that does not lie beside them.
export STORESCAN_WORKER=$BUILD/daemon/worker/storescan-worker
export STORESCAN_REMEDY=$BUILD/daemon/remedy/storescan-remedy
export STORESCAN_SWEEP=$BUILD/daemon/sweep/storescan-sweep

put_back() { [[ -z $KEEPER_PID ]] || kill -KILL "$KEEPER_PID" 2>/dev/null; }

# run_keeper [PREFIX-COMMAND...]: on the configuration that there is, and waits until storescand guards.
run_keeper() {
    : >"$LOG"
    "$@" "$KEEPER" "${HOW[@]}" "$PROGRAM" --config "$CONF" </dev/null >>"$LOG" 2>&1 &
    KEEPER_PID=$!
    wait_until 60 started 1 || fail 'storescand was not ready within a minute'
    wait_until 20 gate || fail 'storescand is not the child of its keeper'
}
gate() {
    local child
    for child in $(children "$KEEPER_PID"); do
        [[ $(cat "/proc/$child/comm" 2>/dev/null) != storescand ]] || { echo "$child" && return 0; }
    done
    return 1
}
is_another() { [[ $(gate) != "$1" ]] && gate; }
started() { (($(count_lines '^storescand: started') >= $1)); }
groups() { find "/proc/$KEEPER_PID/fd" -lname 'anon_inode:\[fanotify\]' | wc -l; }
keeps() { (($(groups) == $1)); }
keeper_is_gone() { [[ ! -e /proc/$KEEPER_PID || $(awk '/^State:/ { print $2 }' "/proc/$KEEPER_PID/status") == Z ]]; }
# ended STATUS: the keeper, and all that was its.
ended() {
    local status=0
    wait_until 30 keeper_is_gone || fail 'the keeper goes on'
    wait "$KEEPER_PID" 2>/dev/null || status=$?
    expect_equal "$status" "$1" 'status of the keeper'
    KEEPER_PID=
    wait_until 20 all_gone || fail "processes were left behind: $(ours)"
}
ours() { pgrep -f -- "--config $CONF" || true; }
all_gone() { [[ -z $(ours) ]]; }
capabilities() { awk -v key="$2:" '$1 == key { print $2 }' "/proc/$1/status"; }
# The folder of the keeper's socket, as its child was told of it.
socket_folder() { tr '\0' '\n' <"/proc/$(gate)/environ" | sed -n 's,^NOTIFY_SOCKET=\(/run/storescan-keeper\..*\)/notify$,\1,p'; }

# stop_workers GATE: what needs a scan waits from here on. The loaders' and workers' pids are in $left.
stop_workers() {
    local loader worker
    left=
    for loader in $(children "$1"); do
        left+=" $loader $(children "$loader" | paste -sd ' ')"
        for worker in $(children "$loader"); do kill -STOP "$worker"; done
    done
}
# begin_reading FILE: infected mail, by a process $INFECTED, which waits for its answer.
begin_reading() {
    cat "$1" >"$WORK/mail/evil" 2>"$WORK/said" &
    INFECTED=$!
    PIDS+=("$INFECTED")
    wait_until 20 waits_at_gate "$INFECTED" || fail "an open of infected mail does not wait: $1"
}
# begin_reading_new NAME: of such mail that nobody has seen yet; the name stands in it, too.
begin_reading_new() {
    { cat "$WORK/mail/infected" && echo "$1"; } >"$WORK/store/infected/tmp/$1"
    mv "$WORK/store/infected/tmp/$1" "$WORK/store/infected/new/$1"
    begin_reading "$WORK/store/infected/new/$1"
}
# expect_not_let_through [WHEN]: $INFECTED is denied in the end.
expect_not_let_through() {
    ! wait "$INFECTED" || breach "infected mail was read${1:+: $1}"
    [[ ! -s $WORK/mail/evil ]] || breach "some of infected mail was read${1:+: $1}"
}

make_fs store ext4
mkdir "$WORK/mail"
make_mail "$WORK/mail/clean" clean -s 20000
make_mail "$WORK/mail/infected" eicar-base64
for kind in clean infected; do
    make_maildir "$WORK/store/$kind"
    for n in 0 1 2 3; do
        { echo "X-Number: $n"; cat "$WORK/mail/$kind"; } >"$WORK/store/$kind/cur/fixed-$n"
    done
done
add_store mail "$WORK/store"
write_config

say 'a storescand that can not start has nothing to be kept: the keeper ends as it does'
# refused STATUS COMMAND...
refused() {
    local status=0 expected=$1
    shift
    "$@" >"$WORK/said" 2>&1 || status=$?
    expect_equal "$status" "$expected" "status of $*"
}
refused 78 "$KEEPER" "$STORESCAND" --config "$WORK/none"
refused 203 "$KEEPER" "$WORK/none"
grep -q "Failed to run $WORK/none" "$WORK/said" || fail "it says: $(<"$WORK/said")"
refused 64 "$KEEPER" storescand
refused 64 "$KEEPER" --manager
refused 0 "$KEEPER" "$STORESCAND" --version
grep -q '^storescan ' "$WORK/said" || fail "it says: $(<"$WORK/said")"

say 'kept without a service manager'
run_keeper
! grep 'not-kept' "$LOG" >&2 || fail 'it says that nobody keeps the marks'
expect_denied "$WORK/store/infected/cur/fixed-0"
expect_readable "$WORK/store/clean/cur/fixed-0"
expect_equal "$(groups)" 3 'groups that the keeper has'
# kill 5
expect_equal "$(capabilities "$KEEPER_PID" CapEff)" 0000000000000020 'capabilities in effect of the keeper'
expect_equal "$(capabilities "$(gate)" CapPrm)" "$(capabilities "$KEEPER_PID" CapPrm)" 'capabilities of storescand'
((0x$(capabilities "$(gate)" CapEff) & 1 << 21)) || fail 'storescand has no CAP_SYS_ADMIN in effect'
FOLDER=$(socket_folder)
[[ -d $FOLDER && $(stat -c %a "$FOLDER") == 700 ]] || fail "the keeper's socket can be reached: $FOLDER"

say 'killed under readers, 12 rounds'
"$SOURCE/tests/system/kill-rounds" $$ "$WORK/store" --logs "$WORK/mail" --rounds 12 --target-ms "$TARGET_MS"
(($(count_lines '^storescan-keeper: storescand was ended by SIGKILL; it is started again') >= 12)) ||
    fail 'the log does not tell of each kill'
grep -q '^storescand: taken-over' "$LOG" || fail 'nothing was taken over'

say 'killed while mail waits for a scan: its readers get their answers from the next one'
before=$(gate)
stop_workers "$before"
for kind in clean infected; do cp "$WORK/mail/$kind" "$WORK/store/$kind/tmp/mail"; done
for kind in clean infected; do mv "$WORK/store/$kind/tmp/mail" "$WORK/store/$kind/new/mail"; done
cat "$WORK/store/clean/new/mail" >"$WORK/mail/got" &
CLEAN=$!
PIDS+=("$CLEAN")
begin_reading "$WORK/store/infected/new/mail"
wait_until 20 waits_at_gate "$CLEAN" || fail 'the reader of clean mail does not wait'
kill -KILL "$before"
wait "$CLEAN" || fail 'the reader was refused'
cmp "$WORK/mail/got" "$WORK/mail/clean" || fail 'it is not as it was'
expect_not_let_through
for pid in $left; do wait_until 20 test ! -e "/proc/$pid" || fail "a process of the killed one goes on: $pid"; done

say 'crashed'
before=$(gate)
kill -SEGV "$before"
wait_until 20 is_another "$before" || fail 'it was not started again after a crash'
wait_for_line 'storescan-keeper: storescand was ended by SIGSEGV'
expect_denied "$WORK/store/infected/cur/fixed-1"

say 'signals'
kill -USR1 "$KEEPER_PID"
wait_for_line '^storescand: stats'
detects() { read_file "$WORK/store/infected/cur/fixed-0" >/dev/null 2>&1; }
blocks() { ! detects; }
sed -i 's/^on_infected = .*/on_infected = detect/' "$CONF"
kill -HUP "$KEEPER_PID"
wait_until 20 detects || fail 'SIGHUP to the keeper did nothing'
sed -i 's/^on_infected = .*/on_infected = block/' "$CONF"
kill -HUP "$KEEPER_PID"
wait_until 20 blocks || fail 'SIGHUP to the keeper did nothing'
# One that ends by itself, when nobody told the keeper, is started again.
before=$(gate)
kill -TERM "$before"
wait_until 20 is_another "$before" || fail 'it was not started again after SIGTERM'
wait_for_line 'storescan-keeper: storescand ended with status 0; it is started again'
expect_denied "$WORK/store/infected/cur/fixed-1"

say 'killed, with mistakes in the configuration: what ran goes on'
n=$(count_lines '^storescand: started')
sed -i 's/^on_infected = .*/on_infected = perhaps/' "$CONF"
kill -KILL "$(gate)"
wait_until 20 started $((n + 1)) || fail 'it did not come back'
wait_for_line 'config-refused: The configuration on disk has mistakes'
expect_denied "$WORK/store/infected/cur/fixed-0"
write_config
# One that can be read, but not started by, is tried once.
n=$(count_lines '^storescand: started')
sed -i 's/^user = .*/user = nosuchuser/' "$CONF"
kill -KILL "$(gate)"
wait_until 20 started $((n + 1)) || fail 'it did not come back'
wait_for_line 'storescan-keeper: storescand ended with status 1; it is started again'
wait_for_line 'could not start by it'
expect_denied "$WORK/store/infected/cur/fixed-0"
write_config

say 'killed, when one store looks odd to it or is away: that opens no other one'
former_goes_on() { # former_goes_on PATTERN: what the log says of the one that is odd.
    local n
    n=$(count_lines '^storescand: started')
    kill -KILL "$(gate)"
    wait_until 20 started $((n + 1)) || fail 'it did not come back'
    wait_for_line "config-refused: The configuration on disk has mistakes.* $1"
    expect_denied "$WORK/store/infected/cur/fixed-0"
    expect_readable "$WORK/store/clean/cur/fixed-0"
}
make_fs other ext4
make_maildir "$WORK/other/user"
cp "$WORK/mail/infected" "$WORK/other/user/cur/"
cp "$WORK/mail/clean" "$WORK/other/user/cur/"
chown "$TEST_USER" "$WORK/other/user"
STORES_CONF_BEFORE=$STORES_CONF
n=$(count_lines '^storescand: config-reloaded')
add_store other "$WORK/other" format=auto
write_config
kill -HUP "$KEEPER_PID"
is_reloaded() { (($(count_lines '^storescand: config-reloaded') > $1)); }
wait_until 20 is_reloaded "$n" || fail 'the configuration was not taken'
expect_denied "$WORK/other/user/cur/infected"
# By the owner of one of its mailboxes.
setpriv --reuid "$TEST_USER" --clear-groups touch "$WORK/other/user/.mh_sequences"
former_goes_on '.*format: auto finds .* and '
expect_denied "$WORK/other/user/cur/infected"
former_goes_on '.*format: auto finds .* and '
rm "$WORK/other/user/.mh_sequences"
wait_until 20 umount "$WORK/other" || fail 'a store can not be unmounted'
former_goes_on '.*format: auto finds nothing'
rmdir "$WORK/other"
former_goes_on ".*path: '$WORK/other' does not exist"
wait_for_line "store-lost: Store 'other' is not guarded"
echo >"$WORK/other"
former_goes_on ".*path: '$WORK/other' is not a folder"
rm "$WORK/other"
mkdir "$WORK/other"
mount_fs other
guards_other() { ! read_file "$WORK/other/user/cur/infected" >/dev/null 2>&1; }
wait_until 20 guards_other || breach 'a store that is back is not guarded'
expect_denied "$WORK/other/user/cur/infected"
expect_readable "$WORK/other/user/cur/clean"
# One that is to be marked as a whole, and is not mounted.
STORES_CONF=$STORES_CONF_BEFORE
make_fs whole ext4
make_maildir "$WORK/whole/user"
cp "$WORK/mail/infected" "$WORK/whole/user/cur/"
add_store whole "$WORK/whole" marks=filesystem
n=$(count_lines '^storescand: config-reloaded')
write_config
kill -HUP "$KEEPER_PID"
wait_until 20 is_reloaded "$n" || fail 'the configuration was not taken'
expect_denied "$WORK/whole/user/cur/infected"
wait_until 20 umount "$WORK/whole" || fail 'a store can not be unmounted'
n=$(count_lines '^storescand: started')
kill -KILL "$(gate)"
wait_until 20 started $((n + 1)) || fail 'it did not come back'
wait_for_line "could not start by it"
expect_denied "$WORK/store/infected/cur/fixed-0"
mount_fs whole
guards_whole() { ! read_file "$WORK/whole/user/cur/infected" >/dev/null 2>&1; }
wait_until 20 guards_whole || breach 'a store that is mounted again is not guarded'
STORES_CONF=$STORES_CONF_BEFORE
n=$(count_lines '^storescand: config-reloaded')
write_config
kill -HUP "$KEEPER_PID"
wait_until 20 is_reloaded "$n" || fail 'the configuration was not taken'
wait_until 20 umount "$WORK/other" || fail 'a store can not be unmounted'
wait_until 20 umount "$WORK/whole" || fail 'a store can not be unmounted'

say 'started in vain for what may pass: it is tried until it does, and who waits, waits'
kill -TERM "$KEEPER_PID"
ended 0
PROGRAM=$WORK/storescand
cat >"$PROGRAM" <<END
#!/bin/bash
[[ ! -e $WORK/few ]] || ulimit -n 300
exec "$STORESCAND" "\$@"
END
chmod 0755 "$PROGRAM"
run_keeper
touch "$WORK/few"
kill -KILL "$(gate)"
wait_for_line '^RLIMIT_NOFILE is too small'
begin_reading "$WORK/store/infected/cur/fixed-0"
tried_in_vain() { (($(count_lines 'storescand ended with status 1 again before it was ready') >= $1)); }
n=$(count_lines 'storescand ended with status 1 again before it was ready')
wait_until 20 tried_in_vain $((n + 2)) || fail 'it is not tried on'
waits_at_gate "$INFECTED" || breach 'an open of infected mail does not wait any more'
rm "$WORK/few"
expect_not_let_through
wait_until 20 started 2 || fail 'it did not come back'
! grep 'could not start by it' "$LOG" >&2 || fail 'the configuration was taken for the reason'
kill -TERM "$KEEPER_PID"
ended 0
rm "$PROGRAM"
PROGRAM=$STORESCAND
run_keeper
FOLDER=$(socket_folder)

say 'stopped: who waits is not let through, the stores are open, and nothing is left'
stop_workers "$(gate)"
begin_reading_new later
kill -TERM "$KEEPER_PID"
expect_not_let_through
ended 0
wait_for_line 'storescan-keeper: storescand ended with status 0: the stores are OPEN from here on'
detects || fail 'the store is not open'
[[ ! -e $FOLDER ]] || fail "$FOLDER was left behind"

say 'stopped while the file of who has waited since a kill is not found yet: he is not let through'
run_keeper
stop_workers "$(gate)"
begin_reading_new last
# Of a file system that hangs, where files of stores are looked for.
mkdir "$WORK/store/hangs"
exec {FUSE}<>/dev/fuse
mount -i -t fuse -o "fd=$FUSE,rootmode=40000,user_id=0,group_id=0" storescan-hangs "$WORK/store/hangs"
kill -KILL "$(gate)"
wait_for_line '^storescand: taken-over: .* 1 are judged again'
kill -TERM "$KEEPER_PID"
expect_not_let_through
ended 0
wait_for_line '^storescand: orphans-refused: 1 opens .* were denied'
umount -l "$WORK/store/hangs"
exec {FUSE}>&-

say 'stopped in the very moment in which storescand dies: who waits is not let through'
run_keeper
stop_workers "$(gate)"
begin_reading_new moment
kill -STOP "$KEEPER_PID"
kill -KILL "$(gate)"
kill -TERM "$KEEPER_PID"
kill -CONT "$KEEPER_PID"
expect_not_let_through
ended 0
wait_for_line 'storescan-keeper: storescand was ended by SIGKILL; it is started again, to answer who waits'
wait_for_line 'storescan-keeper: storescand ended with status 0: the stores are OPEN from here on'
detects || fail 'the store is not open'

say 'aborted by nobody who would begin anew: the stores stay closed'
run_keeper
before=$(gate)
kill -STOP "$before"
kill -ABRT "$KEEPER_PID"
wait_until 20 is_another "$before" || fail 'it was not started again'
expect_denied "$WORK/store/infected/cur/fixed-1"
# Longer than it had to abort.
wait_until 20 started 2 || fail 'it did not come back'
kill -TERM "$KEEPER_PID"
ended 0

say 'a program that is gone: who waits, waits on, and is answered when it is back'
PROGRAM=$WORK/storescand
cp "$STORESCAND" "$PROGRAM"
run_keeper
mv "$PROGRAM" "$WORK/away"
kill -KILL "$(gate)"
wait_for_line 'again before it was ready; it is started once a second'
begin_reading "$WORK/store/infected/cur/fixed-0"
n=$(count_lines 'it is started once a second')
tried_on() { (($(count_lines 'it is started once a second') > $1)); } # wait_until has an n of its own
wait_until 20 tried_on "$n" || fail 'it is not tried on'
wait_until 20 waits_at_gate "$INFECTED" || fail 'an open of infected mail does not wait any more'
mv "$WORK/away" "$PROGRAM"
! wait "$INFECTED" || breach 'infected mail was read'
# Stopped between two of them.
n=$(count_lines 'it is started once a second')
mv "$PROGRAM" "$WORK/away"
kill -KILL "$(gate)"
wait_until 20 tried_on "$n" || fail 'it is not tried on'
begin_reading "$WORK/store/infected/cur/fixed-0"
n=$(count_lines 'it is started once a second')
wait_until 20 tried_on "$n" || fail 'it is not tried on'
mv "$WORK/away" "$PROGRAM"
kill -TERM "$KEEPER_PID"
expect_not_let_through
ended 0

say 'with a service manager: it is told what storescand tells, keeps as well, and sees what is tried in vain'
cat >"$WORK/manager.py" <<'PYTHON'
import os, signal, socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
kept = []
with open(sys.argv[2], "w", buffering=1) as out:
    while True:
        data, fds, _, _ = socket.recv_fds(s, 4096, 16)
        text = data.decode()
        out.write(text + "\n")
        if "FDSTORE=1" in text:
            kept += fds
        else:
            for fd in fds:
                os.close(fd)
PYTHON
start_manager() {
    rm -f "$WORK/notify"
    python3 "$WORK/manager.py" "$WORK/notify" "$WORK/told" &
    MANAGER=$!
    PIDS+=("$MANAGER")
    wait_until 20 test -S "$WORK/notify" || fail 'no manager'
}
fds_told() { (($(grep -c '^FDSTORE=1' "$WORK/told") == $1)); }
start_manager
HOW=(--manager)
run_keeper env "NOTIFY_SOCKET=$WORK/notify" WATCHDOG_USEC=30000000
wait_until 20 grep -q '^READY=1' "$WORK/told" || fail "the manager was told: $(<"$WORK/told")"
expect_equal "$(grep -c '^FDSTORE=1' "$WORK/told")" 5 'fds that the manager was given'
kill -KILL "$(gate)"
wait_until 20 started 2 || fail 'it did not come back'
wait_until 20 grep -q '^STATUS=storescand is started again' "$WORK/told" || fail 'the manager was not told of the kill'
expect_equal "$(grep -c '^FDSTORE=1' "$WORK/told")" 5 'fds that the manager was given'
rm "$PROGRAM"
kill -KILL "$(gate)"
ended 203
expect_equal "$(count_lines 'the service is to begin anew')" 1 'times that it gave up'
! grep '^STOPPING' "$WORK/told" >&2 || fail 'the manager was told that the service stops'
# The manager keeps the marks.
begin_reading "$WORK/store/infected/cur/fixed-0"
kill -KILL "$INFECTED" "$MANAGER"
PROGRAM=$STORESCAND

say 'a service manager that does not read keeps nobody waiting'
start_manager
run_keeper env "NOTIFY_SOCKET=$WORK/notify" WATCHDOG_USEC=300000
kill -STOP "$MANAGER"
for _ in 1 2 3; do
    before=$(gate)
    for _ in {1..20}; do
        kill -HUP "$KEEPER_PID"
        kill -USR1 "$KEEPER_PID"
    done
    kill -KILL "$before"
    wait_until 20 is_another "$before" || fail 'it was not started again'
    expect_denied "$WORK/store/infected/cur/fixed-1"
    expect_readable "$WORK/store/clean/cur/fixed-1"
done

say 'nor is a store opened by the restart of a storescand that began when the service manager did not read'
kill -KILL "$KEEPER_PID" "$MANAGER"
ended 137
start_manager
kill -STOP "$MANAGER"
run_keeper env "NOTIFY_SOCKET=$WORK/notify"
! grep 'not-kept' "$LOG" >&2 || fail 'it says that nobody keeps the marks'
before=$(gate)
stop_workers "$before"
begin_reading_new restart
kill -TERM "$before"
until started 2; do expect_denied "$WORK/store/infected/cur/fixed-1"; done
expect_not_let_through
! grep 'are open from here on$' "$LOG" >&2 || fail 'it has opened the stores'

say 'aborted, as by the watchdog: storescand goes, even one that hangs, and the keeper as well'
kill -STOP "$(gate)"
kill -ABRT "$KEEPER_PID"
ended 134
kill -KILL "$MANAGER"
wait "$MANAGER" 2>/dev/null || true

say 'ended before the service manager has read what it is to keep: that is not lost'
start_manager
: >"$WORK/told"
kill -STOP "$MANAGER"
# All that its socket holds.
cat >"$WORK/fill.py" <<'PYTHON'
import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.setblocking(False)
try:
    while True:
        s.sendto(b"STATUS=full", sys.argv[1])
except BlockingIOError:
    pass
PYTHON
fill() { python3 "$WORK/fill.py" "$WORK/notify"; }
fill
run_keeper env "NOTIFY_SOCKET=$WORK/notify"
kill -ABRT "$KEEPER_PID"
is_ending() { ! gate; }
wait_until 10 is_ending || fail 'storescand goes on'
kill -CONT "$MANAGER"
ended 134
wait_until 5 fds_told 5 || fail "the manager was told: $(<"$WORK/told")"
kill -KILL "$MANAGER"
wait "$MANAGER" 2>/dev/null || true

say 'stopped where the service manager can not be given what it is to keep: who waits is not let through'
start_manager
kill -STOP "$MANAGER"
fill
run_keeper env "NOTIFY_SOCKET=$WORK/notify"
stop_workers "$(gate)"
begin_reading_new full
kill -TERM "$KEEPER_PID"
expect_not_let_through
ended 0
wait_for_line 'storescan-keeper: storescand ended with status 0: the stores are OPEN from here on'
kill -KILL "$MANAGER"
wait "$MANAGER" 2>/dev/null || true

HOW=()

say 'a group that can not be gone on with stays, with its marks, until those of the new one stand'
# As another version may have made it, which has let somebody open the mailbox, of which he reads now.
cat >"$WORK/other-group.py" <<'PYTHON'
import ctypes, os, struct, sys
libc = ctypes.CDLL(None, use_errno=True)
NONBLOCK, PRE_CONTENT, UNLIMITED_QUEUE = 2, 8, 0x10
ADD, FILESYSTEM, OPEN_PERM, ACCESS_PERM, PRE_ACCESS = 1, 0x100, 0x10000, 0x20000, 0x100000
group = libc.fanotify_init(NONBLOCK | PRE_CONTENT | UNLIMITED_QUEUE, os.O_RDONLY | os.O_LARGEFILE)
for mask in (OPEN_PERM | PRE_ACCESS, OPEN_PERM | ACCESS_PERM):
    if libc.fanotify_mark(group, ADD | FILESYSTEM, ctypes.c_uint64(mask), -100, sys.argv[1].encode()) == 0:
        break
else:
    sys.exit(os.strerror(ctypes.get_errno()))
if os.fork() == 0:
    if os.fork() == 0:
        with open(sys.argv[2], "w") as out:
            try:
                box = os.open(sys.argv[1] + "/box/inbox", os.O_RDONLY)
                print(os.getpid(), file=out, flush=True)
                print(os.read(box, 1000), file=out)
            except PermissionError:
                print("refused", file=out)
    os._exit(0)
os.wait()
while True:
    try:
        event = struct.unpack("IBBHQii", os.read(group, 24))
        break
    except BlockingIOError:
        pass
os.write(group, struct.pack("iI", event[5], 1))
os.close(event[5])
os.dup2(group, 3, inheritable=True)
os.environ.update(LISTEN_FDS="1", LISTEN_PID=str(os.getpid()), LISTEN_FDNAMES="gate")
os.execv(sys.argv[3], sys.argv[3:])
PYTHON
cp "$BUILD/tests/system/fake-worker" "$WORK/fake-worker"
chmod 0755 "$WORK/fake-worker"
make_maildir "$WORK/store/said"
echo INFECTED >"$WORK/store/said/cur/infected"
echo clean >"$WORK/store/said/cur/clean"
echo index >"$WORK/store/said/dovecot.index"
mkdir "$WORK/store/box"
printf 'From sender@example.org Thu Nov 26 10:00:00 2026\nSubject: test\n\nINFECTED\n' >"$WORK/store/box/inbox"
add_store box "$WORK/store/box" format=mbox
write_config
touch "$WORK/fake-worker.hold"
: >"$LOG"
STORESCAN_WORKER=$WORK/fake-worker python3 "$WORK/other-group.py" "$WORK/store" "$WORK/mail/box" \
    "$KEEPER" "$STORESCAND" --config "$CONF" </dev/null >>"$LOG" 2>&1 &
KEEPER_PID=$!
loads() { [[ -n $(children "$(gate)") ]]; }
wait_until 20 loads || fail 'no signatures are being loaded'
BOX_READER=$(<"$WORK/mail/box")
begin_reading "$WORK/store/said/cur/infected"
cat "$WORK/store/said/dovecot.index" >"$WORK/mail/index" 2>"$WORK/said" &
SERVER=$!
PIDS+=("$BOX_READER" "$SERVER")
for reader in "$BOX_READER" "$SERVER"; do
    wait_until 20 waits_at_gate "$reader" || fail 'the marks of the group that was given are gone'
done
# The new group has no marks yet.
wait_until 20 keeps 4 || fail "the keeper has $(groups) groups"
before=$(gate)
kill -KILL "$before"
wait_until 20 is_another "$before" || fail 'it was not started again'
wait_until 20 loads || fail 'no signatures are being loaded'
for reader in "$INFECTED" "$BOX_READER" "$SERVER"; do
    waits_at_gate "$reader" || breach "who waited was let through by a kill: $(cat "$WORK/mail/"{evil,box})"
done
rm "$WORK/fake-worker.hold"
wait_until 60 started 1 || fail 'it did not come to be ready'
wait "$SERVER" || fail "a mail server was denied its index: $(<"$WORK/said")"
expect_not_let_through
wait_until 20 test ! -e "/proc/$BOX_READER" || fail 'the reader of the mailbox waits for ever'
grep -q '^refused$' "$WORK/mail/box" || breach "an infected mailbox was read: $(<"$WORK/mail/box")"
wait_until 20 keeps 3 || fail "the keeper has $(groups) groups"
expect_denied "$WORK/store/said/cur/infected"
expect_readable "$WORK/store/said/cur/clean"
# When it was gone on with in the end, nothing is left of it.
before=$(gate)
kill -KILL "$before"
wait_until 20 is_another "$before" || fail 'it was not started again'
expect_denied "$WORK/store/said/cur/infected"
expect_readable "$WORK/store/said/cur/clean" "$WORK/store/said/dovecot.index"
kill -TERM "$KEEPER_PID"
ended 0

say 'mail that waited before is judged while more wait than may be held'
CURRENT=$WORK/store/said/cur
for ((n = 0; n < 50; n++)); do echo "clean $n" >"$CURRENT/crowd-$n"; done
rm "$CURRENT/infected"
message() { printf 'From sender@example.org Thu Nov 26 10:00:00 2026\nSubject: %s\n\nclean\n\n' "$1"; }
message 1 >"$WORK/store/box/inbox"
SCANNER_CONF+="
scan_timeout = 40s"
SCANNER_CONF=${SCANNER_CONF/workers = 3/workers = 1}
GATE_CONF='hot_files = 0' # each of which holds a descriptor
write_config
export STORESCAN_WORKER=$WORK/fake-worker
run_keeper prlimit --nofile=900:900
before=$(gate)
stop_workers "$before"
cat "$WORK/store/box/inbox" >"$WORK/mail/got" &
READER=$!
PIDS+=("$READER")
wait_until 20 waits_at_gate "$READER" || fail 'the reader of the mailbox does not wait'
touch "$WORK/fake-worker.hold"
kill -KILL "$before"
wait_until 60 started 2 || fail 'it did not come back'
wait_for_line '^storescand: taken-over: .* 1 are judged again'
DAEMON_PID=$(gate)
exec {LOG_FD}<"$LOG"
# Its file was opened by then.
wait_until 20 counter_reaches own 1 || fail 'the file of who waited is not opened'
crowd_comes "$CURRENT" 1500
wait_until 60 counter_reaches pressure 1 || fail 'there is no pressure, so nothing is tested'
rm "$WORK/fake-worker.hold"
wait_until 30 test ! -e "/proc/$READER" || fail 'the reader of the mailbox waits on'
wait "$READER" || fail 'the reader of the mailbox was refused'
cmp "$WORK/mail/got" "$WORK/store/box/inbox" || fail 'it is not as it was'
crowd_goes
grep -q ' clean_refused=0 ' "$WORK/seen" || fail "clean mail was refused: $(<"$WORK/seen")"

say 'and what is read of it later raises no events of our own'
own=$(counter own)
message 2 >>"$WORK/store/box/inbox"
read_file "$WORK/store/box/inbox" >"$WORK/mail/got"
cmp "$WORK/mail/got" "$WORK/store/box/inbox" || fail 'it is not as it was'
expect_equal "$(counter own)" "$own" 'events of our own'
DAEMON_PID=
kill -TERM "$KEEPER_PID"
ended 0
export STORESCAN_WORKER=$BUILD/daemon/worker/storescan-worker

say 'storescand is told to end by others than its keeper, and so is that: who waits is not let through'
# As by pkill, or by who shuts a machine down: each process gets a signal, in any order.
is_dead() { [[ $(awk '/^State:/ { print $2 }' "/proc/$1/status") == Z ]]; }
# took_term PID: SIGTERM does not wait for it.
took_term() { ((!(0x$(awk '/^ShdPnd:/ { print $2 }' "/proc/$1/status") & 1 << 14))); }
keeper_first() {
    kill -TERM "$KEEPER_PID"
    kill -TERM "$1"
}
# The kernel keeps one of two that wait.
merged() {
    kill -STOP "$1"
    kill -TERM "$1"
    kill -TERM "$KEEPER_PID"
    wait_until 20 took_term "$KEEPER_PID" || fail 'the keeper takes no signal'
    kill -CONT "$1"
}
while_it_ends() {
    kill -TERM "$1"
    wait_until 20 took_term "$1" || fail 'storescand takes no signal'
    kill -TERM "$KEEPER_PID"
}
when_it_has_ended() {
    kill -STOP "$KEEPER_PID"
    kill -TERM "$1"
    wait_until 20 is_dead "$1" || fail 'storescand goes on'
    kill -TERM "$KEEPER_PID"
    kill -CONT "$KEEPER_PID"
}
for order in keeper_first merged while_it_ends when_it_has_ended; do
    run_keeper
    stop_workers "$(gate)"
    begin_reading_new "$order"
    "$order" "$(gate)"
    expect_not_let_through "$order"
    ended 0
    wait_for_line 'storescan-keeper: storescand ended with status 0: the stores are OPEN from here on'
    expect_equal "$(count_lines '^storescand: stopped: Stores are open from here on')" 1 "ends that open the stores: $order"
    detects || fail 'the store is not open'
done

say 'the keeper is killed: storescand does not go on unsupervised'
run_keeper
FOLDER=$(socket_folder)
kill -KILL "$KEEPER_PID"
ended 137
[[ $FOLDER == /run/storescan-keeper.?????? ]] || fail "no folder of the keeper's: $FOLDER"
rm "$FOLDER/notify"
rmdir "$FOLDER"
