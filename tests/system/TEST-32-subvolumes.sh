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

say 'a store that goes and comes with every reload takes its watches with it'
make_fs other ext4
mkdir "$WORK/other/mail"
watches() { cat "/proc/$DAEMON_PID"/fdinfo/* 2>/dev/null | grep -c '^inotify wd:'; }
watches_are() { (($(watches) == $1)); }
only_above_is_left() { (($(watches) <= none + 1)); } # the folder that the store lies in
# reload STORES
reload() {
    STORES_CONF=$1
    reload_config
}
STORES_CONF=
add_store other "$WORK/other/mail"
without=$STORES_CONF
add_store store "$root" marks=directories
with=$STORES_CONF
STORES_CONF=$without
add_store store "$root" marks=directories proactive=yes
proactive=$STORES_CONF
STORES_CONF=$without
start_storescand
none=$(watches)
reload "$with"
all=$(watches)
for ((n = 0; n < 3; n++)); do
    reload "$without"
    wait_until 20 only_above_is_left || fail "$(watches) watches instead of $none"
    reload "$with"
    wait_until 20 watches_are "$all" || fail "$(watches) watches instead of $all"
done
((none < all)) || fail 'no folder is watched'

say 'mail is scanned when it comes, once that is set'
reload "$proactive"
for folder in "$root/user" "$root/volume/user"; do
    make_mail "$folder/tmp/1.news" clean
    mv "$folder/tmp/1.news" "$folder/new/1.news"
    wait_until 20 has_stamp "$folder/new/1.news" c || fail "what came to $folder was not scanned"
done
stop_storescand
