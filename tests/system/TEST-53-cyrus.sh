#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Infected mail is replaced under Cyrus IMAP, in a Debian of its own: nobody gets the virus, clean mail
# stays as it is, UIDs too, Cyrus has nothing to complain of; and what storescan.conf(5) advises mends
# the digests that Cyrus keeps.
#
# That Debian is made once, by debootstrap, in $STORESCAN_CYRUS (/var/tmp/storescan-cyrus), since
# Debian's cyrus-imapd and dovecot-imapd exclude each other; each run works on an overlay of it.

source "$(dirname "$0")/../lib.sh"
setup
need_program debootstrap unshare chroot
CYRUS=${STORESCAN_CYRUS:-/var/tmp/storescan-cyrus}
MIRROR=${DEBIAN_MIRROR:-http://deb.debian.org/debian}
# cyrus-common wants a mail-transport-agent, which debootstrap would not choose.
PACKAGES=msmtp-mta,cyrus-imapd,sasl2-bin,libsasl2-modules
REPLACED=$SOURCE/tests/system/replaced-mail
ROOT=$WORK/root
SYSLOG=$WORK/syslog
USER_NAME=bob

make_rootfs() {
    local temporary
    if [[ -e $CYRUS/packages && $(<"$CYRUS/packages") == "$PACKAGES" ]]; then return; fi
    say 'a Debian is made for Cyrus (once)'
    rm -rf --one-file-system "$CYRUS"
    temporary=$(mktemp -d "$CYRUS.XXXXXX")
    if ! debootstrap --variant=minbase --include="$PACKAGES" bookworm "$temporary" "$MIRROR" \
        >"$WORK/debootstrap.log" 2>&1; then
        tail -n 5 "$WORK/debootstrap.log" >&2
        rm -rf --one-file-system "$temporary"
        skip "debootstrap could not make a Debian from $MIRROR"
    fi
    printf '%s\n' "$PACKAGES" >"$temporary/packages"
    mv "$temporary" "$CYRUS"
}

# in_root COMMAND...: as Cyrus's user.
in_root() { timeout 60 chroot --userspec=cyrus:mail "$ROOT" "$@" </dev/null; }

# Writes what Cyrus sends to syslog.
collect_syslog() {
    python3 - "$ROOT/dev/log" >>"$SYSLOG" <<'END' &
import os, socket, sys
sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
sock.bind(sys.argv[1])
os.chmod(sys.argv[1], 0o666)
while True:
    print(sock.recv(8192).decode(errors="replace").strip("\0\n"), flush=True)
END
    PIDS+=("$!")
    wait_until 20 test -S "$ROOT/dev/log" || fail 'no syslog'
}

# start_cyrus: on sockets only.
start_cyrus() {
    local device
    mkdir "$ROOT" "$WORK/upper" "$WORK/work"
    mount -t overlay -o "lowerdir=$CYRUS,upperdir=$WORK/upper,workdir=$WORK/work" storescan-test "$ROOT"
    mount -t tmpfs -o mode=0755 storescan-test "$ROOT/dev"
    for device in null zero random urandom; do cp -a "/dev/$device" "$ROOT/dev/$device"; done
    mkdir -p "$ROOT/srv/cyrus"
    mount --bind "$WORK/store" "$ROOT/srv/cyrus"
    chroot "$ROOT" chown cyrus:mail /srv/cyrus
    chroot "$ROOT" install -d -o cyrus -g mail /run/cyrus /run/cyrus/socket /run/cyrus/proc /run/cyrus/lock
    cat >"$ROOT/etc/imapd.conf" <<'END'
configdirectory: /var/lib/cyrus
proc_path: /run/cyrus/proc
mboxname_lockpath: /run/cyrus/lock
partition-default: /srv/cyrus
defaultpartition: default
servername: localhost
admins: cyrus
allowplaintext: yes
unixhierarchysep: yes
autocreate_quota: 0
autocreate_post: yes
duplicatesuppression: no
sasl_pwcheck_method: auxprop
sasl_auxprop_plugin: sasldb
sasl_mech_list: PLAIN LOGIN
lmtpsocket: /run/cyrus/socket/lmtp
END
    cat >"$ROOT/etc/cyrus.conf" <<'END'
START {
  recover cmd="ctl_cyrusdb -r"
}
SERVICES {
  imap cmd="imapd -U 30" listen="/run/cyrus/socket/imap" prefork=0
  lmtp cmd="lmtpd" listen="/run/cyrus/socket/lmtp" prefork=0
}
EVENTS {
}
END
    printf 'pw\n' | chroot "$ROOT" saslpasswd2 -p -c -u localhost "$USER_NAME"
    chroot "$ROOT" chown cyrus /etc/sasldb2
    collect_syslog
    # Its processes end with the first one of their namespace.
    unshare --pid --fork --kill-child chroot "$ROOT" /usr/sbin/cyrmaster -C /etc/imapd.conf -M /etc/cyrus.conf \
        </dev/null >"$WORK/cyrus.out" 2>&1 &
    PIDS+=("$!")
    export IMAP_SOCKET=$ROOT/run/cyrus/socket/imap LMTP_SOCKET=$ROOT/run/cyrus/socket/lmtp POP3_PORT=
    wait_until 30 test -S "$IMAP_SOCKET" -a -S "$LMTP_SOCKET" ||
        fail "Cyrus does not start: $(cat "$WORK/cyrus.out")"
}

explain_failure() {
    printf -- '---- Cyrus said:\n'
    tail -n 15 "$SYSLOG" | cut -c 1-400
}

expect_no_complaint() {
    ! grep -E 'IOERROR|[Ff]atal|corrupt|mismatch|DBERROR' "$SYSLOG" >&2 || fail "Cyrus complains: $1"
}

# mail COMMAND [ARGUMENT...]
mail() {
    timeout --kill-after=5 120 python3 "$REPLACED" "$1" "$USER_NAME" "$WORK/state" "${@:2}" || fail "$1"
}

# reconstruct [OPTION...]: what it says.
reconstruct() { in_root /usr/lib/cyrus/bin/reconstruct "$@" "user/$USER_NAME" 2>&1; }

mkdir "$WORK/messages"
CLEAN=() VIRUSES=()
for n in {1..5}; do
    CLEAN+=("$WORK/messages/$n.clean")
    make_mail "${CLEAN[-1]}" clean --seed "$n" --size $((n * 9000))
done
for kind in base64 text nested; do
    VIRUSES+=("$WORK/messages/$kind.virus")
    make_mail "${VIRUSES[-1]}" "eicar-$kind" --size 9000
done

make_rootfs
make_fs store ext4
add_store mail "$WORK/store" format=cyrus "on_infected=${ON_INFECTED:-replace}"
start_storescand
start_cyrus

say 'reading, searching, copying, moving, expunging'
mail use "${CLEAN[@]}" -- "${VIRUSES[@]}"
say 'what nobody has read'
mail deliver "${VIRUSES[0]}" "${CLEAN[0]}"
mail expunge INBOX
mail check
expect_no_complaint 'in use'
wait_for_line '[Rr]eplaced.*Eicar'

say 'reconstruct'
reconstruct >"$WORK/said" || fail "reconstruct: $(cat "$WORK/said")"
mail check
expect_no_complaint 'after reconstruct'
reconstruct -G -R >"$WORK/said" || fail "reconstruct -G -R: $(cat "$WORK/said")"
: >"$SYSLOG"
mail check --other-uids
reconstruct -G >"$WORK/said" || fail "reconstruct -G: $(cat "$WORK/said")"
! grep -i mismatch "$WORK/said" "$SYSLOG" || fail 'the digests are not mended'
expect_equal "$(counter denied)" 0 'accesses denied'
stop_storescand
