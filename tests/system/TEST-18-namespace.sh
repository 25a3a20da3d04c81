#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Readers that see the store from elsewhere: other mount namespaces, bind mounts, containers, user
# namespaces. Mail is guarded wherever it is looked at from; nothing is written through a mount that
# the reader was given read-only.

source "$(dirname "$0")/../lib.sh"
setup
need_program unshare
make_fs store ext4
root=$WORK/store
make_maildir "$root/user"
for n in 1 2 3 4 5 6; do
    make_mail "$root/user/cur/virus-$n" eicar-base64 --seed "$n"
    make_mail "$root/user/cur/mail-$n" clean --seed "$n"
done
chmod -R a+rX "$WORK"
mkdir "$WORK/bind" "$WORK/bind-ro" "$WORK/file"
add_store store "$root"
start_storescand

# denied_in COMMAND...: it must fail with EPERM.
denied_in() {
    local error
    if error=$(timeout $((60 * PATIENCE)) "$@" 2>&1 >/dev/null); then breach "was not blocked: ${*@Q}"; fi
    [[ $error == *'Operation not permitted'* ]] || fail "failed otherwise: ${*@Q}: $error"
}
allowed_in() { timeout $((60 * PATIENCE)) "$@" >/dev/null || fail "was blocked: ${*@Q}"; }

say 'another mount namespace'
denied_in unshare --mount cat "$root/user/cur/virus-1"
allowed_in unshare --mount cat "$root/user/cur/mail-1"
expect_stamp "$root/user/cur/mail-1" c

say 'another process namespace, where the opener has another number'
denied_in unshare --pid --fork --mount-proc cat "$root/user/cur/virus-6"
allowed_in unshare --pid --fork --mount-proc cat "$root/user/cur/mail-6"
wait_for_line "blocked: Denied open of '$root/user/cur/virus-6' by [^ ]+\[[0-9]{3,}\] \(uid 0\)"
expect_stamp "$root/user/cur/mail-6" c

say 'a bind mount in another mount namespace'
denied_in unshare --mount bash -c 'mount --bind "$1/user/cur" "$2" && cat "$2/virus-2"' x "$root" "$WORK/bind"
allowed_in unshare --mount bash -c 'mount --bind "$1/user/cur" "$2" && cat "$2/mail-2"' x "$root" "$WORK/bind"
expect_stamp "$root/user/cur/mail-2" c

say 'a bind mount whose place looks like no mail'
mkdir -p "$WORK/bind/tmp" "$WORK/bind/dovecot"
: >"$WORK/file/dovecot.index"
denied_in unshare --mount bash -c 'mount --bind "$1/user/cur" "$2/tmp" && cat "$2/tmp/virus-3"' \
    x "$root" "$WORK/bind"
denied_in unshare --mount bash -c 'mount --bind "$1/user/cur/virus-3" "$2" && cat "$2"' \
    x "$root" "$WORK/file/dovecot.index"

say 'a read-only mount: judged, and not written to'
mount --bind "$root" "$WORK/bind-ro"
mount -o remount,bind,ro "$WORK/bind-ro"
expect_denied "$WORK/bind-ro/user/cur/virus-4"
expect_readable "$WORK/bind-ro/user/cur/mail-4"
# A stamp may come by the daemon's own way to the file, never by the reader's; either is right, as
# long as nothing failed.
! grep -q 'stamp-failed' "$LOG" || fail 'a stamp was tried through a read-only mount'
# A descriptor of the reader's mount is held until its stamp is due: not long.
wait_until 20 umount "$WORK/bind-ro" || fail 'the read-only mount stays busy'
expect_readable "$root/user/cur/mail-4"
expect_stamp "$root/user/cur/mail-4" c

say 'a read-only file system: judged each time'
wait_until 20 mount -o remount,ro "$root" || fail 'the store stays busy'
expect_denied "$root/user/cur/virus-5"
expect_readable "$root/user/cur/mail-5"
expect_no_stamp "$root/user/cur/mail-5"
mount -o remount,rw "$root"

say 'a chroot'
mkdir -p "$WORK/jail/mail"
cp --parents /bin/cat "$WORK/jail/"
ldd /bin/cat | grep -o '/[^ ]*' | xargs -I{} cp --parents -L {} "$WORK/jail/"
denied_in unshare --mount bash -c 'mount --bind "$1" "$2/mail" && chroot "$2" /bin/cat /mail/user/cur/virus-6' \
    x "$root" "$WORK/jail"
allowed_in unshare --mount bash -c 'mount --bind "$1" "$2/mail" && chroot "$2" /bin/cat /mail/user/cur/mail-6' \
    x "$root" "$WORK/jail"

say 'a detached tree, seen by nobody'
python3 - "$root" <<'END'
import ctypes, errno, os, sys
libc = ctypes.CDLL(None, use_errno=True)
AT_FDCWD, OPEN_TREE_CLONE = -100, 1
fd = libc.syscall(428, AT_FDCWD, sys.argv[1].encode(), OPEN_TREE_CLONE)  # open_tree
assert fd >= 0, os.strerror(ctypes.get_errno())
try:
    os.open("user/cur/virus-6", os.O_RDONLY, dir_fd=fd)
except PermissionError as e:
    assert e.errno == errno.EPERM
else:
    raise AssertionError("was not blocked")
os.close(os.open("user/cur/mail-6", os.O_RDONLY, dir_fd=fd))
END

say 'by file handle, as an NFS server opens'
python3 - "$root" <<'END'
import ctypes, errno, os, sys
libc = ctypes.CDLL(None, use_errno=True)

class Handle(ctypes.Structure):
    _fields_ = [("bytes", ctypes.c_uint), ("type", ctypes.c_int), ("data", ctypes.c_ubyte * 128)]

def by_handle(path):
    handle, mount_id = Handle(128), ctypes.c_int()
    r = libc.name_to_handle_at(-100, path.encode(), ctypes.byref(handle), ctypes.byref(mount_id), 0)
    assert r == 0, os.strerror(ctypes.get_errno())
    mount_fd = os.open(sys.argv[1], os.O_RDONLY | os.O_DIRECTORY)
    open("/proc/sys/vm/drop_caches", "w").write("2")
    fd = libc.open_by_handle_at(mount_fd, ctypes.byref(handle), os.O_RDONLY)
    error = ctypes.get_errno()
    os.close(mount_fd)
    if fd >= 0:
        os.close(fd)
    return 0 if fd >= 0 else error

assert by_handle(sys.argv[1] + "/user/cur/virus-5") == errno.EPERM, "was not blocked"
assert by_handle(sys.argv[1] + "/user/cur/mail-5") == 0
END

say 'a user namespace of an unprivileged user'
if setpriv --reuid "$TEST_USER" --regid nogroup --clear-groups unshare --user --map-root-user --mount true; then
    denied_in setpriv --reuid "$TEST_USER" --regid nogroup --clear-groups unshare --user --map-root-user \
        --mount bash -c 'mount --bind "$1/user/cur" "$2/tmp" && cat "$2/tmp/virus-5"' x "$root" "$WORK/bind"
else
    say '(this kernel lets no user make one: left out)'
fi

stop_storescand
