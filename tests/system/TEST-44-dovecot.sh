#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A private Dovecot with its mail in guarded stores, in every format that it has: for clean mail it is
# as without storescand, by IMAP, POP3, LMTP and doveadm; a virus is never served, other mail is; what
# is known is not scanned again; and under load nothing fails or hangs.

source "$(dirname "$0")/../lib.sh"
setup
source "$(dirname "$0")/../dovecot.sh"
no_quarantine

MESSAGES=$WORK/messages
VIRUS=$WORK/virus
FORMATS=(maildir sdbox mdbox mdboxz mdboxalt mdboxatt sdboxatt mbox)
DETECTING=(mdboxdetect mboxdetect)

# ---- As without storescand ----

# administrate FORMAT USER: what doveadm does to a mailbox that has mail, and what is left.
administrate() {
    local format=$1 user=$2 mailbox
    client copy "$user" INBOX Kept
    doveadm_ expunge -u "$user" mailbox INBOX 1:2
    doveadm_ purge -u "$user"
    [[ $format != *alt ]] || doveadm_ altmove -u "$user" all
    [[ $format != *alt ]] || [[ -n $(find "$FS/alt/$user" -name 'm.*') ]] || fail 'nothing was moved'
    doveadm_ force-resync -u "$user" '*'
    timeout $((60 * PATIENCE)) /usr/lib/dovecot/dovecot-lda -c "$DOVECOT_CONF" -d "$user" <"$MESSAGES/2"
    client fetch "$user" INBOX Kept Archive
    for mailbox in INBOX Kept Archive; do
        doveadm_ search -u "$user" mailbox "$mailbox" body Tuesday | wc -l
    done
}

# everything FORMAT USER: a transcript of all that is done with mail.
everything() {
    {
        client transcript "$2" "$MESSAGES"/* && administrate "$1" "$2"
    } >"$WORK/transcript-$2" 2>&1 || fail "$2: $(tail -n 4 "$WORK/transcript-$2")"
    expect_no_complaint "$2"
    sed -i "s/$2/USER/g" "$WORK/transcript-$2"
}

# ---- Viruses ----

# expect_mail FORMAT FILE: what was fetched of messages 1 2 VIRUS 3 4.
expect_mail() {
    local format=$1 file=$2 want got n
    ! grep VIRUS "$file" || fail "$format: the virus was served"
    # Where nothing is known of one message yet, Dovecot can't open the whole mbox.
    [[ $format != mbox ]] || return 0
    mapfile -t want <"$WORK/digests"
    mapfile -t got <"$file"
    for n in {0..4}; do
        # In an mdbox its neighbours share pages, or Dovecot's buffer, with it.
        ((n == 2)) || [[ ${got[n]:-} == "${want[n]}" ]] ||
            [[ $format == mdbox* && $format != *att && $n == [13] && ${got[n]:-} == *failed ]] ||
            fail "$format: not '${want[n]}' but '${got[n]:-}'"
    done
    [[ ${got[2]} == '3 failed' ]] || fail "$format: '${got[2]}'"
}

# ---- What is known is not scanned again ----

# users FORMAT: twenty, "a,b,c".
users() { printf "$1-%d," {30..48} && printf '%s-49' "$1"; }

# read_all FORMAT MAILBOX NUMBER...: of those users; each has one message, once or more often.
read_all() {
    local format=$1 mailbox=$2
    shift 2
    client fetch-all "$mailbox" "${@/#/$format-}" >"$WORK/fetched"
    [[ $(cut -d ' ' -f 3- "$WORK/fetched" | sort -u) == 'ok '+([0-9a-f]) ]] ||
        fail "$format: $(cat "$WORK/fetched")"
    expect_equal "$(cut -d ' ' -f 1 "$WORK/fetched" | sort -u | wc -l)" $# "$format: users with mail"
}

# expect_scans NUMBER FORMAT: since $STORED and $SCANS were noted.
expect_scans() {
    expect_equal $(($(counter cache_stored) - STORED)) "$1" "new contents: $2"
    # Of mdbox, what is in front of the messages in a file counts as well.
    [[ $2 == mdbox* ]] || expect_equal $(($(counter scans) - SCANS)) "$1" "scans: $2"
}
note_scans() {
    STORED=$(counter cache_stored)
    SCANS=$(counter scans)
}

# ---- The tests ----

# test_clean FORMAT...
test_clean() {
    local format
    say 'clean mail, unguarded'
    for format; do everything "$format" "$format-10"; done
    start_storescand
    for format; do
        say "clean mail, guarded: $format"
        everything "$format" "$format-11"
        diff "$WORK/transcript-$format-10" "$WORK/transcript-$format-11" ||
            fail "not as without storescand: $format"
    done
    expect_equal "$(counter denied)" 0 'accesses denied'
    expect_equal "$(counter timeouts)" 0 'accesses that took too long'
    expect_equal "$(counter undecided)" 0 'scans that failed'
}

# with_its_file FORMAT: what can't be replaced is denied with all that is in its file.
with_its_file() { [[ $1 != *detect && $1 == m?(d)box* ]] && ! kernel_has_ranges; }

# test_virus FORMAT...: with storescand running; it is stopped then.
test_virus() {
    local format
    sed 's/^3 .*/3 VIRUS/' "$WORK/digests" >"$WORK/served"
    for format; do
        say "a virus: $format"
        if with_its_file "$format"; then
            client deliver "$format-12" "$MESSAGES"/{1,2} "$VIRUS" "$MESSAGES"/{3,4} || true
            client fetch "$format-12" INBOX >"$WORK/fetched" 2>&1 || true
            client pop3 "$format-12" >"$WORK/pop3" 2>&1 || true
            ! grep VIRUS "$WORK/fetched" "$WORK/pop3" || fail "$format: the virus was served"
            continue
        fi
        deliver "$format-12" "$MESSAGES"/{1,2} "$VIRUS" "$MESSAGES"/{3,4}
        deliver "$format-13" "$MESSAGES"/{1,2}
        client late "$format-13" "$VIRUS" "$MESSAGES/3" >"$WORK/late"
        client fetch "$format-12" INBOX >"$WORK/fetched"
        client pop3 "$format-12" >"$WORK/pop3"
        if [[ $format == *detect ]]; then
            grep -q VIRUS "$WORK/late" || fail "$format: not served to an open session"
            diff "$WORK/served" "$WORK/fetched" || fail "$format: not served"
            [[ -z $POP3 ]] || diff "$WORK/served" "$WORK/pop3" || fail "$format: not served by POP3"
            wait_for_line "detected: .*/$format/$format-12/.*Eicar"
            continue
        fi
        ! grep VIRUS "$WORK/late" "$WORK/pop3" || fail "$format: the virus was served"
        expect_mail "$format" "$WORK/fetched"
        client fetch "$format-12" INBOX >"$WORK/fetched"
        expect_mail "$format" "$WORK/fetched"
        deliver "$format-12" "$MESSAGES/1"
        wait_for_line "(blocked|detected): .*/$format.*/$format-12/.*Eicar"
    done
    ! grep -E "Denied .*(/dovecot[.-]|/\.imap/|/subscriptions|\.lock')" "$LOG" ||
        fail 'an index, a lock or the like was denied'
    expect_equal "$(counter timeouts)" 0 'accesses that took too long'
    stop_storescand

    say 'what was not served is not lost'
    client digests "$MESSAGES/1" | sed 's/^1/6/' >>"$WORK/served"
    forget_complaints
    for format; do
        [[ $format != *detect ]] && ! with_its_file "$format" || continue
        client fetch "$format-12" INBOX >"$WORK/fetched"
        diff "$WORK/served" "$WORK/fetched" || breach "$format: lost or damaged mail"
    done
    expect_no_complaint 'after viruses'
}

# test_altmove FORMAT NUMBER...: those users' mail is written to other files, which have no stamps.
test_altmove() {
    local format=$1 n
    shift
    note_scans
    for n; do
        doveadm_ altmove -u "$format-$n" all
        [[ -n $(find "$FS/alt/$format-$n" -name 'm.*') ]] || fail "$format-$n: nothing was moved"
    done
    read_all "$format" INBOX "$@"
    expect_scans 0 "$format, in its second storage"
}

# test_known FORMAT...: with storescand running.
test_known() {
    local format n seed=100
    for format; do
        say "known, not scanned again: $format"
        make_mail "$WORK/message" text --seed $((seed++)) --size 20000
        note_scans
        deliver "$(users "$format")" "$WORK/message"
        read_all "$format" INBOX {30..49}
        expect_scans 1 "$format, delivered to twenty"
        note_scans
        for n in {30..32}; do
            client copy "$format-$n" INBOX Kept
            doveadm_ expunge -u "$format-$n" mailbox INBOX all
            doveadm_ purge -u "$format-$n"
        done
        read_all "$format" Kept {30..32}
        expect_scans 0 "$format, copied, removed and purged"
        [[ $format != *alt ]] || test_altmove "$format" {35..37}
    done
    say 'known after a restart'
    stop_storescand
    start_storescand
    for format; do
        note_scans
        read_all "$format" Kept 31 32
        read_all "$format" INBOX 33 34
        expect_scans 0 "$format, after a restart"
        [[ $format != *alt ]] || test_altmove "$format" {38..40}
    done
}

# To remove a message from an mbox, all behind it is moved: each step reads what the one before has torn.
test_moving() {
    say 'a large message is moved'
    make_mail "$WORK/large" clean --size 6000000
    deliver mbox-14 "$MESSAGES/1" "$WORK/large" "$MESSAGES/2"
    client fetch mbox-14 INBOX >/dev/null
    note_scans
    timeout --kill-after=1 $((20 * PATIENCE)) doveadm -c "$DOVECOT_CONF" expunge -u mbox-14 mailbox INBOX 1 ||
        fail 'a message could not be removed within 20 s'
    client fetch mbox-14 INBOX >"$WORK/fetched"
    client digests "$WORK/large" "$MESSAGES/2" | diff - "$WORK/fetched" || breach 'mail was damaged'
    (($(counter scans) - SCANS < 10)) || fail "$(counter scans) scans while a message was moved"
}

# test_load FORMAT...: with storescand running.
test_load() {
    local users
    say 'load'
    forget_complaints
    printf -v users '%s-50 ' "$@"
    # shellcheck disable=SC2086 # names without blanks
    CLIENT_TIMEOUT=$((90 * PATIENCE)) client load 10 $users -- "$MESSAGES"/* || fail 'under load'
    expect_no_complaint 'under load'
    expect_equal "$(counter denied)" 0 'accesses denied under load'
    expect_equal "$(counter timeouts)" 0 'accesses that took too long'
}

mkdir "$MESSAGES"
make_mail "$MESSAGES/1" clean --seed 1 --size 40000
make_mail "$MESSAGES/2" clean --seed 2 --size 20000
make_mail "$MESSAGES/3" text --seed 3 --size 30000
make_mail "$MESSAGES/4" clean --seed 4 --size 300000
make_mail "$VIRUS" eicar-base64 --size 9000
client digests "$MESSAGES"/{1,2} "$VIRUS" "$MESSAGES"/{3,4} >"$WORK/digests"

begin ext4 "${FORMATS[@]}" "${DETECTING[@]}"
test_clean "${FORMATS[@]}"
test_virus "${FORMATS[@]}" "${DETECTING[@]}"
start_storescand
test_known "${FORMATS[@]}"
test_moving
# Not sdboxatt: Dovecot ends a session whose message another one removes, with its attachments, while it
# is read ("Mail expunged while it was being FETCHed").
test_load maildir sdbox mdbox mdboxz mdboxalt mdboxatt mbox
stop_storescand
stop_dovecot

[[ -n $POP3 ]] || say 'POP3 was not tested: needs dovecot-pop3d'

say 'on XFS'
begin xfs maildir mdbox mbox
test_clean maildir mdbox mbox
test_virus maildir mdbox mbox
stop_dovecot
