#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The self-test: whether opens in each store are seen, marked as a file system or folder by folder; what
# is said, and what becomes of the watchdog, when they are not; stores in which it can't be made.

source "$(dirname "$0")/../lib.sh"
setup
need_program jq python3
source "$(dirname "$0")/../bus.sh"

# expect_status STATUS PATTERN: of storescanctl, and a line of what it says.
expect_status() {
    local status=0 output
    output=$("$STORESCANCTL" status 2>&1) || status=$?
    expect_equal "$status" "$1" "status, which says: $output"
    [[ $output == *$2* ]] || fail "no '$2' in: $output"
}

# What storescand tells its service manager, one line a message.
cat >"$WORK/manager.py" <<'END'
import os, socket, sys
sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
sock.bind(sys.argv[1])
while True:
    print(sock.recv(4096).decode().replace("\n", " "), flush=True)
END
python3 "$WORK/manager.py" "$WORK/notify" >"$WORK/told" &
PIDS+=("$!")
wait_until 20 test -S "$WORK/notify" || fail 'no service manager'
pings() { grep -c '^WATCHDOG=1' "$WORK/told" || true; }
# shellcheck disable=SC2317 # called by wait_until
pings_reach() { (($(pings) >= $1)); }

make_fs whole ext4
make_fs solid ext4
make_fs lower tmpfs
make_maildir "$WORK/whole/user" "$WORK/solid/user" "$WORK/folders/user" "$WORK/lower/user"
chown -R "$TEST_USER" "$WORK/folders"
chmod 0700 "$WORK/folders"
make_mail "$WORK/whole/user/cur/virus" eicar-base64
make_mail "$WORK/folders/user/cur/virus" eicar-base64
mount -o remount,ro "$WORK/solid"
before=$(find "$WORK/whole" "$WORK/folders" | sort)
SELF_TEST_CONF='self_test = 1s'
add_store whole "$WORK/whole" marks=filesystem
add_store folders "$WORK/folders" marks=directories on_infected=replace
add_store memory "$WORK/lower"
add_store solid "$WORK/solid"
start_bus
start_storescand env NOTIFY_SOCKET="$WORK/notify" WATCHDOG_USEC=1500000

say 'three stores are hooked; a fourth is read-only, and can not be tested'
wait_until 20 counter_reaches self_tests 6 || fail "self_tests is $(counter self_tests)"
wait_for_line "^storescand: untested: .*'solid'.*Read-only"
expect_equal "$(count_lines '^storescand: (untested|not-hooked): ')" 1 'said once'
wait_until 20 has_name || fail "storescand is not on the bus: $(<"$WORK/bus.log")"
expect_status 1 "store 'solid' can't be tested"

say 'nobody else meets it: no file is there, nothing is blocked, replaced or stamped for it'
expect_equal "$(find "$WORK/whole" "$WORK/folders" | sort)" "$before" 'files'
expect_equal "$(count_lines '^storescand: (blocked|replaced|remedy-failed|undecided): ')" 0 'events'
expect_equal "$(counter infected) $(counter scans)" '0 0' 'counters'
expect_denied "$WORK/whole/user/cur/virus"
pings=$(pings)
wait_until 20 pings_reach $((pings + 2)) || fail 'the watchdog is not fed'

# Takes the marks on file systems away behind storescand's back, or puts them back.
cat >"$WORK/marks.py" <<'END'
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
pid, action = int(sys.argv[1]), sys.argv[2]
ADD, FLUSH, FILESYSTEM, OPEN_PERM = 1, 0x80, 0x100, 0x10000
pidfd = libc.syscall(434, pid, 0)
for name in os.listdir(f"/proc/{pid}/fdinfo"):
    with open(f"/proc/{pid}/fdinfo/{name}") as info:
        text = info.read()
    # A group of permission events: class CONTENT or PRE_CONTENT.
    if "fanotify flags:" not in text or not int(text.split("fanotify flags:")[1].split()[0], 16) & 12:
        continue
    group = libc.syscall(438, pidfd, int(name), 0)
    if action == "flush":
        libc.syscall(301, group, FLUSH | FILESYSTEM, ctypes.c_uint64(0), -100, None)
    for path in sys.argv[3:]:
        libc.syscall(301, group, ADD | FILESYSTEM, ctypes.c_uint64(OPEN_PERM), -100, os.fsencode(path))
END
say 'marks that are gone: opens there pass by'
watch_signals
python3 "$WORK/marks.py" "$DAEMON_PID" flush "$WORK/lower"
wait_for_line "^storescand: not-hooked: .*'whole'"
expect_told /org/storescan/store/whole Hooked '"no"'
expect_status 2 "opens in store 'whole' pass storescand by"
expect_status 2 'NOT HOOKED'
# The second round, and pings of before.
tests=$(counter self_tests)
wait_until 20 counter_reaches self_tests $((tests + 6)) || fail 'no second round'
pings=$(pings)
sleep 2
expect_equal "$(pings)" "$pings" 'pings of the watchdog while a store is not hooked'
expect_equal "$(count_lines '^storescand: not-hooked: ')" 1 'said once'

say 'they are back: the store is hooked again, and the watchdog is fed'
python3 "$WORK/marks.py" "$DAEMON_PID" add "$WORK/whole" "$WORK/solid"
wait_for_line "^storescand: hooked: .*'whole'"
expect_told /org/storescan/store/whole Hooked '"yes"'
wait_until 20 pings_reach $((pings + 2)) || fail 'the watchdog is not fed'
expect_denied "$WORK/whole/user/cur/virus"

say 'frozen: the round waits, storescand does not'
fsfreeze --freeze "$WORK/whole"
sleep 2
make_mail "$WORK/lower/user/cur/mail" clean
expect_readable "$WORK/lower/user/cur/mail"
fsfreeze --unfreeze "$WORK/whole"
tests=$(counter self_tests)
wait_until 20 counter_reaches self_tests $((tests + 3)) || fail 'no self-test after the thaw'
stop_storescand
expect_equal "$(count_lines '^storescand: not-hooked: ')" 1 'at the end'
