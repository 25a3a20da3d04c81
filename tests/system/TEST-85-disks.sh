#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Disks that are full, rotten, gone or frozen: what a reader sees of mail in a store on such a disk, and of
# other mail while quarantine, verdict cache or the workers' folder has no room. Nothing infected is read,
# nothing is lost, nothing is taken for clean that was not scanned; and with room all is as before.

source "$(dirname "$0")/../lib.sh"
setup
need_program fsfreeze mkfs.btrfs

# saw WHAT...: a statement, behind the checks that it is the result of.
saw() { printf '   saw: %s\n' "$*"; }

# fill FOLDER: to the last byte, until free_up FOLDER.
fill() {
    local size
    for size in 64k 4k 1; do dd if=/dev/zero bs=$size >>"$1/filler" 2>/dev/null || true; done
}
free_up() { rm "$1/filler"; }

# mail_in FOLDER [KIND]: a clean and an infected message that nobody has seen yet, as CLEAN and VIRUS.
N=0
mail_in() {
    N=$((N + 1))
    CLEAN=$1/clean-$N VIRUS=$1/virus-$N
    make_mail "$WORK/originals/clean-$N" clean --seed $N -s 12000
    make_mail "$WORK/originals/virus-$N" "${2:-eicar-text}" --seed $N -s 12000
    cp "$WORK/originals/"{clean,virus}-$N "$1"
}
expect_served() { read_file "$1" | cmp - "$WORK/originals/${1##*/}" || fail "not byte by byte: $1"; }
expect_intact() {
    local file
    for file; do cmp "$file" "$WORK/originals/${file##*/}" || fail "changed: $file"; done
}
# shellcheck disable=SC2317 # called by wait_until
is_denied() { ! read_file "$1" >/dev/null 2>&1; }
has_notice() { read_file "$1" >"$WORK/got" 2>/dev/null && grep -q 'Infected content was removed' "$WORK/got"; }

# What is frozen can't be unmounted.
put_back() { fsfreeze --unfreeze "$WORK/mail" 2>/dev/null || true; }

# unmount NAME: with all that is of it; other tests may have copies of the mount for a while, in namespaces.
# shellcheck disable=SC2317 # called by wait_until
loop_is_gone() { [[ -z $(losetup -j "$WORK/$1.image") ]]; }
unmount() {
    wait_until 20 umount "$WORK/$1" || fail "can not be unmounted: $1"
    wait_until 60 loop_is_gone "$1" || fail "the loop device stays: $1"
}

mkdir "$WORK/originals" "$WORK/quarantine" "$WORK/verdicts"
make_fs mail ext4
make_maildir "$WORK/mail/"{block,replace,lax}
BLOCK=$WORK/mail/block/cur REPLACE=$WORK/mail/replace/cur LAX=$WORK/mail/lax/cur
add_store block "$WORK/mail/block" marks=directories
add_store replace "$WORK/mail/replace" on_infected=replace scan_timeout=8s marks=directories
add_store lax "$WORK/mail/lax" on_error=allow marks=directories

# ---- Our own folders ----

say 'the disk of the quarantine is full'
mount -t tmpfs -o size=256k,mode=0700 storescan-test "$WORK/quarantine"
start_storescand
fill "$WORK/quarantine"
mail_in "$REPLACE"
expect_served "$CLEAN"
expect_denied "$VIRUS"
wait_for_line "remedy-failed: .*'$VIRUS'.*No space left"
[[ $(ls "$WORK/quarantine") == filler ]] || fail "left in quarantine: $(ls "$WORK/quarantine")"
KEPT=$VIRUS
stop_storescand
expect_intact "$KEPT"
start_storescand
free_up "$WORK/quarantine"
wait_until 20 has_notice "$KEPT" || fail 'with room, it is not replaced'
cmp "$WORK/quarantine/"*.item "$WORK/originals/${KEPT##*/}" || fail 'the original is not in quarantine'
saw 'clean mail; EPERM for a virus that could not be kept; with room its notice, and the original is kept'

say 'the disk of the verdict cache is full'
stop_storescand
mount -t tmpfs -o size=64k,mode=0700 storescan-test "$WORK/verdicts"
start_storescand
wait_until 20 test -s "$WORK/verdicts/verdicts.key" || fail 'no key of the cache'
fill "$WORK/verdicts"
mail_in "$BLOCK"
expect_served "$CLEAN"
expect_denied "$VIRUS"
stop_storescand
grep -q '^storescand: cache-failed: ' "$LOG" || fail 'that the cache could not be saved is not told'
start_storescand
expect_served "$CLEAN"
expect_denied "$VIRUS"
free_up "$WORK/verdicts"
stop_storescand
! grep -q '^storescand: cache-failed: .*No space' "$LOG" || fail 'with room it is not saved'
saw 'no difference'

say 'the folder of the workers is full'
mount -o remount,size=8m "$WORK/scan"
start_storescand
fill "$WORK/scan"
mail_in "$BLOCK"
expect_denied "$CLEAN" "$VIRUS"
wait_for_line "undecided: .*'$CLEAN'"
expect_no_stamp "$CLEAN"
FIRST=("$CLEAN" "$VIRUS")
mail_in "$LAX"
expect_served "$CLEAN"
wait_for_line "undecided: .*Allowed.*'$CLEAN'|Allowed.*'$CLEAN'.*could not be scanned"
expect_no_stamp "$CLEAN"
free_up "$WORK/scan"
expect_served "${FIRST[0]}"
expect_denied "${FIRST[1]}" "$VIRUS"
expect_stamp "${FIRST[0]}" c
stop_storescand
saw 'on_error: EPERM for all unknown mail, or all of it; with room each its verdict'

# ---- Stores ----

say 'the disk of a store is full: no room for stamps'
truncate -s 32M "$WORK/full.image"
mkfs.ext4 -q -I 128 -m 0 "$WORK/full.image" # small inodes: each stamp needs a block of its own
mkdir "$WORK/full"
mount_fs full
make_maildir "$WORK/full/user"
add_store full "$WORK/full"
mail_in "$WORK/full/user/cur"
fill "$WORK/full"
start_storescand
for _ in 1 2 3; do
    expect_served "$CLEAN"
    expect_denied "$VIRUS"
done
wait_until 20 counter_reaches stamps_failed 1 || fail 'a stamp that could not be written is not counted'
wait_for_line "stamp-failed: .*'full'.*No space left"
expect_no_stamp "$CLEAN" "$VIRUS"
free_up "$WORK/full"
expect_served "$CLEAN"
expect_stamp "$CLEAN" c
expect_denied "$VIRUS"
stop_storescand
expect_intact "$CLEAN" "$VIRUS"
saw 'no difference; with room there are stamps'

say 'a store with copy on write is full: nothing can be written to what stands there'
make_fs cow btrfs
make_maildir "$WORK/cow/user"
add_store cow "$WORK/cow" on_infected=replace
mail_in "$WORK/cow/user/cur"
KEPT=$VIRUS
for _ in 1 2 3; do
    sync -f "$WORK/cow"
    fill "$WORK/cow"
done
! printf x | dd of="$CLEAN" conv=notrunc status=none 2>/dev/null || fail 'it can be written to: nothing is tested'
start_storescand
for _ in 1 2 3; do
    expect_served "$CLEAN"
    expect_denied "$KEPT"
done
wait_for_line "remedy-failed: .*'$KEPT'.*No space left"
stop_storescand
expect_intact "$CLEAN" "$KEPT"
start_storescand
expect_denied "$KEPT"
free_up "$WORK/cow"
sync -f "$WORK/cow"
wait_until 60 has_notice "$KEPT" || fail 'with room, it is not replaced'
expect_served "$CLEAN"
grep -lF "$KEPT" "$WORK/quarantine/"*.meta >"$WORK/metas" || fail 'it is not in quarantine'
expect_equal "$(wc -l <"$WORK/metas")" 1 'items of it in quarantine'
META=$(<"$WORK/metas")
cmp "${META%.meta}.item" "$WORK/originals/${KEPT##*/}" || breach 'the original was lost'
stop_storescand
saw 'clean mail; EPERM for what could not be replaced, which is as it was; with room its notice'

say 'rotten blocks: what can not be read is not clean'
make_fs rotten btrfs
make_maildir "$WORK/rotten/user"
mail_in "$WORK/rotten/user/cur" eicar-base64
ROTTEN=("$CLEAN" "$VIRUS")
mail_in "$WORK/rotten/user/cur"
# Larger than what workers share with us, and in the midst of a mailbox.
BIG=$WORK/rotten/user/cur/big BOX=$WORK/rotten/box/mail
mkdir "$WORK/rotten/box"
make_mail "$WORK/originals/big" clean --seed 901 -s 3000000
for n in 902 903 904; do make_mail "$WORK/originals/part-$n" clean --seed $n -s 20000; done
"$SOURCE/tests/data/make-store-formats" mbox "$WORK/originals/mail" "$WORK/originals/part-"* >"$WORK/layout"
cp "$WORK/originals/big" "$BIG"
cp "$WORK/originals/mail" "$BOX"
unmount rotten
# flip FILE:OFFSET...: one byte at each place, or back, wherever it lies; data has checksums.
flip() {
    python3 - "$WORK/rotten.image" "$@" <<'END'
import mmap, sys
with open(sys.argv[1], "r+b") as f:
    image = mmap.mmap(f.fileno(), 0)
    for path in sys.argv[2:]:
        path, offset = path.split(":")
        with open(path, "rb") as mail:
            part = mail.read()[int(offset) + 1:int(offset) + 512]
        at = image.find(part)
        assert at > 0, path
        while at > 0:
            image[at - 1] ^= 1
            at = image.find(part, at + 1)
END
}
PLACES=("$WORK/originals/${ROTTEN[0]##*/}:8192" "$WORK/originals/${ROTTEN[1]##*/}:8192" "$WORK/originals/big:2500000"
    "$WORK/originals/mail:30000")
flip "${PLACES[@]}"
wait_until 20 mount_fs rotten || fail 'it can not be mounted'
for file in "${ROTTEN[0]}" "$BIG" "$BOX"; do
    ! error=$(read_file "$file" 2>&1 >/dev/null) || fail "unguarded, it can be read, so nothing is tested: $file"
    [[ $error == *'Input/output error'* ]] || fail "unguarded, it fails otherwise: $file: $error"
done
add_store rotten "$WORK/rotten/user"
add_store rotten-box "$WORK/rotten/box" format=mbox
start_storescand
# Twice: nothing is remembered of it.
for _ in 1 2; do expect_denied "${ROTTEN[@]}" "$BIG" "$BOX"; done
wait_for_line "undecided: .*'$BIG'"
wait_for_line "undecided: .*'$BOX'"
expect_no_stamp "$BIG" "$BOX"
wait_for_line "undecided: .*'${ROTTEN[0]}'"
expect_no_stamp "${ROTTEN[@]}"
expect_served "$CLEAN"
expect_denied "$VIRUS"
expect_equal "$(counter workers_died)" 0 'workers that died of it'
expect_equal "$(counter workers_hung)" 0 'workers that hung over it'
stop_storescand
unmount rotten
flip "${PLACES[@]}"
wait_until 20 mount_fs rotten || fail 'it can not be mounted'
start_storescand
expect_served "${ROTTEN[0]}"
expect_denied "${ROTTEN[1]}"
expect_served "$BIG"
expect_served "$BOX"
expect_stamp "$BIG" c
stop_storescand
saw 'EPERM for what can not be read, by on_error; of the others each its verdict, of all when they can be read'

say 'a store that dies under its readers'
# shut_down FOLDER: as after the first error of a dying disk (EXT4_IOC_SHUTDOWN, without a last sync).
shut_down() {
    python3 -c 'import fcntl, os, struct, sys
fcntl.ioctl(os.open(sys.argv[1], os.O_RDONLY), 0x8004587d, struct.pack("I", 2))' "$1"
}
make_fs dying ext4
make_maildir "$WORK/dying/user"
add_store dying "$WORK/dying"
for _ in {1..12}; do mail_in "$WORK/dying/user/cur"; done
sync -f "$WORK/dying"
start_storescand
for file in "$WORK"/dying/user/cur/*; do
    read_file "$file" 2>/dev/null | cmp --quiet - "$WORK/originals/${file##*/}" && printf '%s\n' "$file"
done >"$WORK/read" &
reader=$!
wait_until 20 counter_reaches events 10 || fail 'nobody reads'
shut_down "$WORK/dying"
wait "$reader" || true
! grep virus "$WORK/read" || breach 'a virus was read'
mail_in "$BLOCK"
expect_served "$CLEAN"
expect_denied "$VIRUS"
unmount dying
mount_fs dying
wait_until 20 is_denied "$WORK/dying/user/cur/virus-$((N - 1))" || fail 'mounted again, it is not guarded'
for file in "$WORK"/dying/user/cur/*; do
    case $file in
    *clean*) expect_served "$file" ;;
    *) expect_denied "$file" ;;
    esac
done
stop_storescand
expect_intact "$WORK"/dying/user/cur/*
saw 'errors of that store and of no other; mounted again, each message its verdict'

say 'a store that is frozen under its readers'
start_storescand
mail_in "$BLOCK"
STAMPED=$CLEAN
expect_served "$STAMPED"
expect_stamp "$STAMPED" c
for _ in {1..8}; do mail_in "$BLOCK"; done
mail_in "$REPLACE"
KEPT=$VIRUS
fsfreeze --freeze "$WORK/mail"
for ((n = N - 8; n < N; n++)); do
    expect_served "$BLOCK/clean-$n"
    expect_denied "$BLOCK/virus-$n"
done
expect_served "$STAMPED"
expect_denied "$KEPT"
mail_in "$WORK/full/user/cur"
expect_served "$CLEAN"
expect_denied "$VIRUS"
expect_stamp "$CLEAN" c
expect_no_stamp "$BLOCK/clean-$((N - 2))"
fsfreeze --unfreeze "$WORK/mail"
expect_stamp "$BLOCK/clean-$((N - 2))" c
wait_until 20 has_notice "$KEPT" || fail 'thawed, it is not replaced'
saw 'no difference, but EPERM for what could not be replaced in time; thawed, stamps and the notice'
stop_storescand

say 'frozen while readers and a writer wait at the gate'
cp "$BUILD/tests/system/fake-worker" "$WORK/fake-worker"
chmod 0755 "$WORK/fake-worker"
start_storescand env STORESCAN_WORKER="$WORK/fake-worker"
wait_until 20 workers_are 3 || fail 'there are not three workers'
for n in {1..4}; do
    echo "clean $n" >"$WORK/originals/flight-clean-$n"
    echo "INFECTED $n" >"$WORK/originals/flight-virus-$n"
done
echo 'clean, to be written anew' >"$WORK/originals/flight-writer"
hold_workers
cp "$WORK/originals/"flight-* "$BLOCK"
READERS=()
for n in {1..4}; do
    for kind in clean virus; do
        cat "$BLOCK/flight-$kind-$n" >"$WORK/got-$kind-$n" 2>/dev/null &
        READERS+=("$!")
    done
done
(: >"$BLOCK/flight-writer") &
WRITER=$!
PIDS+=("${READERS[@]}" "$WRITER")
for pid in "${READERS[@]}" "$WRITER"; do wait_until 20 waits_at_gate "$pid" || fail 'somebody does not wait'; done
fsfreeze --freeze "$WORK/mail" &
FREEZER=$!
PIDS+=("$FREEZER")
# It waits for the writer, who has begun to write to the file system when he opens the file.
freezer_waits() { WCHAN=$(cat "/proc/$FREEZER/wchan") && [[ $WCHAN == percpu_* || $WCHAN == *freeze* ]]; }
wait_until 5 freezer_waits || fail "it does not wait for the writer, but in $WCHAN"
counter events >/dev/null # it says so while they wait
SINCE=$SECONDS
free_workers
for n in {1..4}; do
    wait "${READERS[n * 2 - 2]}" || fail "clean mail was refused: $n"
    cmp "$WORK/got-clean-$n" "$WORK/originals/flight-clean-$n" || fail "not byte by byte: $n"
    ! wait "${READERS[n * 2 - 1]}" || breach "what is infected was served: $n"
    [[ ! -s $WORK/got-virus-$n ]] || breach "some of what is infected was served: $n"
done
wait "$WRITER" || fail 'the writer was refused'
wait "$FREEZER" || fail 'it could not be frozen'
((SECONDS - SINCE < 20 * PATIENCE)) || fail "they waited for $((SECONDS - SINCE)) s"
counter events >/dev/null
! timeout $((20 * PATIENCE)) cat "$BLOCK/flight-virus-1" >"$WORK/got" 2>/dev/null || breach 'what is infected was served'
expect_no_stamp "$BLOCK/flight-virus-2"
fsfreeze --unfreeze "$WORK/mail"
for n in {1..4}; do
    expect_stamp "$BLOCK/flight-clean-$n" c
    expect_denied "$BLOCK/flight-virus-$n"
done
[[ ! -s $BLOCK/flight-writer ]] || fail 'the writer did not write'
stop_storescand
saw 'each its answer, the freeze behind the writer; thawed, stamps'
