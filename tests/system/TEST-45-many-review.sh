#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What a hostile review of the gate for files of many items found. Invariants: more mailboxes than may
# be in use at once are no more than slow; no name that a file once had, no link to it, no lock on it
# and no write of others makes its infected bytes readable.

source "$(dirname "$0")/../lib.sh"
setup
make_fs store ext4 256M
root=$WORK/store
mkdir -p "$root"/{public,own}/{user,user/.imap}
export STORESCAN_WORKER=$BUILD/tests/system/fake-worker
add_store public "$root/public" format=mbox
add_store own "$root/own" format=mbox on_infected=detect
start_storescand

{
    printf 'From a@example.org Mon Nov 23 10:00:00 2026\nSubject: clean\n\n'
    seq 1 100
    echo
} >"$WORK/clean"
{
    printf 'From a@example.org Mon Nov 23 10:00:00 2026\nSubject: bad\n\nINFECTED\n'
    seq 1 3000
    echo
} >"$WORK/bad"
append() { cat "$1" >>"$2"; }

say 'more mailboxes than may be in use'
mkdir "$root/public/user/boxes"
for ((i = 0; i < 1100; i++)); do cp "$WORK/clean" "$root/public/user/boxes/$i"; done
for ((round = 0; round < 3; round++)); do
    timeout $((60 * PATIENCE)) cat "$root"/public/user/boxes/* >/dev/null || fail 'a mailbox could not be read'
done
kill -0 "$DAEMON_PID" || fail 'storescand ended'

say 'a file that was no mail'
box=$root/public/user/box
: >"$root/public/user/.imap/x"
cat "$root/public/user/.imap/x"
mv "$root/public/user/.imap/x" "$box"
exec {fd}<"$box"
append "$WORK/bad" "$box"
! timeout $((20 * PATIENCE)) cat <&"$fd" >/dev/null 2>&1 || fail 'what was appended to a renamed index was served'
exec {fd}<&-
expect_denied "$box"

say 'a link into a store that lets all through'
box=$root/public/user/linked
append "$WORK/bad" "$box"
expect_denied "$box"
ln "$box" "$root/own/user/linked"
timeout $((20 * PATIENCE)) cat "$root/own/user/linked" >/dev/null || fail 'detect denied'
expect_denied "$box"

say 'who has it locked for writing'
box=$root/public/user/locked
append "$WORK/clean" "$box"
append "$WORK/bad" "$box"
expect_denied "$box"
python3 - "$box" <<'END' || fail 'the last page was served to who had it locked'
import fcntl, os, sys
try:
    fd = os.open(sys.argv[1], os.O_RDWR) # denied where only whole files can be judged
    fcntl.lockf(fd, fcntl.LOCK_EX)
    size = os.fstat(fd).st_size
    os.pread(fd, 8192, size // 4096 * 4096)
except PermissionError:
    sys.exit(0)
sys.exit(1)
END

say 'who wrote the end reads what somebody else put there'
box=$root/public/user/tail
cp "$WORK/clean" "$box"
python3 - "$box" "$WORK/bad" <<'END' || fail 'what another process wrote was served'
import os, sys
box, bad = sys.argv[1], open(sys.argv[2], 'rb').read()
fd = os.open(box, os.O_RDWR)
size = os.fstat(fd).st_size
os.pread(fd, size, 0)
os.pwrite(fd, b'From a@example.org Mon Nov 23 10:00:00 2026\n\n' + b'x' * (len(bad) - 46) + b'\n', size)
if os.fork() == 0:
    other = os.open(box, os.O_RDWR)
    os._exit(os.pwrite(other, bad, size) != len(bad))
assert os.wait()[1] == 0
end = os.fstat(fd).st_size
try:
    os.pread(fd, 8192, end // 4096 * 4096)
except PermissionError:
    sys.exit(0)
sys.exit(1)
END

say 'a stamp is only given to what is still there when nobody can write'
box=$root/public/user/mapped
cp "$WORK/clean" "$box"
python3 - "$box" <<'END' &
import mmap, os, sys, time
fd = os.open(sys.argv[1], os.O_RDWR)
m = mmap.mmap(fd, 0)
os.close(fd)
m[70:71] = m[70:71]
while not os.path.exists(sys.argv[1] + '.go'):
    time.sleep(0.01)
at = bytes(m).index(b'\n\n') + 2
m[at:at + 9] = b'INFECTED\n'
END
mapper=$!
PIDS+=("$mapper")
wait_until 20 grep -q mapped "/proc/$mapper/maps" || fail 'it is not mapped'
timeout $((20 * PATIENCE)) cat "$box" >/dev/null 2>&1 || true
touch "$box.go"
wait "$mapper"
# Whoever asks at once may be served. It is looked at again soon, or a store moves its times.
rests() { [[ -z $(find "/proc/$DAEMON_PID/fd" -lname "$box") ]]; }
wait_until 20 rests || fail 'it does not come to rest'
! has_stamp "$box" c || fail 'a stamp says clean of what was stored through a mapping'
expect_denied "$box"
stop_storescand

say 'what older signatures found infected is not served because the engine fails'
STORES_CONF=
rm -rf "$root/public/user"
mkdir -p "$root/public/user"
add_store public "$root/public" format=mbox breaker=allow
mkdir "$root/maildir"
make_maildir "$root/maildir/user"
add_store maildir "$root/maildir"
SCANNER_CONF+="
breaker_failures = 3"
start_storescand
box=$root/public/user/known
cat "$WORK/clean" "$WORK/bad" "$WORK/clean" >"$WORK/known"
cp "$WORK/known" "$box"
expect_denied "$box"
SCANNER_CONF+="
pua = yes"
write_config
kill -HUP "$DAEMON_PID"
wait_for_line '^storescand: generation-changed: '
for n in 1 2 3; do
    echo "CRASH $n" >"$root/maildir/user/cur/crash-$n"
    expect_denied "$root/maildir/user/cur/crash-$n"
done
wait_for_line '^storescand: breaker-open: '
cp "$WORK/clean" "$root/public/user/unknown"
expect_readable "$root/public/user/unknown"
expect_denied "$box"
stop_storescand
