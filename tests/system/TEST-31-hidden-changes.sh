#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A stamp holds until its file changes, and the change time says so; except where it does not. In
# each of these cases a message that was judged clean is made a virus by its owner, and must be
# blocked when it is opened next. See kernel-ctime.c and kernel-lease.c for what the kernel does.

source "$(dirname "$0")/../lib.sh"
setup
source "$(dirname "$0")/../sweep.sh"
need_program setpriv
HIDDEN_CHANGE=$BUILD/tests/system/hidden-change
FAILED=0

# begin NAME: a store at $WORK/NAME with a clean, stamped message VICTIM and a virus of its size.
begin() {
    say "$1"
    root=$WORK/$1
    make_maildir "$root/user"
    VICTIM=$root/user/cur/victim
    VIRUS=$root/user/tmp/virus
    make_mail "$VICTIM" clean
    make_mail "$VIRUS" eicar-text
    truncate -s "$(stat -c %s "$VICTIM")" "$VIRUS"
    chown -R "$TEST_USER" "$root/user"
    chmod 0755 "$root"
    STORES_CONF=
    add_store store "$root"
    start_storescand
    read_and_settle
}

# read_and_settle [COMMAND...]: reads the message, right after the command, and waits until its stamp
# is final: storescand keeps writers out until then. Where no stamp can hold there will be none.
read_and_settle() {
    local before
    before=$(counter stamps_written)
    "${@:-true}"
    expect_readable "$VICTIM"
    wait_until 1 counter_reaches stamps_written $((before + 1)) || true
}

as_owner() { setpriv --reuid "$TEST_USER" --clear-groups "$@"; }

# The message is a virus now, and storescand must know.
must_be_blocked() {
    if error=$(read_file "$VICTIM" 2>&1 >/dev/null); then
        printf 'FAIL: %s: was not blocked %s\n' "$(basename "$root")" "${1-}" >&2
        FAILED=$((FAILED + 1))
    elif [[ $error != *'Operation not permitted'* ]]; then
        fail "blocked with another error: $error"
    fi
}

end() {
    must_be_blocked
    stop_storescand
    cmp --quiet "$VICTIM" "$WORK/virus.copy" || fail "the change did not take place in $root"
}

keep_copy() { cp "$VIRUS" "$WORK/virus.copy"; }

# ---- Extents swapped between two files: neither change time moves ----

make_fs swapped xfs
begin swapped
keep_copy
as_owner "$HIDDEN_CHANGE" swap "$VICTIM" "$VIRUS"
end

# ---- Stores through a mapping: tmpfs takes no notice of those to pages that were read ----

for fstype in tmpfs ext4; do
    make_fs "mapped-$fstype" "$fstype"
    begin "mapped-$fstype"
    keep_copy
    as_owner "$HIDDEN_CHANGE" store "$VICTIM" "$VIRUS"
    end
done

# ---- Stores through a mapping that the lease does not see ----

make_fs layers ext4
mkdir -p "$WORK/layers"/{lower,upper,work} "$WORK/overlaid"
mount -t overlay -o "lowerdir=$WORK/layers/lower,upperdir=$WORK/layers/upper,workdir=$WORK/layers/work" \
    storescan-test "$WORK/overlaid"
begin overlaid
keep_copy
mkfifo "$WORK/steps"
exec 9<>"$WORK/steps"
as_owner "$HIDDEN_CHANGE" hold "$VICTIM" "$VIRUS" <&9 >"$WORK/said" &
PIDS+=($!)
wait_until 20 grep -q held "$WORK/said" || fail 'no mapping'
read_and_settle
echo >&9
wait_until 20 grep -q stored "$WORK/said" || fail 'no store'
must_be_blocked 'while the mapping is there'
echo >&9
wait "${PIDS[-1]}"
exec 9>&-
end

# ---- Change times in whole seconds: what happens in the second of the stamp ----

make_fs seconds ext4
umount "$WORK/seconds"
mkfs.ext4 -q -F -I 128 "$WORK/seconds.image" 2>/dev/null
mount_fs seconds
begin seconds
keep_copy
for ((n = 0; n < 5; n++)); do
    rm "$VICTIM"
    make_mail "$VICTIM" clean
    # Right behind the full second, which is the change time of all that follows in it.
    read_and_settle python3 -c 'import time; time.sleep(1 - time.time() % 1)'
    dd if="$VIRUS" of="$VICTIM" conv=notrunc bs=1M status=none
    must_be_blocked "(round $n)"
done
end

# ---- A writer who comes while his file is scanned anew: its stamp goes before he is let in ----

make_fs joined tmpfs
say joined
root=$WORK/joined
make_maildir "$root/user"
VICTIM=$root/user/cur/victim
VIRUS=$root/user/tmp/virus
printf 'SLOWER clean clean\n' >"$VICTIM" # a time to stop its worker in
printf 'INFECTED and so on\n' >"$VIRUS"
chown -R "$TEST_USER" "$root/user"
chmod 0755 "$root"
STORES_CONF=
add_store store "$root"
STORES=$STORES_CONF
cp "$BUILD/tests/system/fake-worker" "$WORK/fake-worker"
chmod 0755 "$WORK/fake-worker"
export STORESCAN_WORKER=$WORK/fake-worker STORESCAN_SWEEP=$BUILD/daemon/sweep/storescan-sweep
start_storescand
read_and_settle
wait_until 20 expect_stamp "$VICTIM" c
keep_copy
again store 'only_unstamped = no' 'schedule = boot'
wait_until 30 counter_reaches swept 1 || fail 'no sweep scans it anew'
hold_workers
as_owner "$HIDDEN_CHANGE" store "$VICTIM" "$VIRUS" &
WRITER=$!
PIDS+=("$WRITER")
wait_until 20 counter_reaches joined 1 || fail 'the writer does not come while it is scanned'
free_workers
wait "$WRITER" || fail 'the writer was not let in'
end

expect_equal "$FAILED" 0 'viruses that could be read'
