#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# btrfs subvolumes inside of a store that is marked folder by folder: they have device numbers and
# file system ids of their own, but what lies in them is mail of the store like any other.

source "$(dirname "$0")/../lib.sh"
setup
need_program btrfs
make_fs store btrfs
root=$WORK/store/mail
mkdir "$root"
btrfs -q subvolume create "$root/volume"
make_maildir "$root/user" "$root/volume/user"
make_mail "$root/user/cur/virus" eicar-base64
make_mail "$root/volume/user/cur/virus" eicar-base64
make_mail "$WORK/virus" eicar-base64

is_denied() { ! read_file "$1" >/dev/null 2>&1; }

add_store store "$root" marks=directories
start_storescand
expect_denied "$root/user/cur/virus" "$root/volume/user/cur/virus"

for folder in "$root/new" "$root/volume/new" "$root/volume/user/.Folder"; do
    say "$folder"
    make_maildir "$folder"
    cp "$WORK/virus" "$folder/cur/virus"
    wait_until 20 is_denied "$folder/cur/virus" || fail "a virus in a new folder can be read: $folder"
done

say 'a subvolume that is made later'
btrfs -q subvolume create "$root/later"
make_maildir "$root/later/user"
cp "$WORK/virus" "$root/later/user/cur/virus"
wait_until 20 is_denied "$root/later/user/cur/virus" || fail 'a virus in a new subvolume can be read'
stop_storescand
