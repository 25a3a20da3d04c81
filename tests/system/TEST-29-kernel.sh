#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What storescand takes the kernel's word for, each file system in turn: kernel-*.c, on the kernel
# that runs here.

source "$(dirname "$0")/../lib.sh"
setup

failed=0
for fstype in ext4 xfs btrfs tmpfs; do
    make_fs "$fstype" "$fstype"
    for program in answers eventfd lease late hot stamp ctime marks news; do
        say "$fstype: $program"
        "$BUILD/tests/system/kernel-$program" "$WORK/$fstype" || failed=$((failed + 1))
    done
done
say 'sessions'
"$BUILD/tests/system/kernel-autogroup" "$WORK/ext4" || failed=$((failed + 1))
expect_equal "$failed" 0 'programs with a test that failed'
