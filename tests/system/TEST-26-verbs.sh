#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What every command of storescanctl says to people and to programs, and its exit status: compared with
# files in tests/data/ctl, in which times and large numbers are masked. UPDATE=yes writes those files.
#
#     expect NAME STATUS ARGUMENT...      is all that a command needs here

source "$(dirname "$0")/../lib.sh"
setup
source "$(dirname "$0")/../bus.sh"

EXPECTED=$SOURCE/tests/data/ctl
UPDATE=${UPDATE:-}
export TZ=UTC
GENERATION=none

# What differs from run to run.
mask() {
    sed -E "
        s|$WORK|WORK|g
        s|$SIGNATURES|SIGNATURES|g
        s/$GENERATION/GENERATION/g
        s/[0-9a-f]{16}-[0-9a-f]{16}/ID/g
        s/\b[0-9a-f]{64}\b/SHA256/g
        s/\b[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?( [+-][0-9]{4})?/TIME/g
        s/\bsince [0-9]{2}:[0-9]{2}\b/since TIME/g
        s/ss1 ([a-z]+) [^ ]+ [^\" ]+ ([0-9a-f]+) [A-Za-z0-9_-]{22}/ss1 \1 GENERATION TIME \2 DIGEST/g
        s/\"digest\":\"[A-Za-z0-9_-]{22}\"/\"digest\":\"DIGEST\"/g
        s/(Digest +)[A-Za-z0-9_-]{22}/\1DIGEST/g
        s/\b[0-9.]+ (ms|s|min|h|days|hours)\b/N \1/g
        s/N ms (before|after) the stamp/N ms from the stamp/
        s/(_usec\":)[0-9]+/\1N/g
        s/(Stages +99 of 100 within).*/\1 .../
        s/(\"counters\":\{)[^}]*/\1.../
        s/(storescand |\"version\":\")[0-9.]+/\1VERSION/
        s/: (clean|infected), by its stamp/: \1/
        s/[A-Za-z0-9_-]{22}, as scanned/DIGEST, as scanned/
        s/\b[0-9]{4,}\b/N/g"
}
# Of verbs that tell all counters, none is the same in each run.
mask_all() { sed -E '1!{/^\(/!s/ *[0-9]+(\.[0-9]+)?/ N/g}'; }

# expect NAME STATUS ARGUMENT...: names that end in + have all numbers masked.
expect() {
    local name=$1 wanted=$2 status=0
    shift 2
    printf '%s\n' "$*" >>"$WORK/tried"
    "$STORESCANCTL" "$@" >"$WORK/output" 2>&1 </dev/null || status=$?
    { printf '$ storescanctl %s\n' "$*" && cat "$WORK/output" && printf '(%s)\n' "$status"; } | mask >"$WORK/actual"
    if [[ $name == *+ ]]; then
        name=${name%+}
        mask_all <"$WORK/actual" >"$WORK/masked"
        mv "$WORK/masked" "$WORK/actual"
    fi
    expect_equal "$status" "$wanted" "storescanctl $*: $(<"$WORK/output"); its exit status"
    if [[ $UPDATE ]]; then
        mkdir -p "$EXPECTED"
        cp "$WORK/actual" "$EXPECTED/$name"
    else
        diff -u "$EXPECTED/$name" "$WORK/actual" >&2 || fail "storescanctl $* says something else than $EXPECTED/$name"
    fi
}

make_fs store ext4
make_maildir "$WORK/store/alice" "$WORK/store/bob"
clean=$WORK/store/alice/cur/clean:2,S
bad=$WORK/store/alice/cur/bad:2,S
make_mail "$clean" clean
make_mail "$bad" eicar-base64
add_store alice "$WORK/store/alice" on_infected=replace
add_store bob "$WORK/store/bob"
QUARANTINE=$WORK/quarantine
STAMP_CONF="keys = $WORK/keys"
SELF_TEST_CONF='self_test = 1h'
STORES_CONF+='[sweep]
max_pressure = 0
max_load = 0
'

say 'nobody runs'
start_bus
wait_until 20 test -S "$WORK/bus"
expect status-gone 3 status
expect status-gone-json 3 --json status
expect stats-gone 2 stats
expect sweep-status-gone 2 sweep status

say 'storescand'
start_storescand
wait_until 20 has_name || fail "storescand is not on the bus: $(<"$WORK/bus.log")"
GENERATION=$("$STORESCANCTL" --json status | jq -r .generation)
expect_readable "$clean" "$bad"
wait_until 20 counter_reaches clean 2 || fail "$(counter clean) are clean"
# Both: counted when they hold.
wait_until 20 counter_reaches stamps_written 2 || fail "$(counter stamps_written) stamps were written"
expect_stamp "$clean" c
# shellcheck disable=SC2317 # wait_until calls it
is_hooked() { grep -q 'Hooked *yes' <<<"$("$STORESCANCTL" status)"; }
wait_until 20 is_hooked || fail 'not hooked'
expect status 0 status
expect status-json 0 --json status
expect stats+ 0 stats
expect stats-json+ 0 --json stats
expect metrics+ 0 metrics
expect doctor 1 --config "$CONF" doctor
expect doctor-json 1 --json --config "$CONF" doctor
# Where a check of the kernel fails, all else being as it was.
status=0
"$BUILD/tests/system/wrong-kernel" lease-granted "$STORESCANCTL" --json --config "$CONF" doctor >"$WORK/doctor" || status=$?
expect_equal "$status" 2 'doctor of a kernel that lets writers pass; its exit status'
expect_equal "$(jq -r 'select(.result == "critical") | .check + " " + (.text | split(":")[0])' "$WORK/doctor")" \
    "$(printf 'kernel %s\n' lease-opening lease-writer lease-mapping lease-break)" 'what is critical'
expect_equal "$(jq -r 'select(.result == "critical") | .advice' "$WORK/doctor" | sort -u)" \
    'Boot another kernel; storescand does not start on this one.' 'its advice'
expect reload 0 reload
expect reload-json 0 --json reload
wait_for_line '^storescand: config-reloaded: '
# shellcheck disable=SC2016 # of the shell of script
{
    on_terminal() { TERM=xterm script -qec '"$STORESCANCTL" status' /dev/null; }
    export STORESCANCTL
    [[ $(on_terminal) == *$'\e['* ]] || fail 'no colours on a terminal'
    [[ $(NO_COLOR=1 on_terminal) == *$'\e['* ]] && fail 'colours, though NO_COLOR is set'
}
expect pause 0 pause 1min
expect pause-json 0 --json pause 1min
expect status-paused 1 status
expect pause-wrong 2 pause forever
expect resume 0 resume
expect resume-json 0 --json resume

say 'sweeps'
expect sweep-status 0 sweep status
expect sweep-start 0 sweep start bob
expect sweep-start-wrong 2 sweep start nobody
wait_for_line "sweep-finished: The sweep of store 'bob'"
expect complete-store 0 --complete sweep start ''
expect sweep-status-after 0 sweep status
expect sweep-status-json 0 --json sweep status
expect sweep-stop 2 sweep stop bob
expect sweep-start-json 0 --json sweep start bob
expect sweep-stop-json 2 --json sweep stop nobody

say 'who waits, and what happens'
expect pending 0 pending
expect pending-json 0 --json pending
expect top+ 0 top
expect top-json+ 0 --json top
expect store-list+ 0 store list
expect store-list-json+ 0 --json store list

say 'the journal, of which a test in a container sees more'
expect log 0 log --since '2099-01-01 20:00' --store mail --path "$WORK/store" blocked hub-infected
expect log-json 0 --json log --since 2099-01-01
expect log-wrong-event 2 log nonsense
expect log-wrong-time 2 log --since yesterday
expect complete-event 0 --complete log hub-in

say 'how an open is answered'
expect explain 0 explain "$clean"
expect explain-json 0 --json explain "$clean"
say 'a store is let go, and taken up again'
expect store-detach 0 store detach bob
expect store-detach-json 0 --json store detach bob
expect store-detach-status 1 status
expect store-attach 0 store attach bob
expect store-attach-json 0 --json store attach bob
expect store-attach-wrong 2 store attach bob nobody

say 'stamps'
expect stamp-show 0 stamp show "$clean"
expect stamp-show-json 0 --json stamp show "$clean"
expect stamp-verify 0 stamp verify "$clean"
expect stamp-verify-json 0 --json stamp verify "$clean"
expect stamp-clear 0 stamp clear "$clean"
expect stamp-clear-json 0 --json stamp clear "$clean"
expect stamp-none 1 stamp verify "$clean"
expect stamp-none-json 1 --json stamp verify "$clean"

say 'quarantine and allowed contents'
expect quarantine-list 0 --config "$CONF" quarantine list
expect quarantine-list-json 0 --json --config "$CONF" quarantine list
id=$("$STORESCANCTL" --json --config "$CONF" quarantine list | jq -r .id)
digest=$("$STORESCANCTL" --json --config "$CONF" quarantine list | jq -r .digest)
expect quarantine-show 0 --config "$CONF" quarantine show "$id"
expect quarantine-show-json 0 --json --config "$CONF" quarantine show "$id"
expect complete-item 0 --complete --config "$CONF" quarantine show ''
expect quarantine-wrong 2 --config "$CONF" quarantine show nonsense
expect quarantine-export 0 --config "$CONF" quarantine export "$id" "$WORK/original"
expect quarantine-clean 0 --config "$CONF" quarantine clean
expect quarantine-notify 0 --config "$CONF" quarantine notify
expect quarantine-clean-json 0 --json --config "$CONF" quarantine clean
expect quarantine-release 0 --config "$CONF" quarantine release "$id"
expect quarantine-release-json 0 --json --config "$CONF" quarantine release "$id"
expect allow-list 0 --config "$CONF" allow list
expect allow-list-json 0 --json --config "$CONF" allow list
expect complete-allowed 0 --complete --config "$CONF" allow remove ''
expect allow-remove 0 --config "$CONF" allow remove "$digest"
expect allow-add 0 --config "$CONF" allow add "$digest"
expect allow-remove-json 0 --json --config "$CONF" allow remove "$digest"
expect allow-add-json 0 --json --config "$CONF" allow add "$digest"
expect allow-wrong 2 --config "$CONF" allow add abc
other=0000000000000001-0000000000000001
for file in item meta; do cp "$QUARANTINE/$id.$file" "$QUARANTINE/$other.$file"; done
expect quarantine-delete 0 --config "$CONF" quarantine delete "$id"
expect quarantine-delete-json 0 --json --config "$CONF" quarantine delete "$other"

say 'scans'
make_mail "$WORK/store/alice/new/bad" eicar-nested
make_mail "$WORK/store/bob/new/bad" eicar-nested
expect scan-json 1 --json scan "$WORK/store/bob/new/bad" "$WORK/store/alice/new/bad"
wait_until 20 has_stamp "$WORK/store/alice/new/bad" c || fail 'what is replaced has no stamp'
expect scan 2 scan "$WORK/store/bob/new/bad" "$WORK/store/alice/new/bad" "$WORK/store/bob"
rm "$WORK/store/alice/new/bad" "$WORK/store/bob/new/bad"

say 'what costs workers'
expect poison-list 0 --config "$CONF" poison list
expect poison-list-json 0 --json --config "$CONF" poison list
expect poison-clear 0 poison clear
expect poison-clear-json 0 --json poison clear

say 'keys, configuration'
expect key-generate 0 --keys "$WORK/keys" key generate hub1
expect key-list 0 --keys "$WORK/keys" key list
expect key-list-json 0 --json --keys "$WORK/keys" key list
expect key-public 2 --keys "$WORK/keys" key public hub1
"$STORESCANCTL" --keys "$WORK/keys" --type ed25519 key generate hub2 >"$WORK/public"
expect_equal "$("$STORESCANCTL" --keys "$WORK/keys" key public hub2)" "$(<"$WORK/public")" 'the public half'
expect check-config 0 check-config "$CONF"
sed 's/^path/paht/' "$CONF" >"$WORK/wrong.conf"
expect check-config-json 0 --json check-config "$CONF"
expect check-config-wrong 1 check-config "$WORK/wrong.conf"
expect check-config-wrong-json 1 --json check-config "$WORK/wrong.conf"
expect version+ 0 version
expect version-json+ 0 --json version

say 'each command was tried, in each of its forms'
# tried COMMAND [--json]
tried() { grep -Eq -- "^${2:+$2 }(-[^ ]+ ([^ ]*/[^ ]* )?)*$1( |\$)" "$WORK/tried"; }
"$STORESCANCTL" help >"$WORK/help"
awk '/^Commands:/ { on = 1; next } /^$/ { on = 0 }
    on { out = ""; for (i = 1; i <= NF && $i ~ /^[a-z-]+$/; i++) out = out (i > 1 ? " " : "") $i
         print out }' "$WORK/help" | grep -vxE 'help|setup' >"$WORK/commands" # TEST-03 is about setup
while read -r command; do
    tried "$command" || fail "not tried: $command; add a line 'expect', and run this with UPDATE=yes once"
    # shellcheck disable=SC2086 # one word or two
    json=$("$STORESCANCTL" --complete $command --json)
    [[ -z $json ]] || tried "$command" --json || fail "not tried: --json $command"
done <"$WORK/commands"
stop_storescand
exit 0
