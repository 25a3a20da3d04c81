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
need_root
need_program python3 unshare
# A mount namespace that is made beside this test has a copy of each mount, and keeps its file system, with
# its marks, until it ends: it must find none of those here.
[[ -n ${OWN_MOUNTS:-} ]] || exec env OWN_MOUNTS=yes unshare --mount --propagation private "$0"
setup
source "$(dirname "$0")/../bus.sh"
start_bus
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
mkdir "$WORK/late"
add_store late "$WORK/late"
STORES_CONF+="[sweep]
window = $(date -d '2 hours' +%H:%M)-$(date -d '3 hours' +%H:%M)
"
start_storescand
wait_until 20 has_name || fail "storescand is not on the bus: $(<"$WORK/bus.log")"
detach() { timeout $((30 * PATIENCE)) "$STORESCANCTL" store detach "$@"; }
attach() { timeout $((30 * PATIENCE)) "$STORESCANCTL" store attach "$@"; }
state() { busctl get-property org.storescan "/org/storescan/store/$1" org.storescan.Store State; }

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
    wait_until 20 hot_are "$2" || fail "$(now_hot) files are hot, not $2"
}

say 'hot files keep a file system for as long as it is used, and for some seconds then'
make_hot "$WORK/own/user/cur" 8
if umount "$WORK/own" 2>/dev/null; then fail 'hot files hold nothing: what follows would say nothing'; fi
expect_equal "$(held "$WORK/own")" 8 'files that are held'
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
wait_until 20 is_denied "$WORK/own/user/cur/virus" || fail 'the store is not guarded'

say 'something is mounted over a folder above a store: what is seen there is guarded, and no more'
mount -t tmpfs -o mode=0755 storescan-test "$WORK/srv"
make_maildir "$WORK/srv/mail/user"
mkdir "$WORK/srv/other"
cp "$WORK/own/user/cur/mail" "$WORK/srv/mail/user/cur/mail"
eicar >"$WORK/srv/mail/user/cur/virus"
eicar >"$WORK/srv/other/virus"
wait_until 20 is_denied "$WORK/srv/mail/user/cur/virus" || fail 'what hides the store is not guarded'
expect_readable "$WORK/srv/mail/user/cur/mail" "$WORK/srv/other/virus"
expect_denied "$WORK/own/user/cur/virus"
wait_until 20 umount "$WORK/srv" || fail 'storescand keeps it busy'
expect_denied "$WORK/srv/mail/user/cur/virus"
expect_readable "$WORK/srv/mail/user/cur/mail"

say 'detached: unmounted at once, with hot files and a sweep; its mail is judged until then'
make_hot "$WORK/own/user/cur" 8
"$STORESCANCTL" sweep start own || fail 'sweep start'
# shellcheck disable=SC2317 # called by wait_until
sweep_is() { "$STORESCANCTL" --json sweep status >"$WORK/sweep" && grep -q "\"own\".*\"$1\"" "$WORK/sweep"; }
wait_until 20 sweep_is waiting || fail "the sweep does not wait for its hours: $(<"$WORK/sweep")"
detach own || fail 'detach'
expect_equal "$(held "$WORK/own")" 0 'files that are held'
expect_denied "$WORK/own/user/cur/virus"
expect_readable "$WORK/own"/user/cur/hot-* "$WORK/own"/user/cur/hot-*
status=0
"$STORESCANCTL" sweep start own 2>"$WORK/error" || status=$?
expect_equal "$status" 2 'a sweep of a detached store'
grep -q 'store attach own' "$WORK/error" || fail "does not say what to do: $(<"$WORK/error")"
detach own || fail 'detach, once more'
umount "$WORK/own" || fail 'a detached store is busy'

say 'unmounted: what is below is guarded, and everybody is told'
wait_for_line "^storescand: store-mounts: .*'own' is not mounted any more"
is_state() { [[ $(state "$1") == "s \"$2\"" ]]; }
wait_until 20 is_state own unmounted || fail "the state is $(state own)"
rmdir "$WORK/late"
wait_until 20 is_state late missing || fail "the state of a store without a folder is $(state late)"
expect_equal "$(state mail)" 's "guarded"' 'state of the other store'
make_maildir "$WORK/own/user"
eicar >"$WORK/own/user/cur/virus"
expect_denied "$WORK/own/user/cur/virus"
status=0
"$STORESCANCTL" status >"$WORK/status" || status=$?
expect_equal "$status" 1 'status'
grep -q "the file system of store 'own' is not mounted" "$WORK/status" || fail "status: $(<"$WORK/status")"
grep -q "store 'own' is detached" "$WORK/status" || fail "status: $(<"$WORK/status")"
"$STORESCANCTL" metrics >"$WORK/metrics"
grep -qx 'storescan_store_state{store="own",state="unmounted"} 1' "$WORK/metrics" || fail 'the metrics do not tell'
status=0
attach own 2>"$WORK/error" || status=$?
expect_equal "$status" 2 'attach without a file system'
grep -q 'is not mounted on' "$WORK/error" || fail "attach: $(<"$WORK/error")"
status=0
attach none 2>"$WORK/error" || status=$?
expect_equal "$status" 2 'attach without a store'

say 'behind attach nothing passes'
detach own || fail 'detach'
for n in 1 2 3 4 5; do
    mount_fs own
    attach own || fail 'attach'
    expect_denied "$WORK/own/user/cur/virus"
    detach own || fail 'detach'
    umount "$WORK/own" || fail "a detached store is busy, round $n"
done

say 'mounted: attached by itself'
attached=$(count_lines "^storescand: store-attached: .*'own'")
mount_fs own
# shellcheck disable=SC2317 # called by wait_until
is_attached() { (($(count_lines "^storescand: store-attached: .*'own'") > attached)); }
wait_until 20 is_attached || fail 'it stays detached'
expect_equal "$(state own)" 's "guarded"' 'state'
expect_denied "$WORK/own/user/cur/virus"

say 'unmounted lazily while somebody reads: mounted again, it is guarded at the first open'
exec {reader}<"$WORK/own/user/cur/mail"
umount --lazy "$WORK/own"
wait_until 20 is_state own unmounted || fail "the state is $(state own)"
device=$(losetup --noheadings --output NAME --associated "$WORK/own.image" | sed -n 1p)
python3 - "$device" "$WORK/own" "$WORK/own/user/cur/virus" <<'END' || fail 'not at the first open'
import ctypes, os, sys
libc = ctypes.CDLL(None, use_errno=True)
if libc.mount(os.fsencode(sys.argv[1]), os.fsencode(sys.argv[2]), b"ext4", 0, None) < 0:
    raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
try:
    os.open(sys.argv[3], os.O_RDONLY)
except PermissionError:
    sys.exit(0)
sys.exit(1)
END
exec {reader}<&-

say 'mounted in a store'
mkdir "$WORK/own/more"
mount -t tmpfs -o mode=0755 storescan-test "$WORK/own/more"
make_maildir "$WORK/own/more"
eicar >"$WORK/own/more/cur/virus"
wait_until 20 is_denied "$WORK/own/more/cur/virus" || fail 'what is mounted in a store is not guarded'
wait_for_line "^storescand: store-mounts: .*'own', at .*/more"
wait_until 20 umount "$WORK/own/more" || fail 'storescand keeps it busy'

say 'an overlay on the store, and a file without a name that gets one'
mkdir "$WORK/upper" "$WORK/overlay"
mount -t tmpfs -o mode=0755 storescan-test "$WORK/upper"
mkdir "$WORK/upper"/{files,work}
if mount -t overlay -o "lowerdir=$WORK/own,upperdir=$WORK/upper/files,workdir=$WORK/upper/work" \
    storescan-test "$WORK/overlay"; then
    # As before Linux 6.5, where what is read by way of an overlayfs raises no event below it.
    if grep -q 'above a store seen no' "$LOG"; then
        say '(this kernel does not tell of opens through an overlayfs, and storescand says so: left out)'
    else
        expect_denied "$WORK/overlay/user/cur/virus"
        expect_readable "$WORK/overlay/user/cur/mail"
        if cp "$WORK/overlay/user/cur/virus" "$WORK/copy" 2>/dev/null; then fail 'it was copied'; fi
    fi
    umount "$WORK/overlay"
else
    say '(this kernel has no overlayfs: left out)'
fi
python3 - "$WORK/own/user/cur" <<'END'
import os, sys
fd = os.open(sys.argv[1], os.O_TMPFILE | os.O_RDWR, 0o644)
os.write(fd, "".join(reversed("*H+H$!ELIF-TSET-SURIVITNA-DRADNATS-RACIE$}7)CC7)^P(45XZP\\4[PA@%P!O5X")).encode())
path = "/proc/self/fd/%d" % fd
os.link(path, sys.argv[1] + "/linked", src_dir_fd=os.open("/", os.O_RDONLY), follow_symlinks=True)
os.close(fd)
try:
    os.open(sys.argv[1] + "/linked", os.O_RDONLY)
except PermissionError:
    sys.exit(0)
raise SystemExit("was not blocked")
END
stop_storescand
