# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# What the benchmarks share: an idle machine, one measurement, blocks of them that are repeated when
# others disturbed them, the listeners. Sourced; tests/lib.sh comes with it. Measurements are lines
# "ROUND COLUMN ROW KEY VALUE" in $RAW, separated by tabs.
#
# shellcheck disable=SC2034,SC2153 # of the scripts that source this

source "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/../lib.sh"

BENCH=$SOURCE/tests/bench
PROGRAMS=$BUILD/tests/bench

ROUNDS=5
WORKERS=auto
CLAMONACC=yes
CHECK=no
RAW_COPY=
TRIES=4          # of a measurement that others disturb
REPEAT_UNTIL=    # seconds since the start after which none is repeated; empty: no limit
IDLE_MAX=600     # seconds in all that are waited for others to be done
OTHER_PERCENT=8  # of the machine that others may use before it counts as disturbed
LISTENER_CPU=

number() {
    [[ $2 =~ ^[1-9][0-9]{0,5}$ ]] || fail "$1: '$2' is not a number from 1 to 999999"
    printf '%s\n' "$2"
}

build() {
    local output
    need_program meson ninja
    [[ -e $BUILD/build.ninja ]] || output=$(meson setup "$BUILD" "$SOURCE" 2>&1) ||
        fail "meson setup failed: $(tail -n 5 <<<"$output")"
    output=$(meson compile -C "$BUILD" bench 2>&1) || fail "the build failed: $(tail -n 20 <<<"$output")"
}

# prepare_bench: what every benchmark has in $WORK; its own signatures, so that clamd may read them.
prepare_bench() {
    DATABASE=$WORK/signatures
    RAW=$WORK/raw
    BLOCK=$WORK/block
    CPUS=$(nproc)
    DISTURBED=0
    : >"$RAW"
    cp -r "$SIGNATURES" "$DATABASE" || fail "can't read the signatures in $SIGNATURES"
    chmod -R a+rX "$DATABASE"
    SCANNER_CONF="database = $DATABASE
tmpdir = $WORK/scan/worker
user = $TEST_USER
workers = $WORKERS"
    GATE_CONF='hot_files = 0'
}

# add_signatures FOLDER: SYNTHETIC ones, beside those that are in it.
add_signatures() {
    say "making $SYNTHETIC signatures"
    "$BENCH/make-signatures" "$1" "$SYNTHETIC"
    chmod -R a+rX "$1"
}

# Once the stores are configured.
count_workers() {
    write_config
    WORKERS=$("$STORESCAND" --config "$CONF" --print-config | sed -n 's/^workers = \([0-9]*\) .*/\1/p')
}

# What was measured, on what.
heading() {
    [[ -z $RAW_COPY ]] || cp "$RAW" "$RAW_COPY"
    printf '\n%s\n' "$(date --utc '+%Y-%m-%d %H:%M UTC'), Linux $(uname -r), $CPUS CPUs ($(
        sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | sed -n 1p)), $("$STORESCAND" --version | sed -n 1p)"
}

# make_memory_fs NAME FSTYPE SIZE [OPTION-OF-MKFS...]: a file system of its own at $WORK/NAME; its image is in memory.
make_memory_fs() {
    local name=$1 fstype=$2 size=$3 options=("${@:4}")
    need_program "mkfs.$fstype"
    [[ $fstype != ext4 ]] || options+=(-I 256)
    mkdir "$WORK/$name"
    truncate -s "$size" "$WORK/scan/$name.image"
    "mkfs.$fstype" -q "${options[@]}" "$WORK/scan/$name.image"
    mount -o loop,noatime "$WORK/scan/$name.image" "$WORK/$name"
}

# make_messages FOLDER NUMBER [KEYFILE]: a Maildir of so many messages of 20 KB that nobody has seen, stamped
# with the key of a hub, if any.
NEXT=0
make_messages() {
    make_maildir "$1"
    rm -f "$WORK/mbox"
    "$PROGRAMS/make-mbox" --messages "$2" --first "$NEXT" "$WORK/mbox"
    NEXT=$((NEXT + $2))
    "$BENCH/split-and-stamp" "$WORK/mbox" "$1/new" "${3:-}"
}

# ---- The machine ----

# Ticks of all CPUs that were not idle, and all ticks, since boot.
machine_ticks() {
    local user nice system idle iowait irq softirq steal
    read -r _ user nice system idle iowait irq softirq steal _ </proc/stat
    BUSY=$((user + nice + system + irq + softirq + steal))
    TOTAL=$((BUSY + idle + iowait))
}

# Until the machine has been idle for half a second; a minute at most, and no longer than IDLE_MAX in
# all, or a run on a machine that is never idle would never end.
WAITED=0 # half seconds
wait_idle() {
    local busy total n
    for ((n = 0; n < 120 && WAITED < IDLE_MAX * 2; n++)); do
        machine_ticks
        busy=$BUSY total=$TOTAL
        sleep 0.5
        machine_ticks
        (((BUSY - busy) * 100 > (TOTAL - total) * 5)) || return 0
        WAITED=$((WAITED + 1))
    done
}

# process_ticks PID...: processor time that they, and those of their children that ended, used up to now, in
# ticks of 10 ms.
process_ticks() {
    local pid stat sum=0
    for pid; do
        stat=$(cat "/proc/$pid/stat" 2>/dev/null) || continue
        read -r -a stat <<<"${stat##*) }"
        sum=$((sum + stat[11] + stat[12] + stat[13] + stat[14]))
    done
    printf '%s\n' "$sum"
}

# Precise processor time of PIDs, in ns.
process_nsec() { "$PROGRAMS/cpu-time" "$@"; }

# ---- One measurement ----

record() { printf '%s\t%s\t%s\t%s\t%s\n' "$ROUND" "$COLUMN" "$1" "$2" "$3" >>"$BLOCK"; }

# measure ROW COMMAND...: runs it, records the keys and values that it says, and sums up how much of
# the machine others had meanwhile. The first key and value must be EXPECTED's. OWN: pids of the row.
# GATE, SCANNERS: those whose time is recorded, gate_nsec and scanner_nsec.
EXPECTED=
OWN=() GATE=() SCANNERS=()
measure() {
    local row=$1 busy total own before=() line key value cpu=0
    shift
    before=("$(process_nsec "${GATE[@]}")" "$(process_nsec "${SCANNERS[@]}")")
    own=$(process_ticks "${OWN[@]}")
    machine_ticks
    busy=$BUSY total=$TOTAL
    line=$(timeout --kill-after=5 600 "$@") || fail "row '$row' can't be measured"
    machine_ticks
    own=$(($(process_ticks "${OWN[@]}") - own))
    [[ "$line " == "$EXPECTED "* ]] || fail "row '$row': not '$EXPECTED' but '$line'"
    while read -r key value line <<<"$line" && [[ -n $key ]]; do
        record "$row" "$key" "$value"
        [[ $key == cpu_usec ]] && cpu=$value
    done
    ((${#GATE[@]} == 0)) || record "$row" gate_nsec "$(($(process_nsec "${GATE[@]}") - before[0]))"
    ((${#SCANNERS[@]} == 0)) ||
        record "$row" scanner_nsec "$(($(process_nsec "${SCANNERS[@]}") - before[1]))"
    # Ticks are cut off: one a process may be missing from ours.
    OTHERS=$((OTHERS + BUSY - busy - own - cpu / 10000 - ${#OWN[@]} - 1))
    ALL=$((ALL + TOTAL - total))
}

# run_block FUNCTION [ARGUMENT...]: it measures one row or several that hang together. Again, if
# others disturbed it.
run_block() {
    local try
    for ((try = 1;; try++)); do
        : >"$BLOCK"
        OTHERS=0 ALL=0
        OWN=() GATE=() SCANNERS=()
        "$@"
        ((OTHERS < 0)) && OTHERS=0
        ((OTHERS * 100 <= ALL * OTHER_PERCENT)) && break
        ((try < TRIES && SECONDS < ${REPEAT_UNTIL:-$((SECONDS + 1))})) || break
        DISTURBED=$((DISTURBED + 1))
    done
    record "$1" others_percent "$((OTHERS * 100 / ALL))"
    cat "$BLOCK" >>"$RAW"
}

# find_client WHO: in CLIENT the options of opener and mboxer, in LISTENER_CPU where the listener's main thread
# belongs. same: one client on the CPU of that, other: on another one; else so many, wherever the kernel puts them.
find_client() {
    LISTENER_CPU=
    case $1 in
    same) CLIENT=(--cpu 0) LISTENER_CPU=0 ;;
    other) CLIENT=(--cpu "$((CPUS > 1 ? 1 : 0))") LISTENER_CPU=0 ;;
    *) CLIENT=(--clients "$1") ;;
    esac
}

# place PID: only its main thread; on all CPUs without LISTENER_CPU.
place() { taskset --pid --cpu-list "${LISTENER_CPU:-0-$((CPUS - 1))}" "$1" >/dev/null; }

# end_process PID: one of PIDS.
end_process() {
    local i
    kill -TERM "$1"
    wait_until 20 gone "$1" || kill -KILL "$1"
    wait "$1" 2>/dev/null || true
    for i in "${!PIDS[@]}"; do
        [[ ${PIDS[i]} != "$1" ]] || unset 'PIDS[i]'
    done
}

gone() { [[ ! -e /proc/$1 ]] || [[ $(awk '/^State:/ { print $2 }' "/proc/$1/status") == Z ]]; }

# ---- Listeners ----

# begin_allow_all [OPTION...]: on $STORE; its pid in LISTENER.
begin_allow_all() {
    "$PROGRAMS/allow-all" "$@" "$STORE" >"$WORK/allow-all.out" &
    LISTENER=$!
    PIDS+=("$LISTENER")
    wait_until 10 grep -q ready "$WORK/allow-all.out" || fail 'the listener that allows everything does not run'
    place "$LISTENER"
    OWN=("$LISTENER")
    GATE=("$LISTENER")
}

all_workers_run() { (($(counter workers_started) >= WORKERS)); }

# begin_storescand [PREFIX-COMMAND...]
begin_storescand() {
    start_storescand "$@"
    find_workers
}

# Of the storescand that was started.
find_workers() {
    wait_until 60 all_workers_run || fail "not all of the $WORKERS workers started"
    place "$DAEMON_PID"
    mapfile -t SCANNERS < <(worker_pids)
    GATE=("$DAEMON_PID")
    OWN=("$DAEMON_PID" "$(loader_pid)" "${SCANNERS[@]}")
}

# expect_counter KEY VALUE: a row must have measured what its name says.
expect_counter() {
    local value
    value=$(counter "$1")
    ((value == $2)) || fail "storescand: $1 is $value, not $2; this row means nothing"
}

# read_until_stamped NUMBER FOLDER...: until each of its so many messages is answered by its stamp. When too
# many are under way some are not written: those messages are read again.
read_until_stamped() {
    local try hits folder
    for ((try = 0; try < 40; try++)); do
        hits=$(counter stamp_hits)
        for folder in "${@:2}"; do "$PROGRAMS/opener" "$folder" >/dev/null; done
        (($(counter stamp_hits) - hits < $1)) || return 0
    done
    fail 'not every message has a stamp after 40 reads; the rows that need them mean nothing'
}

# strip_xattrs FOLDER...: its files lose their stamps.
strip_xattrs() {
    find "$@" -type f -print0 | xargs -0 setfattr -x trusted.avstamp 2>/dev/null || true
    sync --file-system "$@"
}

# strip_stamps FOLDER...: nobody knows anything of its files: neither stamps nor the verdict cache's file.
strip_stamps() {
    rm -rf "$WORK/verdicts"
    strip_xattrs "$@"
}

# read_until_hot COUNTER NUMBER OPENER-ARGUMENT...: until reading so many files moves the counter no more, but for a
# few that chase each other out of the table of files that were seen lately.
read_until_hot() {
    local before try
    for ((try = 0; try < 20; try++)); do
        before=$(counter "$1")
        "$PROGRAMS/opener" "${@:3}" >/dev/null
        (($(counter "$1") - before > $2 / 100)) || return 0
    done
    fail 'files do not become hot after 20 reads; the rows that need them mean nothing'
}

write_clamd_config() {
    mkdir -p "$WORK/scan/clamd"
    chown clamav: "$WORK/scan/clamd"
    # On-access settings are Debian's or the defaults; the others those of storescand.
    cat >"$WORK/clamd.conf" <<END
LocalSocket $WORK/scan/clamd/socket
LocalSocketMode 666
LogFile $WORK/scan/clamd/log
User clamav
Foreground yes
DatabaseDirectory $DATABASE
TemporaryDirectory $WORK/scan/clamd
MaxThreads 12
Bytecode yes
MaxFileSize 100M
MaxScanSize 400M
MaxFiles 10000
MaxRecursion 17
AlertExceedsMax yes
AlertEncryptedArchive yes
AlertEncryptedDoc yes
AlertBrokenExecutables yes
AlertBrokenMedia yes
PhishingSignatures no
PhishingScanURLs no
OnAccessIncludePath $STORE
OnAccessPrevention yes
OnAccessExcludeUname clamav
OnAccessMaxFileSize 5M
OnAccessMaxThreads 5
END
}

# All folders are marked: what clamonacc does not say, the kernel does.
clamonacc_has_marks() {
    (($(cat "/proc/$1/fdinfo/"* 2>/dev/null | grep -c '^fanotify ino') >= FOLDERS))
}

# begin_clamd [LINE-OF-ITS-CONFIGURATION...]: its pid in CLAMD.
begin_clamd() {
    write_clamd_config
    printf '%s\n' "$@" >>"$WORK/clamd.conf"
    clamd --config-file="$WORK/clamd.conf" >"$WORK/clamd.out" 2>&1 &
    CLAMD=$!
    PIDS+=("$CLAMD")
    wait_until 120 clamdscan --config-file="$WORK/clamd.conf" --ping 1 ||
        fail "clamd does not run: $(tail -n 3 "$WORK/clamd.out") (under AppArmor: put its profile into complain mode)"
    OWN=("$CLAMD")
    SCANNERS=("$CLAMD")
}

# begin_clamonacc: its pids in CLAMD and ONACC; both guard $STORE and its FOLDERS folders.
begin_clamonacc() {
    begin_clamd
    clamonacc --foreground --config-file="$WORK/clamd.conf" --fdpass \
        --log="$WORK/clamonacc.log" >"$WORK/clamonacc.out" 2>&1 &
    ONACC=$!
    PIDS+=("$ONACC")
    wait_until 60 clamonacc_has_marks "$ONACC" ||
        fail "clamonacc does not guard the store: $(tail -n 3 "$WORK/clamonacc.out")"
    OWN+=("$ONACC")
    GATE=("$ONACC")
}

blocks_eicar() {
    local error
    error=$(read_file "$STORE/eicar" 2>&1 >/dev/null) || [[ $error == *'Operation not permitted'* ]] || return 1
    [[ -n $error ]]
}

# Is clamonacc at work at all?
expect_clamonacc_blocks() {
    eicar >"$STORE/eicar"
    if clamdscan --config-file="$WORK/clamd.conf" --fdpass --no-summary "$STORE/eicar" >/dev/null 2>&1; then
        say 'the signatures do not know the test virus: whether clamonacc blocks was not tried'
    else
        wait_until 10 blocks_eicar || fail 'clamonacc did not block the test virus; its rows mean nothing'
    fi
    rm -f "$STORE/eicar"
}
