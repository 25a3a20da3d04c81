#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# storescanctl explain: what it says of a file is what an open of it meets, and asking changes nothing.

source "$(dirname "$0")/../lib.sh"
setup
source "$(dirname "$0")/../bus.sh"

GATE_CONF='hot_files = 0' # this is about what a stamp says, however often a file is read
explain() { "$STORESCANCTL" --json explain "$@"; }
# expect_explained FILE TIER ANSWER STATUS
expect_explained() {
    local json status=0
    json=$(explain "$1") || status=$?
    expect_equal "$(jq -r '[.tier, .answer] | join(" ")' <<<"$json")" "$2 $3" "explain $1"
    expect_equal "$status" "$4" "status of explain $1"
}
# Read again until the stamp says it: on a busy machine one may be written too late to say anything of its file.
# shellcheck disable=SC2317 # wait_until calls it
is_known() {
    read_file "$1" >/dev/null || true
    [[ $(explain "$1" | jq -r .tier) == stamp ]]
}
state_of() { jq -r --arg check "$2" '.checks[] | select(.check == $check) | .state' <<<"$1"; }

make_fs store ext4
make_fs dbox ext4
make_maildir "$WORK/store/alice"
mail=$WORK/store/alice/cur
"$MAKE_MAIL" clean -n 2 -o "$mail" >/dev/null
clean=("$mail"/*)
make_mail "$mail/bad:2,S" eicar-base64
: >"$WORK/store/alice/dovecot.index"
echo x >"$WORK/store/alice/dovecot.index.log"
: >"$mail/empty:2,S"
mkdir -p "$WORK/dbox/bob"
cat "${clean[0]}" >"$WORK/dbox/bob/inbox"
add_store mail "$WORK/store" format=maildir on_infected=block
add_store boxes "$WORK/dbox" format=mbox
start_bus
start_storescand
wait_until 20 has_name || fail "storescand is not on the bus: $(<"$WORK/bus.log")"

say 'what nobody has read'
expect_explained "${clean[0]}" content depends 1
expect_explained "$WORK/dbox/bob/inbox" items depends 1
expect_explained "$WORK/store/alice/dovecot.index.log" no-mail allow 0
expect_explained "$mail/empty:2,S" empty allow 0
echo outside >"$WORK/outside"
expect_explained "$WORK/outside" outside allow 0
# Where there is no room for stamps.
expect_explained /proc/version outside allow 0
before=$(counter events)

say 'asking changes nothing'
for file in "$mail"/* "$WORK/dbox/bob/inbox"; do
    explain "$file" >/dev/null || true
done
expect_equal "$(counter events)" "$before" 'events'
expect_no_stamp "${clean[0]}"

say 'what was read has a stamp, which is told check by check'
read_file "${clean[0]}" >/dev/null
expect_denied "$mail/bad:2,S"
expect_stamp "${clean[0]}" c
expect_stamp "$mail/bad:2,S" i
for file in "${clean[0]}" "$mail/bad:2,S"; do
    wait_until 20 is_known "$file" || fail "its stamp does not say it: $file: $(stamp_of "$file")"
done
expect_explained "${clean[0]}" stamp allow 0
expect_explained "$mail/bad:2,S" stamp deny 1
json=$(explain "${clean[0]}")
for check in format generation size change-time; do
    expect_equal "$(state_of "$json" "$check")" ok "check $check"
done
expect_equal "$(jq -r '.store + " " + .on_infected' <<<"$json")" 'mail block' 'store'
"$STORESCANCTL" explain "$mail/bad:2,S" >"$WORK/said" || true
grep -q '=> deny, by stamp: ' "$WORK/said" || fail "text is: $(<"$WORK/said")"
grep -q '^  Store  *mail: mailbox, maildir, ' "$WORK/said" || fail "text is: $(<"$WORK/said")"

say 'what was changed since'
sleep 0.1
chmod 0640 "${clean[0]}"
json=$(explain "${clean[0]}") || true
expect_equal "$(jq -r .tier <<<"$json")" content 'tier of a touched file'
expect_equal "$(state_of "$json" change-time)" bad 'change-time of a touched file'

say 'a pause'
"$STORESCANCTL" pause 1min >/dev/null
expect_explained "$mail/bad:2,S" paused allow 0
"$STORESCANCTL" resume
expect_explained "$mail/bad:2,S" stamp deny 1

say 'names of any bytes'
cp "${clean[1]}" "$mail/"$'1.\xff\n"M1:2,S'
expect_explained "$mail/"$'1.\xff\n"M1:2,S' content depends 1

say 'what can not be explained says why'
for path in "$WORK/store" "$WORK/nowhere" /dev/null; do
    status=0
    output=$("$STORESCANCTL" explain "$path" 2>&1) || status=$?
    expect_equal "$status" 2 "status of explain $path"
    [[ $output == *"$path: "* ]] || fail "does not name $path: $output"
done
cp "$STORESCANCTL" "$WORK/storescanctl"
chmod 0755 "$WORK"
status=0
output=$(setpriv --reuid "$TEST_USER" --clear-groups "$WORK/storescanctl" explain "${clean[0]}" 2>&1) || status=$?
expect_equal "$status" 2 'explain for a user'
[[ $output == *'for root'* ]] || fail "does not say who may: $output"
stop_storescand
status=0
output=$("$STORESCANCTL" explain "${clean[0]}" 2>&1) || status=$?
expect_equal "$status" 2 'explain without storescand'
[[ $output == *'does not run'* ]] || fail "does not say why: $output"
exit 0
