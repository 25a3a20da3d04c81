#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Stores that go and come back: folders removed and made again, file systems unmounted and mounted.

source "$(dirname "$0")/../lib.sh"
setup
make_fs own ext4
make_fs shared ext4
make_maildir "$WORK/own/user" "$WORK/shared/store/user"
mkdir "$WORK/later"
for file in "$WORK"/{own,shared/store}/user/cur/virus; do make_mail "$file" eicar-base64; done
make_mail "$WORK/virus" eicar-base64
add_store own "$WORK/own"
add_store shared "$WORK/shared/store"
start_storescand
expect_denied "$WORK/own/user/cur/virus" "$WORK/shared/store/user/cur/virus"

is_denied() { ! read_file "$1" >/dev/null 2>&1; }

say 'a folder is removed and made again'
rm -r "$WORK/shared/store"
wait_for_line "store-lost: .*'shared'"
make_maildir "$WORK/shared/store/user"
cp "$WORK/virus" "$WORK/shared/store/user/cur/virus"
wait_until 20 is_denied "$WORK/shared/store/user/cur/virus" || fail 'the new folder is not guarded'
expect_denied "$WORK/own/user/cur/virus"

say 'a folder is moved away and another one put in its place'
mv "$WORK/shared/store" "$WORK/shared/old"
make_maildir "$WORK/shared/store/user"
cp "$WORK/virus" "$WORK/shared/store/user/cur/virus"
wait_until 20 is_denied "$WORK/shared/store/user/cur/virus" || fail 'the other folder is not guarded'

say 'a file system is unmounted: nothing of ours may keep it busy'
expect_denied "$WORK/own/user/cur/virus"
make_mail "$WORK/own/user/cur/mail" clean
expect_readable "$WORK/own/user/cur/mail"
wait_until 20 umount "$WORK/own" || fail 'storescand keeps the file system busy'
wait_for_line "store-lost: .*'own'|store-guarded: .*'own'.*folders"

say 'and mounted again'
before=$(count_lines 'store-guarded: .*own.* one mark')
mount_fs own
is_marked_again() { (($(count_lines 'store-guarded: .*own.* one mark') > before)); }
wait_until 20 is_marked_again || fail 'the file system is not marked again'
expect_denied "$WORK/own/user/cur/virus"
expect_readable "$WORK/own/user/cur/mail"

say 'a file system that is mounted after the start'
stop_storescand
wait_until 20 umount "$WORK/own" || fail 'the file system is busy after the end'
start_storescand
mount_fs own
wait_until 20 is_denied "$WORK/own/user/cur/virus" || fail 'the store that came later is not guarded'
stop_storescand
# Whatever was marked is free again: as soon as the kernel has taken the ring of the process apart.
wait_until 20 umount "$WORK/own" || fail 'the file system is busy after the end'
