#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# storescan as it is installed: a Debian with systemd is booted in a container with storescand.service
# enabled. It starts, guards, logs, survives being killed and hung, refuses mistakes, and stops; and
# the unit's hardening is what the kernel says of the processes.

source "$(dirname "$0")/../lib.sh"
setup
source "$(dirname "$0")/../quarantine.sh"
source "$(dirname "$0")/../container.sh"
need_program jq

explain_failure() {
    [[ ! -s $WORK/console ]] || tail -n 5 "$WORK/console"
    [[ -z $LEADER ]] || in_container journalctl --no-pager -b -n 40
}

# read_inside FILE: as a service of its own would.
read_inside() { in_container cat -- "$1" >/dev/null; }
denied_inside() {
    local error
    if error=$(read_inside "$1" 2>&1); then breach "was not blocked in the container: $1"; fi
    [[ $error == *'Operation not permitted'* ]] || fail "failed otherwise: $error"
}
is_active() { [[ $(ctl is-active "${1:-storescand}.service") == active ]]; }
is_failed() { [[ $(ctl is-active "${1:-storescand}.service") == failed ]]; }
main_pid() { show MainPID "$@"; }
# Of a process of the container, by its number there.
status_of() { in_container awk -v key="$2:" '$1 == key { print $2 }' "/proc/$1/status"; }

make_rootfs
make_fs store ext4
make_maildir "$WORK/store/user"
make_mail "$WORK/store/user/cur/virus" eicar-nested
cp "$WORK/store/user/cur/virus" "$WORK/infected"
make_mail "$WORK/store/user/cur/mail" clean
install_storescan
install -d "$WORK/root/srv/mail" "$WORK/root/srv/memory"
cat >"$WORK/root/etc/fstab" <<END
tmpfs /srv/memory tmpfs mode=0755 0 0
END
cat >"$WORK/root/etc/storescan/storescan.conf" <<END
[scanner]
database = /srv/signatures
workers = 2
[store mail]
path = /srv/mail
on_infected = block
[store memory]
path = /srv/memory
on_infected = detect
END
boot --bind="$WORK/store:/srv/mail"

say 'started at boot'
wait_until 60 is_active || fail "storescand.service is $(ctl is-active storescand.service)"
expect_equal "$(show StatusText)" 'Guarding 2 stores.' 'status text'
expect_equal "$(ctl show --value -p UnitFileState storescand.service)" enabled 'unit file state'
read_inside /srv/mail/user/cur/mail
# An opener that is still there when its name is asked for.
in_container bash -c ': <"$1" || { while [[ ! -e /run/named ]]; do sleep 0.1; done; exit 1; }' opener \
    /srv/mail/user/cur/virus 2>/dev/null &
opener=$!
is_logged() { [[ $(in_container journalctl --no-pager -b -o cat STORESCAN_EVENT=blocked) ]]; }
wait_until 40 is_logged || fail 'nothing about the blocked open in the journal'
in_container touch /run/named
wait "$opener" && breach 'was not blocked in the container'
denied_inside /srv/mail/user/cur/virus
expect_stamp "$WORK/store/user/cur/mail" c
expect_stamp "$WORK/store/user/cur/virus" i
in_container bash -c 'mkdir -p /srv/memory/cur && cat >/srv/memory/cur/virus' <"$SOURCE/tests/lib.sh"
make_mail "$WORK/virus" eicar-base64
in_container bash -c 'cat >/srv/memory/cur/virus' <"$WORK/virus"
read_inside /srv/memory/cur/virus

say 'the journal: fields, MESSAGE_ID, catalog'
in_container journalctl --sync
record=$(in_container journalctl --no-pager -b -o json STORESCAN_EVENT=blocked | sed -n 1p)
[[ -n $record ]] || fail 'nothing about the blocked open in the journal'
expect_field() { expect_equal "$(jq -r ".$1" <<<"$record")" "$2" "journal field $1"; }
expect_field STORESCAN_STORE mail
expect_field STORESCAN_PATH /srv/mail/user/cur/virus
expect_field STORESCAN_VERDICT infected
expect_field STORESCAN_REASON none
expect_field STORESCAN_ACTION denied
expect_field STORESCAN_TIER scan
expect_field STORESCAN_SIZE "$(stat -c %s "$WORK/store/user/cur/virus")"
expect_field STORESCAN_COMM bash
expect_field STORESCAN_UID 0
expect_field _SYSTEMD_UNIT storescand.service
expect_field PRIORITY 4
expect_field MESSAGE_ID \
    "$(sed -n 's/.*X(BLOCKED,.*"\([0-9a-f]\{32\}\)".*/\1/p' "$SOURCE/daemon/events.h")"
for field in STORESCAN_SIGNATURE STORESCAN_GENERATION STORESCAN_PID STORESCAN_QUEUE_USEC STORESCAN_READ_USEC \
    STORESCAN_SCAN_USEC STORESCAN_ANSWER_USEC; do
    [[ $(jq -r ".$field // empty" <<<"$record") != '' ]] || fail "no journal field $field"
done
expect_equal "$(jq -r .STORESCAN_GENERATION <<<"$record")" \
    "$(stamp_of "$WORK/store/user/cur/virus" | cut -d ' ' -f 3)" 'generation in journal and stamp'
explained=$(in_container journalctl --no-pager -b -x STORESCAN_EVENT=blocked)
grep -q 'Infected mail was blocked in store mail' <<<"$explained" || fail 'no catalog text'
grep -q '^. *.*/srv/mail/user/cur/virus' <<<"$explained" || fail 'no path in the catalog text'
# No text may show a field that the message does not have.
explained=$(in_container journalctl --no-pager -b -x -u storescand.service)
! grep -q '@STORESCAN_\|^.*░.*STORESCAN_[A-Z]*[^=A-Z]' <<<"$(grep -v 'journalctl' <<<"$explained")" ||
    fail "an empty field in a catalog text: $(grep -v journalctl <<<"$explained" | grep '░.*STORESCAN_')"

say 'storescanctl log: the same by its filters, and of nobody else'
in_container bash -c 'printf "MESSAGE_ID=%s\nMESSAGE=Forged.\nSTORESCAN_EVENT=blocked\n" "$1" | logger --journald' forge \
    "$(jq -r .MESSAGE_ID <<<"$record")"
in_container journalctl --sync
in_container journalctl --no-pager -b -o cat "MESSAGE_ID=$(jq -r .MESSAGE_ID <<<"$record")" >"$WORK/logged"
grep -q '^Forged' "$WORK/logged" || fail 'no record was forged'
logged() { in_container storescanctl --json log "$@" >"$WORK/logged"; }
logged blocked
jq -e '.event == "blocked" and .priority == 4 and .time_usec > 0' "$WORK/logged" >"$WORK/each" ||
    fail "not what is looked for: $(<"$WORK/logged")"
[[ $(sort -u "$WORK/each") == true ]] || fail "not what is looked for: $(<"$WORK/logged")"
! grep 'Forged' "$WORK/logged" >&2 || fail 'a record of somebody else is shown'
for key in store path verdict action size comm uid signature generation message; do
    field=STORESCAN_${key^^}
    expect_equal "$(jq -r ".$key" "$WORK/logged" | sed -n 1p)" "$(jq -r ".${field/STORESCAN_MESSAGE/MESSAGE}" <<<"$record")" \
        "$key of a record"
done
blocked=$(wc -l <"$WORK/logged")
logged blocked started
expect_equal "$(wc -l <"$WORK/logged")" "$((blocked + 1))" 'records of two events'
logged --since 1h
jq -se '([.[].event] | index("started") != null and index("detected") != null) and (map(.time_usec) | . == sort)' \
    "$WORK/logged" >"$WORK/each" || fail "not all of an hour: $(<"$WORK/logged")"
logged --store memory
expect_equal "$(jq -r .store "$WORK/logged" | sort -u)" memory 'records of a store'
for path in /srv/mail /srv/mail/user/cur/virus /srv/mail/user/cur/; do
    logged --path "$path" blocked
    expect_equal "$(jq -r .path "$WORK/logged" | sort -u)" /srv/mail/user/cur/virus "records of $path"
done
for arguments in '--path /srv/mail/user/cur/vir' '--store nobody' '--since 2099-01-01' 'hub-infected'; do
    # shellcheck disable=SC2086 # words
    logged $arguments 2>"$WORK/said"
    [[ ! -s $WORK/logged && $(<"$WORK/said") == *'nothing is logged'* ]] || fail "log $arguments: $(<"$WORK/logged")"
done
in_container storescanctl log blocked >"$WORK/logged"
grep -Eq '^[0-9-]+ [0-9:.]+.*  blocked  +.*/srv/mail/user/cur/virus' "$WORK/logged" || fail "text is: $(<"$WORK/logged")"
in_container bash -c 'echo $$ >/run/watcher && exec storescanctl --json log --watch blocked' >"$WORK/watched" &
watcher=$!
PIDS+=("$watcher")
wait_until 20 grep '"path":"/srv/mail/user/cur/virus"' "$WORK/watched" || fail 'nothing is watched'
cp "$WORK/infected" "$WORK/store/user/cur/watched"
denied_inside /srv/mail/user/cur/watched
wait_until 20 grep '"path":"/srv/mail/user/cur/watched"' "$WORK/watched" || fail 'what comes is not shown'
in_container bash -c 'kill "$(</run/watcher)"'
wait "$watcher" || true
rm "$WORK/store/user/cur/watched"

say 'storescanctl scan and explain, as they are installed'
expect_equal "$(in_container storescanctl --json scan /srv/mail/user/cur/mail | jq -r .verdict)" clean 'what is found'
status=0
in_container storescanctl --json scan /srv/mail/user/cur/virus >"$WORK/said" || status=$?
expect_equal "$status $(jq -r '.verdict + " " + .open' "$WORK/said")" '1 infected denied' 'what is found'
in_container storescanctl --json explain /srv/mail/user/cur/virus >"$WORK/said" || true
expect_equal "$(jq -r '.answer + " " + .store' "$WORK/said")" 'deny mail' 'what is explained'
expect_equal "$(in_container storescanctl --json pending)" '' 'who waits'

say 'the hardening, as the kernel sees it'
pid=$(gate)
user() { in_container id -u "$1"; }
expect_equal "$(status_of "$(main_pid)" Uid)" "$(user storescan)" 'user of the keeper'
# kill 5
expect_equal "$(status_of "$(main_pid)" CapEff)" 0000000000000020 'capabilities in effect of the keeper'
expect_equal "$(status_of "$(main_pid)" Seccomp)" 2 'seccomp of the keeper'
expect_equal "$(status_of "$pid" Uid)" "$(user storescan)" 'user of storescand'
expect_equal "$(status_of "$pid" NoNewPrivs)" 1 'no new privileges'
expect_equal "$(status_of "$pid" Seccomp)" 2 'seccomp of storescand'
# chown 0, dac_read_search 2, kill 5, setgid 6, setuid 7, sys_admin 21, lease 28
caps=$(printf '%016x' $((1 << 0 | 1 << 2 | 1 << 5 | 1 << 6 | 1 << 7 | 1 << 21 | 1 << 28)))
expect_equal "$(status_of "$pid" CapEff)" "$caps" 'capabilities of storescand'
# dac_override 1, fowner 3: storescan-remedy's
expect_equal "$(status_of "$pid" CapBnd)" "$(printf '%016x' $((0x$caps | 1 << 1 | 1 << 3)))" 'bounding set of storescand'
if in_container bash -c 'echo -900 >/proc/self/oom_score_adj && ulimit -Hn 524288' 2>/dev/null; then
    expect_equal "$(in_container cat "/proc/$pid/oom_score_adj")" -900 'OOM score of storescand'
    expect_equal "$(in_container awk '/Max open files/ { print $4 }' "/proc/$pid/limits")" 524288 'descriptors'
else
    say '(no CAP_SYS_RESOURCE here: OOM score and descriptor limit are left out)'
fi
in_namespace() { in_container nsenter --target "$pid" --mount -- "$@"; }
expect_equal "$(in_namespace stat -f -c %T /run/storescan/scan)" tmpfs 'file system of the workers'
in_namespace touch /usr/lib/intruder 2>/dev/null && fail '/usr is writable for storescand'
in_namespace touch /etc/intruder 2>/dev/null && fail '/etc is writable for storescand'
in_namespace mkdir /sys/fs/cgroup/intruder 2>/dev/null && fail 'control groups are writable for storescand'
expect_equal "$(in_container awk 'NR > 2 { print $1 }' "/proc/$pid/net/dev")" 'lo:' 'network'
workers=0
for worker in $(in_container bash -c 'for exe in /proc/[0-9]*/exe; do
    [[ $(readlink $exe) != */storescan-worker ]] || { exe=${exe#/proc/}; echo ${exe%/exe}; }; done'); do
    ((workers += 1))
    expect_equal "$(status_of "$worker" Uid)" "$(user storescan-worker)" 'user of a worker'
    expect_equal "$(status_of "$worker" CapEff)" 0000000000000000 'capabilities of a worker'
    expect_equal "$(status_of "$worker" CapPrm)" 0000000000000000 'permitted capabilities of a worker'
    expect_equal "$(status_of "$worker" NoNewPrivs)" 1 'no new privileges of a worker'
    expect_equal "$(status_of "$worker" Seccomp)" 2 'seccomp of a worker'
    (($(in_container cat "/proc/$worker/oom_score_adj") > -900)) || fail 'a worker is as protected as the gate'
done
((workers >= 3)) || fail "$workers worker processes, with the loader there should be three"

say 'killed: up again at once, and guarding; by its keeper, or that by systemd'
pid=$(main_pid)
before=$(gate_pid)
kill -KILL "$before"
wait_until 30 has_another_gate "$before" || fail 'it was not started again'
denied_inside /srv/mail/user/cur/virus
expect_equal "$(main_pid)" "$pid" 'the keeper of one that was killed'
ctl kill --signal=SIGKILL --kill-whom=main storescand.service
restarted() { [[ $(main_pid) != 0 && $(main_pid) != "$pid" ]] && is_active; }
wait_until 30 restarted || fail 'it was not started again'
denied_inside /srv/mail/user/cur/virus

say 'hung: the watchdog sees it'
in_container mkdir -p /run/systemd/system/storescand.service.d
in_container bash -c 'printf "[Service]\nWatchdogSec=4\n" >/run/systemd/system/storescand.service.d/test.conf'
ctl daemon-reload
ctl restart storescand.service
pid=$(main_pid)
in_container bash -c 'kill -STOP "$1"' kill "$(gate)"
wait_until 30 restarted || fail 'the watchdog did not act'
in_container journalctl --sync
in_container journalctl --no-pager -b -u storescand.service >"$WORK/journal"
grep -q -i 'watchdog timeout' "$WORK/journal" ||
    fail 'it was restarted, but not by the watchdog'
denied_inside /srv/mail/user/cur/virus
# With work to do, it is fed.
pid=$(gate)
make_maildir "$WORK/store/busy"
"$MAKE_MAIL" clean -n 300 -s 20000 -o "$WORK/store/busy/cur" >/dev/null
in_container bash -c 'while ((SECONDS < 7)); do cat /srv/mail/busy/cur/* >/dev/null; done'
expect_equal "$(gate)" "$pid" 'process after work under the watchdog'

say 'mistakes: refused once, not tried for ever'
in_container bash -c 'printf "[store mail]\non_infected = perhaps\n" >/etc/storescan/conf.d/50-mistake.conf'
ctl stop storescand.service
ctl start storescand.service 2>/dev/null && fail 'started with a mistake in its configuration'
wait_until 20 is_failed || fail "it is $(ctl is-active storescand.service), not failed"
expect_equal "$(show ExecMainStatus)" 78 'exit status'
restarts=$(show NRestarts)
in_container journalctl --no-pager -b -u storescand.service >"$WORK/journal"
grep -q '50-mistake.conf:2: .*on_infected' "$WORK/journal" ||
    fail 'the mistake is not in the journal'
sleep 1
expect_equal "$(show NRestarts)" "$restarts" 'restarts'
is_failed || fail 'it did not stay failed'
in_container rm /etc/storescan/conf.d/50-mistake.conf
ctl start storescand.service

say 'the quarantine: cleaned, and owners told'
# Into the store only its owner may look, and storescan by its capability.
in_container bash -c 'chmod 0700 /srv/mail && chown 1:1 /srv/mail'
make_item 1 40
old=$ID
make_item 2 1
in_container install -d -o storescan -g storescan -m 0700 /var/lib/storescan/quarantine /var/spool/sent
for file in "$QUARANTINE"/*; do
    in_container bash -c 'cat >"$1"' cat "/var/lib/storescan/quarantine/${file##*/}" <"$file"
done
in_container chown -R storescan: /var/lib/storescan/quarantine
in_container bash -c 'cat >/usr/local/bin/sendmail && chmod 0755 /usr/local/bin/sendmail' <<'END'
#!/bin/sh
echo "$@" >/var/spool/sent/arguments
grep CapAmb /proc/self/status >/var/spool/sent/capabilities
cat >/var/spool/sent/mail
END
in_container bash -c 'cat >/etc/storescan/conf.d/60-quarantine.conf' <<'END'
[quarantine]
keep = 30d
notify = yes
sendmail = /usr/local/bin/sendmail
END
ctl start storescan-quarantine.service || fail "not cleaned: $(in_container journalctl -u storescan-quarantine)"
in_container bash -c '[[ ! -e $1.meta && ! -e $1.item && -e $2.meta && -e $2.item ]]' test \
    "/var/lib/storescan/quarantine/$old" "/var/lib/storescan/quarantine/$ID" || fail 'not cleaned right'
ctl start storescan-notify.service || fail "not told: $(in_container journalctl -u storescan-notify)"
expect_equal "$(in_container cat /var/spool/sent/arguments)" '-i -- root' 'arguments of sendmail'
in_container grep -q "Id *$ID" /var/spool/sent/mail || fail 'the mail does not name the item'
expect_equal "$(in_container awk '{ print $2 }' /var/spool/sent/capabilities)" 0000000000000000 \
    'capabilities that sendmail inherits'
ctl start storescan-quarantine.timer storescan-notify.timer || fail 'the timers do not start'
for timer in quarantine notify; do
    [[ $(ctl show --value -p NextElapseUSecRealtime "storescan-$timer.timer") != '' ]] ||
        fail "storescan-$timer.timer has no next time"
done

say 'what is infected is replaced, by a process that can do that and no more'
in_container bash -c 'printf "[store mail]\non_infected = replace\n" >/etc/storescan/conf.d/65-replace.conf'
ctl restart storescand.service
read_inside /srv/mail/user/cur/virus || fail 'the notice can not be read'
remedy=$(in_container bash -c 'for exe in /proc/[0-9]*/exe; do
    [[ $(readlink $exe) != */storescan-remedy ]] || { exe=${exe#/proc/}; echo ${exe%/exe}; }; done')
expect_equal "$(status_of "$remedy" Uid)" "$(user storescan)" 'user of storescan-remedy'
for set in CapEff CapPrm; do
    # dac_override 1, fowner 3
    expect_equal "$(status_of "$remedy" "$set")" 000000000000000a 'capabilities of storescan-remedy'
done
for set in CapInh CapAmb; do
    expect_equal "$(status_of "$remedy" "$set")" 0000000000000000 'capabilities that it hands on'
done
expect_equal "$(status_of "$remedy" NoNewPrivs)" 1 'no new privileges of storescan-remedy'
expect_equal "$(status_of "$remedy" Seccomp_filters)" "$(($(status_of "$(gate)" Seccomp_filters) + 1))" \
    'filters of storescan-remedy'
expect_equal "$(status_of "$(gate)" CapEff)" "$caps" 'capabilities of storescand'
replaced=$(in_container bash -c 'basename "$(grep -l "^state: replaced" \
    $(grep -l "^path: /srv/mail/user/cur/virus$" /var/lib/storescan/quarantine/*.meta))" .meta')
! cmp -s "$WORK/store/user/cur/virus" "$WORK/infected" || fail 'it was not replaced'
in_container cat "/var/lib/storescan/quarantine/$replaced.item" | cmp - "$WORK/infected" ||
    fail 'the original is not in quarantine'
[[ $(in_container storescanctl quarantine release "$replaced") == *'allowed, and put back'* ]] || fail 'not put back'
wait_until 20 in_container cmp /srv/mail/user/cur/virus "/var/lib/storescan/quarantine/$replaced.item" ||
    fail 'the original can not be read'
in_container rm /etc/storescan/conf.d/65-replace.conf
in_container storescanctl allow remove \
    "$(in_container sed -n 's/^content: //p' "/var/lib/storescan/quarantine/$replaced.meta")" >/dev/null

test_hub() {
    local port pid worker workers=0
    port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
    ask_hub() { "$SOURCE/tests/system/milter-client" "$port" <"$1"; }

    say 'the hub: its key is a credential, and it has no privilege'
    in_container storescanctl key generate hub1
    ctl restart storescand.service # it reads keys at its start
    in_container bash -c 'printf "[hub]\nsocket = inet:127.0.0.1:%d\nkey = hub1\n" "$1" >/etc/storescan/conf.d/70-hub.conf' \
        hub "$port"
    in_container bash -c 'mkdir -p /etc/systemd/system/storescan-hub.service.d &&
        printf "[Service]\nLoadCredential=storescan-key.hub1:/etc/storescan/keys/hub1\n" \
            >/etc/systemd/system/storescan-hub.service.d/key.conf'
    ctl daemon-reload
    ctl enable --now storescan-hub.service 2>/dev/null ||
        fail "the hub does not start: $(in_container journalctl --no-pager -b -n 20 -u storescan-hub.service)"
    expect_equal "$(show StatusText storescan-hub)" 'Scanning mail.' 'status text of the hub'
    pid=$(main_pid storescan-hub)
    for worker in "$pid" $(in_container bash -c 'for exe in /proc/[0-9]*/exe; do
        [[ $(readlink $exe) != */storescan-worker ]] || { exe=${exe#/proc/}; echo ${exe%/exe}; }; done'); do
        [[ $(status_of "$worker" Uid) == "$(user storescan-hub)" ]] || continue
        ((workers += 1))
        expect_equal "$(status_of "$worker" CapPrm)" 0000000000000000 'capabilities of the hub'
        expect_equal "$(status_of "$worker" CapBnd)" 0000000000000000 'bounding set of the hub'
        expect_equal "$(status_of "$worker" NoNewPrivs)" 1 'no new privileges of the hub'
        expect_equal "$(status_of "$worker" Seccomp)" 2 'seccomp of the hub'
    done
    ((workers >= 4)) || fail "$workers processes of the hub, with its loader there should be four"

    say 'the hub: mail is stamped, or rejected; killed, it is up again'
    make_mail "$WORK/clean" clean
    ask_hub "$WORK/clean" >"$WORK/answer"
    grep -q '^X-Storescan-Stamp: v=1; .* k=hub1;' "$WORK/answer" || fail "no stamp: $(<"$WORK/answer")"
    expect_equal "$(tail -n 1 "$WORK/answer")" accepted 'answer to clean mail'
    # The store there believes it.
    { head -n -1 "$WORK/answer" && cat "$WORK/clean"; } | in_container tee /srv/mail/user/cur/stamped >/dev/null
    read_inside /srv/mail/user/cur/stamped
    expect_stamp "$WORK/store/user/cur/stamped" ch
    [[ $(ask_hub "$WORK/virus") == '550 5.7.1 Message rejected: infected with '* ]] || fail 'a virus was not rejected'
    in_container journalctl --sync
    explained=$(in_container journalctl --no-pager -b -x STORESCAN_EVENT=hub-infected)
    grep -q 'Infected mail in transit' <<<"$explained" || fail 'no catalog text of the rejected mail'
    ! in_container journalctl --no-pager -b -u storescan-hub.service | grep 'milter claimed' >&2 ||
        fail 'libmilter complains of the hub'
    ctl kill --signal=SIGKILL --kill-whom=main storescan-hub.service
    hub_restarted() { [[ $(main_pid storescan-hub) != 0 && $(main_pid storescan-hub) != "$pid" ]] && is_active storescan-hub; }
    wait_until 30 hub_restarted || fail 'the hub was not started again'
    expect_equal "$(ask_hub "$WORK/clean" | tail -n 1)" accepted 'answer after a restart'

    say 'the hub: mistakes are refused once; stopped, nothing is left'
    in_container sed -i 's/^key = .*/key = nobody/' /etc/storescan/conf.d/70-hub.conf
    ctl restart storescan-hub.service 2>/dev/null && fail 'the hub started without its key'
    wait_until 20 is_failed storescan-hub || fail "the hub is $(ctl is-active storescan-hub.service), not failed"
    expect_equal "$(show ExecMainStatus storescan-hub)" 78 'exit status of the hub'
    in_container sed -i 's/^key = .*/key = hub1/' /etc/storescan/conf.d/70-hub.conf
    ctl start storescan-hub.service
    ctl stop storescan-hub.service
    expect_equal "$(show Result storescan-hub)" success 'result of the hub'
    [[ -z $(in_container bash -c 'ls /run/storescan-hub 2>/dev/null') ]] || fail '/run/storescan-hub was left behind'
}
if [[ -x $HUB ]]; then test_hub; fi

say 'the self-test, in a store that only its owner may look into; the doctor'
# shellcheck disable=SC2317 # called by wait_until
all_hooked() {
    in_container storescanctl --json status >"$WORK/status" || return
    [[ $(jq -r '[.hooks[] | select(.hooked == "yes") | .store] | sort | join(" ")' "$WORK/status") == 'mail memory' ]]
}
wait_until 30 all_hooked || fail "not hooked: $(jq -c .hooks "$WORK/status")"
status=0
in_container storescanctl --json doctor >"$WORK/doctor" || status=$?
expect_equal "$(jq -r 'select(.result != "ok") | .check' "$WORK/doctor" | sort | tr '\n' ' ')" 'database ' \
    "what the doctor finds: $(jq -c 'select(.result != "ok")' "$WORK/doctor")"
expect_equal "$status" 1 'status of the doctor'
expect_equal "$(jq -r .check "$WORK/doctor" | sort -u | tr '\n' ' ')" \
    'config database hooked kernel keys others running store unit ' 'what the doctor looks at'

say 'a mount unit that is stopped: its store is let go before; started, it is guarded before mail is served'
cat >"$WORK/root/etc/systemd/system/storescan-memory.service" <<END
[Unit]
Wants=storescand.service
RequiresMountsFor=/srv/memory
After=storescand.service

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=storescanctl store attach memory
ExecStop=-storescanctl store detach memory
END
ctl daemon-reload
ctl start storescan-memory.service || fail 'the store is not attached'
in_container mkdir -p /srv/memory/user/cur
in_container bash -c 'cat >/srv/memory/user/cur/mail' <"$WORK/store/user/cur/mail"
for _ in 1 2 3 4; do read_inside /srv/memory/user/cur/mail; done
ctl stop srv-memory.mount || fail 'the store is busy'
expect_equal "$(ctl is-active srv-memory.mount storescan-memory.service | sort -u)" inactive 'units of the store'
ctl start storescan-memory.service || fail 'the store is not attached'
expect_equal "$(ctl is-active srv-memory.mount)" active 'mount of the store'
in_container journalctl --sync
expect_equal "$(in_container journalctl --no-pager -b -o json STORESCAN_STORE=memory STORESCAN_EVENT=store-detached |
    wc -l)" 1 'times that the store was detached'

say 'stopped: nothing is left, the stores are open'
denied_inside /srv/mail/user/cur/virus
ctl stop storescand.service
expect_equal "$(show Result)" success 'result'
expect_equal "$(show ExecMainStatus)" 0 'exit status'
read_inside /srv/mail/user/cur/virus
[[ ! $(ctl show --value -p TasksCurrent storescand.service) =~ ^[1-9][0-9]*$ ]] ||
    fail 'processes were left behind'
[[ -z $(in_container bash -c 'ls /run/storescan 2>/dev/null') ]] || fail '/run/storescan was left behind'

say 'the container ends'
end_container
wait_until 20 umount "$WORK/store" || fail 'the store is still busy'
