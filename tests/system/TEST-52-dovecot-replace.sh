#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Infected mail is replaced under a private Dovecot, in every format that it has: by IMAP, POP3, LMTP and
# doveadm nobody ever gets a virus, clean mail stays as it is, UIDs too, and Dovecot has nothing to
# complain of; the originals are in quarantine.

source "$(dirname "$0")/../lib.sh"
setup
source "$(dirname "$0")/../dovecot.sh"

REPLACED=$SOURCE/tests/system/replaced-mail
# Dovecot only reads mboxes that are compressed.
FORMATS=(maildir maildirz sdbox sdboxz sdboxatt mdbox mdboxz mdboxatt mdboxalt mbox)
ON_INFECTED=${ON_INFECTED:-replace}
on_infected() { echo "$ON_INFECTED"; }

CLEAN=()
VIRUSES=()
make_messages() {
    local n kind
    for n in {1..5}; do
        CLEAN+=("$WORK/messages/$n.clean")
        make_mail "${CLEAN[-1]}" clean --seed "$n" --size $((n * 9000))
    done
    for kind in base64 text nested; do
        VIRUSES+=("$WORK/messages/$kind.virus")
        make_mail "${VIRUSES[-1]}" "eicar-$kind" --size 9000
    done
}

# mail COMMAND USER [ARGUMENT...]
mail() {
    timeout --kill-after=5 $((120 * PATIENCE)) python3 "$REPLACED" "$1" "$2" "$WORK/state-$2" "${@:3}" ||
        fail "$1: $2"
}

# administrate USER COMMAND...: doveadm warns of what a resync is for; it must not find errors.
administrate() {
    local user=$1 command=$2
    shift 2
    doveadm_ "$command" -u "$user" "$@" 2>"$WORK/said" ||
        fail "doveadm $command: $user: $(cat "$WORK/said")"
    ! grep -E 'Error|Panic|Fatal' "$WORK/said" >&2 || fail "doveadm $command complains: $user"
}

# test_format FORMAT: one account's life.
test_format() {
    local format=$1 user=$1-12
    say "$format: reading, copying, moving, expunging, popping"
    mail use "$user" "${CLEAN[@]}" -- "${VIRUSES[@]}"
    expect_no_complaint "$user, used"

    say "$format: what nobody has read is purged, moved and indexed again"
    mail deliver "$user" "${VIRUSES[0]}" "${CLEAN[0]}" "${VIRUSES[1]}"
    mail expunge "$user" INBOX
    administrate "$user" purge
    [[ $format != *alt ]] || administrate "$user" altmove all
    mail deliver "$user" "${VIRUSES[2]}" "${CLEAN[1]}"
    administrate "$user" force-resync '*'
    mail check "$user"
    administrate "$user" search mailbox INBOX body EICAR-STANDARD >"$WORK/found"
    [[ ! -s $WORK/found ]] || fail "$user: doveadm search finds a virus"
    expect_no_complaint "$user, administrated"
    wait_for_line "[Rr]eplaced.*/$format.*/$user/.*Eicar"
}

# expect_quarantined: every virus that was delivered, as it was.
expect_quarantined() {
    local -i items
    items=$(find "$WORK/quarantine" -name '*.item' | wc -l)
    ((items >= 3 * ${#FORMATS[@]})) || fail "only $items items in quarantine"
}

mkdir "$WORK/messages"
make_messages
begin ext4 "${FORMATS[@]}"
# There before storescand starts: a session that opens a mailbox in a folder as soon as it has made it
# can be faster than the folder's mark.
for format in "${FORMATS[@]}"; do install -d -o "$TEST_USER" "$FS/$format/$format-12"; done
start_storescand
for format in "${FORMATS[@]}"; do test_format "$format"; done
expect_equal "$(counter denied)" 0 'accesses denied'
expect_equal "$(counter timeouts)" 0 'accesses that took too long'
expect_quarantined
stop_storescand

say 'unguarded: it is the stores that changed'
for format in "${FORMATS[@]}"; do mail check "$format-12"; done
expect_no_complaint 'unguarded'
stop_dovecot
[[ -n $POP3 ]] || say 'POP3 was not tested: needs dovecot-pop3d'
