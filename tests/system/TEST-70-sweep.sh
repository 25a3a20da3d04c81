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

# session_nice PID: of its whole session, sched(7).
session_nice() { sed 's/.* nice //' "/proc/$1/autogroup"; }

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
# Now and then at least: what takes longer than a second goes on as if somebody waited for it.
workers_step_back() { [[ $(session_nice "$(loader_pid)") == 19 ]]; }
wait_until 60 workers_step_back || fail 'workers do not step back for a sweep'
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

say 'workers that stepped back for what nobody waits for do not for a reader'
make_mail "$MAIL/new/wanted" clean
expect_readable "$MAIL/new/wanted"
expect_equal "$(session_nice "$(loader_pid)")" 0 'nice value of their session when somebody waits'
rm "$MAIL/new/wanted"

say 'the process is shut in'
again mail 'schedule = boot' 'window = 00:00-00:01' 'rate = 1'
sweep_runs || wait_until 20 sweep_runs || fail 'no sweep'
status=/proc/$(sweep_pid)/status
wait_until 20 grep -q '^Seccomp:.2$' "$status" || fail 'no seccomp filter' # the last thing that it does to itself
expect_equal "$(awk '/^CapEff/ { print $2 }' "$status")" 0000000000000004 'capabilities'
expect_equal "$(awk '/^CapPrm/ { print $2 }' "$status")" 0000000000000004 'permitted capabilities'
expect_equal "$(awk '/^NoNewPrivs/ { print $2 }' "$status")" 1 'no_new_privs'
expect_equal "$(awk '/^Uid/ { print $2 }' "$status")" "$(id -u "$TEST_USER")" 'user'
expect_equal "$(ps -o ni= -p "$(sweep_pid)" | tr -d ' ')" 19 'nice value'
expect_equal "$(session_nice "$(sweep_pid)")" 19 'nice value of the session of the sweep'

say 'the second sweep scans nothing, the third opens nothing'
# On a busy machine a stamp may be written too late to say anything of its file: the one that finds it so renews it.
for _ in {1..5}; do
    again mail 'schedule = boot'
    swept mail
    expect_state mail "done" "$N"
    expect_equal "$(($(state mail known) + $(state mail judged)))" 202 'items that were looked at'
    expect_equal "$(counter scans)" 0 'scans of the second sweep'
    [[ $(state mail judged) != 0 ]] || break
done
expect_state mail known 202
again mail 'schedule = boot'
swept mail
expect_state mail current 202
expect_state mail "done" "$N"
expect_equal "$(counter swept)" 0 'opens of the third sweep'

say 'what is new or changed is opened'
make_mail "$MAIL/new/later" eicar-text
changed=$(first "$MAIL"/cur/*clean*)
make_mail "$WORK/evil" eicar-text
truncate -s "$(stat -c %s "$changed")" "$WORK/evil"
touch --reference="$changed" "$WORK/evil"
again mail 'schedule = never'
dd if="$WORK/evil" of="$changed" conv=notrunc status=none || true
stop_storescand
touch --reference="$WORK/evil" "$changed"
moved=$(first "$MAIL"/.Sent/cur/*clean*)
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
mkdir -p "$WORK"/many/{mbox,told,mdbox/user/storage}
mkdir "$WORK/fresh"
"$MAKE_MAIL" clean -n 60 --seed 1 -o "$WORK/fresh" >/dev/null
for kind in clean eicar-text eicar-base64; do make_mail "$WORK/$kind" "$kind"; done
messages=("$WORK/fresh/"*)
# append BOX MESSAGE...
append() {
    local file
    for file in "${@:2}"; do
        printf 'From sender@example.org Thu Nov 26 10:00:00 2026\n'
        cat "$file"
        printf '\n'
    done >>"$WORK/many/mbox/$1"
}
append one "${messages[@]:0:20}"
append two "${messages[@]:20:20}"
append sick "${messages[@]:40}" "$WORK"/{eicar-text,eicar-base64,clean,eicar-text}
rm -r "$WORK/fresh"
cp "$WORK/many/mbox/sick" "$WORK/many/mbox/locked"
cp "$WORK/many/mbox/sick" "$WORK/many/told/sick"
MDBOX=$WORK/many/mdbox/user/storage/m.1
"$SOURCE/tests/data/make-store-formats" mdbox "$MDBOX" "$WORK"/{clean,eicar-text,eicar-base64} >"$WORK/layout"
add_store many "$WORK/many/mbox" format=mbox on_infected=replace scan_timeout=6s
add_store mdbox "$WORK/many/mdbox" format=mdbox on_infected=replace
add_store told "$WORK/many/told" format=mbox on_infected=detect
STORES=$STORES_CONF
lock_file "$WORK/many/mbox/locked"
again many 'schedule = boot'
swept many
swept mdbox
swept told
expect_state many "done" 4
expect_state many judged 4
expect_state many infected 2
expect_stamp "$WORK/many/mbox/one" c
expect_stamp "$WORK/many/mbox/two" c
before=$(counter scans)
expect_readable "$WORK/many/mbox/one"
expect_equal "$(counter scans)" "$before" 'scans after a mailbox was read'

say 'what is infected in them is replaced before anybody reads it, where it is to be'
is_cured() { # FILE ORIGINAL
    [[ $(stat -c %s "$1") == "$(stat -c %s "$2")" ]] && ! grep -aqF "$(eicar)" "$1" && ! cmp -s "$1" "$2"
}
kept() { grep -lF "path: $1" "$WORK"/quarantine/*.meta | wc -l; }
cp "$WORK/many/told/sick" "$WORK/sick"
expect_state mdbox infected 1
expect_equal "$(kept "$MDBOX")" 2 'originals of an mdbox file'
expect_equal "$(kept "$WORK/many/mbox/sick")" 3 'originals of a mailbox'
expect_equal "$(kept "$WORK/many/mbox/locked")" 0 'originals of a mailbox that somebody had locked all the time'
expect_equal "$(kept "$WORK/many/told")" 0 'originals where it is only told'
expect_stamp "$MDBOX" c
expect_stamp "$WORK/many/mbox/sick" c
expect_no_stamp "$WORK/many/mbox/locked" "$WORK/many/told/sick"
wait_for_line "detected: .*$WORK/many/told/sick.*infected"
stop_storescand
is_cured "$WORK/many/mbox/sick" "$WORK/sick" || fail 'what is infected in a mailbox was not replaced'
cmp -s "$WORK/many/mbox/locked" "$WORK/sick" || fail 'a mailbox was written to though it was locked'
kill "$LOCKER"

say 'and by the next one, what somebody had locked'
again many 'schedule = boot'
swept many
expect_state many infected 1
stop_storescand
is_cured "$WORK/many/mbox/locked" "$WORK/sick" || fail 'what had been locked was not replaced'

say 'killed, whoever it is'
STORES_CONF=
make_fs killed ext4
make_store "$WORK/killed/user" 300 1000
make_mail "$WORK/killed/user/new/nested" eicar-nested
# Not over before all were killed.
add_store killed "$WORK/killed" sweep_rate=$((PATIENCE > 1 ? 10 : 75))
STORES=$STORES_CONF
again killed 'schedule = boot'
scans=0
goes_on() { [[ $(state killed status) == running ]]; }
sweeps_or_is_over() { sweep_runs || ! goes_on; }
for victim in sweep daemon sweep daemon daemon sweep; do
    sleep "0.$((RANDOM % 10))$((RANDOM % 10))"
    goes_on || break
    if [[ $victim == sweep ]]; then
        wait_until 20 sweeps_or_is_over || fail 'the sweep was not started anew'
        kill -KILL "$(sweep_pid)" 2>/dev/null || break
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
# What was being scanned when storescand was killed is scanned again: an opener each. What was scanned between
# the question for the counter and the kill is not counted.
((scans >= 301 - 3 * 16 && scans <= 301 + 3 * 16)) || fail "$scans scans of 301 messages"
stop_storescand
