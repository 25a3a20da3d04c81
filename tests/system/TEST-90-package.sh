#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A new user's path, from the Debian package to a virus that can't be opened, by the commands of
# storescan-quickstart(7): installed, configured from what Dovecot says, tried, guarding; upgraded while mail is
# read; removed, and purged without leaving anything but originals of mail.

source "$(dirname "$0")/../lib.sh"
setup
source "$(dirname "$0")/../container.sh"
source "$(dirname "$0")/../quickstart.sh"
need_program apt-get dh dpkg-deb lintian
# The package of libclamav that ours was built with is kept there: the container's may be older.
PACKAGES=${STORESCAN_PACKAGES:-/var/tmp/storescan-packages}
MAILDIR=$WORK/store/bob/Maildir

explain_failure() {
    [[ ! -s $WORK/console ]] || tail -n 5 "$WORK/console"
    [[ -z $LEADER ]] || in_container journalctl --no-pager -b -n 30 | cut -c 1-300
}

is_active() { [[ $(ctl is-active "${1:-storescand.service}") == active ]]; }
version() { in_container dpkg-query -W -f '${Version} ${db:Status-Status}' storescan; }
# dpkg_inside ARGUMENT...: what it says is in a file.
dpkg_inside() { in_container env DEBIAN_FRONTEND=noninteractive dpkg "$@" >"$WORK/dpkg.log" 2>&1; }
# by_hand NAME: commands of the quick start; their status, and output in a file.
by_hand() { quickstart "$1" | in_container bash >"$WORK/said" 2>&1; }
expect_said() { grep -Eq -- "$1" "$WORK/said" || fail "no '$1' in: $(<"$WORK/said")"; }

# get_libclamav: what is installed here, as a package.
get_libclamav() {
    local version
    version=$(dpkg-query -W -f '${Version}' libclamav12)
    LIBCLAMAV=$PACKAGES/libclamav12_${version/:/%3a}_$(dpkg --print-architecture).deb
    [[ ! -e $LIBCLAMAV ]] || return 0
    mkdir -p "$PACKAGES"
    (cd "$PACKAGES" && { timeout 120 apt-get download --quiet=2 "libclamav12=$version" ||
        { apt-get update --quiet=2 && timeout 120 apt-get download --quiet=2 "libclamav12=$version"; }; }) \
        >"$WORK/apt.log" 2>&1 || skip "libclamav12 $version can not be had: $(tail -n 1 "$WORK/apt.log")"
}

say 'the package: made by one command, without errors'
get_libclamav
mkdir "$WORK/packages"
"$SOURCE/units/debian/build" --built "$BUILD" "$WORK/packages" >"$WORK/build.log" 2>&1 ||
    fail "not built: $(tail -n 20 "$WORK/build.log")"
DEB=$(echo "$WORK"/packages/storescan_*.deb)
lintian --allow-root --fail-on error "$DEB" >"$WORK/lintian" 2>&1 || fail "lintian: $(<"$WORK/lintian")"
# The same as the next version.
dpkg-deb --raw-extract "$DEB" "$WORK/next"
sed -i 's/^Version: .*/&+next/' "$WORK/next/DEBIAN/control"
dpkg-deb --build -Znone --root-owner-group "$WORK/next" "$WORK/packages/next.deb" >/dev/null

make_rootfs
make_root
mkdir "$WORK/mail"
make_mail "$WORK/mail/clean" clean -s 20000
make_mail "$WORK/mail/infected" eicar-base64
make_fs store ext4
make_maildir "$MAILDIR" "$WORK/store/clean" "$WORK/store/infected"
for kind in clean infected; do
    for n in 0 1 2 3; do
        { echo "X-Number: $n"; cat "$WORK/mail/$kind"; } >"$WORK/store/$kind/cur/fixed-$n"
    done
done
install -d "$WORK/root/srv/mail" "$WORK/root/deb"
cp "$LIBCLAMAV" "$WORK/root/deb/libclamav.deb"
cp "$DEB" "$WORK/root/deb/storescan.deb"
cp "$WORK/packages/next.deb" "$WORK/root/deb/"
# Stands for Dovecot.
cat >"$WORK/root/usr/local/bin/doveconf" <<'END'
#!/bin/sh
cat <<'CONF'
# 2.3.19.1 (9b53102964): /etc/dovecot/dovecot.conf
mail_location = maildir:/srv/mail/%n/Maildir
CONF
END
chmod 0755 "$WORK/root/usr/local/bin/doveconf"
boot --bind="$WORK/store:/srv/mail"

say 'installed: nothing is guarded before stores are named, and nothing fails'
dpkg_inside -i /deb/libclamav.deb /deb/storescan.deb || fail "not installed: $(<"$WORK/dpkg.log")"
has_booted || fail "the container is $(ctl is-system-running)"
expect_equal "$(ctl is-system-running)" running 'state of the system'
expect_equal "$(ctl is-active storescand.service)" inactive 'storescand.service'
in_container id storescan-worker >/dev/null || fail 'its users were not made'
is_active storescan-quarantine.timer || fail 'the quarantine is not cleaned'
in_container journalctl --list-catalog >"$WORK/catalog"
grep -q 'Infected mail was blocked' "$WORK/catalog" || fail 'the journal does not know its messages'
# Started all the same it says what is missing, once.
ctl start storescand.service 2>/dev/null && fail 'it started without a store'
in_container journalctl --sync
in_container journalctl --no-pager -b -u storescand -o cat >"$WORK/journal"
grep -q 'no store to guard; add \[store NAME\]' "$WORK/journal" || fail 'it does not say what is missing'
expect_equal "$(show NRestarts)" 0 'restarts'
ctl reset-failed

say 'the quick start: stores'
in_container mkdir -p /var/lib/clamav
for file in "$SIGNATURES"/*; do
    # shellcheck disable=SC2016 # for the other shell
    in_container bash -c 'cat >"/var/lib/clamav/$1"' cat "${file##*/}" <"$file"
done
by_hand setup || fail "setup: $(<"$WORK/said")"
expect_said '^path = /srv/mail$'
expect_said 'valid and has 1 store\.'

say 'the quick start: started, on trial'
by_hand start || true # the test's signatures are old
expect_said 'storescand guards its stores'
wait_until 30 is_active || fail "storescand.service is $(ctl is-active storescand.service)"
by_hand eicar || fail "no test virus: $(<"$WORK/said")"
in_container cp /tmp/eicar.eml /srv/mail/bob/Maildir/new/1.test
in_container cat /srv/mail/bob/Maildir/new/1.test >"$WORK/got" || fail 'it is denied on trial'
cmp -s "$WORK/got" "$MAILDIR/new/1.test" || fail 'it was changed on trial'
told_of_it() { in_container journalctl --sync && by_hand log && grep -q '/srv/mail/bob/Maildir/new/1.test' "$WORK/said"; }
wait_until 20 told_of_it || fail "the log does not tell of it: $(<"$WORK/said")"

say 'the quick start: guarding'
by_hand guard || fail "guard: $(<"$WORK/said")"
# A reload ends when it is asked for.
guarded() { in_container cat /srv/mail/bob/Maildir/new/1.test >"$WORK/notice" && ! cmp -s "$WORK/notice" "$WORK/got"; }
wait_until 20 guarded || fail 'the test virus can still be read'
by_hand quarantine
expect_said ' replaced +mail '
in_container storescanctl quarantine list --json >"$WORK/said"
expect_said '"path":"/srv/mail/bob/Maildir/new/1.test"'

say 'the quick start: the hub, and if mail is stuck'
by_hand hub || fail "the hub: $(<"$WORK/said")"
is_active storescan-hub.service || fail "storescan-hub.service is $(ctl is-active storescan-hub.service)"
by_hand stuck || fail "pause and resume: $(<"$WORK/said")"

say 'upgraded while mail is read: no infected message can be'
printf '[store mail]\non_infected = block\n' >"$WORK/root/block.conf"
in_container bash -c 'cp /block.conf /etc/storescan/conf.d/50-block.conf && storescanctl check-config' >/dev/null
ctl reload storescand.service
denied() { ! in_container cat /srv/mail/infected/cur/fixed-0 >/dev/null 2>&1; }
wait_until 20 denied || fail 'an infected message is not blocked'
pid=$(show MainPID)
cat >"$WORK/upgrade" <<END
#!/bin/sh
exec nsenter --target $LEADER --all --root --wd -- dpkg -i /deb/next.deb
END
chmod 0755 "$WORK/upgrade"
"$SOURCE/tests/system/kill-rounds" "$LEADER" "$WORK/store" --logs "$WORK/mail" --rounds 1 --command "$WORK/upgrade"
expect_equal "$(version)" "$(dpkg-deb -f "$DEB" Version)+next installed" 'what is installed'
[[ $(show MainPID) != "$pid" ]] || fail 'the old one still runs'
is_active || fail 'storescand does not run after the upgrade'
is_active storescan-hub.service || fail 'storescan-hub does not run after the upgrade'
expect_equal "$(show NRestarts)" 0 'restarts after the upgrade'
denied || fail 'nothing is guarded after the upgrade'
in_container test -e /etc/storescan/conf.d/10-setup.conf || fail 'the upgrade took the configuration'

say 'removed: it ends, the stores are open, what was configured stays'
dpkg_inside -r storescan || fail "not removed: $(<"$WORK/dpkg.log")"
expect_equal "$(ctl is-active storescand.service)" inactive 'storescand.service'
in_container cat /srv/mail/infected/cur/fixed-0 >/dev/null || fail 'the store is not open'
in_container test -e /etc/storescan/conf.d/10-setup.conf || fail 'the configuration is gone'
# shellcheck disable=SC2016 # for the other shell
[[ -z $(in_container bash -c 'readlink /proc/[0-9]*/exe | grep storescan') ]] || fail 'processes were left'

say 'installed again: as it was'
dpkg_inside -i /deb/next.deb || fail "not installed again: $(<"$WORK/dpkg.log")"
expect_equal "$(ctl is-enabled storescand.service)" enabled 'storescand.service'
ctl start storescand.service
denied || fail 'nothing is guarded'

say 'purged: nothing is left but originals, and not those once there are none'
in_container cp -r /var/lib/storescan/quarantine /var/lib/storescan/originals # as one of another name
dpkg_inside -P storescan || fail "not purged: $(<"$WORK/dpkg.log")"
in_container rm -r /etc/systemd/system/storescan-hub.service.d # made by hand
for folder in quarantine originals; do
    grep -q "originals of replaced mail stay in /var/lib/storescan/$folder" "$WORK/dpkg.log" ||
        fail "it does not tell of originals in $folder: $(<"$WORK/dpkg.log")"
    in_container bash -c "cat /var/lib/storescan/$folder/*.item" | cmp -s - "$WORK/got" ||
        fail "the original in $folder is gone"
done
left() { in_container find /etc /run /usr /var -xdev -name '*storescan*' ! -path '/var/log/*' ; }
expect_equal "$(left)" /var/lib/storescan 'what is left'
expect_equal "$(in_container ls /var/lib/storescan | xargs)" 'originals quarantine' 'what is left of the state'
in_container rm -r /var/lib/storescan/originals /var/lib/storescan/quarantine
dpkg_inside -i /deb/next.deb || fail "not installed after a purge: $(<"$WORK/dpkg.log")"
expect_equal "$(ctl is-enabled storescand.service || true)" disabled 'storescand.service after a purge'
dpkg_inside -P storescan || fail "not purged: $(<"$WORK/dpkg.log")"
expect_equal "$(left)" '' 'what is left'

say 'the container ends'
end_container
wait_until 20 umount "$WORK/store" || fail 'the store is still busy'
