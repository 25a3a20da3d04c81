# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Rows of tests/bench/run: one function each, which measures it for all numbers of clients. Sourced behind
# lib.sh. Each number of clients has messages of its own, so that one start of a listener serves all and nobody
# meets what another had scanned: $STORE/$FORMAT/CLIENT.
#
#   STORE     a file system; FOLDERS, how many folders are on it
#   FORMAT    maildir, mbox, imap: Maildir behind Dovecot
#   SECTION   what is measured: FORMAT/FILE SYSTEM/SIGNATURES; COLUMN is that and the client
#   CLIENTS   same, other (one client, on the listener's CPU or another) and numbers; of imap, whose server
#             runs where it likes, maildir-NUMBER
#   FOLDER    FORMAT, where no row says otherwise
#   MOST      files of each client that a row reads, PASSES times, of FILES; ONACC_MOST, that clamonacc's rows
#             read, once
#   HOT_MAX   files that may be hot
#
# shellcheck disable=SC2034,SC2153,SC2317 # of lib.sh and the script that sources this; run_block calls by name

LISTENERS=() # that belong on the CPU of the column

# set_client CLIENT
set_client() {
    local pid
    COLUMN=$SECTION/$1
    find_client "$1"
    [[ $1 != maildir-* ]] || mapfile -t CLIENT < <(users_of "$1")
    for pid in "${LISTENERS[@]}"; do place "$pid"; done
}

# In FOLDERS_READ, those of all clients.
find_folders() { FOLDERS_READ=("${CLIENTS[@]/#/$STORE/$FOLDER/}"); }

# The users of Dovecot whose mail a client fetches, with a session each; tests/dovecot.sh has made them.
users_of() {
    local n=${1#*-}
    eval "printf '%s\n' $1-{10..$((9 + n))}"
}

# files_of CLIENT: how many it reads.
files_of() {
    local n=${1#*-}
    [[ $FORMAT == imap ]] && echo "$((MOST / n * n))" || echo "$MOST"
}

files_of_all() {
    local client sum=0
    for client in "${CLIENTS[@]}"; do sum=$((sum + $(files_of "$client"))); done
    echo "$sum"
}

# measure_one ROW [OPTION...]: for the client that is set.
measure_one() {
    local client=${COLUMN##*/}
    EXPECTED="files $(files_of "$client")"
    if [[ $FORMAT == imap ]]; then
        measure_fetch "$1"
    else
        measure "$1" "$PROGRAMS/opener" "${CLIENT[@]}" --files "$MOST" "${@:2}" "$STORE/$FOLDER/$client"
    fi
}

# The server's time counts as the client's.
measure_fetch() {
    local server ticks OWN=("${OWN[@]}")
    mapfile -t server < <(printf '%s\n' "$DOVECOT_PID"; children "$DOVECOT_PID")
    OWN+=("${server[@]}")
    ticks=$(process_ticks "${server[@]}")
    measure "$1" "$PROGRAMS/fetcher" --port "$IMAP_PORT" "${CLIENT[@]}"
    record "$1" server_usec "$((($(process_ticks "${server[@]}") - ticks) * 10000))"
}

measure_all() {
    local client
    for client in "${CLIENTS[@]}"; do
        set_client "$client"
        measure_one "$@"
    done
}

measure_passes() {
    local i
    wait_idle
    for ((i = 0; i < PASSES; i++)); do measure_all "$@"; done
}

# How a server opens what it reads.
how_opened() { [[ $FORMAT != mbox ]] || printf -- '--writable\n'; }

# ---- Nobody, and listeners that ask nothing ----

block_none() { measure_passes none; }

# allow_all OPTION...: as many events as the format needs.
allow_all() {
    [[ $FORMAT != mbox ]] || set -- --accesses "$@"
    begin_allow_all "$@"
    LISTENERS=("$LISTENER")
}

end_allow_all() {
    LISTENERS=()
    end_process "$LISTENER"
}

block_ignored() {
    allow_all --ignore "$STORE/$FORMAT"
    measure_passes ignored
    end_allow_all
}

block_allow_all() {
    local how
    how=$(how_opened)
    allow_all
    measure_passes allow-all ${how:+"$how"}
    end_allow_all
}

# What a listener that believes stamps has to ask of the kernel.
block_asking() {
    know
    allow_all --stamps
    measure_passes asking
    end_allow_all
}

# ---- storescand ----

# begin_row HOT-FILES [LINE-OF-[gate]...]
begin_row() {
    GATE_CONF=$(printf '%s\n' "hot_files = $1" "${@:2}")
    begin_storescand
    LISTENERS=("$DAEMON_PID")
}

end_row() {
    LISTENERS=()
    stop_storescand
}

# stamps_reach NUMBER FOLDER...
stamps_reach() {
    (($(getfattr --absolute-names -R -n trusted.avstamp "${@:2}" 2>/dev/null | grep -c '^trusted.avstamp=') >= $1))
}

# Everything gets its stamp and an entry in the verdict cache, which storescand saves at its end.
learn() {
    local folder number
    find_folders
    number=$((FILES * ${#CLIENTS[@]}))
    [[ $FORMAT != imap ]] || number=$(files_of_all)
    if [[ $FORMAT == mbox ]]; then
        for folder in "${FOLDERS_READ[@]}"; do "$PROGRAMS/opener" "$folder" >/dev/null; done
        wait_until 30 stamps_reach "$number" "${FOLDERS_READ[@]}" ||
            fail 'mailboxes that nobody uses were not stamped within 30 s'
    else
        read_until_stamped "$number" "${FOLDERS_READ[@]}"
    fi
    KNOWN=$SECTION
}

# For rows that need what row 'unscanned' leaves.
know() {
    [[ $KNOWN != "$SECTION" ]] || return 0
    begin_row 0
    learn
    end_row
}

# Row 'unscanned', of a storescand that knows nothing.
block_unscanned() {
    find_folders
    strip_stamps "${FOLDERS_READ[@]}"
    KNOWN=
    begin_row 0
    wait_idle
    measure_all unscanned
    [[ $FORMAT == mbox ]] || expect_counter scans "$(files_of_all)"
    COLUMN=$SECTION/any
    record engine signatures "$(sed -n 's/^storescand: engine-loaded: .* with \([0-9]*\) signatures .*/\1/p' "$LOG")"
    [[ $SET != small ]] || learn
    end_row
}

# Contents that the verdict cache knows, in files without a stamp.
block_digest() {
    local i
    know
    find_folders
    for ((i = 0; i < PASSES; i++)); do
        strip_xattrs "${FOLDERS_READ[@]}"
        begin_row 0
        wait_idle
        measure_all digest
        expect_counter cache_hits "$((MOST * ${#CLIENTS[@]}))"
        expect_counter scans 0
        end_row
    done
    KNOWN=
}

# stamped ROW [LINE-OF-[gate]...]
stamped() {
    know
    begin_row 0 "${@:2}"
    measure_passes "$1"
    expect_counter stamp_hits "$(($(files_of_all) * PASSES))"
    expect_counter scans 0
    end_row
}
block_stamped() { stamped stamped; }
block_nospin() { stamped nospin 'spin = 0'; }

# Contents that a hub vouches for, which nobody has seen here.
block_hub() {
    local i FOLDER=hub
    find_folders
    for ((i = 0; i < PASSES; i++)); do
        strip_xattrs "${FOLDERS_READ[@]}"
        CACHE_CONF='size = 0'
        begin_row 0
        CACHE_CONF=
        wait_idle
        measure_all hub
        expect_counter hub_accepted "$((MOST * ${#CLIENTS[@]}))"
        expect_counter scans 0
        end_row
    done
}

# Nothing may be asked for what it measures; false if something was, for example because the files cooled down
# while the machine was busy with others.
hot_pass() {
    local asked how=stamp_hits most=()
    [[ $FORMAT == maildir ]] && most=(--files "$MOST")
    [[ $FORMAT == mbox ]] && how=events
    read_until_hot "$how" "$MOST" "${most[@]}" "$STORE/$FOLDER/$1"
    asked=$(counter "$how")
    measure_one hot
    (($(counter "$how") - asked <= MOST / 100))
}

block_hot() {
    local i tries=0 client
    know
    begin_row "$HOT_MAX" 'hot_time = 1h'
    wait_idle
    for client in "${CLIENTS[@]}"; do
        set_client "$client"
        for ((i = 0; i < PASSES; i++)); do
            cp "$BLOCK" "$BLOCK.before"
            until hot_pass "$client"; do
                cp "$BLOCK.before" "$BLOCK"
                ((++tries < 20)) || fail "files do not stay hot; row 'hot' means nothing"
            done
        done
    done
    end_row
}

# A mailbox of which all is known, opened for writing: each access is asked for.
block_writable() {
    local folder
    know
    find_folders
    begin_row 0
    for folder in "${FOLDERS_READ[@]}"; do "$PROGRAMS/opener" --writable "$folder" >/dev/null; done
    measure_passes writable --writable
    expect_counter scans 0
    end_row
    KNOWN= # no stamp outlives a writer
}

# ---- ClamAV ----

block_clamonacc() {
    local MOST=$ONACC_MOST
    begin_clamonacc
    wait_idle
    measure_all clamonacc-cold
    wait_idle
    measure_all clamonacc-warm
    expect_clamonacc_blocks
    end_process "$ONACC"
    end_process "$CLAMD"
}

# How long storescand takes until it guards a store of very many files; to 20 ms.
block_start() {
    local begun
    COLUMN=$SECTION/any
    : >"$BLOCK"
    wait_idle
    begun=$(date +%s%N)
    start_storescand
    record start wall_nsec "$(($(date +%s%N) - begun))"
    stop_storescand
    cat "$BLOCK" >>"$RAW"
}

# All of a folder by programs that scan, and by libclamav alone in as many processes as the target says: what
# can be reached at most. One pass a round. Their column is SECTION/all.
throughput() { # ROW COMMAND...
    COLUMN=$SECTION/all
    EXPECTED="files $MOST"
    wait_idle
    measure "$@" "$STORE/scanned/$SET"
}

block_libclamav() {
    mkdir -p "$WORK/scan/forked"
    throughput libclamav "$PROGRAMS/forked-scan" --database "$DATABASE" --tmpdir "$WORK/scan/forked" --processes 2
}

block_clamdscan() {
    begin_clamd 'DisableCache yes'
    throughput clamdscan "$BENCH/scan-clean" clamdscan --config-file="$WORK/clamd.conf" --fdpass --no-summary --multiscan
    end_process "$CLAMD"
}

# With the time that it takes to load the signatures, and that alone.
block_clamscan() {
    local scan=("$BENCH/scan-clean" clamscan --no-summary --recursive --database="$DATABASE" --tempdir="$WORK/scan"
        --max-filesize=100M --max-scansize=400M --max-recursion=17 --alert-exceeds-max=yes --alert-encrypted=yes
        --alert-broken=yes --alert-broken-media=yes --phishing-sigs=no --phishing-scan-urls=no --disable-cache)
    throughput clamscan "${scan[@]}"
    EXPECTED='files 1'
    measure clamscan-load "${scan[@]}" "$CONF"
}
