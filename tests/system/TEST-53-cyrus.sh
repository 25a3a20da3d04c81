#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Infected mail is replaced under Cyrus IMAP: nobody gets the virus, clean mail stays as it is, UIDs too,
# Cyrus has nothing to complain of; and what storescan.conf(5) advises mends the digests that Cyrus keeps.
#
# Debian's cyrus-imapd and dovecot-imapd exclude each other, so it is not installed: its packages are
# unpacked over a view of this system, and it runs there in mount, pid and network namespaces of its own,
# with the store at the path that it has here.

source "$(dirname "$0")/../lib.sh"
setup
need_program apt-get dpkg-deb nsenter pivot_root unshare
# The packages are kept there.
CYRUS=${STORESCAN_CYRUS:-/var/tmp/storescan-cyrus}
PACKAGES=(cyrus-common cyrus-imapd libsasl2-modules sasl2-bin)
REPLACED=$SOURCE/tests/system/replaced-mail
ROOT=$WORK/root
SYSLOG=$WORK/syslog
USER_NAME=bob

# Of what they need that is not installed as well. Nothing is installed, or removed.
get_packages() {
    local get=(timeout 120 apt-get install --quiet=2 --yes --no-install-recommends --download-only --reinstall
        -o Debug::NoLocking=1 -o Dir::Cache::archives="$CYRUS" "${PACKAGES[@]}")
    mkdir -p "$CYRUS/partial"
    "${get[@]}" >"$WORK/apt.log" 2>&1 ||
        { apt-get update --quiet=2 && "${get[@]}"; } >"$WORK/apt.log" 2>&1 ||
        { tail -n 3 "$WORK/apt.log" >&2 && skip 'the packages of Cyrus can not be had'; }
}

# make_root: the system with Cyrus in it, at $ROOT.
make_root() {
    local package upper=$WORK/upper/upper
    make_fs upper tmpfs 256M
    mkdir "$ROOT" "$upper" "$WORK/upper/work"
    for package in "$CYRUS"/*.deb; do dpkg-deb --extract "$package" "$upper"; done
    # There it is a link.
    rm -rf "${upper:?}/lib"
    cp /etc/passwd "$upper/etc/passwd"
    echo 'cyrus:x:60999:8:Cyrus:/var/lib/cyrus:/bin/sh' >>"$upper/etc/passwd"
    mount -t overlay -o "lowerdir=/,upperdir=$upper,workdir=$WORK/upper/work" storescan-test "$ROOT"
    mount -t tmpfs -o mode=0755 storescan-test "$ROOT/dev"
}

# in_root COMMAND...: as Cyrus's user.
in_root() {
    timeout $((60 * PATIENCE)) nsenter --target "$CYRUS_PID" --mount --pid --net --setuid 60999 --setgid 8 "$@" </dev/null
}

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
    for device in null zero random urandom; do cp -a "/dev/$device" "$ROOT/dev/$device"; done
    chown 60999:8 "$WORK/store"
    install -d -o 60999 -g 8 "$ROOT"/run/cyrus{,/socket,/proc,/lock} \
        "$ROOT"/var/lib/cyrus{,/db,/user,/quota,/sieve,/log,/msg,/socket}
    cat >"$ROOT/etc/imapd.conf" <<END
configdirectory: /var/lib/cyrus
proc_path: /run/cyrus/proc
mboxname_lockpath: /run/cyrus/lock
partition-default: $WORK/store
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
    chown 60999 "$ROOT/etc/sasldb2"
    collect_syslog
    # The processes end with the first one of their namespace.
    # shellcheck disable=SC2016
    unshare --mount --pid --net --fork --kill-child sh -ec '
        mkdir -p "$1$2"
        mount --bind "$2" "$1$2"
        mount -t proc proc "$1/proc"
        cd "$1"
        pivot_root . .
        umount -l .
        exec /usr/sbin/cyrmaster -C /etc/imapd.conf -M /etc/cyrus.conf' sh "$ROOT" "$WORK/store" \
        </dev/null >"$WORK/cyrus.out" 2>&1 &
    UNSHARE_PID=$!
    PIDS+=("$UNSHARE_PID")
    export IMAP_SOCKET=$ROOT/run/cyrus/socket/imap LMTP_SOCKET=$ROOT/run/cyrus/socket/lmtp POP3_PORT=
    wait_until 30 test -S "$IMAP_SOCKET" -a -S "$LMTP_SOCKET" ||
        fail "Cyrus does not start: $(cat "$WORK/cyrus.out")"
    # By its change of user it lost the tie to unshare.
    CYRUS_PID=$(children "$UNSHARE_PID")
    PIDS+=("$CYRUS_PID")
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
    timeout --kill-after=5 $((120 * PATIENCE)) python3 "$REPLACED" "$1" "$USER_NAME" "$WORK/state" "${@:2}" || fail "$1"
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

get_packages
make_root
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
