#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Signatures change while mail is read: new ones are taken up by themselves and at once, no open of clean
# mail fails meanwhile, nothing that they know is served any more; what is no set of signatures changes
# nothing.

source "$(dirname "$0")/../lib.sh"

SETS=

# A set of its own: it knows the test virus, and Set-N knows mail with the words "set-N-evil".
write_set() {
    local folder=$1 n=$2 i
    mkdir -p "$folder"
    cp "$SIGNATURES"/* "$folder/"
    for ((i = 0; i <= n; i++)); do
        printf 'Set.%d:0:*:%s\n' "$i" "$(printf 'set-%d-evil' "$i" | xxd -p)"
    done >"$folder/own.ndb.part"
    mv "$folder/own.ndb.part" "$folder/own.ndb"
}

# put_whole TEXT NAME: a file of the set, of which nobody sees a part.
put_whole() { printf '%s' "$1" >"$WORK/$2" && mv "$WORK/$2" "$SETS/$2"; }

write_mail() { printf 'From: a@example.org\nSubject: %s\n\n%s\n' "$2" "$3" >"$1"; }

generations() { count_lines '^storescand: generation-changed: '; }
changed_to() { (($(generations) >= $1)); }
wait_generations() { wait_until 30 changed_to "$1" || fail "no change of generation number $1"; }
unchanged() { (($(count_lines '^storescand: signatures-unchanged: ') >= $1)); }
wait_unchanged() { wait_until 30 unchanged "$1" || fail "not looked at without a change: $1"; }
refusals() { count_lines '^storescand: reload-failed: '; }
refused() { (($(refusals) >= $1)); }
wait_refusals() { wait_until 30 refused "$1" || fail "no refusal number $1"; }

# Reads mail that nobody has scanned yet, again and again, until the file stop is there.
reader() {
    local number=$1 i=0 file error
    while [[ ! -e $WORK/stop ]]; do
        file=$WORK/mail/a/cur/reader.$number.$((i++ % 40))
        # New content each time: there is no stamp, nor a verdict that is remembered.
        write_mail "$file" clean "$number $i $RANDOM$RANDOM"
        if ! error=$(cat "$file" 2>&1 >/dev/null); then
            printf '%s\n' "$error" >>"$WORK/failed"
        fi
        [[ -e $file ]] && printf . >>"$WORK/reads.$number"
    done
}

start_readers() {
    local n
    rm -f "$WORK/stop" "$WORK/failed"
    READERS=()
    for n in 1 2 3; do
        reader "$n" &
        READERS+=($!)
        PIDS+=($!)
    done
}

stop_readers() {
    touch "$WORK/stop"
    wait "${READERS[@]}"
    [[ ! -s $WORK/failed ]] || fail "opens of clean mail failed: $(head -n 3 "$WORK/failed")"
}

setup
need_program xxd
make_fs mail tmpfs
make_maildir "$WORK/mail/a"
SETS=$WORK/sets
write_set "$SETS" 0
SCANNER_CONF="database = $SETS
tmpdir = $WORK/scan/worker
user = $TEST_USER
workers = 3"
GATE_CONF='hot_files = 100'
add_store mail "$WORK/mail"
start_storescand

say 'ten sets under load'
start_readers
for ((n = 1; n <= 10; n++)); do
    mail=$WORK/mail/a/cur/evil.$n
    write_mail "$mail" evil "set-$n-evil"
    expect_readable "$mail"
    expect_stamp "$mail" c
    expect_readable "$mail" "$mail" # hot
    write_set "$SETS" "$n"
    wait_generations "$n"
    expect_denied "$mail"
    expect_stamp "$mail" i
done
stop_readers
expect_equal "$(counter reloads)" 10 'reloads'
expect_equal "$(counter reloads_failed)" 0 'failed reloads'
expect_equal "$(counter workers_died)" 0 'workers that died'
only_loader() { (($(children "$DAEMON_PID" | wc -l) == 1)); }
wait_until 20 only_loader || fail "$(children "$DAEMON_PID" | wc -l) loaders are left"
(($(wc -c <"$WORK/reads.1") > 20)) || fail 'the readers did not read'

say 'nothing new'
touch "$SETS/own.ndb"
cp "$SETS/own.ndb" "$SETS/again.part" && mv "$SETS/again.part" "$SETS/own.ndb"
echo nothing >"$SETS/freshclam.dat"
kill -HUP "$DAEMON_PID"
wait_unchanged 1
expect_equal "$(generations)" 10 'changes of generation'
expect_equal "$(refusals)" 0 'refusals'

say 'broken sets change nothing'
mail=$WORK/mail/a/cur/evil.10
failures=0
expect_goes_on() {
    wait_refusals $((++failures))
    expect_equal "$(generations)" "$1" "changes of generation: $2"
    write_mail "$WORK/mail/a/cur/clean.$failures" clean "$2"
    expect_readable "$WORK/mail/a/cur/clean.$failures"
    expect_denied "$mail"
    make_mail "$WORK/mail/a/cur/eicar.$failures" eicar-text
    expect_denied "$WORK/mail/a/cur/eicar.$failures"
}
put_whole 'ClamAV-VDB:this is none' main.cvd
expect_goes_on 10 'a broken .cvd'
[[ $(grep '^storescand: reload-failed: ' "$LOG" | tail -n 1) == *main.cvd* ]] || fail 'the broken file is not named'
looks=$(count_lines '^storescand: signatures-unchanged: ')
rm "$SETS/main.cvd"
wait_unchanged $((looks + 1))
expect_equal "$(generations)" 10 'changes of generation: the set as it was'
head -c -10 "$SETS/own.ndb" >"$WORK/half.ndb"
mv "$WORK/half.ndb" "$SETS/half.ndb"
expect_goes_on 10 'a half-written .ndb'
[[ $(grep '^storescand: reload-failed: ' "$LOG" | tail -n 1) == *half.ndb* ]] || fail 'the half file is not named'
rm "$SETS/half.ndb"
wait_unchanged $((looks + 2))
mv "$SETS" "$SETS.away"
expect_goes_on 10 'a vanished folder'
mkdir "$SETS"
expect_goes_on 10 'an empty folder'
rmdir "$SETS"
expect_goes_on 10 'a removed folder'
write_set "$SETS.away" 11
mv "$SETS.away" "$SETS"
wait_generations 11
# On a slow machine what comes at once may be looked at twice.
((PATIENCE > 1)) || expect_equal "$(refusals)" "$failures" 'refusals'
write_mail "$WORK/mail/a/cur/evil.11" evil set-11-evil
expect_denied "$WORK/mail/a/cur/evil.11"

say 'a folder that is exchanged, and one behind a link'
write_set "$WORK/new" 12
mv "$SETS" "$WORK/old" && mv "$WORK/new" "$SETS"
wait_generations 12
mv "$SETS" "$WORK/target" && ln -s "$WORK/target" "$SETS"
wait_unchanged $((looks + 3))
write_set "$WORK/target" 13
wait_generations 13

stop_storescand

say 'without memory for two'
rm "$SETS" && mv "$WORK/target" "$SETS"
SCANNER_CONF+='
concurrent_reload = no'
start_storescand
start_readers
write_set "$SETS" 14
wait_generations 1
write_mail "$WORK/mail/a/cur/evil.14" evil set-14-evil
expect_denied "$WORK/mail/a/cur/evil.14"
put_whole 'ClamAV-VDB:this is none' main.cvd
wait_for_line '^storescand: engine-failed: .*main.cvd'
rm "$SETS/main.cvd"
wait_until 30 eval '[[ -n $(worker_pids) ]]' || fail 'no engine though the set is good again'
stop_readers
expect_denied "$WORK/mail/a/cur/evil.14"
stop_storescand

# ---- The configuration ----

say 'stores come and go, and change'
SCANNER_CONF=${SCANNER_CONF%$'\n'*}
mkdir "$WORK/dirs"
make_maildir "$WORK/dirs/"{stays,goes,comes}/b
for store in stays goes comes; do
    write_mail "$WORK/dirs/$store/b/cur/evil" evil set-3-evil
    write_mail "$WORK/dirs/$store/b/cur/clean" clean clean
done
STORES_CONF=
add_store mail "$WORK/mail"
add_store stays "$WORK/dirs/stays" marks=directories
KEPT=$STORES_CONF
add_store goes "$WORK/dirs/goes" marks=directories
start_storescand
start_readers
expect_denied "$WORK/dirs/stays/b/cur/evil" "$WORK/dirs/goes/b/cur/evil"
expect_readable "$WORK/dirs/comes/b/cur/evil" "$WORK/dirs/goes/b/cur/clean"
STORES_CONF=$KEPT
add_store comes "$WORK/dirs/comes" marks=directories
reload_config
expect_denied "$WORK/dirs/stays/b/cur/evil" "$WORK/dirs/comes/b/cur/evil"
expect_readable "$WORK/dirs/goes/b/cur/evil"
wait_for_line "store-left: Store 'goes'"
mkdir -p "$WORK/dirs/comes/b/.new/cur" "$WORK/dirs/goes/b/.new/cur"
for store in comes goes; do write_mail "$WORK/dirs/$store/b/.new/cur/evil" evil set-4-evil; done
sleep_until_marked() { ! read_file "$WORK/dirs/comes/b/.new/cur/evil"; }
wait_until 20 sleep_until_marked || fail 'a new folder of a new store is not guarded'
expect_readable "$WORK/dirs/goes/b/.new/cur/evil"

say 'another policy, another timeout, no word of what needs a restart'
STORES_CONF=
add_store mail "$WORK/mail"
add_store stays "$WORK/dirs/stays" marks=directories on_infected=detect
SCANNER_CONF+=$'\nscan_timeout = 20s'
GATE_CONF='hot_files = 200'
reload_config
expect_readable "$WORK/dirs/stays/b/cur/evil" "$WORK/dirs/comes/b/cur/evil"
expect_denied "$WORK/mail/a/cur/evil.5"
wait_for_line 'config-reloaded: .*2 stores; a restart is needed for \[gate\] hot_files'

say 'other limits are another engine'
changes=$(generations)
SCANNER_CONF=${SCANNER_CONF/workers = 3/workers = 2}$'\nmax_files = 9000'
reload_config
wait_generations $((changes + 1))
# Those of the engine before end when they are through with what they are at.
wait_until 20 workers_are 2 || fail "there are $(worker_pids | wc -l) workers, not 2"

say 'mistakes change nothing'
STORES_CONF=${STORES_CONF/= detect/= frobnicate}
write_config
kill -HUP "$DAEMON_PID"
wait_for_line "config-refused: .*$CONF:[0-9]+: \[store stays\] on_infected: 'frobnicate'"
STORES_CONF=$KEPT
add_store missing "$WORK/dirs/missing"
write_config
kill -HUP "$DAEMON_PID"
wait_for_line "config-refused: .*missing' does not exist"
STORES_CONF=$KEPT
add_store system /proc
write_config
kill -HUP "$DAEMON_PID"
wait_for_line "config-refused: .*/proc"
expect_readable "$WORK/dirs/stays/b/cur/evil"
expect_denied "$WORK/mail/a/cur/evil.5"
STORES_CONF=$KEPT
reload_config
expect_denied "$WORK/dirs/stays/b/cur/evil"

say 'a store in another one, and one that is kept in another format'
make_maildir "$WORK/nest"/{,inner/}b
write_mail "$WORK/nest/b/cur/evil" evil set-3-evil
write_mail "$WORK/nest/inner/b/cur/evil" evil set-3-evil
{ printf 'From a@example.org Thu Nov 26 12:00:00 2026\n' && cat "$WORK/nest/b/cur/evil"; } >"$WORK/evil-box"
cp "$WORK/evil-box" "$WORK/nest/box"
NEST_CONF=$STORES_CONF
add_store outer "$WORK/nest" marks=directories
add_store inner "$WORK/nest/inner" marks=directories
reload_config
expect_denied "$WORK/nest/b/cur/evil" "$WORK/nest/inner/b/cur/evil"
expect_readable "$WORK/nest/box" # no mail of a Maildir
STORES_CONF=$NEST_CONF
add_store inner "$WORK/nest/inner" marks=directories
reload_config
expect_readable "$WORK/nest/b/cur/evil"
expect_denied "$WORK/nest/inner/b/cur/evil"
mkdir -p "$WORK/nest/inner/b/.new/cur"
write_mail "$WORK/nest/inner/b/.new/cur/evil" evil set-4-evil
new_is_denied() { ! read_file "$WORK/nest/inner/b/.new/cur/evil"; }
wait_until 20 new_is_denied || fail 'a new folder of the inner store is not guarded'
STORES_CONF=$NEST_CONF
add_store boxes "$WORK/nest" format=mbox marks=directories
reload_config
# An mbox is not denied but replaced: the first store that wants that.
box_is_replaced() { read_file "$WORK/nest/box" >"$WORK/box" && ! cmp -s "$WORK/box" "$WORK/evil-box"; }
wait_until 20 box_is_replaced || fail 'a message of an mbox that came by a reload is not replaced'
STORES_CONF=$NEST_CONF
add_store boxes "$WORK/nest" marks=directories
reload_config
expect_denied "$WORK/nest/b/cur/evil" "$WORK/nest/inner/b/cur/evil"
STORES_CONF=$NEST_CONF
reload_config
expect_readable "$WORK/nest/b/cur/evil" "$WORK/nest/inner/b/cur/evil" "$WORK/nest/box"
stop_readers
stop_storescand
