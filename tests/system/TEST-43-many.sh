#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Files of many items: of an mbox or mdbox each access is judged by the items that it overlaps, whatever
# way it takes, and mail that is appended while a session has the file open before that session reads it.
# Where accesses are not told (tmpfs), the whole file at its open. The engine is fake-worker: a message
# whose body begins with INFECTED is a virus.
#
#   FILE_SYSTEMS  only these
#   ONLY          only these points, by the names of their functions

source "$(dirname "$0")/../lib.sh"
setup
CLIENT=$BUILD/tests/system/many-client
FORMATS=$SOURCE/tests/data/make-store-formats
cp "$BUILD/tests/system/fake-worker" "$WORK/fake-worker"
chmod 0755 "$WORK/fake-worker"
FAKE=(env STORESCAN_WORKER="$WORK/fake-worker")
MESSAGE=20000 # bytes: some pages

# ---- Mail ----

# message FILE WORD [BYTES]: its body begins with WORD and holds 79 more characters a line.
message() {
    awk -v word="$2" -v size="${3:-$MESSAGE}" 'BEGIN {
        text = "Subject: test\n\n" word "\n"
        printf "%s", text
        for (n = length(text); n < size - 80; n += 80)
            printf "%079d\n", n
        printf "%0*d\n", size - n - 1, 0
    }' >"$1"
}

# store_file FORMAT FILE WORD...: a message for each word, the words told apart by their number; sets
# START, SIZE and BODY (its offset) of each item, and END of all.
store_file() {
    local format=$1 file=$2 word n=0 offset size rest mails=()
    shift 2
    for word; do
        message "$WORK/mail.$n" "$word-$n"
        mails+=("$WORK/mail.$((n++))")
    done
    START=() SIZE=() END=0
    "$FORMATS" "$format" "$WORK/made" "${mails[@]}" >"$WORK/layout"
    while read -r offset size _ _ rest; do
        END=$((offset + size))
        [[ $rest == header ]] || START+=("$offset") SIZE+=("$size")
    done <"$WORK/layout"
    mapfile -t BODY < <(grep -abo '^[a-zA-Z]*-[0-9]*$' "$WORK/made" | cut -d : -f 1)
    expect_equal "${#BODY[@]}" "${#START[@]}" 'bodies that were found'
    rm -f "$file"
    cp "$WORK/made" "$file"
}

# one_more FORMAT FILE WORD [BYTES]: what is appended to a store file for one more message.
one_more() {
    message "$WORK/mail.more" "$3" "${4:-}"
    "$FORMATS" "$1" "$2" "$WORK/mail.more" >"$WORK/layout.more"
    [[ $1 != mdbox ]] || tail -c +17 "$2" | cat >"$2.part"
    [[ $1 != mdbox ]] || mv "$2.part" "$2"
}

CLEAN=(one two three four five six seven eight)
SICK=(one two three four INFECTED six seven eight) # number 4
# Offsets of whole pages inside of an item, which touch no other.
inside() { printf '%s\n' $(((START[$1] / 4096 + 1) * 4096)); }

# ---- Sessions ----

declare -A TO=() FROM=() SESSION=()

# session NAME FILE MODE: has FILE open from now on.
session() {
    local name=$1 line
    rm -f "$WORK/$name".{to,from}
    mkfifo "$WORK/$name".{to,from}
    "$CLIENT" "$2" "$3" <"$WORK/$name.to" >"$WORK/$name.from" &
    SESSION[$name]=$!
    PIDS+=($!)
    exec {fd}>"$WORK/$name.to"
    TO[$name]=$fd
    exec {fd}<"$WORK/$name.from"
    FROM[$name]=$fd
    read -r -t $((30 * PATIENCE)) -u "${FROM[$name]}" line || fail "no answer to the open of $2"
    expect_equal "$line" open "$FSTYPE: open of $2"
}

# ask NAME WORD NUMBER NUMBER-OR-FILE
ask() {
    local name=$1 line
    shift
    printf '%s\n' "$*" >&"${TO[$name]}"
    read -r -t $((60 * PATIENCE)) -u "${FROM[$name]}" line || fail "no answer to '$*'"
    printf '%s\n' "$line"
}

# expect NAME ANSWER WORD NUMBER NUMBER-OR-FILE
expect() {
    local name=$1 wanted=$2 got
    shift 2
    got=$(ask "$name" "$@")
    # shellcheck disable=SC2053 # a pattern
    [[ $got == $wanted ]] || fail "$FSTYPE: session '$name', $*: $got instead of $wanted"
}

# is_served NAME OFFSET: a page of clean mail.
is_served() { [[ $(ask "$1" pread "$2" 4096) == 'ok 4096 clean' ]]; }
is_denied() { [[ $(ask "$1" pread "$2" 4096) == EPERM ]]; }

leave() {
    local name
    for name; do
        printf 'end 0 0\n' >&"${TO[$name]}" # others may have inherited this end of its pipe
        fd=${TO[$name]}
        exec {fd}>&-
        fd=${FROM[$name]}
        exec {fd}<&-
        wait "${SESSION[$name]}" || fail "session $name ended badly"
    done
}

# once FILE MODE WORD NUMBER NUMBER-OR-FILE: the answer of a session of its own, or "open ERROR".
once() {
    local file=$1 mode=$2
    shift 2
    printf '%s\n' "$*" >"$WORK/line.once"
    timeout --kill-after=5 $((60 * PATIENCE)) "$CLIENT" "$file" "$mode" <"$WORK/line.once" | tail -n 1 || true
}

# expect_once ANSWER FILE MODE WORD NUMBER NUMBER-OR-FILE
expect_once() {
    local wanted=$1 got
    shift
    got=$(once "$@")
    # shellcheck disable=SC2053 # a pattern
    [[ $got == $wanted ]] || fail "$FSTYPE: $*: $got instead of $wanted"
}

# unchanged KEY COMMAND...: the counter stands where it stood.
unchanged() {
    local key=$1 before
    before=$(counter "$key")
    shift
    "$@"
    expect_equal "$(counter "$key")" "$before" "$FSTYPE: $key after '$*'"
}

# ---- Stores ----

# begin FSTYPE NAME: an mbox store each that blocks and that detects, an mdbox and a Maildir store.
begin() {
    FSTYPE=$1
    R=$WORK/$2
    make_fs "$2" "$1"
    mkdir -p "$R"/{mail,seen}/.imap "$R/mdbox/user/storage/.imap"
    make_maildir "$R/maildir/user"
    BOX=$R/mail
    STORES_CONF=
    add_store block "$R/mail" format=mbox
    add_store detect "$R/seen" format=mbox on_infected=detect
    add_store mdbox "$R/mdbox" format=mdbox
    add_store maildir "$R/maildir" format=maildir
}

# ---- Where accesses are told ----

WAYS=(pread read readv mmap sendfile splice copy_file_range io_uring)

reads_by_every_way() {
    local mode way n file=$BOX/ways
    store_file mbox "$file" "${SICK[@]}"
    store_file mbox "$R/seen/ways" "${SICK[@]}"
    local ways=("${WAYS[@]}")
    [[ $FSTYPE == ext4 ]] || ways+=(clone)
    for mode in rdonly rdwr; do
        for way in "${ways[@]}"; do
            rm "$file"
            cp "$WORK/made" "$file" # nothing is known of it
            if [[ $way != clone ]]; then
                expect_once "ok 4096 clean" "$file" $mode "$way" "$(inside 1)" 4096
                expect_once "ok 4096 clean" "$file" $mode "$way" "$(inside 6)" 4096
            fi
            expect_once EPERM "$file" $mode "$way" "$(inside 4)" 4096
            expect_once EPERM "$file" $mode "$way" $((START[4] - 10)) 12
            expect_once EPERM "$file" $mode "$way" 0 "$END"
            expect_once "ok * virus" "$R/seen/ways" $mode "$way" 0 "$END"
        done
    done
    cp "$WORK/made" "$file"
    expect_once "ok 4096 clean" "$file" direct pread "$(inside 1)" 4096
    expect_once EPERM "$file" direct pread "$(inside 4)" 4096
    wait_for_line "blocked: .*'$file'"
    wait_for_line "detected: .*'$R/seen/ways'"
}

scanned_more() { (($(counter scans) > $1)); }

judged_at_its_open() {
    local file=$BOX/opened before
    store_file mbox "$file" "opened${FSTYPE//[0-9]/}" # not in the cache yet
    before=$(counter scans)
    session reader "$file" rdonly
    wait_until 10 scanned_more "$before" || fail "$FSTYPE: it waits for somebody to read it"
    unchanged scans expect reader "ok * clean" pread 0 "$END"
    leave reader
}

open_sessions() {
    local file=$BOX/sessions
    store_file mbox "$file" "${CLEAN[@]}"
    one_more mbox "$WORK/virus" INFECTED
    one_more mbox "$WORK/clean" nine
    session reader "$file" rdonly
    session server "$file" rdwr
    session mail "$file" rdwr
    expect reader "ok * clean" pread 0 "$END"
    expect server "ok * clean" pread 0 "$END"
    expect reader "ok 0 clean" pread "$END" 8192
    expect mail "ok *" append 8192 "$WORK/virus"
    expect reader EPERM pread "$END" 8192
    expect server EPERM pread "$END" 8192
    expect mail "ok 0" sync 0 0
    expect server EPERM pread $((END + 8192)) 8192
    expect reader EPERM mmap $((END + 8192)) 8192
    expect server "ok 4096 clean" pread "$(inside 1)" 4096
    expect mail "ok *" append 8192 "$WORK/clean"
    local size
    size=$(stat -c %s "$file")
    expect server "ok 4096 clean" pread $(((size - 8192) / 4096 * 4096)) 4096
    leave reader server mail
}

appends_in_pieces() {
    local file=$BOX/pieces size=5000000 before after
    store_file mbox "$file" "${CLEAN[@]}"
    one_more mbox "$WORK/big" big $size
    expect_once "ok * clean" "$file" rdonly pread 0 "$END"
    session server "$file" rdwr
    session mail "$file" append
    expect server "ok * clean" pread 0 8192
    before=$(counter scans)
    expect mail "ok *" append 8192 "$WORK/big"
    after=$(counter scans)
    ((after - before <= 2)) || fail "$FSTYPE: $((after - before)) scans while a message was appended"
    say "$FSTYPE: a write waited for $(ask mail waited 0 0) us at most"
    expect server "ok 8192 clean" pread $((END + 4000000)) 8192
    after=$(counter scans)
    ((after - before <= 4)) || fail "$FSTYPE: $((after - before)) scans of a message that was appended"
    leave server mail
}

# What came last is judged as of a moment at which half of a message was there; alone neither half is infected.
grows_under_a_scan() {
    local file=$BOX/grows from size
    store_file mbox "$file" "SLOW${FSTYPE//[0-9]/}" # not in the cache yet
    from=$END
    { head -n 1 "$WORK/made" && printf 'Subject: test\nX-Pad: '; } >"$WORK/part"
    size=$(stat -c %s "$WORK/part")
    head -c $((8187 - (from + size) % 4096)) /dev/zero | tr '\0' x >>"$WORK/part"
    printf '\n\nINF' >>"$WORK/part"
    rm "$file"
    cat "$WORK/made" "$WORK/part" >"$file"
    END=$(stat -c %s "$file")
    printf 'ECTED\n' >"$WORK/rest"
    session reader "$file" rdwr
    session server "$file" rdwr
    printf 'pread 0 100\n' >&"${TO[reader]}"
    wait_until 10 waits_at_gate "${SESSION[reader]}" || fail "$FSTYPE: the reader does not wait for the scan"
    expect server "ok *" append 4096 "$WORK/rest"
    read -r -t $((60 * PATIENCE)) -u "${FROM[reader]}" line || fail 'no answer to the reader'
    expect_equal "$line" "ok 100 clean" "$FSTYPE: what was all there"
    expect reader EPERM pread $((END - 4096)) 8192
    expect_once EPERM "$file" rdwr pread "$from" 16384
    leave reader server
}

# The writer reads and rewrites the header of what it has just written, as Dovecot does.
rewrites_own_header() {
    local file=$BOX/header before
    store_file mbox "$file" "${CLEAN[@]}"
    expect_once "ok * clean" "$file" rdonly pread 0 "$END"
    one_more mbox "$WORK/more" ten
    printf 'Subject: TEST' >"$WORK/line"
    session mail "$file" rdwr
    before=$(counter scans)
    expect mail "ok *" append 8192 "$WORK/more"
    expect mail "ok *" put $((END + 48)) "$WORK/line"
    expect mail "ok *" put $((END + 48)) "$WORK/line"
    expect_equal "$(counter scans)" "$before" "$FSTYPE: scans while a header is rewritten"
    expect_once "ok * clean" "$file" rdonly pread "$END" 8192
    leave mail
}

changes_a_flag() {
    local file=$BOX/flag before
    store_file mbox "$file" "${CLEAN[@]}"
    session reader "$file" rdwr
    session server "$file" rdwr
    expect reader "ok * clean" pread 0 "$END"
    printf x >"$WORK/flag"
    before=$(counter scans)
    expect server "ok 1" put $((START[3] + 58)) "$WORK/flag"
    expect reader "ok * clean" pread 0 "$END"
    (($(counter scans) - before <= 2)) ||
        fail "$FSTYPE: $(($(counter scans) - before)) scans after the change of a flag"
    leave reader server
}

overwrites() {
    local file=$BOX/over way mode
    printf INFECTED >"$WORK/evil"
    for way in put put-back-time; do
        for mode in rdonly rdwr; do
            store_file mbox "$file" "${CLEAN[@]}"
            session reader "$file" $mode
            session other "$file" rdwr
            expect reader "ok * clean" pread 0 "$END"
            expect other "ok 8" "$way" "${BODY[3]}" "$WORK/evil"
            expect reader EPERM pread "${BODY[3]}" 4096
            expect other EPERM pread "${BODY[3]}" 4096
            expect reader "ok 4096 clean" pread "$(inside 1)" 4096
            leave reader other
            expect_once EPERM "$file" $mode pread "${BODY[3]}" 4096
        done
    done
}


# What is there under a clean name, size and time is other mail by now.
replaces() {
    local file=$BOX/replaced
    store_file mbox "$file" "${CLEAN[@]}"
    store_file mbox "$WORK/sick" "${SICK[@]}"
    expect_once "ok * clean" "$file" rdonly pread 0 "$END"

    say "$FSTYPE: truncate(2) by path, and more mail"
    session reader "$file" rdwr
    expect reader "ok * clean" pread 0 "$END"
    expect_once "ok 0" "$file" rdonly path-truncate "${START[4]}" 0
    expect reader "ok 0 clean" pread "${START[4]}" 8192
    tail -c "+$((START[4] + 1))" "$WORK/sick" >>"$file"
    expect reader EPERM pread "$(inside 4)" 4096
    expect reader "ok 4096 clean" pread "$(inside 1)" 4096
    leave reader

    say "$FSTYPE: O_TRUNC"
    cp "$WORK/sick" "$file"
    expect_once EPERM "$file" rdwr pread "$(inside 4)" 4096

    say "$FSTYPE: another file by rename"
    store_file mbox "$file" "${CLEAN[@]}"
    session reader "$file" rdwr
    expect reader "ok * clean" pread 0 "$END"
    cp "$WORK/sick" "$file.new"
    touch -r "$file" "$file.new"
    mv "$file.new" "$file"
    expect reader "ok 4096 clean" pread "$(inside 4)" 4096
    expect_once EPERM "$file" rdwr pread "$(inside 4)" 4096
    leave reader
}

expunges() {
    local file=$BOX/expunged
    store_file mbox "$file" "${SICK[@]}"
    session reader "$file" rdwr
    session server "$file" rdwr
    expect reader EPERM pread "$(inside 4)" 4096
    expect reader "ok 4096 clean" pread "$(inside 6)" 4096
    # Number 6, behind the virus: what may be read is moved.
    expect server "ok 0" expunge "${START[6]}" "${SIZE[6]}"
    expect reader "ok 4096 clean" pread "$(inside 6)" 4096
    expect reader EPERM pread "$(inside 4)" 4096
    leave reader server

    # Another program, which holds other mail, writes that down in pieces and cuts what is left: there
    # is a virus where clean mail was.
    store_file mbox "$WORK/sick" "${SICK[@]}"
    tail -c "+$((START[1] + 1))" "$WORK/sick" >"$WORK/rest"
    store_file mbox "$file" "${CLEAN[@]}"
    session reader "$file" rdwr
    expect reader "ok * clean" pread 0 "$END"
    expect_once "ok *" "$file" rdwr put 0 "$WORK/rest"
    expect_once "ok 0" "$file" rdwr truncate "$(stat -c %s "$WORK/rest")" 0
    expect reader EPERM pread "$(inside 3)" 4096
    expect reader "ok 4096 clean" pread "$(inside 1)" 4096
    leave reader
}

# Content that moves without being written.
moves() {
    local file=$BOX/moved way
    [[ $FSTYPE != btrfs ]] || return 0 # can't
    for way in collapse insert; do
        store_file mbox "$file" "${SICK[@]}"
        session reader "$file" rdwr
        expect reader "ok 4096 clean" pread "$(inside 1)" 4096
        expect reader "ok 4096 clean" pread "$(inside 6)" 4096
        expect_once "ok 0" "$file" rdwr $way 4096 8192
        # Where a clean message lay there is a virus now.
        if [[ $way == collapse ]]; then
            expect reader EPERM pread $(($(inside 4) - 8192)) 4096
        else
            expect reader EPERM pread $(($(inside 5) + 4096)) 4096
        fi
        leave reader
    done
}

stores_through_mappings() {
    local file=$BOX/mapped
    printf INFECTED >"$WORK/evil"
    store_file mbox "$file" "${CLEAN[@]}"
    session reader "$file" rdwr
    session other "$file" rdwr
    expect other "ok 0" map 0 "$END"
    expect reader "ok * clean" pread 0 "$END"
    expect other "ok 8" store "${BODY[3]}" "$WORK/evil"
    expect reader EPERM pread "${BODY[3]}" 4096
    leave reader other
    expect_once EPERM "$file" rdonly pread "${BODY[3]}" 4096
}

# Of stores to a page that is dirty nothing tells: no event, no time. What was judged is proved soon, though
# readers have the file open, and read in it, all the time.
unseen_stores() {
    local file=$BOX/unseen times round unseen=0
    printf INFECTED >"$WORK/evil"
    store_file mbox "$file" "${CLEAN[@]}"
    dd if="$WORK/made" of="$WORK/good" bs=1 skip="${BODY[3]}" count=8 status=none
    session reader "$file" rdwr
    session other "$file" rdwr
    expect other "ok 0" map 0 "$END"
    for ((round = 0; round < 4; round++)); do
        expect other "ok 8" store "${BODY[3]}" "$WORK/good"
        expect reader "ok * clean" pread "${BODY[3]}" 4096
        times=$(stat -c '%y %z' "$file")
        expect other "ok 8" store "${BODY[3]}" "$WORK/evil"
        [[ $(stat -c '%y %z' "$file") != "$times" ]] || unseen=$((unseen + 1))
        wait_until 5 is_denied reader "${BODY[3]}" || fail "$FSTYPE: what was stored unseen is served"
    done
    ((unseen > 0)) || fail "$FSTYPE: every store moved the times"
    leave reader other
}
# Content that is exchanged with another file's without an event or a time, while readers go on.
exchanged_content() {
    local file=$BOX/exchanged times
    [[ $FSTYPE == xfs ]] || return 0 # nobody else has such a call that brings other content in
    store_file mbox "$BOX/.imap/evil" "${SICK[@]}"
    store_file mbox "$file" one two three four INFECTEX six seven eight
    session reader "$file" rdwr
    expect reader "ok * clean" pread 0 "$END"
    times=$(stat -c '%y %z' "$file")
    "$BUILD/tests/system/hidden-change" swap "$file" "$BOX/.imap/evil"
    expect_equal "$(stat -c '%y %z' "$file")" "$times" 'times'
    wait_until 60 is_denied reader "${BODY[4]}" || fail "$FSTYPE: what was exchanged unseen is served"
    # By now that is proved, and nobody looks again but for the age of it.
    "$BUILD/tests/system/hidden-change" swap "$file" "$BOX/.imap/evil"
    expect reader EPERM pread "${BODY[4]}" 4096
    wait_until 60 is_served reader "${BODY[4]}" || fail "$FSTYPE: what is known does not get old"
    leave reader
    # Whoever writes may come when all is known.
    store_file mbox "$BOX/.imap/evil" "${SICK[@]}"
    store_file mbox "$file" one two three four INFECTEX six seven eight
    session reader "$file" rdonly
    expect reader "ok * clean" pread 0 "$END"
    "$BUILD/tests/system/hidden-change" swap "$file" "$BOX/.imap/evil"
    wait_until 60 is_denied reader "${BODY[4]}" || fail "$FSTYPE: what came unseen to a file at rest is served"
    leave reader
}
mdboxes() {
    local file=$R/mdbox/user/storage/m.1 way
    store_file mdbox "$file" "${SICK[@]}"
    for way in "${WAYS[@]}"; do
        expect_once "ok 4096 clean" "$file" rdwr "$way" "$(inside 6)" 4096
        expect_once EPERM "$file" rdwr "$way" "$(inside 4)" 4096
    done
    expect_once "ok * clean" "$file" rdwr pread 0 "${START[3]}"

    say "$FSTYPE: mdbox: a message that is not whole yet"
    file=$R/mdbox/user/storage/m.2
    store_file mdbox "$file" "${CLEAN[@]}"
    one_more mdbox "$WORK/virus" INFECTED
    head -c 9000 "$WORK/virus" >"$WORK/part"
    tail -c +9001 "$WORK/virus" >"$WORK/rest"
    session reader "$file" rdwr
    session server "$file" rdwr
    expect reader "ok * clean" pread 0 "$END"
    expect server "ok 9000" append 4096 "$WORK/part"
    expect reader EPERM pread "$END" 8192
    expect reader "ok 4096 clean" pread "$(inside 2)" 4096
    expect server "ok *" append 4096 "$WORK/rest"
    expect reader EPERM pread $((END + 10000)) 4096
    leave reader server

    one_more mdbox "$WORK/clean" nine
    head -c 9000 "$WORK/clean" >"$WORK/part"
    tail -c +9001 "$WORK/clean" >"$WORK/rest"
    file=$R/mdbox/user/storage/m.3
    store_file mdbox "$file" "${CLEAN[@]}"
    session reader "$file" rdwr
    session server "$file" rdwr
    expect reader "ok * clean" pread 0 "$END"
    expect server "ok 9000" append 4096 "$WORK/part"
    expect reader "ok 8192 clean" pread "$END" 8192
    expect server "ok *" append 4096 "$WORK/rest"
    expect reader "ok * clean" pread "$END" 20000
    leave reader server
}

# ---- Everywhere ----

# Rounds of what a mail server does with an index all the time.
use_index() {
    local n
    for n in 1 2 3; do
        cat "$1" >/dev/null || fail "$FSTYPE: an index was denied: $1"
        printf more >>"$1"
        printf again | dd of="$1" conv=notrunc status=none
    done
}

indexes_are_free() {
    printf again >"$WORK/line"
    local file before
    for file in "$R/mdbox/user/storage/dovecot.map.index.log" "$R/mdbox/user/storage/dovecot.map.index" \
        "$BOX/.imap/INBOX/dovecot.index.cache" "$R/maildir/user/dovecot-uidlist"; do
        mkdir -p "$(dirname "$file")"
        echo INFECTED >"$file"
        eicar >>"$file"
        session index "$file" rdonly
        session again "$file" rdonly
        expect index "ok *" pread 0 4096
        before=$(counter events)
        for n in 1 2 3 4 5 6 7 8 9 10; do
            expect index "ok *" pread 0 4096
            expect again "ok *" pread 0 4096
        done
        # Not one for each: the kernel may let go of the mark that says so, once in a while.
        (($(counter events) <= before + 2)) ||
            fail "$FSTYPE: 20 reads of $(basename "$file") raised $(($(counter events) - before)) events"
        expect_once "ok *" "$file" rdwr put 0 "$WORK/line"
        expect index "ok *" pread 0 4096
        leave index again
        use_index "$file"
        expect_no_stamp "$file"
    done
}

maildir_beside() {
    make_mail "$R/maildir/user/cur/1.clean" text
    echo INFECTED >"$R/maildir/user/cur/2.sick"
    expect_readable "$R/maildir/user/cur/1.clean"
    expect_denied "$R/maildir/user/cur/2.sick"
    expect_stamp "$R/maildir/user/cur/1.clean" c
    store_file mbox "$BOX/beside" "${SICK[@]}"
    expect_denied "$BOX/beside"
    expect_readable "$R/maildir/user/cur/1.clean"
}

# The stamp of an mbox that nobody writes any more comes when it rests.
stamps() {
    local file=$BOX/stamped
    store_file mbox "$file" "${CLEAN[@]}"
    store_file mbox "$BOX/sick" "${SICK[@]}"
    expect_readable "$file"
    expect_denied "$BOX/sick"
    expect_stamp "$file" c
    expect_no_stamp "$BOX/sick"
    stop_storescand
    start_storescand "${FAKE[@]}"

    say "$FSTYPE: the stamp makes all of it known"
    unchanged scans expect_readable "$file"
    unchanged scans expect_once "ok 4096 clean" "$file" rdonly pread "$(inside 4)" 4096
    say "$FSTYPE: a writer has it withdrawn"
    session server "$file" rdwr
    ! has_stamp "$file" c || fail "$FSTYPE: a writer came, and the stamp is still there"
    unchanged scans expect server "ok * clean" pread 0 "$END"
    leave server
    say "$FSTYPE: digests answer for a copy"
    cp "$file" "$BOX/copied"
    expect_no_stamp "$BOX/copied"
    unchanged scans expect_readable "$BOX/copied"
}

# More than once on a slow machine: what nobody uses for three seconds is let go.
reads_are_silent() {
    local before
    before=$(counter events)
    expect_readable "$1" "$1" "$1"
    (($(counter events) == before))
}

becomes_hot() {
    local file=$BOX/hot before
    store_file mbox "$file" "${CLEAN[@]}"
    one_more mbox "$WORK/virus" INFECTED
    expect_readable "$file"
    expect_stamp "$file" c
    before=$(counter hot)
    expect_readable "$file" "$file" "$file"
    wait_until 20 counter_reaches hot $((before + 1)) || fail "$FSTYPE: an mbox did not become hot"
    wait_until 20 reads_are_silent "$file" || fail "$FSTYPE: reads of a hot mbox raise events"
    session reader "$file" rdonly
    expect_once "ok *" "$file" append append 8192 "$WORK/virus"
    expect reader EPERM pread "$END" 8192
    expect_once "*EPERM" "$file" rdonly pread "$END" 8192
    leave reader
}

# ---- Other names, other namespaces ----

# What is known of a store's file goes for whoever comes to it by another way, and the other way round.
through_a_bind_mount() {
    local file=$BOX/bound clean=$BOX/clean stranger
    store_file mbox "$clean" "${CLEAN[@]}"
    store_file mbox "$file" "${SICK[@]}"
    mkdir -p "$WORK/elsewhere"
    : >"$WORK/stolen"
    chmod 0666 "$WORK/stolen"
    # Nothing is known of it; its owner is the first who has it open, and has it open still.
    stop_storescand
    start_storescand "${FAKE[@]}"
    # No function: what is killed at the end is to be the last of what this becomes, not a shell before it.
    # shellcheck disable=SC2016 # of the other shell
    setpriv --reuid "$TEST_USER" --clear-groups unshare -Urm --propagation private bash -c 'mount --bind "$1" "$2" && {
        cat "$2/clean" "$2/bound" 2>/dev/null
        exec 3<"$2/bound"
        echo end
        exec sleep 600
    } >"$3"' - "$BOX" "$WORK/elsewhere" "$WORK/stolen" &
    stranger=$!
    PIDS+=("$stranger")
    wait_until 20 grep -aq '^end$' "$WORK/stolen" || fail "$FSTYPE: no user namespaces?"
    ! grep -aq INFECTED "$WORK/stolen" || fail "$FSTYPE: the other namespace got a virus"
    expect_once '*EPERM' "$file" rdwr pread "$(inside 4)" 4096
    ! has_ranges || expect_once "ok 4096 clean" "$file" rdwr pread "$(inside 1)" 4096
    expect_readable "$clean"
    kill "$stranger"
}
as_user() { setpriv --reuid "$TEST_USER" --clear-groups "$@"; }

# ---- Where accesses are told without their range ----

whole_files() {
    local file=$BOX/whole mode way
    store_file mbox "$file" "${SICK[@]}"
    store_file mbox "$R/seen/whole" "${SICK[@]}"
    for mode in rdonly rdwr; do
        expect_once 'open EPERM' "$file" $mode pread "$(inside 4)" 4096
        for way in "${WAYS[@]}"; do
            expect_once "ok * virus" "$R/seen/whole" $mode "$way" 0 "$END"
        done
    done
    store_file mbox "$file" "${CLEAN[@]}"
    one_more mbox "$WORK/virus" INFECTED
    session reader "$file" rdonly
    session server "$file" rdwr
    session mail "$file" append
    expect reader "ok * clean" pread 0 "$END"
    expect mail "ok *" append 8192 "$WORK/virus"
    expect reader EPERM pread "$END" 8192
    expect server EPERM pread "$END" 8192
    leave reader server mail
    expect_once 'open EPERM' "$file" rdonly pread 0 4096

    printf INFECTED >"$WORK/evil"
    store_file mbox "$file" "${CLEAN[@]}"
    session reader "$file" rdwr
    session other "$file" rdwr
    expect reader "ok * clean" pread 0 "$END"
    expect other "ok 8" put-back-time "${BODY[3]}" "$WORK/evil"
    expect reader EPERM pread "${BODY[3]}" 4096
    leave reader other

    # Its own mail back: nothing new in it is scanned again.
    store_file mbox "$file" "${CLEAN[@]}"
    expect_readable "$file"
    one_more mbox "$WORK/more" nine
    before=$(counter scans)
    expect_once "ok *" "$file" append append 8192 "$WORK/more"
    expect_readable "$file"
    (($(counter scans) - before <= 2)) || fail "$FSTYPE: known mail was scanned again"
}

run_point() {
    say "$FSTYPE: $1"
    shift
    "$@"
}

POINTS=(
    'an infected item is denied by every way to it, others are served' reads_by_every_way
    'a small file is judged as it is opened' judged_at_its_open
    'mail that is appended is judged before open sessions read it' open_sessions
    'an append in pieces is not scanned at each write' appends_in_pieces
    'a message goes on while it is judged' grows_under_a_scan
    'a writer rewrites the header that it has just written' rewrites_own_header
    'a flag that changes has the file not scanned again' changes_a_flag
    'mail that is overwritten in place' overwrites
    'mail that is replaced' replaces
    'mail that is expunged' expunges
    'mail that is moved without a write' moves
    'mail that is stored to through a mapping' stores_through_mappings
    'mail that is stored to where no time tells' unseen_stores
    'mail that is exchanged where no time tells' exchanged_content
    'mdbox' mdboxes
)
EVERYWHERE=(
    'indexes and logs are never denied, and who reads them raises no events' indexes_are_free
    'a Maildir and an mbox side by side' maildir_beside
    'stamps and digests save scans' stamps
    'a clean mbox becomes hot, and cold by a writer' becomes_hot
    'somebody came through a mount namespace of his own first' through_a_bind_mount
)

has_ranges() { [[ $FSTYPE != tmpfs ]] && kernel_has_ranges; }

for fstype in ${FILE_SYSTEMS:-ext4 xfs btrfs tmpfs}; do
    begin "$fstype" "$fstype"
    start_storescand "${FAKE[@]}"
    points=('whole files' whole_files "${EVERYWHERE[@]}")
    ! has_ranges || points=("${POINTS[@]}" "${EVERYWHERE[@]}")
    for ((i = 0; i < ${#points[@]}; i += 2)); do
        [[ -n ${ONLY:-} && ! " $ONLY " == *" ${points[i + 1]} "* ]] || run_point "${points[i]}" "${points[i + 1]}"
    done
    expect_equal "$(counter lost)" 0 'events lost'
    stop_storescand
done

# ---- One mark on a file system, or one on each of its folders ----

MARKED=(
    'mail that is appended is judged before open sessions read it' open_sessions
    'mail that is overwritten in place' overwrites
)
MARKED_EVERYWHERE=(
    'stamps and digests save scans' stamps
    'a clean mbox becomes hot, and cold by a writer' becomes_hot
)

for marks in filesystem directories; do
    say "marks = $marks"
    FSTYPE=ext4
    make_fs "$marks" ext4
    BOX=$WORK/$marks/mail
    mkdir "$BOX"
    STORES_CONF=
    add_store mail "$WORK/$marks" format=mbox "marks=$marks"
    start_storescand "${FAKE[@]}"
    case $marks in
    filesystem) wait_for_line "'mail' is guarded: one mark on the file system" ;;
    directories) wait_for_line "'mail' is guarded: [0-9]+ folders marked" ;;
    esac
    points=('whole files' whole_files "${MARKED_EVERYWHERE[@]}")
    ! has_ranges || points=("${MARKED[@]}" "${MARKED_EVERYWHERE[@]}")
    for ((i = 0; i < ${#points[@]}; i += 2)); do
        [[ -n ${ONLY:-} && ! " $ONLY " == *" ${points[i + 1]} "* ]] || run_point "${points[i]}" "${points[i + 1]}"
    done
    expect_equal "$(counter lost)" 0 'events lost'
    stop_storescand
done

# ---- Workers that fail ----

# tell NAME WORD NUMBER NUMBER-OR-FILE, and what it answers, later: hear NAME ANSWER.
tell() {
    local name=$1
    shift
    printf '%s\n' "$*" >&"${TO[$name]}"
}
hear() {
    local line
    read -r -t $((60 * PATIENCE)) -u "${FROM[$1]}" line || fail "no answer in session $1"
    expect_equal "$line" "$2" "session $1"
}

stuck_workers() {
    local file word
    for word in HANG CRASH; do
        file=$BOX/$word
        store_file mbox "$file" one two three four "$word" six seven eight
        session reader "$file" rdwr
        expect reader EPERM pread "$(inside 4)" 4096
        wait_until 20 is_served reader "$(inside 1)" || fail "$word: others stay denied"
        wait_until 20 is_served reader "$(inside 6)" || fail "$word: others stay denied"
        expect reader EPERM pread "$(inside 4)" 4096
        leave reader
        cp "$WORK/made" "$R/seen/$word"
        expect_once "ok 4096 clean" "$R/seen/$word" rdwr pread "$(inside 4)" 4096
        expect_no_stamp "$file" "$R/seen/$word"
    done
    wait_for_line "undecided: .*'$BOX/HANG'"
}

# A worker that is killed in the middle of a file: the job goes to another, nobody reads unjudged mail.
killed_worker() {
    local file=$BOX/killed n pid
    store_file mbox "$file" one two SLOW SLOW SLOW INFECTED seven eight
    session reader "$file" rdwr
    tell reader pread "$(inside 5)" 4096
    for ((n = 0; n < 2; n++)); do
        for pid in $(worker_pids); do kill -KILL "$pid"; done
        wait_until 20 worker_pids_are_new "$pid" || fail 'no new workers'
    done
    hear reader EPERM
    expect reader EPERM pread "$(inside 5)" 4096
    leave reader
}
worker_pids_are_new() { [[ -n $(worker_pids) && " $(worker_pids | tr '\n' ' ')" != *" $1 "* ]]; }

# ---- The engine ----

with_the_engine() {
    local file=$BOX/engine n mails=()
    for n in 0 1 2 3 4; do
        make_mail "$WORK/mail.$n" text -s 20000
        mails+=("$WORK/mail.$n")
    done
    make_mail "$WORK/mail.2" eicar-base64
    "$FORMATS" mbox "$WORK/made" "${mails[@]}" >"$WORK/layout"
    START=()
    while read -r n _; do START+=("$n"); done <"$WORK/layout"
    cp "$WORK/made" "$file"
    if has_ranges; then
        session reader "$file" rdwr
        expect reader "ok 4096 clean" pread "$(inside 1)" 4096
        expect reader "EPERM" pread "${START[2]}" 512
        expect reader "ok 4096 clean" pread "$(inside 3)" 4096
        leave reader
    else
        expect_denied "$file"
    fi
    wait_for_line "blocked: .* the message at byte ${START[2]} of '$file'.*Eicar.* \\(message '<.+>', from '.+', subject '.+'\\)"
}

FSTYPE=ext4
say 'an engine that is real'
no_quarantine
begin ext4 engine
start_storescand
with_the_engine
stop_storescand

say 'workers that hang and crash: on_error'
BASE_CONF=$SCANNER_CONF
SCANNER_CONF+=$'\nscan_timeout = 1s\nworker_timeout = 2s'
begin ext4 failing
STORES_CONF=${STORES_CONF/on_infected = detect/on_error = allow}
start_storescand "${FAKE[@]}"
has_ranges || {
    say 'this kernel does not tell which bytes are read: one item that fails stands for its file'
    exit
}
stuck_workers
SCANNER_CONF=$BASE_CONF
stop_storescand
start_storescand "${FAKE[@]}"
say 'workers that are killed'
killed_worker
stop_storescand
