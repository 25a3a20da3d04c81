#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A private Postfix with storescan-hub as its milter, that delivers by LMTP to a private Dovecot, in every
# format that it has: clean mail arrives, as it was sent; viruses and attachments that are not wanted
# meet what is configured; stamps from outside are taken off; and while the hub can't scan, or is not
# there at all, mail waits at its sender.
#
# With CORPUS=FOLDER in the environment, every .eml file of that folder takes the same path at the end,
# for one format after the other; then it is told how many were stamped, honoured and scanned in each
# store, and every stamp has to be honoured, but for irregular headers in an mbox: of messages with lines
# of over 998 octets too, as Postfix breaks none here. That takes longer than what a run by meson is given: run the script itself.

source "$(dirname "$0")/../lib.sh"
setup
no_quarantine
source "$(dirname "$0")/../dovecot.sh"
need_program postfix postqueue setpriv
HUB=$BUILD/daemon/hub/storescan-hub
[[ -x $HUB ]] || skip 'storescan-hub was not built: it needs libmilter'

CLIENT=$SOURCE/tests/system/hub-client
FORMATS=(maildir sdbox mdbox mbox)
HONOURING=(maildir sdbox mdbox mbox) # stores that take a stamp instead of a scan
MESSAGES=24
POSTFIX=$WORK/postfix
FS=$WORK/mail # of Dovecot's users: FORMAT-10, and FORMAT-11 for a corpus
LEFT=$WORK/left # what went to other hosts
OUTSIDE=192.0.2.77
HUB_LOG=$WORK/hub.log
HUB_PID=
HUB_CONF=$WORK/hub.conf
KEYS=$WORK/hub-keys

explain_failure() {
    local file
    for file in "$HUB_LOG" "$POSTFIX/log" "$DOVECOT_LOG"; do
        [[ -s $file ]] || continue
        printf -- '---- %s:\n' "$file"
        tail -n 25 "$file" | cut -c 1-400
    done
}

listens() { python3 -c "import socket; socket.create_connection(('127.0.0.1', $1))"; }

# ---- Postfix ----

start_postfix() {
    SMTP_PORT=$(free_port)
    mkdir -p "$POSTFIX"/{etc,queue,data}
    chown postfix "$POSTFIX/data"
    : >"$POSTFIX/log"
    cat >"$POSTFIX/etc/main.cf" <<END
compatibility_level = 3.6
config_directory = $POSTFIX/etc
queue_directory = $POSTFIX/queue
data_directory = $POSTFIX/data
maillog_file = $POSTFIX/log
maillog_file_prefixes = $WORK
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
myhostname = hub.example.org
mydestination =
mynetworks = 127.0.0.0/8 192.0.2.0/24
alias_maps =
alias_database =
virtual_mailbox_domains = example.org
virtual_mailbox_maps = static:x
virtual_transport = lmtp:unix:$LMTP_SOCKET
lmtp_line_length_limit = 0
smtpd_milters = inet:127.0.0.1:$HUB_PORT
milter_default_action = tempfail
smtpd_authorized_xclient_hosts = 127.0.0.0/8
smtpd_client_connection_rate_limit = 0
END
    printf '#!/bin/sh\ncat >>%q\n' "$LEFT" >"$WORK/leave"
    chmod 0755 "$WORK/leave"
    : >"$LEFT"
    chown "$TEST_USER" "$LEFT"
    cat >"$POSTFIX/etc/master.cf" <<END
127.0.0.1:$SMTP_PORT inet n - n - - smtpd
pickup    unix n - n 60 1 pickup
cleanup   unix n - n - 0 cleanup
qmgr      unix n - n 300 1 qmgr
rewrite   unix - - n - - trivial-rewrite
bounce    unix - - n - 0 bounce
defer     unix - - n - 0 bounce
trace     unix - - n - 0 bounce
proxymap  unix - - n - - proxymap
error     unix - - n - - error
retry     unix - - n - - error
discard   unix - - n - - discard
lmtp      unix - - n - - lmtp
smtp      unix - n n - - pipe user=$TEST_USER argv=$WORK/leave
anvil     unix - - n - 1 anvil
showq     unix n - n - - showq
postlog   unix-dgram n - n - 1 postlogd
END
    postfix -c "$POSTFIX/etc" check >"$WORK/postfix.out" 2>&1 || fail "$(cat "$WORK/postfix.out")"
    "$(postconf -c "$POSTFIX/etc" -h daemon_directory)/master" -c "$POSTFIX/etc" -d \
        </dev/null >"$WORK/postfix.out" 2>&1 &
    PIDS+=("$!")
    POSTFIX_PID=$!
    wait_until 20 listens "$SMTP_PORT" || fail "Postfix does not listen: $(cat "$WORK/postfix.out")"
}

# ---- The hub ----

# start_hub [KEY=VALUE...]: of [hub].
start_hub() {
    local line
    cat >"$HUB_CONF" <<END
[scanner]
database = $SIGNATURES
workers = 2
[stamp]
keys = $KEYS
[hub]
socket = inet:127.0.0.1:$HUB_PORT
tmpdir = $WORK/hub/scan
trusted_networks = 127.0.0.0/8
END
    for line; do printf '%s = %s\n' "${line%%=*}" "${line#*=}" >>"$HUB_CONF"; done
    : >"$HUB_LOG"
    STORESCAN_WORKER=$BUILD/daemon/worker/storescan-worker \
        setpriv --reuid "$TEST_USER" --regid "$TEST_USER_GROUP" --clear-groups --no-new-privs \
        "$HUB" --config "$HUB_CONF" </dev/null >>"$HUB_LOG" 2>&1 &
    HUB_PID=$!
    PIDS+=("$HUB_PID")
    wait_until 60 grep -q '^storescan-hub: hub-started' "$HUB_LOG" || fail 'the hub does not start'
}

# stop_hub [SIGNAL]
stop_hub() {
    kill "-${1:-USR2}" "$HUB_PID"
    wait "$HUB_PID" || fail "the hub ended with status $?"
    HUB_PID=
}

hub_counter() {
    local before value
    before=$(grep -c '^storescan-hub: stats: ' "$HUB_LOG") || true
    kill -USR1 "$HUB_PID"
    wait_until 20 more_hub_stats_than "$before" || fail 'no counters after SIGUSR1'
    value=$(grep '^storescan-hub: stats: ' "$HUB_LOG" | tail -n 1 | tr ' ' '\n' | sed -n "s/^$1=//p")
    [[ -n $value ]] || fail "no counter $1"
    printf '%s\n' "$value"
}
more_hub_stats_than() { (($(grep -c '^storescan-hub: stats: ' "$HUB_LOG") > $1)); }

expect_counter() { expect_equal "$(hub_counter "$1")" "$2" "counter $1"; }

expect_hub_says() { wait_until 20 grep -Eq "^storescan-hub: $1" "$HUB_LOG" || fail "the hub did not say '$1'"; }

# ---- Mail ----

# expect_reply PATTERN FILE FORMAT-OR-ADDRESS...: as a client of this host.
expect_reply() {
    local pattern=$1 file=$2 reply to=()
    shift 2
    for reply; do
        [[ $reply == *@* ]] || reply+=-10@example.org
        to+=("$reply")
    done
    reply=$("$CLIENT" send "$SMTP_PORT" "$file" "${to[@]}")
    # shellcheck disable=SC2053 # a pattern
    [[ $reply == $pattern ]] || fail "the reply to $file is '$reply', not '$pattern'"
}

mailbox() { "$CLIENT" fetch "$IMAP_PORT" "$1-10"; }
has_messages() { (($(mailbox "$1" | grep -c '^Message-I[Dd]: ') == $2)); }
# grep may not end before it has read all: what writes to it would fail.
has_line() { mailbox "$1" | grep -- "$2" >/dev/null; }

expect_messages() {
    wait_until 20 has_messages "$1" "$2" ||
        fail "$1 has $(mailbox "$1" | grep -c '^Message-I[Dd]: ') messages, not $2"
}

# mail FILE HEADER-LINE...: a message of these lines and a short text.
mail() {
    local file=$1
    shift
    {
        printf 'From: s@example.org\r\nTo: u@example.org\r\nSubject: s\r\n'
        printf 'Date: Mon, 23 Nov 2026 10:00:00 +0000\r\nMessage-ID: <%s@example.org>\r\n' "${file##*/}"
        (($# == 0)) || printf '%s\r\n' "$@"
        printf '\r\ntext\r\n'
    } >"$file"
}

# attached FILE NAME CONTENT-FILE: base64 of the content, attached under this name.
attached() {
    {
        printf 'From: s@example.org\r\nMessage-ID: <%s@example.org>\r\nMIME-Version: 1.0\r\n' "${1##*/}"
        printf 'Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\ntext\r\n--b\r\n'
        printf 'Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n'
        printf 'Content-Disposition: attachment; %s\r\n\r\n' "$2"
        base64 "$3" | sed 's/$/\r/'
        printf -- '--b--\r\n'
    } >"$1"
}

zip_of() { python3 -c 'import sys, zipfile
with zipfile.ZipFile(sys.argv[1], "w") as z: z.writestr(sys.argv[2], b"harmless\n" * 20)' "$@"; }

held() { postqueue -c "$POSTFIX/etc" -j | grep -c '"queue_name": "hold"' || true; }

# ---- A corpus ----

# But for what is on hold.
all_delivered() { ! postqueue -c "$POSTFIX/etc" -j | grep -v '"queue_name": "hold"' >/dev/null; }
# The counters of stamps that are not 0.
stamp_sums() { grep '^storescand: stats: ' "$LOG" | tail -n 1 | tr ' ' '\n' | sed -n '/^hub_.*=[^0]/p' | paste -sd ' '; }

# A store is alone, so that the counters are its own; and who looks at what has come begins anew, since
# while mail comes files of many messages are also scanned as they are with a half-written one.
corpus_takes() {
    local format=$1 accepted long there stamped scanned honoured refused coming spoilt=0
    STORES_CONF=
    add_store "$format" "$FS/$format" "format=$format" marks=directories
    start_storescand
    start_hub key=hub1
    read -r accepted long < <("$CLIENT" send-all "$SMTP_PORT" "$CORPUS" "$format-11@example.org")
    wait_until 60 all_delivered || fail "mail for $format still waits: $(postqueue -c "$POSTFIX/etc" -j)"
    coming="$(counter scans) scans while it came ($(stamp_sums))"
    stop_storescand
    rm -rf "$WORK/verdicts"
    find "$FS/$format" -type f -exec setfattr -x trusted.avstamp {} \; 2>/dev/null || true
    start_storescand
    read -r there stamped < <("$CLIENT" tally "$IMAP_PORT" "$format-11")
    expect_equal "$there" "$accepted" "messages of the corpus in $format"
    expect_equal "$(hub_counter stamped)" "$stamped" 'messages that the hub stamped'
    scanned=$(counter scans)
    honoured=$(counter hub_accepted)
    refused=$((scanned > there - stamped ? scanned - (there - stamped) : 0))
    printf '%s: %d messages, %d stamped, %d honoured, %d scanned by storescand (%s)\n' \
        "$format" "$there" "$stamped" $((stamped - refused)) "$scanned" "$(stamp_sums)"
    printf '%s: %d have long lines; %s\n' "$format" "$long" "$coming"
    grep 'stamp in its header was refused' "$LOG" | tail -n 20 | cut -c 1-400 || true
    # An irregular header is covered byte for byte, and in an mbox Dovecot writes fields into it.
    [[ $format != mbox ]] || spoilt=$(counter hub_header)
    ((refused <= spoilt && spoilt * 100 <= there && honoured >= stamped - spoilt)) ||
        fail "$refused messages in $format were scanned in spite of their stamps"
    stop_storescand
    stop_hub
}

# ---- The test ----

HUB_PORT=$(free_port)
mkdir -p "$WORK/in" "$WORK/hub"
make_fs mail ext4 512M
for format in "${FORMATS[@]}"; do mkdir "$FS/$format"; done
chown -R "$TEST_USER" "$FS"
mount -t tmpfs -o mode=0755 storescan-test "$WORK/hub"
chown "$TEST_USER" "$WORK/hub"
"$STORESCANCTL" --keys "$KEYS" key generate hub1
"$STORESCANCTL" --keys "$KEYS" key generate --type ed25519 hub2 >/dev/null
cp -a "$KEYS" "$WORK/keys"
chown -R "$TEST_USER" "$KEYS"
STAMP_CONF="keys = $WORK/keys"
CACHE_CONF='size = 0' # every copy counts for itself
for format in "${HONOURING[@]}"; do
    add_store "$format" "$FS/$format" "format=$format" marks=directories
done
start_storescand
start_dovecot "${FORMATS[@]}"
start_postfix
"$CLIENT" make "$WORK/in" "$MESSAGES"
make_mail "$WORK/in/virus" eicar-base64
make_mail "$WORK/in/nested" eicar-nested
make_mail "$WORK/in/locked" encrypted-zip
mail "$WORK/in/plain"

say 'no hub: mail waits at its sender'
expect_reply '4*' "$WORK/in/plain" maildir

say 'clean mail arrives in every format, with a stamp, byte for byte as it was sent'
start_hub key=hub1
for ((i = 1; i <= MESSAGES; i++)); do
    expect_reply '250 *' "$WORK/in/$i.eml" "${FORMATS[@]}"
done
for format in "${FORMATS[@]}"; do expect_messages "$format" "$MESSAGES"; done
expect_counter clean "$MESSAGES"
expect_counter stamped "$MESSAGES"
compare_all() {
    local format
    for format in "${FORMATS[@]}"; do
        "$CLIENT" compare "$IMAP_PORT" "$format-10" "$WORK/in" "$MESSAGES" ||
            fail "mail in $format is not what was sent"
    done
}
compare_all

say 'a store that has seen nothing of it scans nothing'
# While it is delivered, the tail of a file of many messages may be looked at unfinished, without its
# stamp. What counts is the mail as it was stored.
stop_storescand
find "$FS" -type f -exec setfattr -x trusted.avstamp {} \; 2>/dev/null || true
start_storescand
compare_all
expect_equal "$(counter scans)" 0 'scans of stamped mail in stores'
# Opened twice before it had a stamp of the store's own, one counts twice.
(($(counter hub_accepted) >= MESSAGES * ${#HONOURING[@]})) || fail 'not every stamp was honoured'
stop_storescand
stop_hub

say 'a second hub honours the stamp of the first'
start_hub key=hub2
for file in "$FS/maildir/maildir-10/Maildir"/{cur,new}/*; do
    [[ ! -f $file ]] || cp "$file" "$WORK/in/stamped"
done
expect_reply '250 *' "$WORK/in/stamped" sdbox
expect_counter honoured 1
expect_counter stamped 0
sed 's/^Subject:.*/Subject: another/' "$WORK/in/stamped" >"$WORK/in/changed"
expect_reply '250 *' "$WORK/in/changed" sdbox
expect_counter honoured 1
expect_counter clean 1
XCLIENT=$OUTSIDE expect_reply '250 *' "$WORK/in/stamped" sdbox
expect_counter honoured 1
expect_counter clean 2
expect_counter stripped 1
expect_counter stamped 2
stop_hub
start_hub key=hub1

say 'infected mail is rejected'
expect_reply '550 *infected with Eicar*' "$WORK/in/virus" maildir
expect_reply '550 *infected with Eicar*' "$WORK/in/nested" maildir
expect_hub_says 'hub-infected: Mail [A-Za-z0-9]+ from 127.0.0.1 was rejected: infected with Eicar'
expect_counter infected 2

say 'what can not be judged is accepted, and told'
expect_reply '250 *' "$WORK/in/locked" maildir
expect_hub_says 'hub-unscannable: Mail .* accepted without a stamp: not scannable'

say 'stamps of clients that are not trusted are taken off, however they are written'
mail "$WORK/in/outside" 'X-Storescan-Stamp: v=1; forged' 'x-storescan-STAMP : forged' \
    'X-Other: kept' $'X-Storescan-Stamp:\r\n forged' 'X_Storescan_Stamp: forged'
XCLIENT=$OUTSIDE expect_reply '250 *' "$WORK/in/outside" sdbox
wait_until 20 has_line sdbox '^X-Other: kept' || fail 'the message with forged stamps did not arrive'
if mailbox sdbox | grep -i forged >/dev/null; then
    fail "a forged stamp went through: $(mailbox sdbox | grep -i forged)"
fi
expect_hub_says "hub-stripped: Mail .* from $OUTSIDE came with 4 stamps"
expect_counter stripped 4
expect_reply '250 *' "$WORK/in/outside" mdbox
wait_until 20 has_line mdbox '^X-Storescan-Stamp: v=1; forged' || fail 'a trusted client lost its stamps'
expect_counter stripped 4
stop_hub

say 'mail that leaves takes no stamp along, if so configured'
start_hub key=hub1 strip_outgoing=yes
mail "$WORK/in/leaves" 'X-Storescan-Stamp: v=1; inside' 'X-Other: leaves'
expect_reply '250 *' "$WORK/in/leaves" someone@example.net
wait_until 20 grep -q '^X-Other: leaves' "$LEFT" || fail 'mail did not leave'
if grep -i storescan "$LEFT"; then fail 'mail left with a stamp'; fi
expect_counter stripped 1
expect_counter stamped 0
# It is one message: with a recipient here it keeps its stamps.
mail "$WORK/in/stays" 'X-Other: stays'
expect_reply '250 *' "$WORK/in/stays" someone@example.net maildir
wait_until 20 grep -q '^X-Other: stays' "$LEFT" || fail 'mail did not leave'
grep -q '^X-Storescan-Stamp: v=1; a=' "$LEFT" || fail 'mail to here and elsewhere has no stamp'
expect_counter stamped 1
stop_hub

say 'stopped again: nothing is lost, it arrives when the hub is back'
before=$(mailbox mbox | grep -c '^Message-I[Dd]: ')
expect_reply '4*' "$WORK/in/plain" mbox
start_hub
expect_reply '250 *' "$WORK/in/plain" mbox
expect_messages mbox $((before + 1))
stop_hub

say 'what can not be held is deferred'
start_hub spool_size=1M
attached "$WORK/in/large" 'filename=a' <(head -c 900000 /dev/zero)
expect_reply '4*' "$WORK/in/large" maildir
expect_hub_says 'hub-undecided: Mail .* was deferred: could not be scanned \(overload'
expect_reply '250 *' "$WORK/in/plain" mbox
stop_hub

say 'a killed worker costs nobody a message'
start_hub
for loader in $(children "$HUB_PID"); do
    for worker in $(children "$loader"); do kill -KILL "$worker"; done
done
expect_reply '250 *' "$WORK/in/plain" mbox
expect_reply '550 *' "$WORK/in/virus" mbox
stop_hub

say 'infected mail is put on hold, tagged, discarded'
start_hub on_infected=quarantine
expect_reply '250 *' "$WORK/in/virus" maildir
wait_until 20 test "$(held)" = 1 || fail "$(held) messages are on hold"
stop_hub
start_hub on_infected=tag
expect_reply '250 *' "$WORK/in/virus" maildir
wait_until 20 has_line maildir '^X-Storescan-Found: infected with Eicar' || fail 'no header line'
stop_hub
start_hub on_infected=discard
before=$(mailbox mbox | grep -c '^Message-I[Dd]: ')
expect_reply '250 *' "$WORK/in/virus" mbox
expect_counter discarded 1
expect_messages mbox "$before"
stop_hub

say 'attachments that are not wanted'
start_hub 'attachment_names=*.exe *.js' 'attachment_types=CL_TYPE_PNG text/x-bad'
printf 'harmless' >"$WORK/in/text"
zip_of "$WORK/in/zip" dir/evil.JS
zip_of "$WORK/in/other-zip" dir/good.txt
printf '\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\1\0\0\0\1\x08\6\0\0\0\x1f\x15\xc4\x89' >"$WORK/in/png"
attached "$WORK/in/name" 'filename="run.exe"' "$WORK/in/text"
attached "$WORK/in/pieces" 'filename*0="run."; filename*1="exe"' "$WORK/in/text"
attached "$WORK/in/in-zip" 'filename=a.zip' "$WORK/in/zip"
attached "$WORK/in/good-zip" 'filename=a.zip' "$WORK/in/other-zip"
attached "$WORK/in/type" 'filename=a.txt' "$WORK/in/png"
mail "$WORK/in/called" 'Content-Type: TEXT/x-bad'
for name in name pieces in-zip type called; do
    expect_reply '550 *not accepted here*' "$WORK/in/$name" maildir
done
expect_hub_says "hub-attachment: Mail .* rejected: the name of an attachment, 'dir/evil.JS', fits '\*.js'"
expect_hub_says "hub-attachment: Mail .* rejected: the type of an attachment, 'CL_TYPE_PNG', fits"
expect_reply '250 *' "$WORK/in/good-zip" maildir
expect_reply '550 *infected*' "$WORK/in/virus" maildir
expect_counter attachments 5
stop_hub TERM

say 'mistakes are told and end it'
status=0
sed 's/^\[hub\]/&\nkey = nobody/' "$HUB_CONF" >"$WORK/other.conf"
setpriv --reuid "$TEST_USER" --regid "$TEST_USER_GROUP" --clear-groups \
    "$HUB" --config "$WORK/other.conf" 2>"$WORK/said" || status=$?
expect_equal "$status" 78 'status of a hub without its key'
grep -q "^\[hub\] key: there is no key 'nobody' in $KEYS" "$WORK/said" || fail "$(cat "$WORK/said")"
if "$HUB" --config "$HUB_CONF" 2>"$WORK/said"; then fail 'the hub runs as root'; fi
grep -q 'does not run with those of root' "$WORK/said" || fail "$(cat "$WORK/said")"
start_hub
status=0
STORESCAN_WORKER=$BUILD/daemon/worker/storescan-worker \
    setpriv --reuid "$TEST_USER" --regid "$TEST_USER_GROUP" --clear-groups \
    "$HUB" --config "$HUB_CONF" 2>"$WORK/said" || status=$?
expect_equal "$status" 78 'status of a hub whose socket is taken'
grep -q '^\[hub\] socket: .* stop what else is there' "$WORK/said" || fail "$(cat "$WORK/said")"
stop_hub

if [[ -n ${CORPUS:-} ]]; then
    say 'all of a corpus'
    CACHE_CONF=
    for format in "${FORMATS[@]}"; do corpus_takes "$format"; done
fi
kill -TERM "$POSTFIX_PID" "$DOVECOT_PID"
