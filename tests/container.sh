# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# For tests that need systemd: a Debian with it, booted in a container, with storescan installed as it
# would be. Sourced after lib.sh and setup. Owns $LEADER, the container's process 1.
#
# The Debian is made once, by debootstrap, in $STORESCAN_ROOTFS (/var/tmp/storescan-rootfs); each run
# works on an overlay of it.

need_program systemd-nspawn debootstrap meson
ROOTFS=${STORESCAN_ROOTFS:-/var/tmp/storescan-rootfs}
MIRROR=${DEBIAN_MIRROR:-http://deb.debian.org/debian}
LEADER=
NSPAWN=
HUB=$BUILD/daemon/hub/storescan-hub

# Debian packages of the libraries that our programs are linked to.
library_packages() {
    local programs=("$STORESCAND" "$BUILD/daemon/worker/storescan-worker" "$STORESCANCTL")
    [[ ! -x $HUB ]] || programs+=("$HUB")
    ldd "${programs[@]}" |
        awk '$3 ~ /^\// { print $3 }' | sort -u | while read -r library; do
        dpkg-query --search "$library" 2>/dev/null ||
            dpkg-query --search "$(readlink -f "$library")" 2>/dev/null || true
    done | sed 's/:.*//' | sort -u | paste -sd,
}

make_rootfs() {
    local packages temporary
    packages=systemd,systemd-sysv,dbus,attr,$(library_packages)
    if [[ -e $ROOTFS/packages && $(<"$ROOTFS/packages") == "$packages" ]]; then return; fi
    say 'a Debian is made for the container (once)'
    rm -rf --one-file-system "$ROOTFS"
    temporary=$(mktemp -d "$ROOTFS.XXXXXX")
    if ! debootstrap --variant=minbase --include="$packages" bookworm "$temporary" "$MIRROR" \
        >"$WORK/debootstrap.log" 2>&1; then
        tail -n 5 "$WORK/debootstrap.log" >&2
        rm -rf --one-file-system "$temporary"
        skip "debootstrap could not make a Debian from $MIRROR"
    fi
    printf '%s\n' "$packages" >"$temporary/packages"
    mv "$temporary" "$ROOTFS"
}

# in_container COMMAND...: as a process of its namespaces.
in_container() { timeout 60 nsenter --target "$LEADER" --all --root --wd -- "$@"; }
ctl() { in_container systemctl "$@"; }
show() { ctl show --value -p "$1" "${2:-storescand}.service"; }

# gate: the number in the container of storescand; the service's main process is its keeper. gate_pid: as the host
# numbers it; keeper_pid: so that of the keeper.
gate() { [[ -z $(gate_pid) ]] || awk '/^NSpid:/ { print $NF }' "/proc/$(gate_pid)/status"; }
gate_pid() {
    local keeper
    for keeper in $(keeper_pid); do children_named "$keeper" storescand; done
}
keeper_pid() { children_named "$LEADER" storescan-keepe; }
children_named() {
    local child
    for child in $(children "$1"); do [[ $(cat "/proc/$child/comm" 2>/dev/null) != "$2" ]] || echo "$child"; done
}
is_guarding() { [[ $(show StatusText) == Guarding* ]]; }
# has_another_gate PID: than this one, as the host numbers it, and it guards.
has_another_gate() { [[ $(gate_pid) != '' && $(gate_pid) != "$1" ]] && is_guarding; }

has_booted() { [[ $(ctl is-system-running) =~ ^(running|degraded)$ ]]; }

find_leader() {
    local child
    for child in $(children "$1"); do
        if [[ $(awk '/^NSpid/ { print $NF }' "/proc/$child/status" 2>/dev/null) == 1 &&
            -S /proc/$child/root/run/systemd/private ]]; then
            LEADER=$child
            return 0
        fi
    done
    return 1
}

# make_root: an overlay, $WORK/root, which is the test's to add to.
make_root() {
    mkdir "$WORK"/{root,upper,work}
    mount -t overlay -o "lowerdir=$ROOTFS,upperdir=$WORK/upper,workdir=$WORK/work" storescan-test "$WORK/root"
}

# install_storescan: into such a root.
install_storescan() {
    make_root
    mkdir "$WORK/dest"
    meson install -C "$BUILD" --no-rebuild --destdir "$WORK/dest" >"$WORK/install.log" ||
        fail "meson install: $(tail -n 5 "$WORK/install.log")"
    # /lib is a symbolic link in Debian; tar can keep it where cp can not.
    tar -C "$WORK/dest" -c . | tar -C "$WORK/root" -x --keep-directory-symlink --no-overwrite-dir
    install -d "$WORK/root/srv/signatures" "$WORK/root/etc/storescan/conf.d"
    cp "$SIGNATURES"/* "$WORK/root/srv/signatures/"
    # What tests/run --sanitizers tells programs.
    if [[ -n ${ASAN_OPTIONS-} ]]; then
        install -d "$WORK/root/etc/systemd/system/service.d"
        printf '[Service]\nEnvironment=ASAN_OPTIONS=%s UBSAN_OPTIONS=%s\n' "$ASAN_OPTIONS" "${UBSAN_OPTIONS-}" \
            >"$WORK/root/etc/systemd/system/service.d/sanitizers.conf"
    fi
    systemctl --root="$WORK/root" enable storescand.service 2>"$WORK/enable.log" ||
        fail "systemctl enable: $(<"$WORK/enable.log")"
    journalctl --root="$WORK/root" --update-catalog
}

# boot [NSPAWN-ARGUMENT...]: and waits until all is started.
boot() {
    # Without the filter's exception fanotify is refused even to a container with all capabilities.
    systemd-nspawn --directory="$WORK/root" --machine="storescan-test-$$" --register=no --keep-unit \
        --boot --console=pipe "$@" --system-call-filter='fanotify_init fanotify_mark open_by_handle_at' \
        </dev/null >"$WORK/console" 2>&1 &
    NSPAWN=$!
    # Before the children: killing nspawn ends the container with all its processes.
    PIDS+=("$NSPAWN")
    wait_until 120 find_leader "$NSPAWN" || fail "the container does not boot: $(tail -n 5 "$WORK/console")"
    find_leader "$NSPAWN"
    PIDS+=("$LEADER")
    wait_until 120 has_booted || fail "the container is $(ctl is-system-running)"
}

# end_container: as by its power button.
end_container() {
    kill -s RTMIN+4 "$LEADER"
    wait_until 60 container_is_gone || fail 'the container does not end'
}
# shellcheck disable=SC2317 # wait_until calls it
container_is_gone() { ! kill -0 "$NSPAWN" 2>/dev/null; }
