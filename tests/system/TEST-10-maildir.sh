#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The main job, on every file system: clean mail is readable and stamped, infected mail is blocked or
# detected, other files of the store are left alone, nothing is scanned twice.

source "$(dirname "$0")/../lib.sh"

one_file_system() {
    local fstype=$1 root=$WORK/$1 before n file

    say "$fstype"
    make_fs "$fstype" "$fstype"
    make_maildir "$root"/{alice,bob,bob/.Archive.2026}
    mkdir "$root/detect"
    make_maildir "$root/detect/carol"
    "$MAKE_MAIL" clean -n 5 -o "$root/alice/cur" >/dev/null
    make_mail "$root/alice/cur/base64:2,S" eicar-base64
    make_mail "$root/alice/cur/nested:2,S" eicar-nested
    make_mail "$root/alice/new/text" eicar-text
    make_mail "$root/alice/tmp/underway" eicar-base64
    make_mail "$root/bob/.Archive.2026/cur/old:2,RS" eicar-nested
    make_mail "$root/bob/cur/dovecot.index.log" eicar-base64
    for file in dovecot-uidlist dovecot.index.log dovecot.index.cache maildirfolder subscriptions; do
        eicar >"$root/alice/$file"
    done

    add_store "$fstype" "$root" kind=mailbox on_infected=block
    start_storescand

    expect_readable "$root"/alice/cur/*clean*
    for file in "$root"/alice/cur/*clean*; do expect_stamp "$file" c; done
    expect_denied "$root/alice/cur/base64:2,S" "$root/alice/cur/nested:2,S" "$root/alice/new/text" \
        "$root/bob/.Archive.2026/cur/old:2,RS" "$root/bob/cur/dovecot.index.log"
    expect_stamp "$root/alice/cur/base64:2,S" i
    wait_for_line "blocked: Denied open of '$root/alice/new/text' .* infected with "
    wait_for_line "blocked: Denied open of '$root/alice/cur/nested:2,S' by (cat|timeout)\[[0-9]+\]"

    # Not mail: never held up, never stamped, whatever is in it.
    for file in dovecot-uidlist dovecot.index.log dovecot.index.cache maildirfolder subscriptions; do
        expect_readable "$root/alice/$file"
        expect_no_stamp "$root/alice/$file"
    done

    # Delivery: written in tmp, moved to new; only then it is mail.
    expect_no_stamp "$root/alice/tmp/underway"
    mv "$root/alice/tmp/underway" "$root/alice/new/delivered"
    expect_denied "$root/alice/new/delivered"

    # The second read: nothing is scanned, for clean and for infected mail alike.
    before=$(counter scans)
    expect_readable "$root"/alice/cur/*clean*
    expect_denied "$root/alice/cur/base64:2,S" "$root/alice/new/text"
    expect_equal "$(counter scans)" "$before" 'scans after a second read'

    # A flag is a rename: the change time moves, the content does not.
    file=$(first "$root"/alice/cur/*clean*)
    n=$(counter digest_hits)
    mv "$file" "${file/:2,S/:2,FS}"
    expect_readable "${file/:2,S/:2,FS}"
    expect_equal "$(counter scans)" "$before" 'scans after a rename'
    (($(counter digest_hits) > n)) || fail 'the digest was not used after a rename'

    # Other content behind an old stamp, of the same size and with the same modification time.
    file=$(printf '%s\n' "$root"/alice/cur/*clean* | tail -n 1)
    expect_stamp "$file" c
    make_mail "$WORK/evil" eicar-text
    truncate -s "$(stat -c %s "$file")" "$WORK/evil"
    touch --reference="$file" "$WORK/evil"
    dd if="$WORK/evil" of="$file" conv=notrunc status=none 2>/dev/null || true
    touch --reference="$WORK/evil" "$file"
    expect_denied "$file"

    # After a restart, stamps are all that is known; they are enough.
    n=$(counter stamp_hits)
    wait_until 20 knows_by_stamp "${root}"/alice/cur/*FS || fail 'the stamp of what was renamed says nothing'
    expect_stamp "$root/alice/new/text" i
    stop_storescand
    expect_readable "$root/alice/cur/base64:2,S" # nobody guards
    start_storescand
    expect_readable "${root}"/alice/cur/*FS
    expect_denied "$root/alice/new/text"
    expect_equal "$(counter scans)" 0 'scans after a restart'
    (($(counter stamp_hits) > 0)) || fail 'no stamp was believed after a restart'

    # A stamp that somebody wrote by hand, or under another generation, counts for nothing.
    setfattr -n trusted.avstamp -v 'ss1 cl AAAAAAAA 1795470147.232 4d2f -' "$root/alice/new/text"
    expect_denied "$root/alice/new/text"
    setfattr -n trusted.avstamp -v 'clean' "$root/alice/new/text"
    expect_denied "$root/alice/new/text"
    expect_stamp "$root/alice/new/text" i
    stop_storescand
    grep -q '^storescand: stopped' "$LOG" || fail 'its end was not logged'
    STORES_CONF=
}

# knows_by_stamp FILE: read again until its stamp says it: on a busy machine one may be written too late to say
# anything of its file.
# shellcheck disable=SC2317 # wait_until calls it
knows_by_stamp() { read_file "$1" >/dev/null && counter_reaches stamp_hits $((n + 1)); }

setup
for fstype in ext4 xfs btrfs tmpfs; do
    one_file_system "$fstype"
done

say 'detect'
root=$WORK/ext4
add_store detect "$root/detect" on_infected=detect
rm -rf "$root/detect/carol/cur"
make_maildir "$root/detect/carol"
make_mail "$root/detect/carol/cur/virus" eicar-base64
start_storescand
expect_readable "$root/detect/carol/cur/virus"
wait_for_line "detected: Allowed open of '$root/detect/carol/cur/virus'"
expect_stamp "$root/detect/carol/cur/virus" i
expect_readable "$root/detect/carol/cur/virus"
stop_storescand

say 'content that can not be judged'
STORES_CONF=
add_store allow "$root/alice" on_unscannable=allow
add_store deny "$root/bob" on_unscannable=deny
for user in alice bob; do
    make_mail "$root/$user/cur/encrypted" encrypted-zip
    make_mail "$root/$user/cur/deep" deep-zip
done
start_storescand
expect_readable "$root/alice/cur/encrypted" "$root/alice/cur/deep"
expect_denied "$root/bob/cur/encrypted" "$root/bob/cur/deep"
expect_stamp "$root/alice/cur/encrypted" e
expect_stamp "$root/alice/cur/deep" l
expect_stamp "$root/bob/cur/encrypted" e
wait_for_line "unscannable: Allowed open of '$root/alice/cur/encrypted'.*encrypted"
wait_for_line "unscannable: Denied open of '$root/bob/cur/deep'.*limits"

say 'nobody is left who asks, so an end takes no time'
before=$SECONDS
stop_storescand
((SECONDS - before < 10 * PATIENCE)) || fail "the end took $((SECONDS - before)) s"
