#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The oldest kernel that is supported, Debian 12's stock 6.1, emulated: the kernel tests and
# storescand with its workers, on ext4, xfs, btrfs and tmpfs. What happens inside is
# old-kernel-guest.sh; this fetches the kernel, packs the machine and reads what it prints.
#
#   STORESCAN_CACHE  where the kernel is kept, so that it is fetched once
#   STORESCAN_GUEST_OUTPUT  a file to keep the machine's output in

source "$(dirname "$0")/../lib.sh"
CACHE=${STORESCAN_CACHE:-/var/tmp/storescan-cache}/old-kernel
LIMIT=${STORESCAN_GUEST_TIMEOUT:-480}

[[ $(uname -m) == x86_64 ]] || skip 'emulates x86_64 on x86_64 only'
setup
need_program qemu-system-x86_64 busybox cpio depmod modprobe ldd mkfs.ext4 mkfs.xfs mkfs.btrfs btrfs
ROOT=$WORK/root

# ---- The kernel ----

# Puts kernel and modules of PACKAGE into FOLDER. The package is not installed.
unpack_kernel() {
    local package=$1 folder=$2 version=${1#linux-image-} part
    (cd "$folder" && apt-get download -q -o APT::Sandbox::User=root "$package") >"$WORK/apt" 2>&1 ||
        skip "apt-get download $package: $(tail -n 1 "$WORK/apt")"
    part=./lib/modules/$version
    dpkg-deb --fsys-tarfile "$folder"/*.deb | tar -x -C "$folder" --wildcards "./boot/vmlinuz-*" \
        "$part/modules.*" "$part/kernel/"{fs,lib,crypto,arch,drivers/block,drivers/virtio,drivers/char}/'*'
    rm "$folder"/*.deb
    depmod -b "$folder" "$version"
}

# Sets KERNEL, a folder with boot/ and lib/modules/, and VERSION.
find_kernel() {
    local package fresh
    mkdir -p "$CACHE"
    package=$(find "$CACHE" -maxdepth 1 -name 'linux-image-6.1.*' -printf '%f\n' | sort -V | tail -n 1)
    if [[ -z $package ]]; then
        need_program apt-get apt-cache dpkg-deb
        package=$(apt-cache depends linux-image-amd64 2>/dev/null |
            sed -n 's/^ *Depends: \(linux-image-6\.1\.[^ ]*\)$/\1/p' | head -n 1)
        [[ -n $package ]] || skip 'no package linux-image-amd64 with Linux 6.1 here (apt-get update?)'
        say "fetching $package"
        mkdir "$WORK/kernel"
        unpack_kernel "$package" "$WORK/kernel"
        # Whole or not at all: an interrupted copy must not be taken for a kernel.
        fresh=$(mktemp -d "$CACHE/.fresh.XXXXXX")
        cp -r "$WORK/kernel/." "$fresh"
        mv -T "$fresh" "$CACHE/$package"
    fi
    KERNEL=$CACHE/$package
    VERSION=${package#linux-image-}
}

# ---- The machine ----

# add_file SOURCE TARGET
add_file() {
    mkdir -p "$ROOT/$(dirname "$2")"
    cp -L "$1" "$ROOT/$2"
}

# add_program SOURCE TARGET: with the libraries that it loads.
add_program() {
    local library
    add_file "$1" "$2"
    while read -r library; do
        [[ -e $ROOT$library ]] || add_file "$library" "$library"
    done < <(ldd "$1" | grep -o '/[^ ]*')
}

add_modules() {
    local module number=100 name
    while read -r module; do
        name=$ROOT/modules/$((number++))-$(basename "${module%.xz}")
        if [[ $module == *.xz ]]; then xz -dc "$module" >"$name"; else cp "$module" "$name"; fi
    done < <(modprobe -d "$KERNEL" -S "$VERSION" --show-depends -a "$@" |
        sed -n 's/^insmod \([^ ]*\).*/\1/p' | awk '!seen[$0]++')
}

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
    mkdir -p "$ROOT"/{bin,dev,proc,sys,etc,mail,modules}
    add_file "$(command -v busybox)" bin/busybox
    "$ROOT/bin/busybox" --list | while read -r applet; do
        [[ -e $ROOT/bin/$applet ]] || ln -s busybox "$ROOT/bin/$applet"
    done
    add_program "$(command -v getfattr)" bin/getfattr
    add_program "$(command -v btrfs)" bin/btrfs
    add_modules virtio_pci virtio_blk ext4 xfs btrfs overlay crc32c_generic
    add_storescan
    printf 'root:x:0:0::/:/bin/sh\nnobody:x:65534:65534::/:/bin/false\n' >"$ROOT/etc/passwd"
    printf 'root:x:0:\nnogroup:x:65534:\n' >"$ROOT/etc/group"
    add_file "$SOURCE/tests/system/old-kernel-guest.sh" init
    chmod 0755 "$ROOT/init"
    chmod -R go+rX "$ROOT"
    (cd "$ROOT" && find . -print0 | cpio --null -o -H newc --quiet) >"$WORK/initrd"
}

run() {
    local fs drives=()
    rm -f "$WORK"/*.image
    for fs in ext4 xfs btrfs; do
        truncate -s 512M "$WORK/$fs.image"
        "mkfs.$fs" -q "$WORK/$fs.image" >/dev/null
        drives+=(-drive "file=$WORK/$fs.image,format=raw,if=virtio,cache=unsafe")
    done
    # Emulated: it has to run wherever the tests do, and that may be a virtual machine already.
    timeout --kill-after=5 "$LIMIT" qemu-system-x86_64 -accel tcg -cpu max -smp 2 -m 1536 \
        -display none -monitor none -serial stdio -net none -no-reboot \
        -kernel "$KERNEL/boot/vmlinuz-$VERSION" -initrd "$WORK/initrd" "${drives[@]}" \
        -append 'console=ttyS0 quiet loglevel=3 oops=panic panic=-1 no_timer_check' \
        </dev/null >"$WORK/output" 2>&1 || true
    tr -d '\r' <"$WORK/output" >"$WORK/lines"
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
