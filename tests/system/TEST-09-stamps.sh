#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The stamp: saves scans while nothing happened to the file, and not one moment longer. Changes that
# keep size and times, changes through mappings, changes in the same clock tick, forgeries, on every
# file system. The engine is fake-worker: INFECTED at the beginning of a file is a virus.

source "$(dirname "$0")/../lib.sh"
setup
cp "$BUILD/tests/system/fake-worker" "$WORK/fake-worker"
chmod 0755 "$WORK/fake-worker"
GATE_CONF='hot_files = 0' # this is about what is read by its stamp, again and again
CACHE_CONF='size = 0'     # and about what its digest says, not another copy's

# changes FILE WHAT: does something to an open or closed file that a shell can't.
changes() {
    python3 - "$@" <<'END'
import mmap, os, sys
path, what = sys.argv[1:]
st = os.stat(path)
evil = b'INFECTED'
if what == 'overwrite-keep-times':
    with open(path, 'r+b') as f:
        f.write(evil)
    os.utime(path, ns=(st.st_atime_ns, st.st_mtime_ns))
elif what == 'mmap':
    with open(path, 'r+b') as f:
        m = mmap.mmap(f.fileno(), 0)
        m[:len(evil)] = evil
        m.flush()
elif what == 'mmap-no-flush':
    fd = os.open(path, os.O_RDWR)
    m = mmap.mmap(fd, 0)
    os.close(fd)
    m[:len(evil)] = evil
    m.close()
elif what == 'rename-over':
    with open(path + '.new', 'wb') as f:
        f.write(evil.ljust(st.st_size, b'.'))
    os.utime(path + '.new', ns=(st.st_atime_ns, st.st_mtime_ns))
    os.rename(path + '.new', path)
elif what == 'truncate-and-write':
    os.truncate(path, 0)
    with open(path, 'r+b') as f:
        f.write(evil.ljust(st.st_size, b'.'))
elif what == 'hard-link':
    os.link(path, path + '.link')
    with open(path + '.link', 'r+b') as f:
        f.write(evil)
elif what == 'copy-range':
    source = os.path.join(os.path.dirname(path), '../tmp/source')
    with open(source, 'wb') as f:
        f.write(evil.ljust(st.st_size, b'.'))
    src, dst = os.open(source, os.O_RDONLY), os.open(path, os.O_WRONLY)
    os.copy_file_range(src, dst, st.st_size)
else:
    sys.exit('unknown change')
END
}

# Overwrites a file, as soon as it may, again and again right after it was scanned and stamped: no
# read may ever find the new content let through. Prints how often the stamp was caught fresh.
race() {
    python3 - "$1" "$2" <<'END'
import os, sys
path, rounds, passed = sys.argv[1], int(sys.argv[2]), 0
for n in range(rounds):
    with open(path, 'wb') as f:
        f.write(b'harmless content %06d' % n)
    fd = os.open(path, os.O_RDONLY)
    assert os.pread(fd, 8, 0) == b'harmless'
    os.close(fd)
    fd = os.open(path, os.O_WRONLY)      # waits for the stamp's window
    os.pwrite(fd, b'INFECTED', 0)
    os.close(fd)
    try:
        with open(path, 'rb') as f:
            sys.exit('round %d: infected content was readable: %r, stamp %r'
                     % (n, f.read(), os.getxattr(path, 'trusted.avstamp')))
    except PermissionError:
        passed += 1
    os.unlink(path)
print(passed)
END
}

for fstype in ext4 xfs btrfs tmpfs; do
    say "$fstype"
    make_fs "$fstype" "$fstype"
    make_maildir "$WORK/$fstype/u"
    mail=$WORK/$fstype/u/cur
    STORES_CONF=
    add_store "$fstype" "$WORK/$fstype"
    start_storescand env STORESCAN_WORKER="$WORK/fake-worker"

    say 'a valid stamp spares the scan; a rename spares it too, by the digest'
    echo 'harmless message' >"$mail/1"
    expect_readable "$mail/1"
    expect_stamp "$mail/1" c
    wait_until 20 counter_reaches stamps_written 1 || fail 'the stamp was not kept'
    expect_readable "$mail/1" "$mail/1"
    expect_equal "$(counter scans)" 1 'scans'
    expect_equal "$(counter stamp_hits)" 2 'opens by stamp'
    mv "$mail/1" "$mail/1:2,S"
    chmod 0640 "$mail/1:2,S"
    expect_readable "$mail/1:2,S"
    expect_equal "$(counter scans)" 1 'scans after a rename'
    expect_equal "$(counter digest_hits)" 1 'opens by digest'
    wait_until 20 counter_reaches stamps_written 2 || fail 'the stamp was not renewed'
    expect_readable "$mail/1:2,S"
    expect_equal "$(counter stamp_hits)" 3 'opens by the renewed stamp'

    for change in overwrite-keep-times mmap mmap-no-flush rename-over truncate-and-write hard-link copy-range; do
        say "changed by $change"
        echo 'harmless message' >"$mail/$change"
        before=$(counter stamps_written)
        expect_readable "$mail/$change"
        wait_until 20 counter_reaches stamps_written $((before + 1)) || fail 'no stamp'
        changes "$mail/$change" "$change"
        expect_denied "$mail/$change"
    done

    say 'changed in the very moment of its stamp'
    expect_equal "$(race "$mail/race" 100)" 100 'denied reads'

    say 'no stamp while somebody can write'
    echo 'harmless message' >"$mail/writer"
    exec {writer}<>"$mail/writer"
    expect_readable "$mail/writer"
    expect_no_stamp "$mail/writer"
    exec {writer}>&-
    before=$(counter stamps_written)
    expect_readable "$mail/writer"
    expect_stamp "$mail/writer" c
    wait_until 20 counter_reaches stamps_written $((before + 1)) || fail 'the stamp was not kept'

    say 'forged, borrowed and foreign stamps'
    echo 'INFECTED message' >"$mail/forged" # as long as the harmless one, whose stamp is older than a tick
    for stamp in "$(stamp_of "$mail/1:2,S")" 'ss1 clean' 'ss2 cl Zm9vYmFy' '-' ''; do
        setfattr -n trusted.avstamp -v "$stamp" "$mail/forged"
        expect_denied "$mail/forged"
    done
    head -c 200 /dev/zero | tr '\0' 'c' >"$WORK/long"
    setfattr -n trusted.avstamp -v "$(cat "$WORK/long")" "$mail/forged"
    expect_denied "$mail/forged"

    say 'a stamp of another generation'
    echo 'harmless message' >"$mail/old"
    before=$(counter stamps_written)
    expect_readable "$mail/old"
    expect_stamp "$mail/old" c
    # Seen before its window ends, it may still be one that came too late, which is written again over ours.
    wait_until 20 counter_reaches stamps_written $((before + 1)) || fail 'the stamp was not kept'
    before=$(counter scans)
    written=$(counter stamps_written)
    setfattr -n trusted.avstamp -v "$(stamp_of "$mail/old" | sed 's/^\(ss1 cl\) [^ ]*/\1 AAAAAAAA/')" "$mail/old"
    expect_readable "$mail/old"
    expect_equal "$(counter scans)" $((before + 1)) 'scans of an old stamp'

    say 'stamps survive a restart'
    wait_until 20 counter_reaches stamps_written $((written + 1)) || fail 'no new stamp'
    has_stamp "$mail/old" c || fail 'no new stamp'
    expect_readable "$mail/old"
    stop_storescand
    start_storescand env STORESCAN_WORKER="$WORK/fake-worker"
    expect_readable "$mail/old"
    expect_denied "$mail/forged"
    expect_equal "$(counter scans)" 0 'scans after a restart'
    stop_storescand
done

say 'switched off: neither read nor written'
STAMP_CONF='enabled = no'
start_storescand env STORESCAN_WORKER="$WORK/fake-worker"
echo 'harmless message' >"$mail/off"
expect_readable "$mail/off" "$mail/old"
expect_equal "$(counter scans)" 2 'scans without stamps'
expect_no_stamp "$mail/off"
stop_storescand
