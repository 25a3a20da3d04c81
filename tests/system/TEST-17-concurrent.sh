#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Many readers of one message: one scan, and one answer for all.

source "$(dirname "$0")/../lib.sh"
setup
make_fs store ext4 128M
root=$WORK/store
make_maildir "$root/user"
add_store store "$root"
make_maildir "$root/lax/user"
add_store lax "$root/lax" on_infected=detect
# A scan that takes so long that all readers come while it runs.
make_mail "$root/user/cur/mail" clean -s 900000
make_mail "$root/user/cur/virus" eicar-nested -s 900000
make_mail "$root/user/cur/large" clean -s 4000000
make_mail "$root/user/cur/link-to-be" clean --seed 9 -s 900000
ln "$root/user/cur/link-to-be" "$root/user/new/other-name"

# together N PATTERN FILE...: N readers of each file at once; counts their exit statuses.
together() {
    python3 - "$@" <<'END'
import os, sys
n, files = int(sys.argv[1]), sys.argv[2:]
gate_r, gate_w = os.pipe()
pids = []
for k in range(n):
    pid = os.fork()
    if pid == 0:
        os.close(gate_w)
        os.read(gate_r, 1)
        try:
            os.close(os.open(files[k % len(files)], os.O_RDONLY))
        except PermissionError:
            os._exit(1)
        os._exit(0)
    pids.append(pid)
os.close(gate_r)
os.close(gate_w)
results = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids]
print(results.count(0), results.count(1))
END
}

cp "$BUILD/tests/system/fake-worker" "$WORK/fake-worker"
chmod 0755 "$WORK/fake-worker"
printf 'clean\n' >"$root/user/cur/slow"
ln "$root/user/cur/slow" "$root/user/new/slow-too"
{ printf 'large\n'; head -c 3000000 /dev/zero; } >"$root/user/cur/slow-large"

# together_for_one_scan FILE...: 64 readers of a content that is scanned when all of them are there, on any machine.
together_for_one_scan() {
    local joined crowd
    joined=$(counter joined)
    hold_workers
    together 64 "$@" >"$WORK/together" &
    crowd=$!
    PIDS+=("$crowd")
    wait_until 30 counter_reaches joined $((joined + 63)) || fail "only $(counter joined) readers joined"
    free_workers
    wait "$crowd"
    expect_equal "$(<"$WORK/together")" '64 0' 'readers'
    expect_equal "$(counter joined)" $((joined + 63)) 'readers that joined the scan'
}

say '64 readers of one file, by two names: exactly one scan'
start_storescand env STORESCAN_WORKER="$WORK/fake-worker"
wait_until 20 workers_are 3 || fail 'there are not three workers'
together_for_one_scan "$root/user/cur/slow" "$root/user/new/slow-too"
expect_equal "$(counter scans)" 1 'scans'

say '64 readers of a file that is handed over as a descriptor'
together_for_one_scan "$root/user/cur/slow-large"
expect_equal "$(counter scans)" 2 'scans'

say 'readers of one file by the names of two stores: each is told what its own store does'
printf 'INFECTED\n' >"$root/lax/user/cur/two"
ln "$root/lax/user/cur/two" "$root/user/cur/two"
hold_workers
scans=$(counter scans)
cat "$root/lax/user/cur/two" >"$WORK/got" &
READER=$!
PIDS+=("$READER")
wait_until 20 waits_at_gate "$READER" || fail 'the reader of the store that detects does not wait'
cat "$root/user/cur/two" >"$WORK/served" 2>/dev/null &
STRICT=$!
PIDS+=("$STRICT")
wait_until 20 waits_at_gate "$STRICT" || fail 'the reader of the store that blocks does not wait'
free_workers
wait "$READER" || fail 'the store that detects denied it'
wait "$STRICT" && fail "the store that blocks served: $(<"$WORK/served")"
expect_equal "$(counter scans)" $((scans + 2)) 'scans'
stop_storescand

# In earnest: readers that come when the scan has ended, but its stamp is not written yet, may have
# it scanned a second time.
say '64 readers of clean, infected and large mail'
start_storescand
expect_equal "$(together 64 "$root/user/cur/mail")" '64 0' 'readers allowed and denied'
expect_equal "$(together 64 "$root/user/cur/virus")" '0 64' 'readers allowed and denied'
expect_equal "$(together 64 "$root/user/cur/large")" '64 0' 'readers allowed and denied'
expect_equal "$(together 64 "$root/user/cur/link-to-be" "$root/user/new/other-name")" '64 0' 'readers'
(($(counter scans) <= 12)) || fail "$(counter scans) scans of four messages"
for file in mail large link-to-be; do expect_stamp "$root/user/cur/$file" c; done
expect_stamp "$root/user/cur/virus" i

say 'once more: no scan at all'
before=$(counter scans)
expect_equal "$(together 64 "$root"/user/cur/{mail,large})" '64 0' 'readers allowed and denied'
expect_equal "$(together 64 "$root/user/cur/virus")" '0 64' 'readers allowed and denied'
expect_equal "$(counter scans)" "$before" 'scans'
expect_equal "$(counter events)" "$(($(counter allowed) + $(counter denied)))" 'answers'
stop_storescand
