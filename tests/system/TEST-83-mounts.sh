#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Stores whose file systems come and go while storescand runs. What must hold:
#
#   - Nothing of ours keeps a file system busy that nobody uses: hot files go by themselves.
#   - A file system that comes, comes back or comes on top is guarded from a moment on that is measured
#     here; what lies in it is then served to nobody who may not have it, by whatever way he opens it.
#   - What hides a store, or is hidden, is never taken for it: no file system is marked for another one.
#
# TEST-14 has stores that vanish, TEST-18 mount namespaces, chroot and handles, TEST-42 hot files.

source "$(dirname "$0")/../lib.sh"
setup
need_program python3 unshare
make_fs own ext4
make_fs below ext4
mkdir -p "$WORK/srv/mail"
make_fs srv/mail ext4
make_maildir "$WORK"/{own,below,srv/mail}/user
for store in own below srv/mail; do
    make_mail "$WORK/$store/user/cur/virus" eicar-base64
    make_mail "$WORK/$store/user/cur/mail" clean
done
umount "$WORK/below"
add_store own "$WORK/own"
add_store mail "$WORK/srv/mail"
start_storescand

# Descriptors of the daemon on files below a folder.
held() { find "/proc/$DAEMON_PID/fd" -lname "$1/*" | wc -l; }
now_hot() { printf '%s\n' $(($(counter hot) - $(counter hot_breaks) - $(counter hot_dropped))); }
# shellcheck disable=SC2317 # called by wait_until
hot_are() { (($(now_hot) == $1)); }
is_denied() { ! read_file "$1" >/dev/null 2>&1; }

# make_hot FOLDER COUNT: clean mail there, read until it raises no events.
make_hot() {
    local n
    for ((n = 0; n < $2; n++)); do make_mail "$1/hot-$n" clean --seed "$n"; done
    expect_readable "$1"/hot-*
    for ((n = 0; n < $2; n++)); do expect_stamp "$1/hot-$n" c; done
    expect_readable "$1"/hot-* "$1"/hot-*
    wait_until 5 hot_are "$2" || fail "$(now_hot) files are hot, not $2"
}

say 'hot files keep a file system for as long as it is used, and for some seconds then'
make_hot "$WORK/own/user/cur" 20
if umount "$WORK/own" 2>/dev/null; then fail 'hot files hold nothing: what follows would say nothing'; fi
expect_equal "$(held "$WORK/own")" 20 'files that are held'
began=$EPOCHREALTIME
wait_until 8 umount "$WORK/own" || fail "storescand keeps the file system busy: $(held "$WORK/own") files"
printf 'unmounted %.1f s after the last use\n' "$(bc <<<"$EPOCHREALTIME - $began")"

say 'mounted again: infected mail is denied from a moment on'
cat >"$WORK/window.py" <<'END'
# DEVICE FOLDER FILE ROUNDS: mounts, opens FILE until it is denied, unmounts. Prints how long that took.
import ctypes, errno, os, sys, time
libc = ctypes.CDLL(None, use_errno=True)
device, folder, file, rounds = sys.argv[1:4] + [int(sys.argv[4])]

def call(f, *args):
    if f(*args) < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))

def umount():
    for _ in range(1000):
        try:
            return call(libc.umount2, os.fsencode(folder), 0)
        except OSError as e:
            if e.errno != errno.EBUSY: # an answer is just being taken
                raise
            time.sleep(0.01)
    raise SystemExit("it stays busy")

times, passed = [], 0
for _ in range(rounds):
    call(libc.mount, os.fsencode(device), os.fsencode(folder), b"ext4", 0, None)
    begin = now = time.monotonic()
    while now - begin < 20:
        now = time.monotonic()
        try:
            os.close(os.open(file, os.O_RDONLY))
            passed += 1
        except PermissionError as e:
            assert e.errno == errno.EPERM
            break
    else:
        raise SystemExit("it is not guarded after 20 s")
    times.append((now - begin) * 1e3)
    for _ in range(50): # and so it stays
        try:
            os.open(file, os.O_RDONLY)
            raise SystemExit("it was denied once, and then served")
        except PermissionError:
            pass
    umount()
times.sort()
print(f"{rounds} mounts: denied from {times[len(times) // 2]:.2f} ms on, {times[-1]:.2f} ms at most;"
      f" {passed} opens passed before")
END
device=$(losetup --find --show "$WORK/own.image")
python3 "$WORK/window.py" "$device" "$WORK/own" "$WORK/own/user/cur/virus" 20 || fail 'the window'
losetup --detach "$device"
mount_fs own
wait_until 10 is_denied "$WORK/own/user/cur/virus" || fail 'the store is not guarded'

say 'something is mounted over a folder above a store: what is seen there is guarded, and no more'
mount -t tmpfs -o mode=0755 storescan-test "$WORK/srv"
make_maildir "$WORK/srv/mail/user"
mkdir "$WORK/srv/other"
cp "$WORK/own/user/cur/mail" "$WORK/srv/mail/user/cur/mail"
eicar >"$WORK/srv/mail/user/cur/virus"
eicar >"$WORK/srv/other/virus"
wait_until 10 is_denied "$WORK/srv/mail/user/cur/virus" || fail 'what hides the store is not guarded'
expect_readable "$WORK/srv/mail/user/cur/mail" "$WORK/srv/other/virus"
expect_denied "$WORK/own/user/cur/virus"
wait_until 10 umount "$WORK/srv" || fail 'storescand keeps it busy'
expect_denied "$WORK/srv/mail/user/cur/virus"
expect_readable "$WORK/srv/mail/user/cur/mail"
