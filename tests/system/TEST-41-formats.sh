#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Every format of store: what is mail there is blocked when infected; what is in progress, an index or
# a lock is readable at once and never stamped; stores in each other; a format that is found.

source "$(dirname "$0")/../lib.sh"

# put KIND FILE...: a message of that kind (tests/data/make-mail) at each, with the folders above.
put() {
    local kind=$1 file
    shift
    for file; do
        mkdir -p "$(dirname "$file")"
        make_mail "$file" "$kind"
    done
}

# put_virus FILE...: the test virus alone, as no message but an index or an attachment may hold it.
put_virus() {
    local file
    for file; do
        mkdir -p "$(dirname "$file")"
        eicar >"$file"
    done
}

# not_mail FILE...: readable, whatever is in it, and left alone.
not_mail() {
    local before file
    before=$(counter scans)
    expect_readable "$@"
    expect_equal "$(counter scans)" "$before" 'scans after reading what is no mail'
    expect_no_stamp "$@"
}

# is_mail CLEAN INFECTED...
is_mail() {
    local file
    expect_readable "$1"
    expect_stamp "$1" c
    shift
    expect_denied "$@"
    for file; do expect_stamp "$file" i; done
}

setup
make_fs ext4 ext4
R=$WORK/ext4
HASH=da39a3ee5e6b4b0d3255bfef95601890afd80709
TEMP=.temp.1795470147.P408Q2M0.vm

# ---- What lies there before storescand starts ----

maildir=$R/maildir/user/Archive/2026 # LAYOUT=fs
sdbox=$R/sdbox/example.org/user/mailboxes/INBOX/dbox-Mails
renamed=$R/sdbox/example.org/user/mailboxes/Trash/renamed # DIRNAME=
alt=$R/alt/example.org/user/mailboxes/INBOX/dbox-Mails
mdbox=$R/mdbox/user
sis=$mdbox/attachments
mbox=$R/mail # as /var/mail
cyrus=$R/cyrus/u/user/alice
mh=$R/mh/inbox
files=$R/files

put clean "$maildir/cur/1.clean" "$sdbox/u.1" "$alt/u.1" "$cyrus/1." "$mh/1" \
    "$sis/ab/cd/$HASH-01" "$files/0/7/msg/0/257-1.msg" "$mdbox/storage/m.1" "$mbox/alice"
put eicar-base64 "$maildir/cur/2.virus" "$maildir/new/3.virus" \
    "$sdbox/u.2" "$sdbox/u.3.broken" "$renamed/u.5" "$alt/u.4" \
    "$cyrus/2." "$R/cyrus/uuid/t/c/tcx2/4294967295." "$mh/2" "$mh/,3" \
    "$files/0/7/msg/0/258-1.msg" "$files/5/12/84031" "$mbox/user/dovecot.index.cache"
put_virus "$sis/ab/cd/$HASH-02" "$sis/ab/cd/hashes/$HASH" "$files/5/12/84032"

in_progress=("$maildir/tmp/4.virus" "$sdbox/$TEMP" "$mdbox/storage/$TEMP"
    "$R/cyrus/stage./408-1795470147-0" "$R/cyrus/sync./408/$HASH"
    "$sis/ab/cd/.temp.dovecot.vm.408.6b04b343")
control=("$maildir/dovecot.index.cache" "$maildir/dovecot-uidlist.lock"
    "$R/maildir/user/subscriptions"
    "$sdbox/dovecot.index.cache" "$sdbox/dovecot.index.log"
    "$R/sdbox/example.org/user/subscriptions"
    "$mdbox/storage/dovecot.map.index.log"
    "$mdbox/mailboxes/INBOX/dbox-Mails/dovecot.index.cache"
    "$mbox/.imap/alice/dovecot.index.cache" "$mbox/user/.imap/Archive/dovecot.index.log"
    "$cyrus/cyrus.cache" "$cyrus/cyrus.index" "$mh/.mh_sequences" "$mh/.xmhcache")
put_virus "${in_progress[@]}" "${control[@]}"
printf '408:vm' >"$mbox/alice.lock"
: >"$mbox/user/Archive.lock"

add_store maildir "$R/maildir"
add_store sdbox "$R/sdbox" format=auto
add_store alt "$R/alt" format=sdbox
add_store mdbox "$R/mdbox" format=mdbox on_infected=detect
add_store attachments "$sis" format=sis
add_store inbox "$mbox" format=mbox on_infected=detect
add_store cyrus "$R/cyrus" format=auto
add_store mh "$R/mh" format=mh
add_store files "$R/files" format=files

say 'formats that are found'
write_config
printed=$("$STORESCAND" --config "$CONF" --print-config 2>"$WORK/notes")
grep -Eq "^format = auto ; $CONF:[0-9]+: found sdbox, by '$R/sdbox/.*/u\.[0-9](\.broken)?'\$" \
    <<<"$printed" || fail "what was found is not printed: $printed"
grep -Eq "^\[store cyrus\] format = auto: found cyrus, by '$R/cyrus/.*'\.\$" "$WORK/notes" ||
    fail "what was found is not said: $(cat "$WORK/notes")"
start_storescand
wait_for_line "^\[store sdbox\] format = auto: found sdbox, by '$R/sdbox/"

say 'mail'
is_mail "$maildir/cur/1.clean" "$maildir/cur/2.virus" "$maildir/new/3.virus"
is_mail "$sdbox/u.1" "$sdbox/u.2" "$sdbox/u.3.broken" "$renamed/u.5"
is_mail "$alt/u.1" "$alt/u.4"
# The innermost store has the say: of the one around it, nothing is blocked.
is_mail "$sis/ab/cd/$HASH-01" "$sis/ab/cd/$HASH-02" "$sis/ab/cd/hashes/$HASH"
is_mail "$cyrus/1." "$cyrus/2." "$R/cyrus/uuid/t/c/tcx2/4294967295."
is_mail "$mh/1" "$mh/2" "$mh/,3"
is_mail "$files/0/7/msg/0/257-1.msg" "$files/0/7/msg/0/258-1.msg" "$files/5/12/84031" \
    "$files/5/12/84032"

say 'indexes, locks, and what is in progress'
not_mail "${in_progress[@]}" "${control[@]}" "$mbox/alice.lock" "$mbox/user/Archive.lock"

say 'in progress no longer'
mv "$maildir/tmp/4.virus" "$maildir/new/4.virus"
mv "$sdbox/$TEMP" "$sdbox/u.9"
ln "$R/cyrus/stage./408-1795470147-0" "$cyrus/9." # as Cyrus does
mv "$sis/ab/cd/.temp.dovecot.vm.408.6b04b343" "$sis/ab/cd/$HASH-09"
expect_denied "$maildir/new/4.virus" "$sdbox/u.9" "$cyrus/9." "$sis/ab/cd/$HASH-09"

say 'an mbox that has the name of an index, or of a lock'
expect_readable "$mbox/alice" "$mbox/user/dovecot.index.cache"
wait_for_line "detected: .*'$mbox/user/dovecot.index.cache'"
put eicar-base64 "$mbox/user/x.lock"
expect_readable "$mbox/user/x.lock"
wait_for_line "detected: .*'$mbox/user/x.lock'"
stop_storescand

say 'two formats in one store'
STORES_CONF=
add_store all "$R" format=auto
daemon_refuses
expect_equal "$DAEMON_STATUS" 78 'exit status (EX_CONFIG: systemd must not start it again)'
wait_for_line "^$CONF:[0-9]+: \[store all\] format: auto finds [a-z]+ \('$R/.*'\) and [a-z]+ \('$R/"
