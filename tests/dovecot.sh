# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# A private Dovecot with its mail in guarded stores, of every format that it has. Sourced behind lib.sh,
# after setup; needs $WORK and adds to $STORES_CONF and $PIDS. The stores are below $FS.

shopt -s extglob
need_program dovecot doveadm python3
[[ -x /usr/lib/dovecot/lmtp ]] || skip 'needs Dovecot with LMTP'
# An own package in Debian, dovecot-pop3d.
# shellcheck disable=SC2034 # of the scripts that source this
[[ -x /usr/lib/dovecot/pop3 ]] && POP3=pop3 || POP3=

CLIENT=$SOURCE/tests/system/dovecot-client
DOVECOT_LOG=$WORK/dovecot.log
DOVECOT_CONF=$WORK/dovecot.conf
TEST_USER_GROUP=$(id -gn "$TEST_USER")

# ---- Dovecot ----

# Formats are folders, each with users FORMAT-10 to FORMAT-59: of those that end with z mail is
# compressed, with alt has a second storage, with att has attachments in files of their own; of those
# that end with detect viruses are only reported.

# location FORMAT USER
location() {
    case $1 in
    maildir*) echo 'maildir:~/Maildir' ;;
    sdbox*) echo 'sdbox:~/sdbox' ;;
    mdboxalt) echo "mdbox:~/mdbox:ALT=$FS/alt/$2" ;;
    mdbox*) echo 'mdbox:~/mdbox' ;;
    mbox*) echo 'mbox:~/mail:INBOX=~/inbox' ;;
    esac
}

# extra FORMAT USER: more fields of a user.
extra() {
    case $1 in
    *z) echo 'userdb_mail_plugins=zlib userdb_zlib_save=gz' ;;
    *att) echo "userdb_mail_attachment_dir=$FS/$1-files/$2 userdb_mail_attachment_min_size=60" ;;
    esac
}

# make_users FORMAT...
make_users() {
    local format n user
    for format; do
        for n in {10..59}; do
            user=$format-$n
            printf '%s:{plain}pw:::::' "$user"
            printf ':userdb_mail=%s userdb_home=%s %s\n' "$(location "$format" "$user")" \
                "$FS/$format/$user" "$(extra "$format" "$user")"
        done
    done
}

free_port() {
    python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# dovecot_listener SERVICE PORT: the second one of a service, with TLS, is switched off. No login waits for a
# process of its own.
dovecot_listener() {
    cat <<END
service $1-login {
  service_count = 0
  inet_listener $1 {
    address = 127.0.0.1
    port = $2
  }
  inet_listener $1s {
    port = 0
  }
}
END
}

# start_dovecot FORMAT...
start_dovecot() {
    IMAP_PORT=$(free_port)
    POP3_PORT=${POP3:+$(free_port)}
    LMTP_SOCKET=$WORK/run/lmtp
    export IMAP_PORT POP3_PORT LMTP_SOCKET
    rm -rf "$WORK/run" "$WORK/state"
    mkdir "$WORK/run" "$WORK/state"
    make_users "$@" >"$WORK/users"
    cat >"$DOVECOT_CONF" <<END
base_dir = $WORK/run
state_dir = $WORK/state
log_path = $DOVECOT_LOG
protocols = imap $POP3 lmtp
listen = 127.0.0.1
ssl = no
disable_plaintext_auth = no
auth_username_format = %n
first_valid_uid = 1
mail_uid = $TEST_USER
mail_gid = $TEST_USER_GROUP
imap_fetch_failure = no-after
mail_max_userip_connections = 100
lda_mailbox_autocreate = yes
passdb {
  driver = passwd-file
  args = $WORK/users
}
userdb {
  driver = prefetch
}
userdb {
  driver = passwd-file
  args = $WORK/users
}
namespace inbox {
  inbox = yes
  separator = /
}
$(dovecot_listener imap "$IMAP_PORT")
${POP3:+$(dovecot_listener pop3 "$POP3_PORT")}
service stats {
  chroot =
}
END
    : >"$DOVECOT_LOG"
    chmod 0666 "$DOVECOT_LOG"
    dovecot -F -c "$DOVECOT_CONF" </dev/null >"$WORK/dovecot.out" 2>&1 &
    DOVECOT_PID=$!
    PIDS+=("$DOVECOT_PID")
    wait_until 20 test -S "$LMTP_SOCKET" || fail "Dovecot does not start: $(cat "$WORK/dovecot.out")"
    wait_until 20 python3 -c "import socket; socket.create_connection(('127.0.0.1', $IMAP_PORT))" ||
        fail 'Dovecot does not listen'
}

# Its children end with it.
stop_dovecot() {
    doveadm_ stop
    wait_until 20 pid_is_gone "$DOVECOT_PID" || fail 'Dovecot did not stop within 20 s'
    wait "$DOVECOT_PID" || true
}
pid_is_gone() { [[ ! -e /proc/$1 ]] || [[ $(awk '/^State:/ { print $2 }' "/proc/$1/status") == Z ]]; }

explain_failure() {
    printf -- '---- Dovecot said:\n'
    grep -E 'Error|Warning|Panic|Fatal|failed' "$DOVECOT_LOG" | tail -n 15 | cut -c 1-400 || true
}

client() { timeout --kill-after=5 "${CLIENT_TIMEOUT:-$((60 * PATIENCE))}" python3 "$CLIENT" "$@"; }
doveadm_() { timeout --kill-after=5 $((60 * PATIENCE)) doveadm -c "$DOVECOT_CONF" "$@" </dev/null; }

# deliver USER[,USER...] FILE...
deliver() { client deliver "$@" || fail "refused: delivery to $1"; }

# What Dovecot has said since must be nothing.
forget_complaints() { : >"$DOVECOT_LOG"; }
expect_no_complaint() {
    ! grep -E 'Error|Warning|Panic|Fatal' "$DOVECOT_LOG" >&2 || fail "Dovecot complains: $1"
}

# ---- Stores ----

# store_format FORMAT: as storescand calls it.
store_format() { [[ $1 =~ ^(maildir|sdbox|mdbox|mbox) ]] && echo "${BASH_REMATCH[1]}"; }

# on_infected FORMAT: scripts define their own.
on_infected() { [[ $1 == *detect ]] && echo detect || echo block; }

# begin FSTYPE FORMAT...: empty stores, a Dovecot that has its mail there, and what guards them.
begin() {
    local fstype=$1 format folder
    shift
    make_fs "$fstype" "$fstype" 512M
    FS=$WORK/$fstype
    # shellcheck disable=SC2034 # of lib.sh
    STORES_CONF=
    for format; do
        add_store "$format" "$FS/$format" "format=$(store_format "$format")" \
            "on_infected=$(on_infected "$format")"
        [[ $format != *alt ]] || add_store alt "$FS/alt" format=mdbox "on_infected=$(on_infected "$format")"
        [[ $format != *att ]] || add_store "$format-files" "$FS/$format-files" format=sis "on_infected=$(on_infected "$format")"
        for folder in "$format" alt "$format-files"; do
            mkdir -p "$FS/$folder"
            chown "$TEST_USER:" "$FS/$folder"
        done
    done
    start_dovecot "$@"
}
