#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A store that is a folder of a larger file system is marked folder by folder: however a folder
# comes to be there, mail in it is guarded.

source "$(dirname "$0")/../lib.sh"
setup

# Races are what is tested here, so some rounds of each.
ROUNDS=20

check() {
    local root=$1 where=$2 n deep dir

    say "$where"
    make_maildir "$root/user"
    make_mail "$root/user/cur/virus" eicar-base64
    make_mail "$WORK/virus" eicar-base64
    make_mail "$WORK/mail" clean
    # A deep tree that is there from the start.
    deep=$root/deep$(printf '/d%.0s' {1..200})
    mkdir -p "$deep/cur"
    cp "$WORK/virus" "$deep/cur/virus"
    add_store store "$root" marks=directories
    start_storescand
    grep -Eq "store-guarded: .*folders marked" "$LOG" || fail 'not marked by folders'
    expect_denied "$root/user/cur/virus" "$deep/cur/virus"

    say "$where: new folders"
    for ((n = 0; n < ROUNDS; n++)); do
        make_maildir "$root/new-$n/.Folder.$n"
        # Written at once, most likely before the mark of its folder is there.
        cp "$WORK/virus" "$root/new-$n/.Folder.$n/cur/virus"
    done
    for ((n = 0; n < ROUNDS; n++)); do
        wait_until 20 is_denied "$root/new-$n/.Folder.$n/cur/virus" ||
            fail "a virus in a new folder can be read: $n"
    done
    for ((n = 0; n < ROUNDS; n++)); do
        expect_denied "$root/new-$n/.Folder.$n/cur/virus"
        cp "$WORK/virus" "$root/new-$n/.Folder.$n/new/later"
        expect_denied "$root/new-$n/.Folder.$n/new/later"
    done

    say "$where: a tree that is moved in"
    mkdir -p "$OUTSIDE/tree/a/b/c/cur" "$OUTSIDE/tree/cur"
    cp "$WORK/virus" "$OUTSIDE/tree/a/b/c/cur/virus"
    cp "$WORK/virus" "$OUTSIDE/tree/cur/virus"
    cp "$WORK/mail" "$OUTSIDE/tree/a/b/c/cur/mail"
    cp "$WORK/mail" "$OUTSIDE/tree/a/b/c/not-mail"
    mv "$OUTSIDE/tree" "$root/user/moved-in"
    # What was there before the mark is scanned when the mark lands: nobody opens these two.
    expect_stamp "$root/user/moved-in/a/b/c/cur/mail" c
    expect_stamp "$root/user/moved-in/cur/virus" i
    expect_no_stamp "$root/user/moved-in/a/b/c/not-mail"
    wait_for_line "detected: Found '$root/user/moved-in/cur/virus': infected"
    for file in "$root"/user/moved-in/{a/b/c/cur,cur}/virus; do
        wait_until 20 is_denied "$file" || fail "a virus that was moved in can be read: $file"
    done
    # Moved about within the store, folders stay guarded, and so do folders made in them later.
    mv "$root/user/moved-in/a" "$root/user/elsewhere"
    expect_denied "$root/user/elsewhere/b/c/cur/virus"
    mkdir -p "$root/user/elsewhere/b/c/sub/new"
    cp "$WORK/virus" "$root/user/elsewhere/b/c/sub/new/virus"
    wait_until 20 is_denied "$root/user/elsewhere/b/c/sub/new/virus" || fail 'a moved folder lost its watch'

    say "$where: a deep tree that comes at once"
    dir=$OUTSIDE/tree$(printf '/t%.0s' {1..200})
    mkdir -p "$dir/cur"
    cp "$WORK/virus" "$dir/cur/virus"
    mv "$OUTSIDE/tree" "$root/user/deep"
    wait_until 20 is_denied "$root/user/deep$(printf '/t%.0s' {1..200})/cur/virus" ||
        fail 'the end of a deep tree can be read'

    say "$where: what is beside the store is not guarded"
    cp "$WORK/virus" "$OUTSIDE/virus"
    mkdir -p "$OUTSIDE/cur"
    cp "$WORK/virus" "$OUTSIDE/cur/virus"
    expect_readable "$OUTSIDE/virus" "$OUTSIDE/cur/virus"
    rm -rf "${OUTSIDE:?}"/*

    say "$where: many folders at once"
    mkdir -p "$root/many/"{1..20}/{1..25}/cur
    for dir in "$root"/many/*/*/cur; do cp "$WORK/virus" "$dir/"; done
    for dir in "$root"/many/*/*/cur; do
        is_denied "$dir/virus" || wait_until 20 is_denied "$dir/virus" || fail "unguarded: $dir"
    done
    stop_storescand
    STORES_CONF=
    rm -rf "$root"
}

is_denied() { ! read_file "$1" >/dev/null 2>&1; }

make_fs ext4 ext4 256M
mkdir "$WORK/ext4/store" "$WORK/ext4/outside"
OUTSIDE=$WORK/ext4/outside
check "$WORK/ext4/store" 'sub folder of a file system'

mkdir "$WORK/store" "$WORK/outside"
OUTSIDE=$WORK/outside
check "$WORK/store" 'root file system'

say 'auto chooses folders where the file system is shared with the system'
mkdir "$WORK/store"
make_maildir "$WORK/store/user"
make_mail "$WORK/store/user/cur/virus" eicar-base64
add_store store "$WORK/store" marks=auto
start_storescand
grep -Eq "store-guarded: .*folders marked" "$LOG" || fail 'not marked by folders'
expect_denied "$WORK/store/user/cur/virus"
stop_storescand
