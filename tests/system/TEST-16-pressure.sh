#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# More openers than storescand may hold descriptors: they wait, and each gets the right answer. The
# kernel itself denies an open whose descriptor it can't hand over, which would be mail denied.

source "$(dirname "$0")/../lib.sh"
setup
need_program prlimit
make_fs store ext4 256M
root=$WORK/store
make_maildir "$root/user"
READERS=600
"$MAKE_MAIL" clean -n $((READERS - 60)) -s 12000 -o "$root/user/cur" >/dev/null
"$MAKE_MAIL" eicar-base64 -n 60 -s 12000 -o "$root/user/new" >/dev/null
add_store store "$root"

# All at once: each opens when the last one is ready, in one process each.
read_at_once() {
    python3 - "$1" "$READERS" <<'END'
import errno, os, signal, sys, time

def paths(top):
    for folder, _, names in os.walk(top):
        for name in names:
            yield os.path.join(folder, name)

files = sorted(paths(sys.argv[1]))[:int(sys.argv[2])]
gate_r, gate_w = os.pipe()
done_r, done_w = os.pipe()
for n, path in enumerate(files):
    if os.fork() == 0:
        os.close(gate_w)
        os.read(gate_r, 1)
        try:
            with open(path, "rb", buffering=0) as f:
                answer = b"r" if f.read() else b"e"
        except OSError as e:
            answer = b"d" if e.errno == errno.EPERM else b"?"
        wrong = answer != (b"d" if "eicar" in path else b"r")
        if wrong:
            print("wrong answer %r: %s" % (answer, path), flush=True)
        os.write(done_w, b"x" if wrong else b".")
        os._exit(0)
os.close(gate_r)
os.close(gate_w)
os.close(done_w)
result = b""
signal.alarm(240)
while len(result) < len(files):
    part = os.read(done_r, 65536)
    if not part:
        break
    result += part
sys.exit(result != b"." * len(files))
END
}

say "$READERS readers, room for 256 descriptors and some"
start_storescand prlimit --nofile=600:600
read_at_once "$root/user" || fail 'wrong answers under pressure'
expect_equal "$(counter lost)" 0 'opens that the kernel denied for want of descriptors'
(($(counter pressure) > 0)) || fail 'there was no pressure, so nothing was tested'
wait_for_line '^storescand: pressure: '
expect_equal "$(counter denied)" 60 'opens denied'

say 'the same again, from the stamps'
before=$(counter scans)
read_at_once "$root/user" || fail 'wrong answers from stamps'
expect_equal "$(counter lost)" 0 'opens that the kernel denied for want of descriptors'
expect_equal "$(counter denied)" 120 'opens denied'
(($(counter scans) - before <= 5)) || fail 'stamped mail was scanned again'
fds() { find "/proc/$DAEMON_PID/fd" -mindepth 1 | wc -l; }
few_fds() { (($(fds) < 100)); }
wait_until 20 few_fds || fail "$(fds) descriptors are still open"
stop_storescand

say 'max_pending of the configuration is a bound as well'
GATE_CONF='max_pending = 256'
for file in "$root"/user/*/*; do setfattr -x trusted.avstamp "$file" 2>/dev/null || true; done
start_storescand
read_at_once "$root/user" || fail 'wrong answers with max_pending'
expect_equal "$(counter lost)" 0 'opens that the kernel denied for want of descriptors'
stop_storescand

say 'too few to work with: refused'
GATE_CONF=
daemon_refuses prlimit --nofile=64:64
grep -Eq 'LimitNOFILE|RLIMIT_NOFILE' "$LOG" || fail 'does not name the limit'
