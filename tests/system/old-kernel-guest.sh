#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=dash
#
# /init of the virtual machine that TEST-30-old-kernel.sh boots: runs the kernel tests and storescand
# there and prints TAP, each line with the prefix "guest: ". Owns the machine, which it switches off.

# shellcheck disable=SC1091 # ASAN_OPTIONS and UBSAN_OPTIONS
. /settings
export PATH=/bin ASAN_OPTIONS UBSAN_OPTIONS
CONF=/run/storescan.conf
LOG=/run/log
STORE=/store/ext4

say() { echo "guest: $*"; }

held() { say "ok $*"; }

broken() {
    say "not ok $*"
    [ ! -s "$LOG" ] || tail -n 30 "$LOG" | sed 's/^/guest: # /'
}

# check NAME COMMAND...
check() {
    name=$1
    shift
    if "$@"; then held "$name"; else broken "$name"; fi
}

# soon COMMAND...: until it succeeds, for ten seconds.
soon() {
    n=0
    until "$@"; do
        n=$((n + 1))
        [ "$n" -lt 200 ] || return 1
        sleep 0.05
    done
}

# ---- The machine ----

boot() {
    mount -t proc none /proc
    mount -t sysfs none /sys
    mount -t securityfs none /sys/kernel/security
    mount -t devtmpfs none /dev 2>/dev/null
    mkdir -p /dev/shm /run /tmp /store/ext4 /store/xfs /store/btrfs /store/tmpfs
    mount -t tmpfs -o mode=0755 none /run
    mount -t tmpfs none /tmp
    mount -t tmpfs -o mode=0755 none /store/tmpfs
    for module in /modules/*; do insmod "$module"; done
    set -- a b c
    for fs in ext4 xfs btrfs; do
        soon test -b "/dev/vd$1"
        mount -t "$fs" "/dev/vd$1" "/store/$fs" || broken "mounting $fs"
        shift
    done
    say "# Linux $(uname -r), $(nproc) processors, up $(cut -d ' ' -f 1 /proc/uptime) s"
    say "# security modules: $(cat /sys/kernel/security/lsm)"
}

# ---- Kernel tests ----

kernel_tests() {
    fs=$1
    for program in answers eventfd lease hot stamp ctime marks news; do
        "/storescan/kernel-$program" "/store/$fs" >/run/tap
        status=$?
        sed -n "s/^\(ok\|not ok\) [0-9]* - /guest: \1 $fs, $program: /p; s/^# /guest: # /p" /run/tap
        [ $status -le 1 ] || broken "$fs, $program: status $status"
    done
    say "# $fs: up $(cut -d ' ' -f 1 /proc/uptime) s"
}

# ---- storescand ----

# configure PATH [LINE...]: one store.
configure() {
    {
        printf '[scanner]\ndatabase = /signatures\ntmpdir = /run/worker\nuser = nobody\nworkers = 2\n'
        # What is infected in an mbox is denied where no original can be kept.
        printf '[quarantine]\ndirectory = /proc/storescan\n'
        printf '[store test]\npath = %s\non_infected = block\n' "$1"
        shift
        for line; do echo "$line"; done
    } >$CONF
}

launch() {
    : >$LOG
    /storescan/storescand --config $CONF </dev/null >>$LOG 2>&1 &
    pid=$!
}

is_ready() { grep -q '^storescand: started' $LOG; }
is_gone() { ! kill -0 "$pid" 2>/dev/null; }
is_ready_or_gone() { is_ready || is_gone; }

start() {
    launch
    soon is_ready_or_gone || soon is_ready_or_gone
    is_ready
}

# It must end by itself, with status 0, soon.
stop() {
    kill -TERM "$pid" && soon is_gone && wait "$pid" && return
    echo "status $?" >>$LOG
    for task in /proc/"$pid"/task/*; do
        echo "$task: $(cat "$task/wchan"): $(cat "$task/syscall")" >>$LOG
    done
    return 1
}

# The value of a counter when it ended.
final() { grep '^storescand: .*stats' $LOG | tail -n 1 | tr ' ' '\n' | sed -n "s/^$1=//p"; }

reads() { timeout 20 cat "$1" >/dev/null 2>/run/error; }
denied() { ! reads "$1" && grep -q 'Operation not permitted' /run/error; }
stamp_is() { [ "$(getfattr --absolute-names --only-values -n trusted.avstamp "$1" 2>/dev/null | cut -c 1-5)" = "ss1 $2" ]; }

whole_file_system() {
    mkdir -p $STORE/user/cur $STORE/user/new $STORE/user/tmp
    cp /mail/clean $STORE/user/cur/clean
    cp /mail/infected $STORE/user/cur/infected
    mkfifo $STORE/user/cur/fifo
    configure $STORE
    check 'storescand starts' start
    sed -n 's/^/guest: # /p' $LOG
    check 'clean mail can be read' reads $STORE/user/cur/clean
    check 'infected mail is blocked with EPERM' denied $STORE/user/cur/infected
    check 'clean mail is stamped' soon stamp_is $STORE/user/cur/clean c
    check 'infected mail is stamped' soon stamp_is $STORE/user/cur/infected i
    (echo through the pipe >$STORE/user/cur/fifo) &
    check 'a FIFO passes' test "$(timeout 20 cat $STORE/user/cur/fifo)" = 'through the pipe'
    cp /mail/infected $STORE/user/tmp/delivery
    mv $STORE/user/tmp/delivery $STORE/user/new/delivery
    check 'delivered mail is blocked' denied $STORE/user/new/delivery
    check 'SIGTERM ends it' stop
    check 'infected mail can be read when nobody guards it' reads $STORE/user/cur/infected

    check 'storescand starts again' start
    check 'clean mail can be read after the restart' reads $STORE/user/cur/clean
    check 'infected mail is blocked after the restart' denied $STORE/user/cur/infected
    check 'SIGTERM ends it again' stop
    # Where the clock's tick comes late, it takes the digest as well.
    say "# stamps believed by their time: $(final stamp_hits), by their digest: $(final digest_hits)"
    check 'stamps were believed' test $(($(final stamp_hits) + $(final digest_hits))),"$(final scans)" = 2,0
}

by_folders() {
    configure $STORE/user 'marks = directories'
    check 'storescand starts, marking folders' start
    check 'it did mark folders' grep -q 'folders marked' $LOG
    check 'infected mail is blocked, by the mark of its folder' denied $STORE/user/cur/infected
    check 'clean mail can be read, by the mark of its folder' reads $STORE/user/cur/clean
    mkdir -p $STORE/user/.New/cur
    cp /mail/infected $STORE/user/.New/cur/infected
    check 'infected mail in a new folder is blocked' soon denied $STORE/user/.New/cur/infected
    mkdir -p $STORE/outside/a/cur
    cp /mail/infected $STORE/outside/a/cur/infected
    mv $STORE/outside/a $STORE/user/.Moved
    check 'infected mail in a moved-in folder is blocked' soon denied $STORE/user/.Moved/cur/infected
    check 'mail found in it is stamped' soon stamp_is $STORE/user/.Moved/cur/infected i
    check 'SIGTERM ends it, marking folders' stop
}

# Folder by folder, group N can't follow a subvolume (EXDEV on this kernel): watches do.
subvolume() {
    btrfs -q subvolume create /store/btrfs/volume
    mkdir -p /store/btrfs/volume/cur
    cp /mail/infected /store/btrfs/volume/cur/infected
    configure /store/btrfs/volume 'marks = directories'
    check 'a btrfs subvolume can be guarded by folders' start
    check 'infected mail in it is blocked' denied /store/btrfs/volume/cur/infected
    mkdir -p /store/btrfs/volume/later/cur
    cp /mail/infected /store/btrfs/volume/later/cur/infected
    check 'infected mail in a new folder of it is blocked' soon denied /store/btrfs/volume/later/cur/infected
    check 'SIGTERM ends it, on a subvolume' stop
    configure /store/btrfs
    check 'a whole btrfs can be guarded' start
    check 'infected mail in a subvolume is blocked' denied /store/btrfs/volume/cur/infected
    check 'SIGTERM ends it, on btrfs' stop
}

# What a session reads that had the mailbox open: the rest of it, from descriptor 3.
session_reads() { timeout 20 cat <&3 >/run/rest 2>/run/error; }
session_denied() { ! session_reads && grep -q 'Operation not permitted' /run/error; }

# Files of many messages; accesses are told without their range (FAN_ACCESS_PERM).
mailboxes() {
    fs=$1
    box=/store/$fs/box
    mkdir -p "$box"
    cp /mail/mbox-clean "$box/clean"
    cp /mail/mbox-infected "$box/infected"
    configure "$box" 'format = mbox'
    check "$fs: a store of mailboxes can be guarded" start
    check "$fs: a clean mailbox can be read" reads "$box/clean"
    check "$fs: an infected mailbox is blocked" denied "$box/infected"
    exec 3<"$box/clean"
    check "$fs: a session reads its mailbox" session_reads
    check "$fs: it got all of it" cmp -s /run/rest /mail/mbox-clean
    cat /mail/mbox-more >>"$box/clean"
    check "$fs: infected mail that came while it was open is blocked" session_denied
    check "$fs: nothing of it was read" test ! -s /run/rest
    exec 3<&-
    check "$fs: and for others" denied "$box/clean"
    rm "$box/clean"
    cp /mail/mbox-clean "$box/clean"
    check "$fs: without it the mailbox can be read again" reads "$box/clean"
    check "$fs: SIGTERM ends it, with mailboxes" stop
}

# set_clock SECONDS: by so many, forwards or back.
set_clock() { date -s "@$(($(date +%s) + $1))" >/dev/null; }

# overwrite FILE: by its beginning, a mail of the same size becomes infected.
overwrite() { dd if=/mail/infected of="$1" conv=notrunc 2>/dev/null; }

# The wall clock is set while stamps are written, believed and outlived. Size and owner of a clean message are
# those of the infected one, so that nothing but its times tells that it was changed.
clock_steps() {
    cur=$STORE/user/cur
    head -c "$(wc -c </mail/infected)" /dev/zero | tr '\0' x >/run/plain
    cp /run/plain $cur/plain
    configure $STORE
    check 'clock: storescand starts' start
    check 'clock: clean mail can be read' reads $cur/plain
    check 'clock: it is stamped' soon stamp_is $cur/plain c
    check 'clock: infected mail is blocked' denied $cur/infected
    for step in 86400 -172800; do
        set_clock $step
        check "clock, set by $step s: clean mail can be read" reads $cur/plain
        check "clock, set by $step s: infected mail is blocked" denied $cur/infected
        cp /run/plain $cur/new$step
        check "clock, set by $step s: new mail can be read" reads $cur/new$step
        check "clock, set by $step s: it is stamped" soon stamp_is $cur/new$step c
        overwrite $cur/new$step
        check "clock, set by $step s: overwritten, it is blocked" denied $cur/new$step
    done
    # The time of the stamp comes again, and all the while somebody writes.
    cp /run/plain $cur/again
    check 'clock: read' reads $cur/again
    check 'clock: stamped' soon stamp_is $cur/again c
    set_clock -2
    let_in=0
    until=$(($(date +%s) + 4))
    while [ "$(date +%s)" -lt $until ]; do
        overwrite $cur/again
        denied $cur/again || let_in=$((let_in + 1))
    done
    check 'clock: a change is seen, whatever its time' test $let_in = 0
    # In the very moment of a stamp.
    let_in=0
    for round in 1 2 3 4 5 6 7 8 9 10; do
        cp /run/plain $cur/moment
        reads $cur/moment
        set_clock $((round % 2 * 4 - 2))
        overwrite $cur/moment
        denied $cur/moment || let_in=$((let_in + 1))
    done
    check 'clock: set while a stamp is written, and changed' test $let_in = 0
    check 'clock: SIGTERM ends it' stop
    set_clock 86400
    check 'clock: storescand starts again' start
    check 'clock: a stamp of before holds' reads $cur/plain
    check 'clock: infected mail is blocked after that' denied $cur/again
    set_clock -86400
    check 'clock: SIGTERM ends it, set back meanwhile' stop
    say "# stamps believed by their time: $(final stamp_hits)"
}

# It waits for who writes its log, for a second, by a clock that nobody sets back.
end_with_a_stuck_log() {
    mkfifo /run/stuck
    : >$LOG # now: what the one before said would be taken for what this one says
    cat /run/stuck >>$LOG &
    reader=$!
    /storescan/storescand --config $CONF </dev/null 2>/run/stuck &
    pid=$!
    soon is_ready || soon is_ready
    check 'stuck log: storescand starts' is_ready
    kill -STOP $reader
    (dd if=/dev/zero of=/run/stuck bs=4096 count=64 2>/dev/null) &
    writer=$!
    sleep 1
    kill -TERM $pid
    sleep 0.3
    set_clock -3600
    check 'stuck log: it ends, though the clock was set back' soon is_gone
    kill -KILL $writer $reader $pid 2>/dev/null
    rm /run/stuck
    set_clock 3600
}

boot
for type in ext4 xfs btrfs tmpfs; do kernel_tests $type; done
whole_file_system
by_folders
clock_steps
end_with_a_stuck_log
subvolume
for type in ext4 tmpfs; do mailboxes $type; done
say "# up $(cut -d ' ' -f 1 /proc/uptime) s"
say 'done'
sync
poweroff -f
