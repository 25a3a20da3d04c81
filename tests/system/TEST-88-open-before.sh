#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What somebody has open when storescand starts where it did not run, and nothing else marks the file system.
# What must hold:
#
#   - Who opens it from then on is judged, whoever else has it open, and by whatever way he opens.
#   - What is written through a descriptor from before is seen by the next open.
#
# And what does not, as storescan-security(7) says: a descriptor from before goes on reading a message, as only
# opens of these are judged; and a mailbox, where the kernel settles at the open which accesses it tells of (Linux
# 6.14, Debian's 6.12). Linux 6.1 tells of them: old-kernel-guest.sh.

source "$(dirname "$0")/../lib.sh"
setup
no_quarantine
IFS=.- read -r major minor _ < <(uname -r)
((major > 6 || (major == 6 && minor >= 14))) || skip 'a kernel that may tell of accesses through descriptors from before'

# same FD FILE: what can be read through it, from its beginning, is what lies there.
same() {
    python3 -c 'import os, sys
os.lseek(0, 0, os.SEEK_SET)
sys.stdout.buffer.write(b"".join(iter(lambda: os.read(0, 65536), b"")))' <&"$1" 2>"$WORK/error" | cmp - "$2"
}
# maps FD: and its first byte.
maps() { python3 -c 'import mmap; mmap.mmap(0, 0, prot=mmap.PROT_READ)[:1]' <&"$1"; }

make_fs mail ext4
make_fs box ext4
make_fs other tmpfs
make_maildir "$WORK/mail/user"
MAIL=$WORK/mail/user/cur
make_mail "$WORK/virus" eicar-base64
make_mail "$WORK/clean" clean
"$SOURCE/tests/data/make-store-formats" mbox "$WORK/mbox" "$WORK/clean" "$WORK/virus" >"$WORK/layout"
"$SOURCE/tests/data/make-store-formats" mbox "$WORK/mbox-clean" "$WORK/clean" >"$WORK/layout"
"$SOURCE/tests/data/make-store-formats" mbox "$WORK/mbox-more" "$WORK/virus" >"$WORK/layout"
for folder in "$MAIL" "$WORK/box" "$WORK/other"; do
    kind=mbox
    [[ $folder == "$MAIL" ]] || cp "$WORK/mbox-clean" "$folder/written"
    [[ $folder == "$MAIL" ]] && kind=virus
    cp "$WORK/$kind" "$folder/virus"
    cp "$WORK/$kind" "$folder/virus-rw"
done
cp "$WORK/clean" "$MAIL/written"
add_store mail "$WORK/mail"
add_store box "$WORK/box" format=mbox
add_store other "$WORK/other" format=mbox

say 'open before: for reading, for both, for appending'
declare -A READER=() WRITER=() APPENDER=()
for folder in "$MAIL" "$WORK/box" "$WORK/other"; do
    exec {fd}<"$folder/virus"
    READER[$folder]=$fd
    exec {fd}<>"$folder/virus-rw"
    WRITER[$folder]=$fd
    exec {fd}>>"$folder/written"
    APPENDER[$folder]=$fd
done
start_storescand

for folder in "$MAIL" "$WORK/box" "$WORK/other"; do
    original=$WORK/mbox more=$WORK/mbox-more
    [[ $folder == "$MAIL" ]] && original=$WORK/virus more=$WORK/virus
    say "${folder#"$WORK/"}: who opens it is judged, also what others have open"
    expect_denied "$folder"/virus*
    for fd in "${READER[$folder]}" "${WRITER[$folder]}"; do expect_denied "/proc/$$/fd/$fd"; done
    say "${folder#"$WORK/"}: and who had it open reads on"
    for fd in "${READER[$folder]}" "${WRITER[$folder]}"; do
        same "$fd" "$original" || fail "denied, which storescan-security(7) does not say: $(<"$WORK/error")"
        maps "$fd" || fail 'a mapping through a descriptor from before is denied'
    done
    say "${folder#"$WORK/"}: what is written through a descriptor from before"
    expect_readable "$folder/written"
    [[ $folder != "$MAIL" ]] || expect_no_stamp "$folder/written"
    [[ $folder != "$MAIL" ]] || truncate -s 0 "$folder/written" # by its path: the virus has to lie at its beginning
    cat "$more" >&"${APPENDER[$folder]}"
    expect_denied "$folder/written"
done
stop_storescand
