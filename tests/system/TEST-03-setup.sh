#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# "storescanctl setup" among real mail servers: the programs of Dovecot and Postfix are asked, in a view of
# this system that has another /etc. What is proposed is a valid configuration, is written as a whole, and
# never over what somebody changed.

source "$(dirname "$0")/../lib.sh"
setup
source "$(dirname "$0")/../quickstart.sh"
need_program doveconf jq postconf unshare
[[ -e /etc/postfix/postfix-files ]] || skip 'needs the files of Postfix in /etc'

# ---- Another /etc ----

HERE=$WORK/mail
OUT=$WORK/out
ETC=$WORK/view/etc
WRITTEN=$ETC/storescan/conf.d/10-setup.conf

make_fs view tmpfs
mkdir -p "$OUT" "$WORK/view/work" "$ETC"/{storescan,dovecot,postfix} "$HERE/other" \
    "$HERE"/{vmail/example.org/bob/Maildir,public,attachments,spool,virtual/bob/{cur,new,tmp}}
touch "$HERE/virtual/bob/cur/1795470147.M1P2.host:2,S"

# elsewhere COMMAND...: with $ETC over /etc, in a mount namespace of its own. Its status goes to STATUS, what
# it says to files.
elsewhere() {
    STATUS=0
    # shellcheck disable=SC2016 # for the other shell
    unshare --mount bash -c 'mount -t overlay -o "lowerdir=/etc,upperdir=$1/etc,workdir=$1/work" test /etc &&
        cd / && shift && exec "$@"' elsewhere "$WORK/view" "$@" </dev/null >"$OUT/stdout" 2>"$OUT/stderr" || STATUS=$?
}
propose() { elsewhere "$STORESCANCTL" setup "$@"; }
expect_status() { ((STATUS == $1)) || fail "status $STATUS, not $1: $(cat "$OUT/stdout" "$OUT/stderr")"; }
expect_said() { grep -Eq -- "$2" "$OUT/$1" || fail "no '$2' in: $(<"$OUT/$1")"; }
# expect_store PATH LINE...: the lines of its section.
expect_store() {
    local path=$1 line section
    shift
    section=$(awk -v path="path = $path" 'BEGIN { RS = "" } index($0, "\n" path "\n")' "$OUT/stdout")
    [[ -n $section ]] || fail "$path is not proposed: $(<"$OUT/stdout")"
    for line; do
        grep -Fxq -- "$line" <<<"$section" || fail "no line '$line' for $path: $section"
    done
}

# systemd has no part in this.
printf '#!/bin/sh\n' >"$OUT/systemctl"
chmod 0755 "$OUT/systemctl"
# quickstart_elsewhere NAME: as it is to be typed.
quickstart_elsewhere() {
    quickstart "$1" >"$OUT/commands"
    PATH=$OUT:$(dirname "$STORESCANCTL"):$PATH elsewhere bash -e "$OUT/commands"
    expect_status 0
}

printf '[scanner]\ndatabase = %s\n' "$SIGNATURES" >"$ETC/storescan/storescan.conf"
cat >"$ETC/dovecot/dovecot.conf" <<END
ssl = no
mail_location = maildir:~/Maildir
mail_attachment_dir = $HERE/attachments
userdb {
  driver = static
  args = uid=1 gid=1 home=$HERE/vmail/%d/%n
}
namespace inbox {
  inbox = yes
  separator = /
}
namespace public {
  type = public
  prefix = Public/
  separator = /
  location = maildir:$HERE/public:INDEXPVT=~/public
}
END
cat >"$ETC/postfix/main.cf" <<END
compatibility_level = 3.6
mydestination = localhost
mail_spool_directory = $HERE/spool
virtual_mailbox_domains = example.org
virtual_mailbox_base = $HERE/virtual
virtual_mailbox_maps = static:x
smtpd_milters = inet:127.0.0.1:11332
END

say 'a proposal: all that is told, and nothing is written'
propose
expect_status 0
expect_said stdout '^# Found: Dovecot, Postfix\.$'
expect_store "$HERE/vmail" 'format = maildir' 'kind = mailbox' 'on_infected = detect' 'on_error = allow'
expect_store "$HERE/public" 'format = maildir' 'kind = public-folder'
expect_store "$HERE/attachments" 'format = sis'
expect_store "$HERE/spool" 'format = mbox'
expect_store "$HERE/virtual" 'format = maildir'
expect_said stdout "^# +postconf -e 'smtpd_milters = inet:127.0.0.1:11332 inet:127.0.0.1:8893'"
expect_said stderr 'setup --write'
[[ ! -e $ETC/storescan/conf.d ]] || fail 'something was written'

say 'the same for programs'
cp "$OUT/stdout" "$WORK/proposed.conf"
propose --json
expect_status 0
expect_equal "$(jq -r 'select(.path).state' "$OUT/stdout" | sort -u)" proposed 'states'
expect_equal "$(jq -r --arg path "$HERE/public" 'select(.path == $path) | [.store, .kind, .format, .filesystem] | @csv' \
    "$OUT/stdout")" '"public","public-folder","maildir",false' 'the public store'

say 'it is a configuration'
cat "$ETC/storescan/storescan.conf" "$WORK/proposed.conf" >"$WORK/all.conf"
"$STORESCANCTL" check-config "$WORK/all.conf" >"$OUT/check" 2>&1 || fail "it is not valid: $(<"$OUT/check")"
grep -q '5 stores' "$OUT/check" || fail "not five stores: $(<"$OUT/check")"

say 'written: the same, for all to read'
propose --write
expect_status 0
cmp -s "$WRITTEN" "$WORK/proposed.conf" || fail 'something else was written'
expect_equal "$(stat -c %a "$WRITTEN")" 644 'mode'
expect_equal "$(ls "$ETC/storescan/conf.d")" 10-setup.conf 'files'
expect_said stderr 'systemctl enable --now storescand'
elsewhere "$STORESCANCTL" check-config
expect_status 0

say 'written again, after a mail server changed'
sed -i 's/^mail_attachment_dir/#&/' "$ETC/dovecot/dovecot.conf"
propose --write
expect_status 0
! grep -q sis "$WRITTEN" || fail 'it was not written anew'

say 'changed by hand: it stays as it is'
sed -i '/^on_infected/d; /^on_error/d' "$WRITTEN"
cp "$WRITTEN" "$WORK/changed"
propose --write
expect_status 2
expect_said stderr 'changed by hand'
cmp -s "$WRITTEN" "$WORK/changed" || fail 'a file that was changed was written over'
rm "$WRITTEN"

say 'what is configured already is left out, and its name not taken'
cat >"$ETC/storescan/conf.d/50-mine.conf" <<END
[store mine]
path = $HERE/vmail
[store public]
path = $HERE/other
END
propose --write
expect_status 0
expect_said stdout "^# $HERE/vmail is \[store mine\] already\.$"
expect_said stdout '^\[store public-2\]$'
elsewhere "$STORESCANCTL" check-config
expect_status 0
expect_said stdout '5 stores'
rm "$WRITTEN"

say 'with mistakes in other files it is not written'
printf '[store mine]\non_infected = perhaps\n' >"$ETC/storescan/conf.d/60-mistake.conf"
propose --write
expect_status 1
expect_said stderr '60-mistake.conf:2: .*on_infected'
[[ ! -e $WRITTEN ]] || fail 'it was written'
rm "$ETC/storescan/conf.d"/*

say 'storescan-quickstart(7): its commands and snippets'
quickstart_elsewhere setup
expect_said stdout 'valid and has 4 stores'
quickstart_elsewhere postfix
propose
expect_status 0
! grep -q 'smtpd_milters' "$OUT/stdout" || fail 'Postfix is still not told of the hub'
elsewhere postconf -h smtpd_milters non_smtpd_milters milter_default_action lmtp_line_length_limit
# shellcheck disable=SC2016 # of Postfix
expect_equal "$(paste -sd ' ' "$OUT/stdout")" 'inet:127.0.0.1:8893 $smtpd_milters tempfail 0' 'settings of Postfix'
quickstart dovecot >>"$ETC/dovecot/dovecot.conf"
elsewhere doveconf -f protocol=imap -h imap_fetch_failure
expect_equal "$(<"$OUT/stdout")" no-after 'setting of Dovecot'
for name in public cyrus; do
    {
        cat "$ETC/storescan/storescan.conf"
        quickstart "$name" | sed "s,^path = .*,path = $HERE/other,"
    } >"$WORK/$name.conf"
    "$STORESCANCTL" check-config "$WORK/$name.conf" >/dev/null || fail "the snippet $name is not valid"
done
rm "$WRITTEN"

say 'a folder that is not there is shown, and not guarded'
rmdir "$HERE/attachments"
sed -i 's/^#mail_attachment_dir/mail_attachment_dir/' "$ETC/dovecot/dovecot.conf"
propose
expect_status 0
expect_said stdout "^#path = $HERE/attachments$"
expect_said stdout '^# It is not there \(No such file or directory\)'
propose --json
expect_equal "$(jq -r 'select(.state == "not-ready").path' "$OUT/stdout")" "$HERE/attachments" 'what is not ready'

say 'a mail server whose settings are broken is told of, the others are proposed'
echo 'nonsense {' >>"$ETC/dovecot/dovecot.conf"
propose
expect_status 0
expect_said stderr '^storescanctl: doveconf: failed'
expect_said stdout '^# Found: Postfix\.$'
expect_store "$HERE/spool" 'format = mbox'

say 'homes that only a running Dovecot knows'
mkdir -p "$HERE/homes"/{bob,eve} "$WORK/run"
printf 'bob:::::%s\neve:::::%s\n' "$HERE/homes/bob" "$HERE/homes/eve" >"$WORK/users"
cat >"$ETC/dovecot/dovecot.conf" <<END
ssl = no
base_dir = $WORK/run
state_dir = $WORK/run
log_path = $WORK/dovecot.log
protocols =
mail_location = sdbox:~/sdbox
mail_uid = 1
mail_gid = 1
first_valid_uid = 1
passdb {
  driver = passwd-file
  args = $WORK/users
}
userdb {
  driver = passwd-file
  args = $WORK/users
}
END
# shellcheck disable=SC2016 # for the other shell
elsewhere bash -c 'dovecot || exit 98
    "$1" setup; status=$?; doveadm stop; exit "$status"' dovecot "$STORESCANCTL"
expect_status 0
expect_store "$HERE/homes" 'format = sdbox'
propose
expect_status 0
expect_said stdout "^# .*userdb \(passwd-file\)"

say 'Cyrus'
mkdir -p "$HERE/cyrus"
ln -s cyrus "$HERE/link"
printf 'partition-default: %s\npartition-again: %s\n' "$HERE/cyrus" "$HERE/link" >"$ETC/imapd.conf"
propose
expect_status 0
expect_store "$HERE/cyrus" 'format = cyrus'
expect_said stdout "^# $HERE/cyrus is \[store cyrus\] already\.$"
rm "$ETC/imapd.conf"

say 'no mail server: it says what to do'
printf '#!/bin/sh\nexit 127\n' >"$WORK/missing"
chmod 0755 "$WORK/missing"
# shellcheck disable=SC2016 # for the other shell
elsewhere bash -c 'for program in doveconf postconf; do
        mount --bind "$1" "$(readlink -f "$(command -v "$program")")" || exit 99
    done
    exec "$2" setup' nothing "$WORK/missing" "$STORESCANCTL"
expect_status 1
expect_said stderr '^No Dovecot, Cyrus, Postfix'
expect_said stderr '^ +\[store mail\]$'
[[ ! -s $OUT/stdout ]] || fail "something was proposed: $(<"$OUT/stdout")"
