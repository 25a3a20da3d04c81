#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Who is served first when more is asked for than can be scanned: users in turn, readers before what
# nobody waits for; what a reader waits for, and what he meets behind his deadline.

source "$(dirname "$0")/../lib.sh"
need_program setpriv debugfs
setup
source "$(dirname "$0")/../bus.sh"
make_fs store ext4 128M
make_maildir "$WORK"/store/{alice,bob}
chmod -R go+rX "$WORK/store"
cp "$BUILD/tests/system/fake-worker" "$WORK/fake-worker"
chmod 0755 "$WORK/fake-worker"
alice=$WORK/store/alice/cur bob=$WORK/store/bob/cur
export STORESCAN_WORKER=$WORK/fake-worker

# as UID COMMAND...
as() {
    local uid=$1
    shift
    setpriv --reuid="$uid" --regid="$uid" --clear-groups -- "$@"
}

# reads UID FILE...: all of them at once, in the background.
reads() {
    local uid=$1 file
    shift
    for file; do
        as "$uid" timeout $((120 * PATIENCE)) cat -- "$file" >/dev/null 2>&1 &
        PIDS+=("$!")
    done
}

say 'one user has 200 messages open, another opens one'
SCANNER_CONF=${SCANNER_CONF/workers = 3/workers = 1}
SCANNER_CONF+="
scan_timeout = $((50 * PATIENCE))s
worker_timeout = $((100 * PATIENCE))s"
add_store s "$WORK/store"
start_storescand
wait_until 20 workers_are 1 || fail 'there is not one worker'
for n in {1..200}; do echo "alice $n" >"$alice/$n"; done
echo "bob" >"$bob/1"
chmod -R go+rX "$WORK/store"
hold_workers
reads 5001 "$alice"/*
wait_until 60 counter_reaches events 200 || fail 'not all of them wait'
reads 5002 "$bob/1"
wait_until 20 counter_reaches events 201 || fail 'he does not wait'
expect_equal "$(counter scans)" 0 'scans by a worker that stands still'
# Its first two jobs were given to the worker already; then users take turns. The stamps tell the order.
free_workers
for n in {1..200}; do expect_stamp "$alice/$n" c; done
expect_stamp "$bob/1" c
stamp_time() { stamp_of "$1" | cut -d ' ' -f 4; }
later=$(getfattr --absolute-names -n trusted.avstamp "$alice"/* |
    awk -F '[ "]' -v bob="$(stamp_time "$bob/1")" '/^trusted/ && $5 "" >= bob "" { n++ } END { print n + 0 }')
((later >= 190)) || fail "the other user was served before only $later of 200"
(($(counter turns) >= 1)) || fail 'no turn was counted'
stop_storescand

say 'new mail of a public folder is scanned before anybody asks, however it is delivered'
make_fs public ext4
make_fs folders tmpfs
make_maildir "$WORK/store/mailbox" "$WORK/public/team" "$WORK/folders/team"
STORES_CONF=
add_store s "$WORK/store"
add_store public "$WORK/public" kind=public-folder
add_store folders "$WORK/folders" proactive=yes marks=directories
start_storescand
wait_until 20 workers_are 1 || fail 'there is not one worker'
for store in public folders; do
    team=$WORK/$store/team
    make_maildir "$team/.later"
    echo "renamed in $store" >"$team/tmp/renamed"
    mv "$team/tmp/renamed" "$team/new/renamed"
    echo "linked in $store" >"$team/tmp/linked"
    ln "$team/tmp/linked" "$team/new/linked"
    rm "$team/tmp/linked"
    echo "written in $store" >"$team/cur/written"
    echo 'INFECTED' >"$team/cur/infected"
    echo "index in $store" >"$team/dovecot.index"
    echo "later in $store" >"$team/.later/cur/late"
    expect_stamp "$team/new/renamed" c
    expect_stamp "$team/new/linked" c
    expect_stamp "$team/cur/written" c
    expect_stamp "$team/cur/infected" i
    expect_stamp "$team/.later/cur/late" c
    wait_for_line "Found '$team/cur/infected'|'$team/cur/infected'.*Fake.Test"
    expect_no_stamp "$team/dovecot.index"
    expect_denied "$team/cur/infected"
done
expect_equal "$(counter joined)" 0 'joined scans'
scans=$(counter scans)
echo "a mailbox is not" >"$WORK/store/mailbox/cur/1"
echo "synchronise" >"$WORK/public/team/cur/behind"
expect_stamp "$WORK/public/team/cur/behind" c
expect_no_stamp "$WORK/store/mailbox/cur/1"
expect_equal "$(counter scans)" $((scans + 1)) 'scans'

say 'a reader who comes for new mail before its turn raises and joins it'
hold_workers
delivered=$(counter delivered)
for name in before-1 before-2 awaited; do
    echo "$name" >"$WORK/public/team/cur/$name"
    ((delivered += 1))
    wait_until 20 counter_reaches delivered "$delivered" || fail "it was not told of: $name"
done
chmod -R go+rX "$WORK/public"
reads 5001 "$WORK/public/team/cur/awaited"
wait_until 20 counter_reaches joined 1 || fail 'the reader did not join'
expect_equal "$(counter raised)" 1 'raised scans'
free_workers
expect_stamp "$WORK/public/team/cur/awaited" c
expect_stamp "$WORK/public/team/cur/before-2" c

say 'a storm of deliveries is bounded, and nothing of it passes unscanned'
hold_workers
for n in {1..50}; do echo "storm $n" >"$WORK/public/team/tmp/storm-$n"; done
echo INFECTED >"$WORK/public/team/tmp/storm-51"
mv "$WORK"/public/team/tmp/storm-* "$WORK/public/team/new/"
# Of the 51, low_queue wait; the three before count as long as the stamper has not let go of them.
wait_until 20 counter_reaches overflowed 21 || fail "overflowed is $(counter overflowed)"
all_told() { (($(counter delivered) + $(counter overflowed) == delivered + 51)); }
wait_until 20 all_told || fail "delivered: $(counter delivered), overflowed: $(counter overflowed)"
overflowed=$(counter overflowed)
((overflowed <= 24)) || fail "$overflowed of 51 messages were left to their readers"
free_workers
expect_denied "$WORK/public/team/new/storm-51"
expect_readable "$WORK"/public/team/new/storm-{1..50}

say 'a reload: the bound is another one at once'
SCANNER_CONF+="
low_queue = 4"
write_config
kill -HUP "$DAEMON_PID"
wait_for_line '^storescand: config-reloaded: '
hold_workers
for n in {1..12}; do echo "gust $n" >"$WORK/public/team/tmp/gust-$n"; done
mv "$WORK"/public/team/tmp/gust-* "$WORK/public/team/new/"
wait_until 20 counter_reaches overflowed $((overflowed + 8)) || fail "overflowed is $(counter overflowed)"
expect_equal "$(counter overflowed)" $((overflowed + 8)) 'messages left to their readers, of 12 more'
free_workers
expect_readable "$WORK"/public/team/new/gust-{1..12}
stop_storescand
SCANNER_CONF=${SCANNER_CONF%$'\n'*}

say 'a reader waits no longer than his store says; the scan goes on, and the next access is answered at once'
STORES_CONF=
add_store s "$WORK/store" scan_timeout=2s
add_store public "$WORK/public" kind=public-folder on_error=allow
start_storescand
echo SLOWER >"$WORK/store/mailbox/cur/slow"
expect_denied "$WORK/store/mailbox/cur/slow"
expect_equal "$(counter timeouts)" 1 'timeouts'
wait_for_line "Denied open of '.*/slow' by .*: could not be scanned \(timeout\)"
expect_stamp "$WORK/store/mailbox/cur/slow" c
before=$(counter scans)
expect_readable "$WORK/store/mailbox/cur/slow"
expect_equal "$(counter scans)" "$before" 'scans, after the access to what was scanned meanwhile'
expect_equal "$(counter timeouts)" 1 'timeouts'
stop_storescand

say 'an engine that fails again and again: nobody waits for it, and one scan is tried now and then'
# What the service manager is told.
notified=$WORK/notified
python3 - "$WORK/notify" "$notified" <<'END' &
import socket, sys
sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
sock.bind(sys.argv[1])
while True:
    text = sock.recv(4096).decode()
    with open(sys.argv[2], "a") as f:
        f.write(text + "\n")
END
PIDS+=("$!")
wait_until 20 test -S "$WORK/notify" || fail 'nobody listens'
STORES_CONF=
SCANNER_CONF+="
breaker_failures = 3"
make_fs lax ext4
add_store s "$WORK/store"
add_store public "$WORK/public" on_error=allow
add_store lax "$WORK/lax" breaker=allow
make_maildir "$WORK/lax/u"
start_bus
NOTIFY_SOCKET=$WORK/notify start_storescand
wait_until 20 has_name || fail "storescand is not on the bus: $(<"$WORK/bus.log")"
watch_signals
mail=$WORK/store/mailbox/cur
echo 'stamped' >"$mail/stamped"
echo 'INFECTED' >"$mail/infected"
echo 'INFECTED' >"$WORK/lax/u/cur/infected"
expect_readable "$mail/stamped"
expect_stamp "$mail/stamped" c
expect_denied "$mail/infected" "$WORK/lax/u/cur/infected"
for n in 1 2 3; do
    echo "CRASH $n" >"$mail/crash-$n"
    ! grep -q breaker-open "$LOG" || fail "the breaker opened after $((n - 1)) failures"
    expect_denied "$mail/crash-$n"
done
wait_for_line '^storescand: breaker-open: 3 scans in a row failed'
echo 'fine' >"$mail/fine"
echo 'fine' >"$WORK/lax/u/cur/fine"
echo 'fine' >"$WORK/public/team/cur/fine"
scans=$(counter scans)
expect_denied "$mail/fine"
wait_for_line "Denied open of '.*/fine' by .*: could not be scanned \(breaker\)"
expect_readable "$WORK/lax/u/cur/fine" "$WORK/public/team/cur/fine"
wait_for_line "Allowed open of '.*/lax/u/cur/fine' by .*: could not be scanned \(breaker\)"
expect_equal "$(counter scans)" "$scans" 'scans behind an open breaker'
expect_equal "$(counter refused)" 3 'opens answered at once'
expect_readable "$mail/stamped"
expect_denied "$mail/infected" "$WORK/lax/u/cur/infected"
expect_no_stamp "$mail/fine" "$WORK/lax/u/cur/fine"
wait_until 20 grep -q '^STATUS=.*engine fails again' "$notified" || fail 'the status was not told'
expect_told /org/storescan Breaker '"open"'
status=0
"$STORESCANCTL" status >"$WORK/status" || status=$?
expect_equal "$status" 1 'status behind an open breaker'
grep -q 'Attention .*the engine fails again' "$WORK/status" || fail "status: $(<"$WORK/status")"
wait_until 20 read_file "$mail/fine" || fail 'the breaker does not close'
wait_for_line '^storescand: breaker-closed: '
expect_told /org/storescan Breaker '"closed"'
expect_stamp "$mail/fine" c
expect_denied "$mail/crash-1"
expect_readable "$WORK/lax/u/cur/fine"
[[ $(grep '^STATUS=' "$notified" | tail -n 1) == *stores. ]] || fail 'the status was not taken back'
stop_storescand

say 'an engine that does not answer at all is one that fails'
STORES_CONF=
add_store s "$WORK/store" scan_timeout=300ms
start_storescand
for n in 1 2 3; do
    echo "HANG $n" >"$mail/hang-$n"
    expect_denied "$mail/hang-$n"
done
wait_for_line '^storescand: breaker-open: '
echo 'another' >"$mail/another"
expect_denied "$mail/another"
wait_for_line "Denied open of '.*/another' by .*: could not be scanned \(breaker\)"
expect_readable "$mail/fine"
kill -KILL "$(worker_pids)"
stop_storescand

# ---- What older signatures found clean; the real engine, whose signatures change between starts ----

unset STORESCAN_WORKER
cp -r "$SIGNATURES" "$WORK/signatures"
SCANNER_CONF=${SCANNER_CONF/$SIGNATURES/$WORK/signatures}
make_fs old ext4
make_maildir "$WORK"/old/{access,sweep,age,outbreak,left}
mkdir "$WORK"/old/{box,strict}
outbreak_ends=$(date -u -d '+1 day' +%Y-%m-%dT%H:%MZ)
outbreak_ended=$(date -u -d '-1 minute' +%Y-%m-%dT%H:%MZ)
loop_is_gone() { [[ -z $(losetup -j "$WORK/old.image") ]]; }
set_stores() {
    STORES_CONF=
    add_store access "$WORK/old/access"
    add_store sweep "$WORK/old/sweep" rescan=sweep
    add_store age "$WORK/old/age" rescan="never-older-than ${1:-30d}"
    add_store outbreak "$WORK/old/outbreak" rescan=sweep outbreak_until="${2:-$outbreak_ends}"
    add_store left "$WORK/old/left" on_access_age="${3:-off}"
    add_store box "$WORK/old/box" format=mbox rescan=sweep
    add_store strict "$WORK/old/strict" format=mbox rescan="${4:-on-access}"
}
# new_signatures WORD: a message that has it is infected from now on.
new_signatures() {
    printf 'Test.%s:0:*:%s\n' "$1" "$(printf '%s' "$1" | od -An -tx1 -v | tr -d ' \n')" \
        >>"$WORK/signatures/new.ndb"
}
# expect_held FILE...: with a stamp that its readers need no more for (on a loaded machine one may have been
# written too late to say anything of its file).
is_held() {
    local before
    before=$(counter stamp_hits)
    read_file "$1" >/dev/null && (($(counter stamp_hits) > before))
}
expect_held() {
    local file
    for file; do wait_until 20 is_held "$file" || fail "the stamp does not hold: $file"; done
}
# restart: with the stores as they are set now.
restart() {
    stop_storescand
    start_storescand
}
message() { printf 'Subject: %s\n\n%s\n' "$1" "$2" >"$3"; }
older_than_a_second() { (($(date +%s) > $(stat -c %Z "$WORK/old/age/cur/plain") + 2)); }
folders=("$WORK"/old/{access,sweep,age,outbreak}/cur)

set_stores
start_storescand
for folder in "${folders[@]}"; do
    message plain "plain in $folder" "$folder/plain"
    message worm "latent-worm in $folder" "$folder/worm"
    make_mail "$folder/virus" eicar-base64
    expect_readable "$folder/plain" "$folder/worm"
    expect_denied "$folder/virus"
    expect_stamp "$folder/worm" c
    expect_stamp "$folder/plain" c
    expect_held "$folder/worm" "$folder/plain"
    expect_stamp "$folder/virus" i
done
box=$WORK/old/box/inbox
for text in harmless latent-worm; do
    printf 'From alice@example.org Thu Nov 26 12:00:00 2026\nSubject: %s\n\n%s\n\n' "$text" "$text"
done >"$box"
cp "$box" "$WORK/old/strict/inbox"
expect_readable "$box" "$WORK/old/strict/inbox"
expect_stamp "$box" c
expect_stamp "$WORK/old/strict/inbox" c
expect_held "$box"
first=$(stamp_of "$WORK/old/sweep/cur/plain")

say 'new signatures: what a stamp of older ones is worth'
new_signatures latent-worm
restart
[[ -s $WORK/verdicts/generations ]] || fail 'no history of generations'
expect_equal "$(grep -c ' ' "$WORK/verdicts/generations")" 5 'lines of the history, of three generations'
expect_denied "$WORK/old/access/cur/worm" "$WORK/old/outbreak/cur/worm"
expect_readable "$WORK"/old/{sweep,age}/cur/{worm,plain} "$WORK"/old/{access,outbreak}/cur/plain
for folder in "${folders[@]}"; do expect_denied "$folder/virus"; done
expect_equal "$(counter older_hits)" 4 'opens by older stamps'
expect_equal "$(stamp_of "$WORK/old/sweep/cur/plain")" "$first" 'an older stamp'
expect_stamp "$WORK/old/access/cur/worm" i
# However often it is asked for: a hot file would be hidden from a sweep.
expect_readable "$WORK/old/sweep/cur/plain" "$WORK/old/sweep/cur/plain" "$WORK/old/sweep/cur/plain"
expect_equal "$(counter older_hits)" 7 'opens by older stamps'

say 'a file of many messages, for a reader and for one who may write; nothing is stamped on the word of an old stamp'
expect_readable "$box"
has_stamp "$box" c || fail 'a reader took the stamp off'
python3 -c 'import sys; f = open(sys.argv[1], "r+b"); assert len(f.read()) > 100' "$box" ||
    fail 'the mailbox could not be opened for reading and writing'
wait_for_line "$box': infected with Test.latent-worm"
! has_stamp "$box" c || fail 'it was stamped'
expect_denied "$box" "$WORK/old/strict/inbox"
has_no_stamp() { ! has_stamp "$1"; }
wait_until 20 has_no_stamp "$WORK/old/strict/inbox" ||
    fail 'an older stamp says that infected mail is clean'

say 'what was changed since is scanned, whatever its old stamp says'
chmod g+w "$WORK/old/sweep/cur/worm"
expect_denied "$WORK/old/sweep/cur/worm"

say 'who could write takes the older stamp off: changes may come that nothing shows'
printf '' >>"$WORK/old/age/cur/plain"
! has_stamp "$WORK/old/age/cur/plain" || fail 'the stamp was left to a writer'
expect_readable "$WORK/old/age/cur/plain"
expect_stamp "$WORK/old/age/cur/plain" c
expect_held "$WORK/old/outbreak/cur/plain"

say 'newer ones still: a stamp too old, an outbreak over'
new_signatures second-worm
wait_until 20 older_than_a_second || fail 'time stands still'
set_stores 1s "$outbreak_ended" off sweep
restart
expect_denied "$WORK/old/strict/inbox"
before=$(counter scans)
expect_denied "$WORK/old/age/cur/worm"
expect_readable "$WORK"/old/{age,outbreak}/cur/plain
expect_equal "$(counter older_hits)" 1 'opens by older stamps: that of the outbreak that is over'
expect_equal "$(counter scans)" "$((before + 2))" 'scans'

say 'mail from long ago is let through unscanned, and counted; not what was found infected, nor what is new'
left=$WORK/old/left/cur
message old "second-worm, never scanned" "$left/unscanned"
message old "latent-worm, scanned" "$left/infected"
expect_denied "$left/infected"
expect_stamp "$left/infected" i
stop_storescand
wait_until 20 umount "$WORK/old"
wait_until 60 loop_is_gone || fail 'the loop device stays'
for file in unscanned infected; do
    for field in ctime mtime; do
        debugfs -w -R "set_inode_field /left/cur/$file $field 202001010000" "$WORK/old.image" 2>/dev/null
    done
done
mount_fs old
(($(stat -c %Z "$left/unscanned") < 1600000000)) || fail 'the change time was not set'
new_signatures third-worm
set_stores 1s "$outbreak_ended" since-install
start_storescand
message new "second-worm, new" "$left/new"
expect_readable "$left/unscanned"
expect_equal "$(counter left_to_sweep)" 1 'mail that is left to a sweep'
expect_no_stamp "$left/unscanned"
expect_denied "$left/infected" "$left/new"
touch -d 2020-01-01 "$left/new"
expect_denied "$left/new"
set_stores 1s "$outbreak_ended"
restart
expect_denied "$left/unscanned"

say 'a history that is damaged: nothing older is accepted'
stop_storescand
echo damage >>"$WORK/verdicts/generations"
set_stores 30d "$outbreak_ended" since-install
new_signatures fourth-worm
start_storescand
wait_for_line 'Failed to read .*/verdicts/generations: it is damaged'
expect_readable "$WORK/old/sweep/cur/plain"
expect_equal "$(counter older_hits)" 0 'opens by older stamps'
stop_storescand
grep -q '^damage$' "$WORK/verdicts/generations" || fail 'the damaged history was replaced'
