# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# What tests in an emulated machine share: the oldest kernel that is supported, Debian 12's stock 6.1, and a
# first root in memory. Sourced behind lib.sh, after setup; owns the folder $ROOT, the root in the making,
# and the cache of kernels.
#
#   STORESCAN_CACHE  where the kernel is kept, so that it is fetched once

CACHE=${STORESCAN_CACHE:-/var/tmp/storescan-cache}/old-kernel
[[ $(uname -m) == x86_64 ]] || skip 'emulates x86_64 on x86_64 only'
need_program qemu-system-x86_64 busybox cpio depmod modprobe ldd
ROOT=$WORK/root
mkdir -p "$ROOT/modules"

# ---- The kernel ----

# Puts kernel and modules of PACKAGE into FOLDER. The package is not installed.
unpack_kernel() {
    local package=$1 folder=$2 version=${1#linux-image-} part
    (cd "$folder" && apt-get download -q -o APT::Sandbox::User=root "$package") >"$WORK/apt" 2>&1 ||
        skip "apt-get download $package: $(tail -n 1 "$WORK/apt")"
    part=./lib/modules/$version
    dpkg-deb --fsys-tarfile "$folder"/*.deb | tar -x -C "$folder" --wildcards "./boot/vmlinuz-*" \
        "$part/modules.*" "$part/kernel/"{fs,lib,crypto,arch,net/9p,drivers/block,drivers/virtio,drivers/char}/'*'
    rm "$folder"/*.deb
    depmod -b "$folder" "$version"
}

# find_kernel [FOLDER-OF-MODULES]: sets KERNEL, a folder with boot/ and lib/modules/, and VERSION. One that was
# kept without those modules is fetched anew.
find_kernel() {
    local package fresh
    mkdir -p "$CACHE"
    package=$(find "$CACHE" -maxdepth 1 -name 'linux-image-6.1.*' -printf '%f\n' | sort -V | tail -n 1)
    if [[ -z $package || ! -d $CACHE/$package/lib/modules/${package#linux-image-}/kernel/${1:-fs} ]]; then
        need_program apt-get apt-cache dpkg-deb
        package=$(apt-cache depends linux-image-amd64 2>/dev/null |
            sed -n 's/^ *Depends: \(linux-image-6\.1\.[^ ]*\)$/\1/p' | sed -n 1p)
        [[ -n $package ]] || skip 'no package linux-image-amd64 with Linux 6.1 here (apt-get update?)'
        say "fetching $package"
        mkdir "$WORK/kernel"
        unpack_kernel "$package" "$WORK/kernel"
        # Whole or not at all: an interrupted copy must not be taken for a kernel.
        fresh=$(mktemp -d "$CACHE/.fresh.XXXXXX")
        cp -r "$WORK/kernel/." "$fresh"
        rm -rf "${CACHE:?}/$package"
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

# boot_machine LIMIT ARGUMENT...: until it switches itself off; what it prints in $WORK/lines. Emulated: it has to
# run wherever the tests do, and that may be a virtual machine already.
boot_machine() {
    local limit=$1
    shift
    timeout --kill-after=5 "$limit" qemu-system-x86_64 -accel tcg -cpu max -smp 2 \
        -display none -monitor none -serial stdio -net none -no-reboot \
        -kernel "$KERNEL/boot/vmlinuz-$VERSION" -initrd "$WORK/initrd" \
        -append 'console=ttyS0 quiet loglevel=3 oops=panic panic=-1 no_timer_check' "$@" \
        </dev/null 2>&1 | sed -u 's/\r//g' >"$WORK/lines" || true
}

# pack_root INIT: with busybox, and INIT as what it runs.
pack_root() {
    mkdir -p "$ROOT"/{bin,dev,proc,sys,etc,modules}
    add_file "$(command -v busybox)" bin/busybox
    "$ROOT/bin/busybox" --list | while read -r applet; do
        [[ -e $ROOT/bin/$applet ]] || ln -s busybox "$ROOT/bin/$applet"
    done
    add_file "$1" init
    chmod 0755 "$ROOT/init"
    chmod -R go+rX "$ROOT"
    (cd "$ROOT" && find . -print0 | cpio --null -o -H newc --quiet) >"$WORK/initrd"
}
