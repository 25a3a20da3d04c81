#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A crowd of openers, all of whom wait at once: nobody is forgotten, nobody gets a virus, none is let in or
# denied for want of descriptors, whose number is far smaller; and afterwards nothing is left of them.
#
#   OPENERS  so many (tests/faults --openers)

source "$(dirname "$0")/../lib.sh"
setup
source "$(dirname "$0")/../crowd.sh"
need_program prlimit
GATE_CONF="hot_files = 0" # each of which holds a descriptor
OPENERS=${OPENERS:-4000}
DESCRIPTORS=2000
FILES=200 # a tenth of them infected
make_fs store ext4
make_maildir "$WORK/store/user"
CUR=$WORK/store/user/cur
for ((n = 0; n < FILES; n++)); do
    if ((n % 10 == 0)); then echo "INFECTED $n" >"$CUR/virus-$n"; else echo "clean $n" >"$CUR/clean-$n"; fi
done
cp "$BUILD/tests/system/fake-worker" "$WORK/fake-worker"
chmod 0755 "$WORK/fake-worker"
SCANNER_CONF+="
scan_timeout = 10min
worker_timeout = 11min"
add_store store "$WORK/store"

make_room "$OPENERS"

fds() { find "/proc/$DAEMON_PID/fd" -mindepth 1 | wc -l; }
few_fds() { (($(fds) <= FDS + 4)); }
seen() { tr ' ' '\n' <"$WORK/seen" | sed -n "s/^$1=//p"; }

# come [WHAT-MEANWHILE]: all of them; that is done when all have asked.
come() {
    crowd_comes "$CUR" "$OPENERS"
    "${@:-true}"
    crowd_goes
    printf '   saw: %s\n' "$(tail -n 1 "$WORK/seen")"
    expect_equal "$(seen infected_read)" 0 'infected content that could be read'
    expect_equal "$(seen infected_refused)" $((OPENERS / 10)) 'infected content that was refused'
    expect_equal "$(seen clean_read)" $((OPENERS - OPENERS / 10)) 'clean content that could be read'
    expect_equal "$(counter lost)" 0 'opens that the kernel denied for want of descriptors'
}
# All of them ask before anybody is answered.
go_on() {
    wait_until 60 counter_reaches events $((DESCRIPTORS / 4)) || fail 'they do not wait'
    expect_equal "$(counter scans)" 0 'scans by workers that stand still'
    ! grep -q 'seen\|openers=' "$WORK/seen" || fail 'the crowd was let in'
    free_workers
}

say "$OPENERS openers of $FILES files of which nothing is known, with $DESCRIPTORS descriptors"
start_storescand prlimit --nofile=$DESCRIPTORS:$DESCRIPTORS env STORESCAN_WORKER="$WORK/fake-worker"
wait_until 20 workers_are 3 || fail 'there are not three workers'
FDS=$(fds)
hold_workers
come go_on
(($(counter pressure) > 0)) || fail 'there was no pressure, so nothing was tested'
# The kernel wakes all who wait with each write of answers; with one write a verdict that was 80 times each.
((PATIENCE > 1 || OPENERS > 4000 || $(seen sleeps) < OPENERS * 40)) || fail "$(seen sleeps) times somebody was woken in vain"

say "$OPENERS openers of files that are stamped"
before=$(counter scans)
come
(($(counter scans) - before <= 5)) || fail 'stamped mail was scanned again'

say "$OPENERS openers while their workers are killed"
stop_storescand
for file in "$CUR"/*; do setfattr -x trusted.avstamp "$file" 2>/dev/null || true; done
rm -rf "$WORK/verdicts"
start_storescand prlimit --nofile=$DESCRIPTORS:$DESCRIPTORS env STORESCAN_WORKER="$WORK/fake-worker"
wait_until 20 workers_are 3 || fail 'there are not three workers'
kill_workers() { for pid in $(worker_pids); do kill -KILL "$pid"; done; }
hold_workers
come kill_workers
wait_until 20 few_fds || fail "$(fds) descriptors are open, $FDS before"

say "stopped while $OPENERS openers wait, most of them unseen: none gets a virus, and a mail server its index"
for file in "$CUR"/*; do setfattr -x trusted.avstamp "$file" 2>/dev/null || true; done
stop_storescand
rm -rf "$WORK/verdicts"
echo index >"$WORK/store/user/dovecot.index"
start_storescand prlimit --nofile=$DESCRIPTORS:$DESCRIPTORS env STORESCAN_WORKER="$WORK/fake-worker"
wait_until 20 workers_are 3 || fail 'there are not three workers'
hold_workers
crowd_comes "$CUR" "$OPENERS"
all_wait() {
    local pid
    for pid in $(children "$CROWD_PID"); do cat "/proc/$pid/task/"*/wchan | sed 's/fanotify_handle_event/&\n/g'; done |
        grep -c fanotify_handle_event >"$WORK/waiting"
    (($(<"$WORK/waiting") == OPENERS))
}
wait_until 60 all_wait || fail "of the crowd only $(<"$WORK/waiting") wait"
(($(counter events) < OPENERS)) || fail 'all were seen, so nothing is tested'
cat "$WORK/store/user/dovecot.index" >"$WORK/got" 2>&1 &
SERVER=$!
PIDS+=("$SERVER")
wait_until 20 waits_at_gate "$SERVER" || fail 'an open behind the crowd does not wait'
stop_storescand
wait "$SERVER" || fail "a mail server was denied its index: $(<"$WORK/got")"
crowd_goes
expect_equal "$(seen infected_read)" 0 'infected content that could be read'
