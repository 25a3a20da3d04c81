#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# storescanctl's verbs of the quarantine and of the list of allowed contents, on a quarantine that is put
# together by hand: what they say to people and programs, what they delete, and whom they write to.

source "$(dirname "$0")/../lib.sh"
setup
source "$(dirname "$0")/../quarantine.sh"
need_program jq
STATE=$WORK/verdicts

make_fs store ext4
make_maildir "$WORK/store/user"
add_store mail "$WORK/store"
QUARANTINE_CONF="directory = $QUARANTINE"
write_config
mkdir -m 0700 "$STATE"

# run STATUS ARGUMENT...: with the test's configuration; what it prints on both channels in OUTPUT.
run() {
    local status=$1 actual=0
    shift
    OUTPUT=$("$STORESCANCTL" --config "$CONF" "$@" 2>&1) || actual=$?
    ((actual == status)) || fail "${*@Q}: status $actual, not $status: $OUTPUT"
}
says() { grep -Eq -- "$1" <<<"$OUTPUT" || fail "no '$1' in: $OUTPUT"; }
says_not() { ! grep -Eq -- "$1" <<<"$OUTPUT" || fail "'$1' in: $OUTPUT"; }

say 'before the first item'
run 0 quarantine list
expect_equal "$OUTPUT" '' 'the list'
run 2 quarantine show "$(item_id 1)"
says "$(item_id 1): not in quarantine; see 'storescanctl quarantine list'"
run 0 quarantine clean
run 0 quarantine notify
run 2 quarantine delete ../storescan.conf
says 'not in quarantine'
[[ -e $CONF ]] || fail 'it deleted another file'

say 'list and show'
make_item 1 3 from 'Eve \x1b[2J <e\xffve@example.org>' path "$WORK/store/user/cur/a\\x0ab"
ONE=$ID
make_item 2 2 state released
TWO=$ID
make_item 3 1 content "$ZERO"
THREE=$ID
run 0 quarantine list
expect_equal "$(cut -d ' ' -f 1 <<<"$OUTPUT")" "$ONE"$'\n'"$TWO"$'\n'"$THREE" 'ids, oldest first'
says "^$TWO [0-9]{4}-[0-9-]+ [0-9:]{8} released  mail       Eicar-Test  Alice <alice@example.org>  Subject 2$"
says '\\x1b\[2J'
run 0 quarantine show "$ONE" "$TWO"
says "^$ONE$"
says 'State +replaced: a notice stands in its place'
says 'Path +.*/cur/a\\x0ab$'
says 'Place +4096 bytes from 0 on'
says 'Generation +Zm9vYmFy'
says 'Owner +uid 0, gid 0, mode 0600'
says 'Digest +abababab'
run 0 --json quarantine list
expect_equal "$(jq -sr 'map(.state) | join(",")' <<<"$OUTPUT")" replaced,released,replaced 'states'
expect_equal "$(jq -sr '.[0] | [.id, .store, .format, .offset, .size, .signature, .generation, .uid, .mode] | @csv' <<<"$OUTPUT")" \
    "\"$ONE\",\"mail\",\"maildir\",0,4096,\"Eicar-Test\",\"Zm9vYmFy\",0,\"0600\"" 'values'
expect_equal "$(jq -sr '.[0].path' <<<"$OUTPUT")" "$WORK/store/user/cur/a"$'\n'b 'path'
expect_equal "$(jq -sr '.[2].digest' <<<"$OUTPUT")" null 'no digest'
run 0 --json quarantine show "$TWO"
expect_equal "$(jq -r .message_id <<<"$OUTPUT")" '<2@example.org>' 'message id'

say 'export'
run 0 quarantine export "$ONE" "$WORK/exported"
cmp "$WORK/exported" "$QUARANTINE/$ONE.item" || fail 'not what was quarantined'
expect_equal "$(stat -c %a "$WORK/exported")" 600 'mode of the exported file'
run 2 quarantine export "$ONE" "$WORK/exported"
says 'File exists; name one that does not exist'
"$STORESCANCTL" --config "$CONF" quarantine export "$ONE" | cmp - "$QUARANTINE/$ONE.item" ||
    fail 'not what was quarantined, on standard output'
run 2 quarantine export "$ONE" "$WORK/no/such/folder"
says 'No such file'
printf x >>"$QUARANTINE/$THREE.item"
run 2 quarantine export "$THREE" "$WORK/damaged"
says 'not the bytes that were quarantined'

say 'the list of allowed contents'
run 0 allow list
expect_equal "$OUTPUT" '' 'the list'
run 0 allow add "$(printf 'cd%.0s' {1..32})" "$(printf '01%.0s' {1..32})"
run 0 allow list
expect_equal "$OUTPUT" "$(printf '01%.0s' {1..32}) forever"$'\n'"$(printf 'cd%.0s' {1..32}) forever" 'the list'
expect_equal "$(stat -c '%a %U' "$STATE/allowed")" '600 root' 'its file'
run 2 allow add "$(printf 'ef%.0s' {1..32})" abc
says "abc: not a digest of 64 hexadecimal digits"
run 0 --json allow list
expect_equal "$(jq -sr '[length, .[0].forever, .[0].generation] | @csv' <<<"$OUTPUT")" '2,true,' 'JSON'
run 2 allow remove "$(printf 'ef%.0s' {1..32})"
says "not in the list; see 'storescanctl allow list'"
run 0 allow remove "$(printf 'cd%.0s' {1..32})"
run 0 allow list
expect_equal "$OUTPUT" "$(printf '01%.0s' {1..32}) forever" 'the list'
echo nonsense >>"$STATE/allowed"
run 2 allow add "$(printf 'ef%.0s' {1..32})"
says 'line 2 of allowed is wrong'
rm "$STATE/allowed"

say 'release'
# In storescan-remedy's place; the content must be allowed before it runs.
cat >"$WORK/remedy" <<END
#!/bin/sh
grep -q '^abab.* ' "$STATE/allowed" || exit 9
echo "\$@" >>"$WORK/remedy.log"
exit \${REMEDY_STATUS:-0}
END
chmod +x "$WORK/remedy"
export STORESCAN_REMEDY=$WORK/remedy
cd "$WORK"
run 0 quarantine release "$ONE"
says "^$ONE: allowed, and put back$"
expect_equal "$(<"$WORK/remedy.log")" "--release $QUARANTINE $ONE" 'arguments'
run 0 allow list
expect_equal "$OUTPUT" "$(printf 'ab%.0s' {1..32}) Zm9vYmFy" 'allowed'
run 0 quarantine release --forever "$ONE"
run 0 allow list
expect_equal "$OUTPUT" "$(printf 'ab%.0s' {1..32}) forever" 'allowed'
REMEDY_STATUS=1 run 1 quarantine release "$ONE"
says "^$ONE: allowed, but not put back; the original is in ./$ONE.eml$"
cmp "$WORK/$ONE.eml" "$QUARANTINE/$ONE.item" || fail 'not what was quarantined'
run 2 quarantine release "$THREE"
says 'no digest by which it could be allowed; export it'
run 0 quarantine release "$TWO"
says 'the original is in the store'
STORESCAN_REMEDY=/nonexistent run 2 quarantine release "$ONE"
says 'File exists|No such file'

say 'what is damaged'
make_item 4 1 uid x
FOUR=$ID
run 2 quarantine list
says "$FOUR: line 16 of what is noted of it is damaged; the original bytes are beside it, as $FOUR.item"
says "^$ONE "
run 2 quarantine show "$FOUR"
run 0 quarantine delete "$FOUR"
[[ ! -e $QUARANTINE/$FOUR.item && ! -e $QUARANTINE/$FOUR.meta ]] || fail 'it was not deleted'
make_item 4 1 state replacing
run 2 quarantine delete "$ID"
says 'its replacement has not ended, and needs it'
run 2 quarantine release "$ID"
run 0 quarantine delete "$TWO" "$THREE"
rm "$QUARANTINE/$ID".*
run 0 quarantine list
expect_equal "$(wc -l <<<"$OUTPUT")" 1 'what is left'

say 'clean'
QUARANTINE_CONF="directory = $QUARANTINE
keep = 30d
max_size = 40K"
write_config
make_item 2 29
TWO=$ID
make_item 5 31
OLD=$ID
make_item 6 32 state replacing
NEEDED=$ID
: >"$QUARANTINE/$(item_id 7).item"
: >"$QUARANTINE/$(item_id 8).item"
: >"$QUARANTINE/other"
# Of who was interrupted; who is not yet done may be the other.
touch -d '25 hours ago' "$QUARANTINE/$(item_id 8).item" "$QUARANTINE/other"
run 0 quarantine clean
says "^$OLD: deleted, older than keep$"
says "^$TWO: deleted, beyond max_size$"
says_not "$NEEDED|$ONE"
says '^1 file of no item deleted$'
run 0 quarantine list
expect_equal "$(cut -d ' ' -f 1 <<<"$OUTPUT")" "$NEEDED"$'\n'"$ONE" 'what is left'
[[ ! -e $QUARANTINE/$(item_id 8).item ]] || fail 'it deleted too little'
[[ -e $QUARANTINE/$(item_id 7).item && -e $QUARANTINE/other ]] || fail 'it deleted too much'
run 0 quarantine clean
expect_equal "$OUTPUT" '' 'nothing to clean'

say 'notices to owners'
cat >"$WORK/sendmail" <<END
#!/bin/sh
[ -z "\$SENDMAIL_FAILS" ] || exit 75
echo "\$@" >>"$WORK/sent"
cat >"$WORK/sent.\$(wc -l <"$WORK/sent")"
END
chmod +x "$WORK/sendmail"
make_item 9 0 uid "$(id -u "$TEST_USER")" subject 'To nobody'
rm "$QUARANTINE/$NEEDED".*
run 0 quarantine notify
[[ ! -e $WORK/sent ]] || fail 'a mail was sent, though that is off'
QUARANTINE_CONF="directory = $QUARANTINE
notify = yes
sendmail = $WORK/sendmail"
write_config
SENDMAIL_FAILS=1 run 2 quarantine notify
says 'ended with status 75; no mail to root'
run 0 quarantine notify
says '^root: told of 1 item$'
says "^$TEST_USER: told of 1 item$"
expect_equal "$(<"$WORK/sent")" $'-i -- root\n'"-i -- $TEST_USER" 'arguments'
grep -q '^Auto-Submitted: auto-generated$' "$WORK/sent.1" || fail 'no Auto-Submitted'
grep -q "Id *$ONE" "$WORK/sent.1" || fail 'does not name the item'
grep -q 'Subject *To nobody' "$WORK/sent.2" || fail 'does not name the message'
! grep 'To nobody' "$WORK/sent.1" || fail "tells root of another's mail"
! LC_ALL=C grep -q $'\e' "$WORK/sent.1" || fail 'control characters in a mail'
make_item 1 0
run 0 quarantine notify
expect_equal "$(wc -l <"$WORK/sent")" 2 'mails on one day'
# A day later.
sed -i -E "s/^0 [0-9]+ /0 $((NOW - 86400000000)) /" "$QUARANTINE/notices"
run 0 quarantine notify
expect_equal "$(tail -n 1 "$WORK/sent")" '-i -- root' 'the next day'
expect_equal "$(grep -c '^  Id' "$WORK/sent.3")" 1 'only what is new'
run 0 quarantine notify
expect_equal "$(wc -l <"$WORK/sent")" 3 'mails'
make_item 1 0 uid 3999999999
run 1 quarantine notify
says 'no user has uid 3999999999'
echo damaged >"$QUARANTINE/notices"
run 2 quarantine notify
says 'line 1 of notices is damaged; delete the file'

say 'without privileges, and with a wrong configuration'
cp "$STORESCANCTL" "$WORK/storescanctl"
OUTPUT=$(setpriv --reuid "$TEST_USER" --clear-groups "$WORK/storescanctl" --config "$CONF" \
    quarantine list 2>&1) && fail 'everybody may look into the quarantine'
says 'run it by sudo'
echo nonsense >>"$CONF"
run 2 quarantine list
says 'the configuration has mistakes'
