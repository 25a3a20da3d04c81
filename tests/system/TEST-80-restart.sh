#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# storescand ends in every way it can, under readers of infected and clean mail, and nothing gets by: the
# service manager keeps the marks and the openers. Only "systemctl stop" opens the stores.

source "$(dirname "$0")/../lib.sh"
setup
source "$(dirname "$0")/../container.sh"
ROUNDS=${ROUNDS:-12}
VICTIMS=${VICTIMS:-gate}
# On an idle machine 150 is what is aimed at; others may be at work here.
TARGET_MS=${TARGET_MS:-$((3000 * PATIENCE))}

explain_failure() {
    [[ ! -s $WORK/console ]] || tail -n 5 "$WORK/console"
    [[ -z $LEADER ]] || in_container journalctl --no-pager -b -u storescand -n 400 -o short-precise |
        grep -v 'Denied open of' | tail -n 60 | cut -c 1-300
}

# A store whose file system is marked, and one whose folders are.
make_store() {
    local kind n
    for kind in clean infected; do
        make_maildir "$1/$kind"
        for n in 0 1 2 3; do
            { echo "X-Number: $n"; cat "$WORK/mail/$kind"; } >"$1/$kind/cur/fixed-$n"
        done
    done
}

make_rootfs
mkdir "$WORK/mail"
make_mail "$WORK/mail/clean" clean -s 20000
make_mail "$WORK/mail/infected" eicar-base64
make_fs store ext4
make_fs other ext4
make_store "$WORK/store"
make_store "$WORK/other/mail"
make_fs box ext4
for seed in 1 2 3; do
    printf 'From sender@example.org Thu Nov 26 10:00:00 2026\n'
    "$MAKE_MAIL" clean --seed "$seed"
    echo
done >"$WORK/box/inbox"
cp "$WORK/box/inbox" "$WORK/mail/inbox"
mkdir "$WORK/box/locked"
{ head -n 1 "$WORK/box/inbox"; "$MAKE_MAIL" eicar-text; } >"$WORK/mail/sick"
cp "$WORK/mail/sick" "$WORK/box/locked/inbox"
install_storescan
install -d "$WORK/root/srv/"{mail,other,box}
cat >"$WORK/root/etc/storescan/storescan.conf" <<END
[scanner]
database = /srv/signatures
workers = 2
[store mail]
path = /srv/mail
on_infected = block
[store box]
path = /srv/box
format = mbox
[store locked]
path = /srv/box/locked
format = mbox
scan_timeout = 8s
[store folders]
path = /srv/other/mail
on_infected = block
[store layered]
path = /srv/layered
on_infected = block
END
make_maildir "$WORK/root/srv/layered"
cp "$WORK/mail/infected" "$WORK/root/srv/layered/cur/infected"
# With a store whose infected mail is replaced there is a storescan-remedy to be killed.
if [[ -n ${REMEDY:-} ]]; then
    make_maildir "$WORK/other/replaced"
    printf '[store replaced]\npath = /srv/other/replaced\n' >>"$WORK/root/etc/storescan/storescan.conf"
fi
# With more mail than a slow sweep gets through there is a storescan-sweep to be killed.
if [[ ,$VICTIMS, == *,sweep,* ]]; then
    printf '[sweep]\nschedule = boot\nrate = 5\nmax_pressure = 0\nmax_load = 0\n' \
        >>"$WORK/root/etc/storescan/storescan.conf"
    for folder in "$WORK/store" "$WORK/other/mail"; do
        make_maildir "$folder/swept"
        for ((n = 0; n < 2000; n++)); do printf 'Subject: %d\n\n%d\n' "$n" "$n" >"$folder/swept/cur/$n"; done
    done
fi
boot --bind="$WORK/store:/srv/mail" --bind="$WORK/other:/srv/other" --bind="$WORK/box:/srv/box"
is_active() { [[ $(ctl is-active storescand.service) == active ]]; }
wait_until 60 is_active || fail "storescand.service is $(ctl is-active storescand.service)"

# in_log PATTERN: in the journal of this boot.
in_log() {
    in_container journalctl --sync
    in_container journalctl --no-pager -b -u storescand -o cat >"$WORK/journal"
    grep -q -- "$1" "$WORK/journal"
}
rounds() { "$SOURCE/tests/system/kill-rounds" "$LEADER" --logs "$WORK/mail" "$@"; }

expect_equal "$(show NFileDescriptorStore)" 5 'fds that are kept'
in_log 'one mark on the file system of /srv/mail' || fail 'the store is not marked as a file system'
in_log 'folders marked from /srv/other/mail' || fail 'the folders of the other store are not marked'

say "killed: $ROUNDS rounds, a file system"
rounds "$WORK/store" --rounds "$ROUNDS" --victims "$VICTIMS" --target-ms "$TARGET_MS"
in_log 'were taken over' || fail 'the log does not tell that anything was taken over'
# Who died had not read what it did not know: only a kill in the middle of read(2), or of its events, costs some.
refused=$(awk '/opens that the storescand before left without an answer/ { n += $1 } END { print n + 0 }' "$WORK/journal")
echo "   $refused opens were refused, since of which files is not known"
((refused < ROUNDS)) || fail 'kills cost opens'
# It does so where three in a row did not live to be ready, as on a machine that is busy.
restarts=$(show NRestarts)
((restarts <= ROUNDS / 4)) || fail "the service manager started it $restarts times"
grep -q 'storescan-keeper: storescand was ended by SIGKILL; it is started again' "$WORK/journal" ||
    fail 'the log does not tell that it was started again'

say "its keeper killed: $((ROUNDS / 2)) rounds: the service manager does what the keeper does, and has a sandbox to make"
rounds "$WORK/store" --rounds "$((ROUNDS / 2))" --victims keeper --target-ms "$TARGET_MS"
(($(show NRestarts) >= restarts + ROUNDS / 2)) || fail "the service manager started it $(show NRestarts) times"

say "killed: $((ROUNDS / 2)) rounds, folders"
rounds "$WORK/other/mail" --rounds "$((ROUNDS / 2))" --victims "$VICTIMS" --target-ms "$TARGET_MS"

say 'killed while a mailbox is read: its reader gets it'
GATE=$(gate_pid)
for loader in $(children "$GATE"); do
    for worker in $(children "$loader"); do kill -STOP "$worker"; done
done
# A new one, of which no sweep knows anything.
cp "$WORK/mail/inbox" "$WORK/box/inbox.new"
mv "$WORK/box/inbox.new" "$WORK/box/inbox"
cat "$WORK/box/inbox" >"$WORK/mail/got" &
READER=$!
PIDS+=("$READER")
wait_until 20 waits_at_gate "$READER" || fail 'the reader does not wait'
kill -KILL "$GATE"
wait_until 20 test ! -e "/proc/$READER" || fail 'the reader waits for ever'
wait "$READER" || fail 'the reader was refused, or left waiting'
cmp "$WORK/mail/got" "$WORK/mail/inbox" || fail 'it is not as it was'

say 'killed while an infected message can not be replaced: its reader waits no longer for that'
# Of somebody who has it locked all the time.
echo 1:nobody >"$WORK/box/locked/inbox.lock"
# Where a sweep has been there, the virus is gone.
cp "$WORK/mail/sick" "$WORK/box/locked/inbox.new"
mv "$WORK/box/locked/inbox.new" "$WORK/box/locked/inbox"
wait_until 60 has_another_gate "$GATE" || fail 'it did not come back'
GATE=$(gate_pid)
began=$EPOCHREALTIME
# By the path that storescand knows, without which it is blocked at once.
nsenter --target "$LEADER" --mount -- cat /srv/box/locked/inbox >"$WORK/mail/got" 2>&1 &
READER=$!
PIDS+=("$READER")
sleep 6
[[ -e /proc/$READER ]] || fail "the reader has what nobody judged: $(<"$WORK/mail/got")"
wait_until 2 waits_at_gate "$READER" || fail 'the reader does not wait for the lock'
kill -KILL "$GATE"
wait_until 20 test ! -e "/proc/$READER" || fail 'the reader waits for ever'
! wait "$READER" || fail 'the reader was not refused'
waited=$(((${EPOCHREALTIME/./} - ${began/./}) / 1000))
echo "   it waited for $waited ms"
((waited < 13900)) || fail 'the kill gave it another 8 s'
rm "$WORK/box/locked/inbox.lock"

say 'systemctl restart'
rounds "$WORK/store" --rounds 3 --command "nsenter -t $LEADER -a systemctl restart storescand.service"

say 'the watchdog: storescand hangs, or its keeper'
in_container mkdir -p /run/systemd/system/storescand.service.d
in_container bash -c 'printf "[Service]\nWatchdogSec=3\n" >/run/systemd/system/storescand.service.d/test.conf'
ctl daemon-reload
ctl restart storescand.service
printf '#!/bin/bash\nkill -STOP "$1"\n' >"$WORK/stop"
chmod +x "$WORK/stop"
wait_until 20 is_guarding || fail "status text is $(show StatusText)"
rounds "$WORK/store" --rounds 1 --command "$WORK/stop $(gate_pid)"
wait_until 20 is_guarding || fail "status text is $(show StatusText)"
rounds "$WORK/store" --rounds 1 \
    --command "nsenter -t $LEADER -a systemctl kill --signal=SIGSTOP --kill-whom=all storescand.service"
in_log 'atchdog timeout' || fail 'the watchdog did not act'
expect_equal "$(grep -c 'atchdog timeout' "$WORK/journal")" 2 'times that the watchdog acted'

say 'the service manager executes itself anew'
ctl daemon-reexec
wait_until 20 has_booted || fail 'the service manager did not come back'
expect_equal "$(show NFileDescriptorStore)" 5 'fds that are kept, after daemon-reexec'
rounds "$WORK/store" --rounds 1

say 'killed, and its table is of another version: what it says is not believed'
cat >"$WORK/mail/corrupt" <<'END'
#!/bin/bash
main=$(systemctl show --value -p MainPID storescand.service)
for pid in $(cat "/proc/$main/task/$main/children"); do
    [[ $(<"/proc/$pid/comm") != storescand ]] || break
done
for fd in /proc/"$pid"/fd/*; do
    [[ $(readlink "$fd") != /memfd:storescan-orphans* ]] || table=$fd
done
printf '\377' | dd of="$table" bs=1 seek=16 conv=notrunc status=none && kill -KILL "$pid"
END
chmod +x "$WORK/mail/corrupt"
cp "$WORK/mail/corrupt" "$WORK/root/usr/local/bin/corrupt"
rounds "$WORK/store" --rounds 1 --command "nsenter -t $LEADER -a corrupt"
expect_equal "$(show NFileDescriptorStore)" 5 'fds that are kept, with a new table'
in_container journalctl --sync
in_container journalctl --no-pager -b -u storescand -o cat STORESCAN_EVENT=taken-over | tail -n 1 >"$WORK/journal"
grep -q ' 0 are judged again' "$WORK/journal" || fail "a table of another version was believed: $(<"$WORK/journal")"

say 'restarted with mistakes in the configuration: what ran goes on, and says so'
CONFD=$WORK/root/etc/storescan/conf.d
log_of() { # what the running process has logged
    in_container journalctl --sync
    in_container journalctl --no-pager -b -u storescand -o cat "_PID=$(gate)" >"$WORK/journal"
}
its_log_has() { log_of && grep -q -- "$1" "$WORK/journal"; }
expect_guarded() {
    # It answers before it says that it is up.
    wait_until 20 is_guarding || fail "storescand.service is $(ctl is-active storescand.service)"
    expect_equal "$(show NFileDescriptorStore)" 5 'fds that are kept'
    expect_denied "$WORK/store/infected/cur/fixed-0" "$WORK/other/mail/infected/cur/fixed-0"
    read_file "$WORK/store/clean/cur/fixed-0" >/dev/null || fail 'clean mail can not be read'
    cmp "$WORK/box/inbox" "$WORK/mail/inbox" || fail 'the mailbox can not be read'
}
printf '[store mail]\non_infected = perhaps\n' >"$CONFD/50-mistake.conf"
rounds "$WORK/store" --rounds 1 --command "nsenter -t $LEADER -a systemctl restart storescand.service"
expect_guarded
its_log_has 'the one that ran before this restart goes on: .*50-mistake.conf:2: .*on_infected' ||
    fail "the log does not tell of the mistake: $(<"$WORK/journal")"
[[ $(show StatusText) == *'The configuration on disk has mistakes'* ]] || fail "status text is $(show StatusText)"
status_says() { [[ $(in_container storescanctl status || true) == *"$1"* ]]; }
status_says 'the configuration on disk was refused' || fail 'status says nothing of the mistake'
# As often as it is killed.
kill -KILL "$(gate_pid)"
wait_until 20 status_says 'the configuration on disk was refused' || fail 'it did not come back'
expect_guarded
rm "$CONFD/50-mistake.conf"
ctl reload storescand.service
corrected() { [[ $(show StatusText) != *mistakes* ]]; }
wait_until 20 corrected || fail "status text is $(show StatusText)"

say 'restarted with what can not be started with: the same'
printf '[scanner]\nuser = nosuchuser\n' >"$CONFD/50-mistake.conf"
ctl restart storescand.service || true
wait_until 20 is_active || fail 'it was given up'
expect_guarded
its_log_has 'could not start by it' || fail 'the log does not tell that it could not start'
rm "$CONFD/50-mistake.conf"
ctl restart storescand.service
expect_guarded
corrected || fail "status text is $(show StatusText)"

say 'killed, and the signatures are gone: stamps are believed, what needs a scan waits'
cp "$WORK/mail/clean" "$WORK/store/clean/new/unscanned"
in_container bash -c 'mkdir /srv/away && mv /srv/signatures/* /srv/away/'
kill -KILL "$(gate_pid)"
without_engine() { [[ $(show StatusText) == *'There is no engine'* ]]; }
wait_until 20 without_engine || fail "status text is $(show StatusText)"
timeout 10 cat "$WORK/store/clean/cur/fixed-0" >/dev/null || fail 'stamped mail can not be read without an engine'
expect_denied "$WORK/store/infected/cur/fixed-1"
cat "$WORK/store/clean/new/unscanned" >"$WORK/mail/got" &
READER=$!
PIDS+=("$READER")
wait_until 20 waits_at_gate "$READER" || fail 'the reader of new mail does not wait'
in_container bash -c 'mv /srv/away/* /srv/signatures/'
wait_until 30 test ! -e "/proc/$READER" || fail 'the reader of new mail waits for ever'
wait "$READER" || fail 'the reader of new mail was refused'
cmp "$WORK/mail/got" "$WORK/mail/clean" || fail 'new mail is not as it was'
with_engine() { [[ $(show StatusText) == Guarding* && $(show StatusText) != *engine* ]]; }
wait_until 20 with_engine || fail "status text is $(show StatusText)"

say 'a store that is detached stays so'
in_container storescanctl store detach mail
kill -KILL "$(gate_pid)"
wait_until 20 status_says "store 'mail' is detached" || fail "it is attached: $(in_container storescanctl status)"
expect_guarded
in_container storescanctl store attach mail
ctl restart storescand.service
wait_until 20 status_says 'guards its stores' || fail "no status: $(in_container storescanctl status)"
! status_says 'is detached' || fail 'a store that was attached is detached again'

say 'mail services that are to stop with it do so when it is stopped on purpose, and not when it is killed'
in_container mkdir -p /etc/systemd/system/storescand.service.d
in_container cp /usr/share/storescan/stop-mail.conf /etc/systemd/system/storescand.service.d/
# It reads infected mail as its last act: the stores are still guarded then.
in_container bash -c 'cat >/etc/systemd/system/dovecot.service' <<'END'
[Service]
ExecStart=/bin/sleep infinity
ExecStop=/bin/sh -c 'cat /srv/mail/infected/cur/fixed-0 >/run/read-at-end; echo end >>/run/read-at-end'
END
ctl daemon-reload
ctl start dovecot.service
serves() { [[ $(ctl is-active dovecot.service) == active ]]; }
rounds "$WORK/store" --rounds 1
serves || fail 'mail services were stopped by a kill'
ctl restart storescand.service
serves || fail 'mail services were stopped by a restart'
ctl kill --signal=TERM --kill-whom=main storescand.service
wait_until 20 status_says 'guards its stores' || fail 'it did not come back'
serves || fail 'mail services were stopped by a signal'

say 'restarted with another configuration: marks of a store that is gone are taken off, others stay'
# marks KIND: what the kernel tells of the group's marks of that kind.
marks() {
    in_container bash -c 'for fd in /proc/"$1"/fdinfo/*; do grep "^fanotify .*sdev:.* mask:8*0*10000 " "$fd"; done; true' \
        marks "$(gate)" >"$WORK/marks"
    grep -c "$1" "$WORK/marks" || true
}
before=$(marks ' ino:')
((before >= 13)) || fail "$before marks of folders"
expect_denied "$WORK/root/srv/layered/cur/infected"
sed -i '/^\[store folders\]/,$d' "$WORK/root/etc/storescan/storescan.conf"
ctl restart storescand.service
gone=$((9 + ${REMEDY:+4+}0))
[[ ,$VICTIMS, != *,sweep,* ]] || gone=$((gone + 4))
wait_until 20 in_log "$gone marks of the storescand before were taken off" || fail 'no marks were taken off'
no_marks() { [[ $(marks ' ino:') == 0 ]]; }
wait_until 20 no_marks || fail "there are still marks on folders: $(<"$WORK/marks")"
read_file "$WORK/other/mail/infected/cur/fixed-0" >/dev/null || fail 'the store that is gone is still guarded'
in_container cat /srv/layered/cur/infected >/dev/null || fail 'the store on overlayfs that is gone is still guarded'
expect_denied "$WORK/store/infected/cur/fixed-0"

say 'stopped: the stores are open, and the log says so'
ctl stop storescand.service
expect_equal "$(show NFileDescriptorStore)" 0 'fds that are kept, after a stop'
read_file "$WORK/store/infected/cur/fixed-0" >/dev/null || fail 'the store is not open'
in_log 'After systemctl stop the stores are open' || fail 'the log does not tell of it'
! serves || fail 'mail services go on'
expect_equal "$(in_container cat /run/read-at-end)" end 'what a mail service could read while it was stopped'

say 'the container ends'
end_container
wait_until 20 umount "$WORK/store" || fail 'the store is still busy'
