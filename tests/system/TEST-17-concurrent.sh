#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Many readers of one message: one scan, and one answer for all.

source "$(dirname "$0")/../lib.sh"
setup
make_fs store ext4 128M
root=$WORK/store
make_maildir "$root/user"
add_store store "$root"
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

start_storescand

say '64 readers of a clean message'
expect_equal "$(together 64 "$root/user/cur/mail")" '64 0' 'readers allowed and denied'
expect_equal "$(counter scans)" 1 'scans'
(($(counter joined) + $(counter stamp_hits) + $(counter digest_hits) == 63)) || fail 'the others did not join'
(($(counter joined) > 0)) || fail 'nobody joined, so nothing was tested'

say '64 readers of an infected message'
expect_equal "$(together 64 "$root/user/cur/virus")" '0 64' 'readers allowed and denied'
expect_equal "$(counter scans)" 2 'scans'

say '64 readers of a large message'
expect_equal "$(together 64 "$root/user/cur/large")" '64 0' 'readers allowed and denied'
expect_equal "$(counter scans)" 3 'scans'

say '64 readers by two names of one file'
expect_equal "$(together 64 "$root/user/cur/link-to-be" "$root/user/new/other-name")" '64 0' 'readers'
expect_equal "$(counter scans)" 4 'scans'

say 'once more: no scan at all'
expect_equal "$(together 64 "$root"/user/cur/{mail,large})" '64 0' 'readers allowed and denied'
expect_equal "$(together 64 "$root/user/cur/virus")" '0 64' 'readers allowed and denied'
expect_equal "$(counter scans)" 4 'scans'
expect_equal "$(counter events)" "$(($(counter allowed) + $(counter denied)))" 'answers'
stop_storescand
