#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The oldest kernel that is supported, Debian 12's stock 6.1, emulated: the kernel tests and
# storescand with its workers, on ext4, xfs, btrfs and tmpfs. What happens inside is
# old-kernel-guest.sh; this fetches the kernel, packs the machine and reads what it prints.
#
#   STORESCAN_CACHE  where the kernel is kept, as in tests/machine.sh
#   STORESCAN_GUEST_OUTPUT  a file to keep the machine's output in

source "$(dirname "$0")/../lib.sh"
LIMIT=${STORESCAN_GUEST_TIMEOUT:-480}

setup
source "$(dirname "$0")/../machine.sh"
need_program mkfs.ext4 mkfs.xfs mkfs.btrfs btrfs

add_storescan() {
    local program worker=$BUILD/daemon/worker/storescan-worker
    for program in answers eventfd lease hot stamp ctime marks news; do
        add_program "$BUILD/tests/system/kernel-$program" "storescan/kernel-$program"
    done
    add_program "$STORESCAND" storescan/storescand
    [[ -x $worker ]] || fail "no $worker: build first"
    add_program "$worker" storescan/worker/storescan-worker
    add_program "$BUILD/daemon/remedy/storescan-remedy" storescan/remedy/storescan-remedy
    add_program "$BUILD/daemon/sweep/storescan-sweep" storescan/sweep/storescan-sweep
    cp -r "$SIGNATURES" "$ROOT/signatures"
    make_mail "$ROOT/mail/clean" clean
    make_mail "$ROOT/mail/infected" eicar-base64
    make_mail "$ROOT/mail/other" text
    "$SOURCE/tests/data/make-store-formats" mbox "$ROOT/mail/mbox-clean" "$ROOT/mail/"{clean,other} >"$WORK/layout"
    "$SOURCE/tests/data/make-store-formats" mbox "$ROOT/mail/mbox-infected" \
        "$ROOT/mail/"{clean,infected,other} >"$WORK/layout"
    "$SOURCE/tests/data/make-store-formats" mbox "$ROOT/mail/mbox-more" "$ROOT/mail/infected" >"$WORK/layout"
}

pack() {
    mkdir -p "$ROOT"/{bin,etc,mail,modules}
    add_program "$(command -v getfattr)" bin/getfattr
    add_program "$(command -v btrfs)" bin/btrfs
    add_modules virtio_pci virtio_blk ext4 xfs btrfs overlay crc32c_generic
    add_storescan
    printf 'root:x:0:0::/:/bin/sh\nnobody:x:65534:65534::/:/bin/false\n' >"$ROOT/etc/passwd"
    printf 'root:x:0:\nnogroup:x:65534:\n' >"$ROOT/etc/group"
    printf "ASAN_OPTIONS='%s' UBSAN_OPTIONS='%s'\n" "${ASAN_OPTIONS-}" "${UBSAN_OPTIONS-}" >"$ROOT/settings"
    pack_root "$SOURCE/tests/system/old-kernel-guest.sh"
}

run() {
    local fs drives=()
    rm -f "$WORK"/*.image
    for fs in ext4 xfs btrfs; do
        truncate -s 512M "$WORK/$fs.image"
        "mkfs.$fs" -q "$WORK/$fs.image" >/dev/null
        drives+=(-drive "file=$WORK/$fs.image,format=raw,if=virtio,cache=unsafe")
    done
    boot_machine "$LIMIT" -m 1536 "${drives[@]}"
    [[ -z ${STORESCAN_GUEST_OUTPUT:-} ]] || cp "$WORK/lines" "$STORESCAN_GUEST_OUTPUT"
}

find_kernel
say "packing a machine with Linux $VERSION"
pack
say 'running it'
run
# An emulated machine on a busy host may miss its timers while it boots.
grep -q '^guest: ' "$WORK/lines" || run
sed -n 's/^guest: //p' "$WORK/lines"
grep -qx 'guest: done' "$WORK/lines" ||
    fail "the machine did not come to its end within $LIMIT s: $(tail -n 5 "$WORK/lines")"
expect_equal "$(grep -c '^guest: not ok' "$WORK/lines" || true)" 0 'number of tests that failed'
(($(grep -c '^guest: ok' "$WORK/lines") > 100)) || fail 'tests are missing'
