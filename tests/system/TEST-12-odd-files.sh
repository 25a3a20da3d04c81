#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What else can lie in a mail folder: nothing of it may hang, crash or get past storescand.

source "$(dirname "$0")/../lib.sh"
setup
need_program setpriv
make_fs store ext4 256M
root=$WORK/store
cur=$root/user/cur
make_maildir "$root/user"
SCANNER_CONF+="
max_file_size = 2M
max_scan_size = 8M
scan_timeout = $((20 * PATIENCE))s
worker_timeout = $((30 * PATIENCE))s"
add_store store "$root"

mkfifo "$cur/fifo"
mknod "$cur/zero" c 1 5
mknod "$cur/block" b 251 200
python3 -c 'import socket, sys; socket.socket(socket.AF_UNIX).bind(sys.argv[1])' "$cur/socket"
: >"$cur/empty"
printf 'x' >"$cur/one-byte"
truncate -s 1T "$cur/sparse"
make_mail "$cur/over-limit" clean -s 3000000
make_mail "$cur/under-limit" clean -s 1900000
# Larger than a shared slot, so it goes to the worker as a descriptor; infected at its end.
make_mail "$cur/large-virus" eicar-base64 -s 1700000
mkdir -p "$cur/directory:2,S" "$root/user/new/cur"
make_mail "$root/user/new/cur/virus" eicar-base64
long=$(printf 'n%.0s' {1..249})
make_mail "$cur/$long:2,S" eicar-base64
make_mail "$cur/"$'new\nline \e[2J caf\xe9 "quoted" \\' eicar-base64
make_mail "$cur/mail" clean
ln "$cur/mail" "$cur/hard-link"
ln -s mail "$cur/symlink"
ln -s /etc/passwd "$cur/outside"
ln -s nowhere "$cur/dangling"
ln -s symlink-loop "$cur/symlink-loop"

start_storescand

say 'FIFO: both ends meet'
cat "$cur/fifo" >"$WORK/out" &
PIDS+=($!)
READ_TIMEOUT=$((20 * PATIENCE)) timeout $((20 * PATIENCE)) bash -c 'echo through >"$1"' fifo "$cur/fifo" || fail 'FIFO hangs'
wait $! || fail 'the reader of the FIFO failed'
expect_equal "$(cat "$WORK/out")" through 'what came through the FIFO'

say 'devices and sockets'
expect_equal "$(timeout $((20 * PATIENCE)) head -c 4 "$cur/zero" | xxd -p)" 00000000 'zero device'
status=0
timeout $((20 * PATIENCE)) cat "$cur/block" >/dev/null 2>"$WORK/error" || status=$?
grep -q 'No such device' "$WORK/error" || fail "block device: $(cat "$WORK/error")"
timeout $((20 * PATIENCE)) cat "$cur/socket" 2>"$WORK/error" && fail 'a socket was opened'
grep -q 'No such device or address' "$WORK/error" || fail "socket: $(cat "$WORK/error")"

say 'nothing, and next to nothing'
expect_readable "$cur/empty" "$cur/one-byte"
expect_no_stamp "$cur/empty"

say 'too large: allowed and called what it is, never clean'
start=$SECONDS
timeout $((30 * PATIENCE)) head -c 1 "$cur/sparse" >/dev/null || fail 'the sparse file could not be opened'
((SECONDS - start < 20 * PATIENCE)) || fail 'the sparse file was read to the end'
wait_for_line "unscannable: Allowed open of '$cur/sparse'.*limits"
expect_readable "$cur/over-limit"
expect_stamp "$cur/over-limit" l
expect_readable "$cur/under-limit"
expect_stamp "$cur/under-limit" c
expect_denied "$cur/large-virus"

say 'names'
expect_denied "$cur/$long:2,S"
expect_denied "$cur/"$'new\nline \e[2J caf\xe9 "quoted" \\'
wait_for_line 'new\\x0aline \\x1b\[2J caf'
[[ $(grep -c $'\e' "$LOG") == 0 ]] || fail 'an escape character reached the log'
# journalctl shows no text that is not UTF-8, only its length.
iconv -f UTF-8 -t UTF-8 "$LOG" >/dev/null 2>&1 || fail 'a byte that is not UTF-8 reached the log'
ls "$cur/directory:2,S" >/dev/null
expect_denied "$root/user/new/cur/virus"

say 'links'
expect_readable "$cur/mail" "$cur/hard-link" "$cur/symlink" "$cur/outside"
expect_stamp "$cur/mail" c
# It may be written once more meanwhile, with another time.
have_one_stamp() { [[ $(stamp_of "$cur/hard-link") == "$(stamp_of "$cur/mail")" ]]; }
wait_until 20 have_one_stamp || fail "stamp of a hard link: $(stamp_of "$cur/hard-link"), not $(stamp_of "$cur/mail")"
expect_no_stamp /etc/passwd
# An infected file stays blocked under every name that it gets.
ln "$cur/$long:2,S" "$cur/other-name"
expect_denied "$cur/other-name"

say 'ways of opening'
expect_denied "$cur/other-name"
python3 - "$cur/other-name" "$cur/mail" <<'END'
import errno, mmap, os, sys
virus, mail = sys.argv[1:]

def denied(what, call):
    try:
        call()
    except OSError as e:
        assert e.errno == errno.EPERM, (what, e)
    else:
        raise AssertionError(what + " was not blocked")

for flags in (os.O_RDONLY, os.O_RDWR, os.O_WRONLY, os.O_RDONLY | os.O_NONBLOCK, os.O_RDONLY | os.O_DIRECT,
              os.O_RDONLY | os.O_NOATIME, os.O_RDWR | os.O_APPEND):
    denied("flags %o" % flags, lambda: os.open(virus, flags))
path_fd = os.open(virus, os.O_PATH)
denied("/proc/self/fd", lambda: os.open("/proc/self/fd/%d" % path_fd, os.O_RDONLY))
os.chmod(virus, 0o755)
denied("execve", lambda: os.execv(virus, [virus]))
fd = os.open(mail, os.O_RDONLY)
mmap.mmap(fd, 0, prot=mmap.PROT_READ)[:4]
os.close(fd)
END

say 'a file that is being written'
python3 - "$cur" <<'END' &
import os, sys, time
fd = os.open(sys.argv[1] + "/growing", os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
os.write(fd, b"Subject: part\n\nfirst line\n")
open(sys.argv[1] + "/../tmp/ready", "w").close()
while not os.path.exists(sys.argv[1] + "/../tmp/go"):
    time.sleep(0.01)
END
PIDS+=($!)
wait_until 20 test -e "$root/user/tmp/ready" || fail 'the writer did not start'
expect_readable "$cur/growing"
expect_no_stamp "$cur/growing"
touch "$root/user/tmp/go"
wait "${PIDS[-1]}" || fail 'the writer failed'
expect_readable "$cur/growing"
expect_stamp "$cur/growing" c
# Written to behind its stamp.
make_mail "$WORK/virus" eicar-text
cat "$WORK/virus" >"$cur/growing"
expect_denied "$cur/growing"

say 'gone while it is scanned'
"$MAKE_MAIL" clean -n 20 -s 20000 --flags .brief -o "$cur" >/dev/null
readers=()
for file in "$cur"/*.brief; do
    cat "$file" >/dev/null 2>&1 &
    readers+=($!)
    rm "$file"
done
wait "${readers[@]}" || true
expect_readable "$cur/mail"
stop_storescand
