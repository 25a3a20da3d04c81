#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=dash
#
# /init of the virtual machine that tests/old-kernel boots: makes the host's files its own, below what it
# writes itself, and runs system tests there. Owns the machine, which it switches off.

export PATH=/bin
# shellcheck disable=SC1091 # SOURCE, BUILD, TEST_LIMIT and PATIENCE
. /settings

say() { echo "guest: $*"; }

boot() {
    mount -t proc none /proc
    mount -t sysfs none /sys
    mount -t devtmpfs none /dev 2>/dev/null
    for module in /modules/*; do insmod "$module"; done
    mkdir -p /lower /upper /root
    mount -t 9p -o trans=virtio,version=9p2000.L,msize=524288,cache=loose,ro root /lower
    mount -t tmpfs none /upper
    mkdir /upper/data /upper/work
    mount -t overlay -o lowerdir=/lower,upperdir=/upper/data,workdir=/upper/work none /root
    mount -t proc none /root/proc
    mount -t sysfs none /root/sys
    mount -t securityfs none /root/sys/kernel/security
    mount -t cgroup2 none /root/sys/fs/cgroup
    mount -t devtmpfs none /root/dev
    mkdir -p /root/dev/shm /root/dev/pts
    mount -t tmpfs none /root/dev/shm
    mount -t devpts none /root/dev/pts
    mount -t tmpfs -o mode=0755 none /root/run
    mount -t tmpfs none /root/tmp
    # Which hides what is built there.
    for folder in "$SOURCE" "$BUILD"; do
        [ -e "/root$folder" ] && continue
        mkdir -p "/root$folder"
        mount -o bind "/lower$folder" "/root$folder"
    done
    mount /dev/vda /root/var/tmp
    chmod 1777 /root/tmp /root/var/tmp
    ln -sf /proc/self/fd /root/dev/fd
    ip link set lo up
    # Without a name Postfix does nothing.
    hostname "$(cat /root/etc/hostname || echo guest)"
    # As switch_root does, but this script stays where it is: processes in a plain chroot get no user namespaces.
    cd /root || exit
    mount --move . /
    say "# Linux $(uname -r), up $(cut -d ' ' -f 1 /proc/uptime) s"
}

# Of a test that said nothing by itself, its last lines.
reason() { grep -E '^(FAIL|BREACH|SKIP): ' tmp/output || tail -n 3 tmp/output; }
# And of one that failed, where it was, and what storescand had said last.
details() {
    reason
    grep '^-- ' tmp/output | tail -n 2
    sed -n '/^---- storescand said/,$p' tmp/output | tail -n 12
}

run_test() {
    begin=$(cut -d . -f 1 /proc/uptime)
    chroot . /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root SOURCE="$SOURCE" BUILD="$BUILD" \
        STORESCAN_PATIENCE="$PATIENCE" \
        timeout --kill-after=60 "$TEST_LIMIT" "$SOURCE/tests/system/TEST-$1.sh" >tmp/output 2>&1 </dev/null
    status=$?
    took="$(($(cut -d . -f 1 /proc/uptime) - begin)) s"
    case $status in
    0) say "ok $1 ($took)" ;;
    77) say "skipped $1: $(reason | sed -n 1p | cut -c 1-200)" ;;
    *)
        say "not ok $1 ($took, status $status)"
        details | cut -c 1-300 | sed 's/^/guest: # /'
        ;;
    esac
}

boot
while read -r name; do run_test "$name"; done </tests
say 'done'
sync
poweroff -f
