#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The list of allowed contents in a running storescand: what is put on it is let through at the next open,
# in every format and wherever a copy of it is; what is taken off is blocked again; a list with a mistake
# changes nothing. And signatures that do not count.

source "$(dirname "$0")/../lib.sh"
setup

DIGEST_OF=$BUILD/tests/system/canon-digest
MAIL=$WORK/store/user/cur
MBOX=$WORK/spool

make_fs store ext4
make_maildir "$WORK/store/user"
make_mail "$MAIL/one:2,S" eicar-base64
make_mail "$MAIL/other:2,S" eicar-nested
make_fs spool ext4
{
    echo 'From a@example.org Thu Nov 26 10:00:00 2026'
    cat "$MAIL/one:2,S"
    echo
    echo 'From b@example.org Thu Nov 26 10:00:01 2026'
    printf 'Subject: clean\n\nNothing here.\n\n'
} >"$MBOX/user"
no_quarantine
add_store mail "$WORK/store"
add_store spool "$MBOX" format=mbox
write_config
start_storescand

ctl() { "$STORESCANCTL" --config "$CONF" "$@"; }
is_denied() { ! read_file "$1" >/dev/null 2>&1; }
# What was changed on the disk is in force as soon as storescand's thread has read it.
soon() { wait_until 20 "$@" || fail "not so: $*"; }

ONE=$("$DIGEST_OF" --full "$MAIL/one:2,S" 2>/dev/null || true)
[[ -z $ONE ]] || breach 'infected mail could be read'
make_mail "$WORK/one" eicar-base64
ONE=$("$DIGEST_OF" --full "$WORK/one")

say 'before'
expect_denied "$MAIL/one:2,S" "$MAIL/other:2,S" "$MBOX/user"
expect_stamp "$MAIL/one:2,S" i

say 'allowed: this content, and no other'
ctl allow add "$ONE" >/dev/null
wait_until 20 read_file "$MAIL/one:2,S" >/dev/null || fail 'it is blocked though it is allowed'
expect_readable "$MBOX/user"
expect_denied "$MAIL/other:2,S"
cp "$WORK/one" "$WORK/store/user/tmp/copy"
mv "$WORK/store/user/tmp/copy" "$WORK/store/user/new/copy"
expect_readable "$WORK/store/user/new/copy"
wait_for_line "released: Allowed open of '$WORK/store/user/new/copy'"
# No stamp says that it is clean.
expect_stamp "$WORK/store/user/new/copy" i
(($(counter released) >= 3)) || fail 'it was not counted'

say 'a list with a mistake changes nothing'
cp "$WORK/verdicts/allowed" "$WORK/good"
echo 'nonsense' >"$WORK/verdicts/allowed.new"
mv "$WORK/verdicts/allowed.new" "$WORK/verdicts/allowed"
wait_for_line "allow-list-failed: $WORK/verdicts/allowed:1: "
expect_readable "$MAIL/one:2,S"
mv "$WORK/good" "$WORK/verdicts/allowed"

say 'a restart knows it'
stop_storescand
start_storescand
wait_until 20 read_file "$MAIL/one:2,S" >/dev/null || fail 'a restart forgot what is allowed'

say 'taken off'
ctl allow remove "$ONE" >/dev/null
soon is_denied "$MAIL/one:2,S"
expect_denied "$WORK/store/user/new/copy" "$MBOX/user"

say 'a signature that does not count: what else is in the message does'
mkdir "$WORK/signatures"
cp "$SIGNATURES"/*.ndb "$WORK/signatures"
printf 'Other-Test:0:*:%s\n' "$(printf 'Another-Thing-To-Be-Found' | od -An -v -tx1 | tr -d ' \n')" \
    >"$WORK/signatures/other.ndb"
SCANNER_CONF=${SCANNER_CONF/"$SIGNATURES"/"$WORK/signatures"}
make_maildir "$WORK/store/allowed"
ALLOWED=$WORK/store/allowed/cur
restart() {
    stop_storescand
    start_storescand
}
restart
make_mail "$ALLOWED/a:2,S" eicar-text
{
    "$MAKE_MAIL" eicar-text
    printf 'Another-Thing-To-Be-Found\n'
} >"$ALLOWED/b:2,S"
expect_denied "$ALLOWED/a:2,S" "$ALLOWED/b:2,S"
expect_stamp "$ALLOWED/a:2,S" i
BEFORE=$(stamp_of "$ALLOWED/a:2,S")
STORES_CONF+='
[allow]
signature = Eicar-Test-Signature.UNOFFICIAL
signature = Eicar.Never-Seen
'
restart
expect_readable "$ALLOWED/a:2,S"
expect_stamp "$ALLOWED/a:2,S" c
[[ $(stamp_of "$ALLOWED/a:2,S") != "${BEFORE/ss1 i/ss1 c}" ]] || fail 'the generation is the same'
expect_denied "$ALLOWED/b:2,S"
wait_for_line "Other-Test.UNOFFICIAL"
"$STORESCAND" --config "$CONF" --print-config | grep -F 'signature = Eicar.Never-Seen ; ' >/dev/null ||
    fail 'the names are not printed'

say 'and counts again'
STORES_CONF=${STORES_CONF%'[allow]'*}
restart
expect_denied "$ALLOWED/a:2,S"

say 'and so it does where stamps of older signatures are accepted'
STORES_CONF+='
[allow]
signature = Eicar-Test-Signature.UNOFFICIAL
'
restart
expect_readable "$ALLOWED/a:2,S"
expect_stamp "$ALLOWED/a:2,S" c
STORES_CONF=${STORES_CONF%'[allow]'*}
SCANNER_CONF+='
rescan = never-older-than 30d'
restart
expect_denied "$ALLOWED/a:2,S"
stop_storescand
