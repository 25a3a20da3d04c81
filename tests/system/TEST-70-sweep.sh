#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The sweep of a store: everything is judged and stamped, once, whoever is killed meanwhile; the next one
# opens nothing that is up to date; hours and rates are kept.

source "$(dirname "$0")/../lib.sh"
source "$(dirname "$0")/../sweep.sh"

# Opens nothing.
unstamped() {
    find "$1" -type f ! -name '.*' -print0 | while IFS= read -r -d '' file; do
        [[ -n $(stamp_of "$file") ]] || printf '%s\n' "$file"
    done
}
all_stamped() { [[ -z $(unstamped "$1") ]]; }

# make_store FOLDER COUNT SEED: COUNT messages, no two alike, in some folders of a Maildir.
make_store() {
    local i=0 file folders
    make_maildir "$1" "$1/.Archive" "$1/.Sent" "$WORK/fresh"
    folders=("$1/cur" "$1/new" "$1/.Archive/cur" "$1/.Sent/cur")
    "$MAKE_MAIL" clean -n "$2" -s 2000 --seed "$3" -o "$WORK/fresh/cur" >/dev/null
    for file in "$WORK"/fresh/cur/*; do
        mv "$file" "${folders[i++ % 4]}"
    done
    rm -r "$WORK/fresh"
}

setup

say 'everything is judged and stamped'
make_fs mail ext4
MAIL=$WORK/mail/user
make_store "$MAIL" 200 1
make_mail "$MAIL/.Archive/cur/base64:2,S" eicar-base64
make_mail "$MAIL/new/nested" eicar-nested
make_mail "$MAIL/tmp/underway" eicar-text
eicar >"$MAIL/dovecot-uidlist"
: >"$MAIL/cur/empty:2,S"
mkdir -p "$WORK/mail/attachments"
N=203 # with the empty one
add_store mail "$WORK/mail"
STORES=$STORES_CONF
again mail 'schedule = boot'
swept mail
expect_state mail status finished
expect_state mail "done" "$N"
expect_state mail total "$N"
expect_state mail judged 202
expect_state mail infected 2
expect_state mail denied 2
expect_state mail unasked 1
expect_state mail undecided 0
expect_state mail failed 0
expect_equal "$(counter swept)" 202 'opens by the sweep'
expect_equal "$(counter scans)" 202 'scans'
expect_equal "$(counter timeouts)" 0 'timeouts'
expect_equal "$(unstamped "$MAIL/cur")" "$MAIL/cur/empty:2,S" 'files without a stamp'
all_stamped "$MAIL/.Archive/cur" || fail "no stamp: $(unstamped "$MAIL/.Archive/cur")"
all_stamped "$MAIL/new" || fail "no stamp: $(unstamped "$MAIL/new")"
expect_stamp "$MAIL/new/nested" i
expect_no_stamp "$MAIL/tmp/underway" "$MAIL/dovecot-uidlist"
wait_for_line "blocked: Denied open of '$MAIL/new/nested' by storescan-sweep"
expect_readable "$MAIL"/cur/*clean*
expect_equal "$(counter scans)" 202 'scans after everything was read'

say 'the process is shut in'
again mail 'schedule = boot' 'window = 00:00-00:01' 'rate = 1'
sweep_runs || wait_until 10 sweep_runs || fail 'no sweep'
status=/proc/$(sweep_pid)/status
expect_equal "$(awk '/^CapEff/ { print $2 }' "$status")" 0000000000000004 'capabilities'
expect_equal "$(awk '/^CapPrm/ { print $2 }' "$status")" 0000000000000004 'permitted capabilities'
expect_equal "$(awk '/^NoNewPrivs/ { print $2 }' "$status")" 1 'no_new_privs'
wait_until 10 grep -q '^Seccomp:.2$' "$status" || fail 'no seccomp filter'
expect_equal "$(awk '/^Uid/ { print $2 }' "$status")" "$(id -u "$TEST_USER")" 'user'
expect_equal "$(chrt -p "$(sweep_pid)" | awk -F': ' 'NR == 1 { print $2 }')" SCHED_IDLE 'scheduling'

say 'the second sweep scans nothing, the third opens nothing'
again mail 'schedule = boot'
swept mail
expect_state mail "done" "$N"
expect_state mail known 202
expect_equal "$(counter scans)" 0 'scans of the second sweep'
again mail 'schedule = boot'
swept mail
expect_state mail current 202
expect_state mail "done" "$N"
expect_equal "$(counter swept)" 0 'opens of the third sweep'

say 'what is new or changed is opened'
make_mail "$MAIL/new/later" eicar-text
changed=$(printf '%s\n' "$MAIL"/cur/*clean* | head -n 1)
make_mail "$WORK/evil" eicar-text
truncate -s "$(stat -c %s "$changed")" "$WORK/evil"
touch --reference="$changed" "$WORK/evil"
again mail 'schedule = never'
dd if="$WORK/evil" of="$changed" conv=notrunc status=none || true
stop_storescand
touch --reference="$WORK/evil" "$changed"
moved=$(printf '%s\n' "$MAIL"/.Sent/cur/*clean* | head -n 1)
mv "$moved" "$MAIL/.Sent/cur/moved:2,FS"
again mail 'schedule = boot'
swept mail
expect_state mail current 200
expect_state mail judged 3
expect_state mail infected 2
expect_stamp "$changed" i
expect_stamp "$MAIL/new/later" i
expect_stamp "$MAIL/.Sent/cur/moved:2,FS" c

say 'outside of its hours it waits'
now=$(date +%-H)
window=$(printf '%02d:00-%02d:00' $(((now + 2) % 24)) $(((now + 3) % 24)))
touch "$MAIL"/cur/*clean* # their change times: all of them would be opened
again mail 'schedule = boot' "window = $window"
wait_for_line "sweep-paused: The sweep of store 'mail' waits for its hours"
expect_equal "$(counter swept)" 0 'opens outside of the hours'
stop_storescand
expect_state mail status running
again mail 'schedule = never'
swept mail
(($(counter swept) > 0)) || fail 'it did not go on'

say 'everything anew, whatever its stamp'
again mail 'schedule = boot' 'only_unstamped = no'
swept mail
expect_state mail judged 203
expect_equal "$(counter scans)" 203 'scans'

say 'old mail is left out'
touch -d '10 days ago' "$MAIL"/.Archive/cur/*
old=$(find "$MAIL/.Archive/cur" -type f | wc -l)
again mail 'schedule = boot' 'received_within = 5d'
swept mail
expect_state mail left_out "$old"
again mail 'schedule = boot'
swept mail
expect_state mail left_out 0

say 'what attachments_only leaves out'
again mail 'schedule = boot' 'attachments_only = yes'
expect_equal "$(count_lines 'sweep-started')" 0 'sweeps of a store without attachments'

say 'files of many messages'
stop_storescand
STORES_CONF=
make_fs many ext4
mkdir -p "$WORK/many/mbox"
for box in one two sick; do
    for seed in {1..20}; do
        printf 'From sender@example.org Thu Nov 26 10:00:00 2026\n'
        "$MAKE_MAIL" clean --seed "$seed$box" 2>/dev/null || "$MAKE_MAIL" clean --seed "$seed"
        printf '\n'
    done >"$WORK/many/mbox/$box"
done
{
    printf 'From sender@example.org Thu Nov 26 10:00:00 2026\n'
    "$MAKE_MAIL" eicar-text
    printf '\n'
} >>"$WORK/many/mbox/sick"
add_store many "$WORK/many/mbox" format=mbox
STORES=$STORES_CONF
again many 'schedule = boot'
swept many
expect_state many "done" 3
expect_state many judged 3
expect_state many infected 1
expect_stamp "$WORK/many/mbox/one" c
expect_stamp "$WORK/many/mbox/two" c
expect_no_stamp "$WORK/many/mbox/sick"
wait_for_line "detected: .*$WORK/many/mbox/sick.*infected"
before=$(counter scans)
expect_readable "$WORK/many/mbox/one"
expect_equal "$(counter scans)" "$before" 'scans after a mailbox was read'

say 'killed, whoever it is'
stop_storescand
STORES_CONF=
make_fs killed ext4
make_store "$WORK/killed/user" 300 1000
make_mail "$WORK/killed/user/new/nested" eicar-nested
add_store killed "$WORK/killed" sweep_rate=75
STORES=$STORES_CONF
again killed 'schedule = boot'
scans=0
for victim in sweep daemon sweep daemon daemon sweep; do
    sleep "0.$((RANDOM % 10))$((RANDOM % 10))"
    [[ $(state killed status) == running ]] || break
    if [[ $victim == sweep ]]; then
        wait_until 10 sweep_runs || fail 'the sweep was not started anew'
        kill -KILL "$(sweep_pid)"
        wait_for_line "sweep-failed: The process that swept store 'killed' died"
    else
        scans=$((scans + $(counter scans)))
        kill -KILL "$DAEMON_PID"
        wait "$DAEMON_PID" 2>/dev/null || true
        DAEMON_PID=
        sweep_conf 'schedule = never'
        STORES_CONF=$STORES$SWEEP_CONF
        start_storescand
    fi
done
swept killed 120
scans=$((scans + $(counter scans)))
expect_state killed pass 1
expect_state killed "done" 301
expect_state killed infected 1
expect_state killed undecided 0
expect_state killed unasked 0
expect_equal "$(($(state killed judged) + $(state killed known)))" 301 'items judged or known'
all_stamped "$WORK/killed/user" || fail "skipped: $(unstamped "$WORK/killed/user")"
# What was being scanned when storescand was killed is scanned again: an opener each.
((scans >= 301 && scans <= 301 + 3 * 16)) || fail "$scans scans of 301 messages"
stop_storescand
