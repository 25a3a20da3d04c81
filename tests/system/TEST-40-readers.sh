#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The readers of store files see the messages that Dovecot sees, byte by byte: in files that we write
# ourselves, in files that Dovecot writes, after flags were set, messages removed, m.N files purged,
# and in mbox files made to be misread. Set STORESCAN_CORPUS to a folder of messages, one a file, to
# have them read as well.

source "$(dirname "$0")/../lib.sh"
setup
need_program doveadm python3 setpriv

MAKE_FORMATS=$SOURCE/tests/data/make-store-formats
READ_ITEMS=$BUILD/tests/system/read-items
HOME_FOLDER=$WORK/home
DOVECOT_LOG=$WORK/dovecot.log
TEST_USER_GROUP=$(id -gn "$TEST_USER")
mkdir "$WORK/messages"

# ---- Files of our own ----

# compare_formats WHAT [MAIL...]
compare_formats() {
    local what=$1 format
    shift
    for format in mbox mbox-quoted mbox-crlf mdbox sdbox; do
        say "$what as $format"
        "$MAKE_FORMATS" "$format" "$WORK/file" "$@" >"$WORK/expected"
        "$READ_ITEMS" "$([[ $format == mbox* ]] && echo mbox || echo dbox)" "$WORK/file" |
            cut -d ' ' -f 1-5 >"$WORK/items"
        cmp "$WORK/expected" "$WORK/items" || fail "other items than were written: $what as $format"
        (($(wc -l <"$WORK/items") > 1)) || fail "no items: $what as $format"
    done
}

compare_formats 'generated mail'
corpus=()
if [[ -n ${STORESCAN_CORPUS:-} ]]; then
    mapfile -t corpus < <(find "$STORESCAN_CORPUS" -type f | sort)
    compare_formats 'the corpus' "${corpus[@]}"
fi

# ---- Dovecot ----

cat >"$WORK/dovecot.conf" <<END
base_dir = $WORK/run
state_dir = $WORK/state
log_path = $DOVECOT_LOG
protocols =
ssl = no
first_valid_uid = 1
mail_uid = $TEST_USER
mail_gid = $TEST_USER_GROUP
mail_home = $HOME_FOLDER
END
mkdir "$WORK/run" "$WORK/state"

OPTIONS=() # more of dovecot's

# new_mailbox FORMAT: everything before it is gone.
new_mailbox() {
    rm -rf "$HOME_FOLDER"
    mkdir "$HOME_FOLDER"
    : >"$DOVECOT_LOG"
    chown "$TEST_USER" "$HOME_FOLDER" "$DOVECOT_LOG"
    case $1 in
    mbox) LOCATION=mbox:$HOME_FOLDER/mail:INBOX=$HOME_FOLDER/inbox ;;
    *) LOCATION=$1:$HOME_FOLDER/mail ;;
    esac
}

# as_user COMMAND...: with Dovecot's configuration and no service running.
as_user() {
    setpriv --reuid "$TEST_USER" --regid "$TEST_USER_GROUP" --clear-groups \
        env USER="$TEST_USER" HOME="$HOME_FOLDER" "$@"
}

dovecot() {
    local command=$1
    shift
    as_user "$command" -c "$WORK/dovecot.conf" -o "mail=$LOCATION" "${OPTIONS[@]}" "$@"
}

doveadm_() { dovecot doveadm "$@" </dev/null; }

# What Dovecot had to say must be nothing.
expect_no_complaint() {
    ! grep -E 'Error|Warning|Panic|Fatal' "$DOVECOT_LOG" >&2 || fail "Dovecot complains: $1"
}

# deliver [FOLDER]: each generated message, by lda and by doveadm in turns.
deliver() {
    local folder=${1:-INBOX} n=0 file
    for file in "$WORK"/messages/*; do
        if ((n++ % 2 == 0)); then
            dovecot /usr/lib/dovecot/dovecot-lda -m "$folder" -f alice@example.org <"$file" ||
                fail "dovecot-lda: $file"
        else
            dovecot doveadm save -m "$folder" <"$file" || fail "doveadm save: $file"
        fi
    done
}

# dbox_items: "GUID SIZE MAILBOX" of each message in the dbox files.
dbox_items() {
    local file
    while read -r file; do
        "$READ_ITEMS" dbox "$file" >"$WORK/items"
        [[ $(head -n 1 "$WORK/items") == '0 '*' header '* ]] || fail "no header: $file"
        ! tail -n +2 "$WORK/items" | grep -v ' whole ' >&2 || fail "not whole: $file"
        tail -n +2 "$WORK/items" | awk '{ print $12, $9, $13 }'
    done < <(find "$HOME_FOLDER/mail" -name 'u.[0-9]*' -o -name 'm.[0-9]*' | sort) | sort
}

# dbox_fetched MAILBOX...: the same as Dovecot says it. An sdbox file does not name its mailbox, the
# folder that it is in does.
dbox_fetched() {
    local mailbox
    for mailbox; do
        doveadm_ -f tab fetch 'guid size.physical' mailbox "$mailbox" all |
            awk -v m="$([[ $LOCATION == sdbox:* ]] && echo - || echo "$mailbox")" \
                'NR > 1 { print $1, $2, m }'
    done | sort
}

# mbox_sizes FILE: of each message, without the headers that Dovecot keeps to itself.
mbox_sizes() {
    rm -rf "$WORK/split"
    mkdir "$WORK/split"
    "$READ_ITEMS" mbox --messages "$WORK/split" "$1" >"$WORK/items"
    ! grep -Ev ' whole ' "$WORK/items" >&2 || fail "not whole: $1"
    python3 -c '
import re, sys
hidden = re.compile(rb"(?i)(X-IMAPbase|X-IMAP|X-UID|Status|X-Status|X-Keywords|Content-Length)[ \t]*:")
for n in range(int(sys.argv[2])):
    with open("%s/%d" % (sys.argv[1], n + 1), "rb") as f:
        head, separator, body = f.read().partition(b"\n\n")
    lines = [l for l in re.split(rb"\n(?![ \t])", head) if not hidden.match(l)]
    print(len(b"\n".join(lines) + separator + body))
' "$WORK/split" "$(wc -l <"$WORK/items")"
}

# mbox_fetched: the same as Dovecot says it.
mbox_fetched() { doveadm_ -f tab fetch size.physical mailbox INBOX all | tail -n +2; }

expect_same() {
    diff "$1" "$2" >&2 || fail "other messages than Dovecot sees: $3"
    (($(wc -l <"$1") == $4)) || fail "$(wc -l <"$1") messages, not $4: $3"
}

compare_dbox() {
    local what=$1 count=$2
    shift 2
    dbox_items >"$WORK/ours"
    dbox_fetched "$@" >"$WORK/theirs"
    expect_same "$WORK/ours" "$WORK/theirs" "$what" "$count"
    expect_no_complaint "$what"
}

compare_mbox() {
    mbox_sizes "$HOME_FOLDER/inbox" >"$WORK/ours"
    mbox_fetched >"$WORK/theirs"
    expect_same "$WORK/ours" "$WORK/theirs" "$1" "$2"
    expect_no_complaint "$1"
}

# A dozen messages: with From_ lines in their bodies, empty, large, CRLF.
make_messages() {
    local from='From a@b.c Mon Nov 23 10:00:00 2026' n
    for n in 01 02 03 04; do "$MAKE_MAIL" clean --seed "$n" >"$WORK/messages/$n"; done
    "$MAKE_MAIL" clean --size 600000 >"$WORK/messages/05"
    printf 'Subject: traps\n\nx\n%s\nSubject: inner\n\n%s\n' "$from" "$from" >"$WORK/messages/06"
    printf 'Subject: first line\n\n%s\nx\n' "$from" >"$WORK/messages/07"
    printf 'Subject: CRLF\r\n\r\nx\r\n%s\r\nx\r\n' "$from" >"$WORK/messages/08"
    printf 'Subject: empty\n\n' >"$WORK/messages/09"
    printf 'Subject: lies\nContent-Length: 3\nX-UID: 7\nStatus: O\n\n%s\n\nx\n' "$from" >"$WORK/messages/10"
    printf 'Subject: dbox\n\n\1\2N%10s0000000000000000\nx\n\1\3\nGx\n\n' '' >"$WORK/messages/11"
    printf 'Subject: blank lines\n\nx\n\n\n\n' >"$WORK/messages/12"
}
make_messages

for format in sdbox mdbox; do
    say "$format: delivery"
    new_mailbox "$format"
    deliver
    compare_dbox "$format, delivered" 12 INBOX

    say "$format: another folder, flags, removal"
    doveadm_ mailbox create Archive
    deliver Archive
    doveadm_ flags add '\Flagged \Seen' mailbox INBOX all
    compare_dbox "$format, two folders" 24 INBOX Archive
    doveadm_ expunge mailbox INBOX uid 1,5,6,12
    if [[ $format == mdbox ]]; then
        (($(dbox_items | wc -l) == 24)) || fail 'messages vanished before the purge'
        doveadm_ purge
    fi
    compare_dbox "$format, removed" 20 INBOX Archive
    deliver
    compare_dbox "$format, delivered again" 32 INBOX Archive
done

say 'mdbox: compressed'
OPTIONS=(-o mail_plugins=zlib -o plugin/zlib_save=gz)
new_mailbox mdbox
deliver
compare_dbox 'mdbox, compressed' 12 INBOX
(($(awk '$4 < $9' "$WORK/items" | wc -l) >= 5)) || fail 'nothing was compressed'

say 'mdbox: attachments in files of their own'
OPTIONS=(-o "mail_attachment_dir=$HOME_FOLDER/attachments" -o mail_attachment_min_size=1000)
new_mailbox mdbox
deliver
compare_dbox 'mdbox, attachments' 12 INBOX
(($(awk '$10 == 1 && $4 < $9' "$WORK/items" | wc -l) == 1)) || fail 'no external attachment seen'
OPTIONS=()

new_mbox() {
    new_mailbox mbox
    mkdir "$HOME_FOLDER/mail"
    chown "$TEST_USER" "$HOME_FOLDER/mail"
}

say 'mbox: delivery'
new_mbox
deliver
compare_mbox 'mbox, delivered' 12
(($(grep -c ' whole [01] 1 ' "$WORK/items") == 4)) || fail 'From_ lines in bodies were not seen'

say 'mbox: flags, removal'
doveadm_ flags add '\Flagged \Seen keyword' mailbox INBOX uid 2,5,6
compare_mbox 'mbox, flagged' 12
# Dovecot 2.3.19 damages an mbox when it removes a message whose body begins with a From_ line: one byte
# of the message before it is overwritten. So without that one.
rm "$WORK/messages/07"
new_mbox
deliver
doveadm_ flags add '\Flagged \Seen keyword' mailbox INBOX uid 2,5,6
doveadm_ expunge mailbox INBOX uid 1,5,7
compare_mbox 'mbox, removed' 8
deliver
compare_mbox 'mbox, delivered again' 19

say 'mbox: traps'
new_mailbox mbox
for seed in {1..60}; do
    rm -rf "${HOME_FOLDER:?}"/{mail,inbox}
    mkdir "$HOME_FOLDER/mail"
    "$MAKE_FORMATS" traps --seed "$seed" "$HOME_FOLDER/inbox"
    chown "$TEST_USER" "$HOME_FOLDER"/{mail,inbox}
    ours=$("$READ_ITEMS" mbox "$HOME_FOLDER/inbox" | wc -l)
    theirs=$(mbox_fetched | wc -l)
    expect_equal "$ours" "$theirs" "messages of traps number $seed"
done

# Real mail: what Dovecot sees of our mbox, and what it makes of it in its own formats.
if ((${#corpus[@]} > 0)); then
    say 'the corpus as mbox, by doveadm'
    new_mbox
    "$MAKE_FORMATS" mbox "$HOME_FOLDER/inbox" "${corpus[@]}" >/dev/null
    chown "$TEST_USER" "$HOME_FOLDER/inbox"
    compare_mbox 'mbox, corpus' "${#corpus[@]}"
    cp "$HOME_FOLDER/inbox" "$WORK/corpus.mbox"
    for format in sdbox mdbox; do
        say "the corpus as $format, by doveadm"
        new_mailbox "$format"
        mkdir "$HOME_FOLDER/from"
        cp "$WORK/corpus.mbox" "$HOME_FOLDER/from/inbox"
        chown -R "$TEST_USER" "$HOME_FOLDER/from"
        doveadm_ import "mbox:$HOME_FOLDER/from:INBOX=$HOME_FOLDER/from/inbox" '' all
        compare_dbox "$format, corpus" "${#corpus[@]}" INBOX
    done
fi
