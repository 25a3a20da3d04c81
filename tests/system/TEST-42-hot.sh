#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Hot files: clean mail that is read again and again raises no events any more, and still nobody reads
# a virus that came into it later, by whatever way. What is kept is bounded, ages, and goes with its
# file.

source "$(dirname "$0")/../lib.sh"
setup
need_program setpriv prlimit
HOT_CHANGE=$BUILD/tests/system/hot-change
SIZE=12000
WAITS=$WORK/waits

# Signatures of what is left of the message below after truncate(2), and after a hole was punched.
cp -r "$SIGNATURES" "$WORK/signatures"
chmod -R a+rX "$WORK/signatures"
make_mail "$WORK/message" text -s "$SIZE"
head -c 3000 "$WORK/message" >"$WORK/truncate"
cp "$WORK/message" "$WORK/punch"
dd if=/dev/zero of="$WORK/punch" bs=4096 seek=1 count=1 conv=notrunc status=none
for way in truncate punch; do
    printf '%s:%s:Test-%s\n' "$(md5sum <"$WORK/$way" | cut -d ' ' -f 1)" \
        "$(stat -c %s "$WORK/$way")" "$way"
done >"$WORK/signatures/own.hdb"
SCANNER_CONF=${SCANNER_CONF/"$SIGNATURES"/"$WORK/signatures"}
make_mail "$WORK/virus" eicar-text
truncate -s "$(stat -c %s "$WORK/message")" "$WORK/virus"

as_owner() { setpriv --reuid "$TEST_USER" --clear-groups "$@"; }

# begin NAME FSTYPE: a guarded store at $WORK/NAME; $CUR and $TMP are its folders.
begin() {
    make_fs "$1" "$2"
    make_maildir "$WORK/$1/user"
    chown -R "$TEST_USER" "$WORK/$1/user"
    CUR=$WORK/$1/user/cur
    TMP=$WORK/$1/user/tmp
    STORES_CONF=
    add_store store "$WORK/$1"
}

now_hot() { printf '%s\n' $(($(counter hot) - $(counter hot_breaks) - $(counter hot_dropped))); }
hot_are() { (($(now_hot) == $1)); }

# Descriptors of the daemon on files of the store.
held_files() { find "/proc/$DAEMON_PID/fd" -lname "$WORK/*/user/*" | wc -l; }
holds() { (($(held_files) == $1)); }
holds_at_most() { (($(held_files) <= $1)); }

# read_at_once FILE...: by one process. On a busy machine a process for each takes longer than hot_time.
read_at_once() { timeout --kill-after=5 $((60 * PATIENCE)) cat -- "$@" >/dev/null || fail "can't be read: $*"; }

# make_stamped FILE: clean, and read once.
make_stamped() {
    cp "$WORK/message" "$1"
    chown "$TEST_USER" "$1"
    expect_readable "$1"
    expect_stamp "$1" c
}

# make_hot FILE: by two more reads; and so it is said.
make_hot() {
    local before
    make_stamped "$1"
    before=$(counter hot)
    for _ in {1..10}; do
        read_at_once "$1" "$1"
        wait_until 2 counter_reaches hot $((before + 1)) && return
        # On a busy machine its stamp may be written too late to say anything of it: by the next read it is anew.
    done
    fail "did not become hot: $1"
}

# A hot file goes 3 s after the last event of its file system, which an emulated machine needs for one of the
# questions here: it says so by hot_dropped.

# must_be_silent FILE: its readers raise no event.
must_be_silent() {
    local before dropped try
    for try in 1 2 3; do
        dropped=$(counter hot_dropped) before=$(counter events)
        read_at_once "$1" "$1" "$1" "$1" "$1"
        (($(counter events) != before)) || return 0
        (($(counter hot_dropped) != dropped)) || fail "5 reads of a hot file raised $(($(counter events) - before)) events"
        say "it had cooled, try $try"
        read_at_once "$1" "$1"
    done
    fail 'it never stays hot'
}

# was_broken BREAKS DROPPED: a writer came for a hot file, where hot_breaks and hot_dropped were so many.
was_broken() {
    if (($(counter hot_breaks) == $1 + 1)); then
        BROKEN+=1
    elif (($(counter hot_dropped) > $2)); then
        say 'it had cooled before the writer came'
    else
        fail "hot files that a writer came for: $(counter hot_breaks), not $(($1 + 1))"
    fi
}

# change WAY: makes the hot VICTIM infected, as its owner. The next reader must not get it.
change() {
    local way=$1 source=$TMP/$1
    if [[ -e $WORK/$way ]]; then cp "$WORK/$way" "$source"; else cp "$WORK/virus" "$source"; fi
    cp "$source" "$WORK/wanted"
    chown "$TEST_USER" "$source"
    as_owner "$HOT_CHANGE" "$way" "$VICTIM" "$source" >"$WORK/waited" || fail "$way failed"
    expect_denied "$VICTIM"
    VICTIMS+=("$VICTIM=$WORK/wanted.$way")
    mv "$WORK/wanted" "$WORK/wanted.$way"
}

# ---- Every way to write, on every file system ----

for fstype in ext4 xfs btrfs tmpfs; do
    say "$fstype"
    begin "$fstype" "$fstype"
    start_storescand
    VICTIMS=()
    declare -i BROKEN=0
    for way in write map same-tick truncate o-trunc hard-link io-uring punch copy-range nonblock; do
        say "$fstype: the writer breaks the lease: $way"
        VICTIM=$CUR/$way
        make_hot "$VICTIM"
        must_be_silent "$VICTIM"
        breaks=$(counter hot_breaks) dropped=$(counter hot_dropped)
        change "$way"
        was_broken "$breaks" "$dropped"
        cat "$WORK/waited" >>"$WAITS"
    done
    ((BROKEN > 0)) || fail 'no writer came for a hot file'
    for way in rename-over rdonly-trunc; do
        say "$fstype: without the lease: $way"
        VICTIM=$CUR/$way
        make_hot "$VICTIM"
        change "$way"
    done

    say "$fstype: a deleted file is let go, and its inode number means nothing"
    VICTIM=$CUR/deleted
    make_hot "$VICTIM"
    inode=$(stat -c %i "$VICTIM")
    rm "$VICTIM"
    wait_until 20 holds 0 || fail 'a deleted file is still held'
    for ((n = 0; n < 20; n++)); do
        as_owner cp "$WORK/virus" "$VICTIM"
        [[ $(stat -c %i "$VICTIM") != "$inode" ]] || break
        mv "$VICTIM" "$TMP/other.$n"
    done
    ((n == 20)) || say "(inode number $inode again)"
    [[ -e $VICTIM ]] || as_owner cp "$WORK/virus" "$VICTIM"
    expect_denied "$VICTIM"

    say "$fstype: chmod, a new name, a new time: still clean, still readable"
    VICTIM=$CUR/renamed
    make_hot "$VICTIM"
    chmod 0640 "$VICTIM"
    mv "$VICTIM" "$VICTIM:2,S"
    touch -m -d yesterday "$VICTIM:2,S"
    expect_readable "$VICTIM:2,S"
    wait_until 20 hot_are 0 || fail 'a changed file stays hot'

    expect_equal "$(counter lost)" 0 'events lost'
    make_hot "$CUR/last"
    stop_storescand
    for pair in "${VICTIMS[@]}"; do
        cmp --quiet "${pair%%=*}" "${pair#*=}" || fail "the change did not take place: ${pair%%=*}"
    done
    wait_until 20 umount "$WORK/$fstype" || fail 'the file system is busy after the end'
done
say "a writer waits $(sort -n "$WAITS" | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] " us (median), " v[NR] }') us (most) for its open"

# ---- A writer against many readers ----

# Makes a file hot, then infected through a mapping, while others read it all the time: nobody whose
# open began after the store may get the virus. Prints how many rounds were hot.
race() {
    python3 - "$CUR/race" "$WORK/message" "$WORK/virus" "$1" <<'END'
import mmap, os, sys, threading, time
path, clean, virus, rounds = sys.argv[1], *(open(p, 'rb').read() for p in sys.argv[2:4]), int(sys.argv[4])
stop, wrong = False, []
stored = float('inf')

def look():
    began = time.monotonic()
    try:
        with open(path, 'rb', buffering=0) as f:
            if f.read(1 << 20) == virus and began > stored:
                wrong.append('infected content was readable')
        return True
    except PermissionError:
        return False

def has_stamp():
    try:
        return os.getxattr(path, 'trusted.avstamp').startswith(b'ss1 c')
    except OSError:
        return False

def read_on():
    while not stop:
        look()

for n in range(rounds):
    stored, stop = float('inf'), False
    with open(path, 'wb') as f:
        f.write(clean)
    assert look()
    until = time.monotonic() + 5
    while not has_stamp() and time.monotonic() < until:
        time.sleep(0.005)
    readers = [threading.Thread(target=read_on) for _ in range(3)]
    for t in readers:
        t.start()
    time.sleep(n % 5 * 0.02)             # somewhere between stamped and long hot
    fd = os.open(path, os.O_RDWR)
    m = mmap.mmap(fd, 0)
    os.close(fd)
    m[:] = virus
    stored = time.monotonic()
    for _ in range(5):
        if look():
            wrong.append('infected content was let through')
    stop = True
    for t in readers:
        t.join()
    m.close()
    os.unlink(path)
    if wrong:
        sys.exit('round %d: %s' % (n, wrong[0]))
END
}

say 'a writer against many readers'
begin race tmpfs
start_storescand
race 20 || fail 'a reader got what it must not'
(($(counter hot_breaks) > 0)) || fail 'never was hot, so nothing was tested'
stop_storescand

# ---- Who becomes hot, how many, how long ----

say 'asked for twice while it was scanned: hot as soon as its stamp is final'
cp "$BUILD/tests/system/fake-worker" "$WORK/fake-worker"
chmod 0755 "$WORK/fake-worker"
start_storescand env STORESCAN_WORKER="$WORK/fake-worker"
wait_until 20 workers_are 3 || fail 'there are not three workers'
echo 'a message' >"$CUR/slow"
hold_workers
read_file "$CUR/slow" >/dev/null &
first=$!
read_file "$CUR/slow" >/dev/null &
second=$!
PIDS+=("$first" "$second")
wait_until 20 counter_reaches joined 1 || fail 'no open joined a scan'
free_workers
wait "$first" || fail 'the first reader was refused'
wait "$second" || fail 'the second reader was refused'
wait_until 20 counter_reaches hot 1 || fail 'did not become hot'
expect_equal "$(counter stamp_hits)" 0 'opens by stamp'
must_be_silent "$CUR/slow"
stop_storescand

say 'read-only mounts: a stamp could not be withdrawn through them'
mkdir "$WORK/bind"
mount --bind "$WORK/race" "$WORK/bind"
mount -o remount,bind,ro "$WORK/bind"
start_storescand
make_stamped "$CUR/ro"
expect_readable "$WORK/bind/user/cur/ro" "$WORK/bind/user/cur/ro" "$WORK/bind/user/cur/ro"
expect_equal "$(counter hot)" 0 'hot files of a read-only mount'
stop_storescand
wait_until 20 umount "$WORK/bind"

say 'bounded, and by age'
GATE_CONF='hot_files = 8
hot_time = 4s'
begin bound ext4
start_storescand
for ((n = 0; n < 24; n++)); do make_stamped "$CUR/$n"; done
read_at_once "$CUR"/{0..23}
expect_equal "$(counter hot)" 0 'hot files after a sweep that reads each once'
for ((round = 0; round < 3; round++)); do
    read_at_once "$CUR"/{0..23}
    # An answer goes out before its descriptor is closed.
    wait_until 20 holds_at_most 8 || fail "$(held_files) files are held, more than hot_files"
    (($(now_hot) <= 8)) || fail 'more files are hot than hot_files'
done
(($(counter hot) >= 8)) || fail 'not even hot_files files became hot'
wait_until 20 holds 0 || fail 'hot files outlive hot_time'
expect_equal "$(now_hot)" 0 'hot files after hot_time'
stop_storescand

say 'what is read on comes back at its next open'
start_storescand
make_hot "$CUR/again"
before=$(counter hot)
wait_until 20 holds 0 || fail 'a hot file outlives hot_time'
expect_readable "$CUR/again"
wait_until 20 counter_reaches hot $((before + 1)) || fail 'it did not come back at its next open'
stop_storescand

say 'a lost signal: the kernel sends SIGIO when it can queue no more'
GATE_CONF=
start_storescand prlimit --sigpending=0
make_hot "$CUR/signal"
VICTIM=$CUR/signal
VICTIMS=()
change write
# Without it the lease would be seen to be broken when all files were looked at, 5 s later.
(($(cat "$WORK/waited") < 2500000)) || fail 'the writer had to wait for seconds'
expect_equal "$(counter hot_breaks)" 1 'hot files that a writer came for'
stop_storescand

say 'switched off'
GATE_CONF='hot_files = 0'
start_storescand
make_stamped "$CUR/off"
expect_readable "$CUR/off" "$CUR/off" "$CUR/off"
expect_equal "$(counter stamp_hits)" 3 'opens by stamp'
expect_equal "$(counter hot)" 0 'hot files'
stop_storescand
