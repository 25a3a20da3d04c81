# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# What system tests share: stores on file systems of their own, storescand on a generated
# configuration, questions about files. Sourced; owns the folder $WORK, everything that is mounted
# below it and every process in $PIDS, and takes them away at the end, however the test ends.
#
#   BUILD    build folder (with storescand and storescanctl)
#   SOURCE   source folder
#   SIGNATURES  signature folder
#   STORESCAN_PATIENCE  by how much everything that is waited for may take longer than on a common machine

set -euo pipefail
shopt -s inherit_errexit
export LC_ALL=C.UTF-8

LIB=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
SOURCE=${SOURCE:-$(dirname "$LIB")}
BUILD=$(readlink -f "${BUILD:-$SOURCE/build}")
SIGNATURES=${SIGNATURES:-$SOURCE/tests/data/signatures}
STORESCAND=$BUILD/daemon/storescand
# shellcheck disable=SC2034 # of the scripts that source this
STORESCANCTL=$BUILD/daemon/ctl/storescanctl
MAKE_MAIL=$SOURCE/tests/data/make-mail
TEST_USER=nobody
export PATIENCE=${STORESCAN_PATIENCE:-1}

WORK=
CONF=
PIDS=()
DAEMON_PID=
DAEMON_STATUS=
LOG=
LOG_FD= # where counter looks for what is new

# What comes now, and after how many seconds.
say() { printf -- '-- %3d s  %s\n' "$SECONDS" "$*"; }

fail() {
    printf 'FAIL: %s\n' "$*" >&2
    exit 1
}

# Something infected was served, or mail was lost: never to be put down to a busy machine.
breach() {
    printf 'BREACH: %s\n' "$*" >&2
    exit 1
}

# A missing program or kernel feature: the test is skipped, and says why.
skip() {
    printf 'SKIP: %s\n' "$*" >&2
    exit 77
}

need_root() { ((EUID == 0)) || skip 'needs root (fanotify, mount)'; }

need_program() {
    local program
    for program; do
        command -v "$program" >/dev/null || skip "needs the program $program"
    done
}

# ---- Beginning and end ----

setup() {
    need_root
    need_program getfattr setfattr python3
    [[ -x $STORESCAND ]] || fail "no $STORESCAND: build first"
    WORK=$(mktemp -d /var/tmp/storescan-test.XXXXXX)
    chmod 0755 "$WORK"
    LOG=$WORK/log
    CONF=$WORK/storescan.conf
    trap cleanup EXIT
    trap 'exit 130' INT TERM
    mkdir "$WORK/scan"
    mount -t tmpfs -o mode=0755 storescan-test "$WORK/scan"
    SCANNER_CONF="database = $SIGNATURES
tmpdir = $WORK/scan/worker
user = $TEST_USER
workers = 3"
    GATE_CONF=
    STAMP_CONF=
    CACHE_CONF=
    QUARANTINE_CONF="directory = $WORK/quarantine"
    STORES_CONF=
}

# More to say of a failure than the log; what else is to be put back, however the test ends. Scripts define their
# own.
explain_failure() { :; }
put_back() { :; }

# Ends at once what is ours, so that nothing waits for it, and takes away what was mounted.
cleanup() {
    local status=$? pid target
    trap - EXIT INT TERM
    set +e
    cd /
    put_back
    if ((status != 0 && status != 77)) && [[ -s $LOG ]]; then
        printf -- '---- storescand said:\n' >&2
        tail -n 25 "$LOG" | cut -c 1-400 >&2
    fi
    ((status == 0 || status == 77)) || explain_failure >&2
    [[ -z $DAEMON_PID ]] || kill -KILL "$DAEMON_PID" 2>/dev/null
    for pid in "${PIDS[@]}"; do kill -KILL "$pid" 2>/dev/null; done
    wait 2>/dev/null
    if [[ -n $WORK ]]; then
        awk -v w="$WORK/" 'index($5, w) == 1 { print $5 }' /proc/self/mountinfo | tac |
            while read -r target; do
                wait_until 10 umount "$(printf '%b' "$target")" ||
                    umount --lazy "$(printf '%b' "$target")"
            done
        rm -rf --one-file-system "$WORK"
    fi
    exit "$status"
}

# wait_until SECONDS COMMAND...: runs it until it succeeds, 50 times a second. By count, which is generous to a
# machine that is busy now and then; where there is to be patience, by time.
wait_until() {
    local limit=$((${1} * 50)) end=$((SECONDS + ${1} * PATIENCE)) n
    shift
    for ((n = 0; PATIENCE > 1 ? SECONDS < end : n < limit; n++)); do
        "$@" >/dev/null 2>&1 && return 0
        sleep 0.02
    done
    return 1
}

# ---- Stores ----

# make_fs NAME FSTYPE [SIZE]: a file system of its own at $WORK/NAME.
make_fs() {
    local name=$1 fstype=$2 size=${3:-64M} target=$WORK/$1
    mkdir -p "$target"
    if [[ $fstype == tmpfs ]]; then
        mount -t tmpfs -o "size=$size,mode=0755" storescan-test "$target"
        return
    fi
    need_program "mkfs.$fstype"
    grep -qw "$fstype" /proc/filesystems || modprobe "$fstype" 2>/dev/null ||
        skip "this kernel has no $fstype"
    case $fstype in
    xfs) [[ $size == 64M ]] && size=320M ;; # mkfs.xfs takes no less
    btrfs) [[ $size == 64M ]] && size=128M ;;
    esac
    truncate -s "$size" "$WORK/$name.image"
    "mkfs.$fstype" -q "$WORK/$name.image" >/dev/null
    mount_fs "$name"
}

# The image of a file system that make_fs made; the loop device goes with the mount.
mount_fs() { mount -o loop "$WORK/$1.image" "$WORK/$1"; }

# make_maildir FOLDER...
make_maildir() {
    local folder
    for folder; do mkdir -p "$folder"/{cur,new,tmp}; done
}

# make_mail FILE KIND [ARGUMENT...]: one message, without opening FILE twice.
make_mail() {
    local file=$1
    shift
    "$MAKE_MAIL" "$@" >"$file"
}

# man_block PAGE NAME: the example of a man page behind the line '.\" block: NAME', as it is read by people.
man_block() {
    local text
    # shellcheck disable=SC2016 # of awk
    text=$(awk -v name="$2" '$0 == ".\\\" block: " name { found = 1 } found && on && $0 == ".EE" { exit }
        on { print } found && $0 == ".EX" { on = 1 }' "$SOURCE/units/man/$1" |
        sed 's/\\-/-/g; s/\\(aq/'"'"'/g; s/\\e/\\/g')
    [[ -n $text ]] || fail "$1 has no block $2"
    printf '%s\n' "$text"
}

# The test virus, put together from pieces so that no scanner takes this file for one.
# shellcheck disable=SC2016
eicar() { printf '%s' 'X5O!P%@AP[4\PZX54(P^)7CC)7}' '$EICAR-STANDARD-' 'ANTIVIRUS-TEST-FILE!$H+H*'; }

# ---- storescand ----

# add_store NAME PATH [KEY=VALUE...]: what is infected is blocked, unless the values say otherwise.
add_store() {
    local name=$1 path=$2 line
    shift 2
    [[ " $* " == *' on_infected='* ]] || set -- "$@" on_infected=block
    STORES_CONF+="
[store $name]
path = $path
"
    for line; do STORES_CONF+="${line%%=*} = ${line#*=}
"; done
}

# Has what is infected denied where it would be replaced: no original can be kept.
no_quarantine() { QUARANTINE_CONF="directory = /proc/storescan"; }

write_config() {
    cat >"$CONF" <<END
[scanner]
$SCANNER_CONF
[stamp]
$STAMP_CONF
[gate]
${SELF_TEST_CONF-self_test = 0s}
$GATE_CONF
[cache]
directory = $WORK/verdicts
$CACHE_CONF
[quarantine]
$QUARANTINE_CONF
$STORES_CONF
END
}

# Writes the configuration and has it read again.
reload_config() {
    local before
    before=$(reloads)
    write_config
    kill -HUP "$DAEMON_PID"
    wait_until 30 reloaded "$before" || fail 'the configuration was not taken'
}
reloads() { count_lines '^storescand: config-reloaded: '; }
reloaded() { (($(reloads) > $1)); }

# run_storescand [PREFIX-COMMAND...]: in the background, logging to $LOG; does not wait.
run_storescand() {
    : >"$LOG"
    "$@" "$STORESCAND" --config "$CONF" </dev/null >>"$LOG" 2>&1 &
    DAEMON_PID=$!
    DAEMON_STATUS=
    [[ -z $LOG_FD ]] || exec {LOG_FD}<&-
    exec {LOG_FD}<"$LOG"
}

is_ready_or_gone() { grep -q '^storescand: started' "$LOG" || ! kill -0 "$DAEMON_PID"; }

# start_storescand [PREFIX-COMMAND...]: and waits until every store is guarded.
start_storescand() {
    write_config
    run_storescand "$@"
    wait_until 60 is_ready_or_gone || fail 'storescand was not ready within a minute'
    grep -q '^storescand: started' "$LOG" || fail 'storescand ended instead of starting'
}

# stop_storescand: SIGTERM, and it must end well within the time of one slow scan.
stop_storescand() {
    kill -TERM "$DAEMON_PID"
    wait_until 30 daemon_is_gone || fail 'storescand did not stop within 30 s'
    DAEMON_STATUS=0
    wait "$DAEMON_PID" || DAEMON_STATUS=$?
    DAEMON_PID=
    ((DAEMON_STATUS == 0)) || fail "storescand ended with status $DAEMON_STATUS"
}

# Gone or a zombie that wait can reap.
daemon_is_gone() {
    [[ ! -e /proc/$DAEMON_PID ]] || [[ $(awk '/^State:/ { print $2 }' "/proc/$DAEMON_PID/status") == Z ]]
}

# daemon_refuses [PREFIX-COMMAND...]: it must end by itself, with an error. Status in DAEMON_STATUS.
daemon_refuses() {
    write_config
    run_storescand "$@"
    wait_until 60 daemon_is_gone || fail 'storescand runs, though it should have refused to'
    DAEMON_STATUS=0
    wait "$DAEMON_PID" || DAEMON_STATUS=$?
    DAEMON_PID=
    ((DAEMON_STATUS != 0)) || fail 'storescand refused to start, but with status 0'
}

# wait_for_line PATTERN [SECONDS]: an extended regular expression in the log.
wait_for_line() {
    wait_until "${2:-20}" grep -Eq -- "$1" "$LOG" || fail "no line '$1' in the log"
}

# Whether one message of a file can be denied, and others not: not before Linux 6.18.
kernel_has_ranges() { wait_for_line 'Kernel: .* range events' && grep -q 'range events yes' "$LOG"; }

count_lines() { grep -Ec -- "$1" "$LOG" || true; }

# counter KEY: its value now.
counter() {
    local lines line rest='' n
    for ((n = 0; n < 1000 * PATIENCE; n++)); do
        # Once a second, if another shell got the answer.
        if ((n % 100 == 0)); then
            mapfile -u "$LOG_FD" lines
            kill -USR1 "$DAEMON_PID" || fail 'storescand is gone'
        fi
        mapfile -u "$LOG_FD" lines
        for line in "${lines[@]}"; do
            line=$rest$line rest=''
            [[ $line == *$'\n' ]] || rest=$line # it is still being written
            [[ $line == 'storescand: stats: '*$'\n' ]] || continue
            [[ ${line%$'\n'}' ' =~ \ "$1"=([^ ]*)\  ]] || fail "no counter $1"
            printf '%s\n' "${BASH_REMATCH[1]}"
            return
        done
        sleep 0.01
    done
    fail 'no counters after SIGUSR1'
}

# counter_reaches KEY VALUE: for wait_until.
counter_reaches() { (($(counter "$1") >= $2)); }

# lock_file FILE: as a mail server locks an mbox, until $LOCKER is killed; a minute at most.
lock_file() {
    python3 - "$1" "$WORK/locked" $((60 * PATIENCE)) <<'END' &
import fcntl, sys, time
f = open(sys.argv[1], "r+b", buffering=0)
fcntl.lockf(f, fcntl.LOCK_EX)
open(sys.argv[2], "w").close()
time.sleep(int(sys.argv[3]))
END
    LOCKER=$!
    PIDS+=("$LOCKER")
    wait_until 20 test -e "$WORK/locked" || fail 'it can not be locked'
}

# Worker processes: children of the loader, which is the child of storescand.
worker_pids() {
    local loader
    for loader in $(children "$DAEMON_PID"); do children "$loader"; done
}
loader_pid() { children "$DAEMON_PID" | sed -n 1p; }
# is_loader_other_than PID: for wait_until; that one may be a child for a while behind its end.
is_loader_other_than() { [[ $(loader_pid) != '' && $(loader_pid) != "$1" ]]; }
# hold_workers / free_workers: what they have, they keep; what comes, waits.
hold_workers() { for pid in $(worker_pids); do kill -STOP "$pid"; done; }
free_workers() { for pid in $(worker_pids); do kill -CONT "$pid"; done; }
workers_are() { (($(worker_pids | wc -l) == $1)); }
# waits_at_gate PID: for wait_until.
waits_at_gate() { [[ $(cat "/proc/$1/wchan" 2>/dev/null) == fanotify_handle_event ]]; }
# None, where the process has ended.
children() { { cat "/proc/$1/task/"*/children 2>/dev/null || true; } | tr ' ' '\n' | sed '/^$/d'; }

# ---- Questions about files ----

# first FILE...: of a pattern.
first() { printf '%s\n' "$1"; }

# read_file FILE: its content, or the reason why not; never for ever.
read_file() { timeout --kill-after=5 "${READ_TIMEOUT:-$((60 * PATIENCE))}" cat -- "$1"; }

expect_readable() {
    local file error
    for file; do
        error=$(read_file "$file" 2>&1 >/dev/null) || fail "can't be read: $file: $error"
    done
}

expect_denied() {
    local file error
    for file; do
        if error=$(read_file "$file" 2>&1 >"$WORK/not-denied"); then
            breach "was not blocked: $file, $(grep -q 'Infected content was removed' "$WORK/not-denied" &&
                echo replaced || tr -c '[:print:]' ' ' <"$WORK/not-denied" | cut -c 1-200)"
        fi
        [[ $error == *'Operation not permitted'* ]] || fail "blocked with another error: $error"
    done
}

# The stamp's text; nothing when there is none. Opens nothing.
stamp_of() { getfattr --absolute-names --only-values -n trusted.avstamp -- "$1" 2>/dev/null || true; }

has_stamp() { [[ $(stamp_of "$1") == "ss1 "${2:-?}* ]]; }

# expect_stamp FILE LETTER: written after the answer, so it may take a moment.
expect_stamp() {
    wait_until 20 has_stamp "$1" "$2" || fail "no stamp '$2' but '$(stamp_of "$1")': $1"
}

expect_no_stamp() {
    local file
    for file; do
        [[ -z $(stamp_of "$file") ]] || fail "has a stamp: $file"
    done
}

# expect_equal ACTUAL EXPECTED WHAT
expect_equal() { [[ $1 == "$2" ]] || fail "$3: is '$1', not '$2'"; }
