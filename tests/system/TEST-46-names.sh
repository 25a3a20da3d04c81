#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# How the log calls messages that are known by their stamp, their digest or the verdict cache alone: with
# signature, Message-ID, From and Subject, found out by one look behind the answer; and once only.

source "$(dirname "$0")/../lib.sh"
setup
need_program setpriv
USER_ID=$(id -u "$TEST_USER")

# A user's session, which is still there when the log asks for its name. What others are denied is told of
# apart; what one user is, is summed up for a while.
# shellcheck disable=SC2016
coproc SESSION {
    setpriv --reuid "$USER_ID" --clear-groups bash -c 'while read -r f; do read -r -N 1000000 all <"$f"; echo done; done' 2>&1
}
PIDS+=("$SESSION_PID")
denied_to_user() {
    local line said=
    printf '%s\n' "$1" >&"${SESSION[1]}"
    while read -r -t $((60 * PATIENCE)) line <&"${SESSION[0]}" && [[ $line != 'done' ]]; do said+=$line; done
    [[ $said == *'Operation not permitted'* ]] || fail "not blocked: $1: $said"
}

# expect_named PATTERN OF-THE-PATH WHAT...: a line tells of the file in all these words.
expect_named() {
    local path=$1
    shift
    wait_for_line "blocked: Denied open of '$path' by [a-z]+\[[0-9]+\] \(uid $USER_ID\): $*"
}

field_of() { sed -n "s/^$2: //p" "$1" | sed -n 1p; }

make_fs ext4 ext4
MAIL=$WORK/ext4/mail/user
SPOOL=$WORK/ext4/spool
make_maildir "$MAIL"
mkdir -p "$SPOOL"
make_mail "$MAIL/cur/1" eicar-base64 --seed 1
make_mail "$MAIL/cur/2" eicar-base64 --seed 2
make_mail "$MAIL/cur/3" encrypted-zip --seed 3
for n in {1..24}; do make_mail "$MAIL/cur/many.$n" eicar-text --seed "$((100 + n))"; done
ID=$(field_of "$MAIL/cur/1" Message-ID)
SUBJECT=$(field_of "$MAIL/cur/1" Subject)
CALLED="\(message '$ID', from 'Alice <alice@example.org>', subject '$SUBJECT'\)"
[[ $ID == '<'*'>' && -n $SUBJECT ]] || fail 'no such header in the sample mail'
make_mail "$WORK/clean" clean --seed 5
make_mail "$WORK/locked" encrypted-zip --seed 6
LOCKED=$(field_of "$WORK/locked" Message-ID)
FROM='From alice@example.org Mon Nov 23 10:00:00 2026'
{
    printf '%s\n' "$FROM"
    cat "$WORK/clean"
    printf '\n%s\n' "$FROM"
    cat "$WORK/locked"
    echo
} >"$SPOOL/user"

add_store mail "$WORK/ext4/mail" on_unscannable=deny
add_store spool "$SPOOL" format=mbox on_unscannable=deny
start_storescand
say 'scanned: the scan knows the name, also for later'
expect_denied "$MAIL/cur/1" "$MAIL/cur/2" "$MAIL/cur/3" "$SPOOL/user"
wait_for_line "blocked: .*cur/1' .*infected with [A-Za-z].* $CALLED"
expect_stamp "$MAIL/cur/1" i
expect_stamp "$MAIL/cur/3" e
denied_to_user "$MAIL/cur/1"
expect_named "$MAIL/cur/1" "infected with [A-Za-z0-9._-]+, known by its stamp $CALLED"
for n in {1..24}; do expect_denied "$MAIL/cur/many.$n"; done
for n in {1..24}; do expect_stamp "$MAIL/cur/many.$n" i; done
expect_equal "$(counter named)" 0 'messages read again, though each was scanned just now'
stop_storescand

say 'after a restart only the stamp knows: one look gives the name'
start_storescand
denied_to_user "$MAIL/cur/1"
expect_named "$MAIL/cur/1" "infected with [A-Za-z0-9._-]+, known by its stamp $CALLED"
expect_equal "$(counter scans)" 0 'scans for an answer'
expect_equal "$(counter named)" 1 'messages read again'
# By this process: of one that has ended by then the log would know the number alone.
{ : <"$MAIL/cur/1"; } 2>/dev/null && fail 'a second access is not denied'
wait_for_line "blocked: .*cur/1' by [^ ]+\[[0-9]+\] \(uid 0\): infected with .* $CALLED"
expect_equal "$(counter named)" 1 'messages read again for a second access'

say 'a copy that is known by its digest has that name, too'
ln "$MAIL/cur/1" "$MAIL/new/1"
denied_to_user "$MAIL/new/1"
expect_named "$MAIL/new/1" "infected with [A-Za-z0-9._-]+, known by its digest $CALLED"
expect_equal "$(counter named)" 1 'messages read again for a copy'

say 'what can not be judged has a name as well, in a mailbox file by the verdict cache'
denied_to_user "$MAIL/cur/3"
wait_for_line "cur/3' .*not scannable \(encrypted: .*, known by its stamp \(message '<"
denied_to_user "$SPOOL/user"
wait_for_line "byte [0-9]+ of '$SPOOL/user' .*not scannable \(encrypted: .* \(message '$LOCKED'"
expect_equal "$(counter named)" 3 'messages read again'
expect_equal "$(counter scans)" 0 'scans for an answer'
expect_equal "$(counter unnamed)" 0 'records without a name'

say 'the answer waits for no name; nor do more records than there is room for'
mapfile -t workers < <(worker_pids)
kill -STOP "${workers[@]}"
for n in {1..20}; do READ_TIMEOUT=$((10 * PATIENCE)) expect_denied "$MAIL/cur/many.$n"; done
wait_until 20 counter_reaches unnamed 4 || fail 'the records that there is no room for were not told'
without_name() { count_lines "cur/many\.[0-9]+' .*: infected, known by its stamp\.$"; }
has_four() { (($(without_name) == 4)); }
wait_until 20 has_four || fail "$(without_name) records without a name, not 4"
kill -CONT "${workers[@]}"
wait_until 20 counter_reaches named 19 || fail 'the others were not looked at'
named_lines() { (($(count_lines "cur/many\.[0-9]+' .*: infected with .* \(message '<") == 16)); }
wait_until 20 named_lines || fail 'the others have no names'
expect_equal "$(counter unnamed)" 4 'records without a name'

say 'no record is lost at the end'
mapfile -t workers < <(worker_pids)
kill -STOP "${workers[@]}"
# The four from above: which are named depends on the order, so others are read.
for n in {21..24}; do expect_denied "$MAIL/cur/many.$n"; done
kill -TERM "$DAEMON_PID"
ended_lines() { (($(count_lines "cur/many\.2[1-4]' .*: infected, known by its stamp\.$") == 4)); }
wait_until 20 ended_lines || fail 'records were lost at the end'
kill -CONT "${workers[@]}" 2>/dev/null || true
wait_until 30 daemon_is_gone || fail 'storescand did not stop'
DAEMON_PID=

# ---- Hostile names ----

# What the journal is sent comes to a socket that stands in its place.
cat >"$WORK/journal.py" <<'END'
# SOCKET FILE: a line of JSON for each record, a list of its fields in their order.
import json, socket, struct, sys
journal = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
journal.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
journal.bind(sys.argv[1])
with open(sys.argv[2], "w", buffering=1) as out:
    while True:
        data, fields = journal.recv(1 << 20), []
        while data:
            line, data = data.split(b"\n", 1)
            name, equals, value = line.partition(b"=")
            if not equals:
                size, = struct.unpack("<Q", data[:8])
                value, data = data[8:8 + size], data[8 + size + 1:]
            fields.append((name.decode(), value.decode()))
        out.write(json.dumps(fields) + "\n")
END
# hostile KIND: an infected message that is called what no message should be.
cat >"$WORK/hostile.py" <<'END'
import base64, re, sys
kind, mail = sys.argv[1], sys.stdin.buffer.read()
evil = ("Hello\nMESSAGE_ID=00000000000000000000000000000000\nPRIORITY=0\nMESSAGE=forged\n"
        "storescand: forged: this\r\x1b[31m\x07\x00\x7f\u0085\u009b2J\u2028\u2029\u202eend")
if kind == "encoded":
    word = b"=?UTF-8?B?" + base64.b64encode(evil.encode()) + b"?="
elif kind == "raw":
    word = re.sub(rb"\n", b"\n ", evil.encode()) + b"\xff\xc0\xaf"
else:
    word = b"Hello" + b"\xe2\x80\xa8x" * 200000
for name in (b"Subject", b"From", b"Message-ID"):
    mail = re.sub(rb"(?m)^" + name + rb": .*$", lambda m: name + b": " + word, mail, count=1)
sys.stdout.buffer.write(mail)
END
make_mail "$WORK/infected" eicar-base64 --seed 77
for kind in encoded raw long; do python3 "$WORK/hostile.py" $kind <"$WORK/infected" >"$MAIL/cur/hostile-$kind"; done

say 'a name that would forge lines and fields: one event, one line of text'
start_storescand
expect_denied "$MAIL"/cur/hostile-*
for kind in encoded raw long; do
    wait_for_line "^storescand: blocked: .*cur/hostile-$kind' .*Hello"
    expect_equal "$(count_lines "hostile-$kind")" 1 "lines of a message called $kind"
done
wait_for_line "^storescand: blocked: .*subject 'Hello.*MESSAGE_ID=0"
# clean_text FILE: no character that ends a line, moves a cursor or turns the direction.
clean_text() {
    python3 - "$1" <<'END'
import sys, unicodedata
for line in open(sys.argv[1], encoding="utf-8", newline="\n"):
    bad = [c for c in line[:-1] if unicodedata.category(c) in ("Cc", "Cf", "Zl", "Zp", "Cs")]
    if bad or len(line) > 8300 or line.startswith(("MESSAGE", "PRIORITY", "storescand: forged")):
        raise SystemExit(f"{bad!r} in {line[:200]!r}")
END
}
clean_text "$LOG" || fail 'not fit for a log'
printf 'a\xe2\x80\xa8b\n' >"$WORK/unfit"
! clean_text "$WORK/unfit" 2>/dev/null || fail 'the look at the log finds nothing'
stop_storescand

say 'and to the journal: each field once'
mkdir "$WORK/journal"
python3 "$WORK/journal.py" "$WORK/journal/socket" "$WORK/records" &
PIDS+=($!)
wait_until 20 test -S "$WORK/journal/socket" || fail 'no journal'
# shellcheck disable=SC2016 # of the other shell
run_storescand unshare --mount --propagation private bash -c 'mount -t tmpfs run /run && mkdir -p /run/systemd/journal &&
    mount --bind "$1" /run/systemd/journal && JOURNAL_STREAM=$(stat -L -c %d:%i /proc/self/fd/2) exec "${@:2}"' journal "$WORK/journal"
wait_until 60 grep -q '"STORESCAN_EVENT", "started"' "$WORK/records" || fail "nothing comes to the journal: $(<"$LOG")"
expect_denied "$MAIL"/cur/hostile-*
records_are() { (($(grep -c 'hostile-' "$WORK/records") == $1)); }
wait_until 20 records_are 3 || fail "$(grep -c 'hostile-' "$WORK/records") records of three messages"
stop_storescand
records_are 3 || fail "$(grep -c 'hostile-' "$WORK/records") records of three messages"
python3 - "$WORK/records" <<'END' || fail 'a field was forged'
import json, sys, unicodedata
for line in open(sys.argv[1]):
    fields = json.loads(line)
    names = [name for name, _ in fields]
    assert len(names) == len(set(names)), names
    values = dict(fields)
    if "hostile-" not in values.get("STORESCAN_PATH", ""):
        continue
    assert values["STORESCAN_EVENT"] == "blocked" and values["PRIORITY"] != "0", values
    assert values["MESSAGE_ID"].strip("0") and values["MESSAGE"] != "forged", values
    assert values["STORESCAN_FROM"].startswith("Hello"), values
    # Behind the first name that is so long nothing is looked at.
    assert values.get("STORESCAN_SUBJECT", "Hello").startswith("Hello"), values
    for name, value in fields:
        bad = [c for c in value if unicodedata.category(c) in ("Cc", "Cf", "Zl", "Zp", "Cs")]
        assert not bad, (name, bad)
END
