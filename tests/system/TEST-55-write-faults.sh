#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Each write, sync, rename and new file of storescan-remedy fails, one at a time and for good, with EIO and
# ENOSPC, by itself and below storescand. Invariants: in the file stands what stood there or the whole replacement,
# or else nobody is let at it until that is so; no original is lost, nothing is taken for written that is not on
# the disk; the log tells of it once, with the reason.
#
#   EVERY  only each so manieth call of a kind (default 3; tests/faults --writes: 1)

source "$(dirname "$0")/../lib.sh"
setup
need_program jq
EVERY=${EVERY:-3}
DRIVER=$BUILD/tests/system/remedy-driver
MAKE_FILES=$SOURCE/tests/data/make-store-formats
NOTICE='Infected content was removed'
QUARANTINE=$WORK/fast/quarantine
REMEDY=$WORK/remedy
cp "$BUILD/daemon/remedy/crashing-remedy" "$REMEDY"
make_fs fast tmpfs # the faults are ours, so that no disk is needed
F=$WORK/fast/f/cur/1.M1P1.vm:2,S

# ---- Faults ----

# fault CALL NUMBER ERRNO HOW: from now on; told again, it counts anew (daemon/remedy/faults.c).
FAULT=0
fault() {
    FAULT=$((FAULT + 1))
    : >"$REMEDY.trace"
    echo "$FAULT $*" >"$REMEDY.fault"
}
no_fault() { : >"$REMEDY.fault"; }
reached() { [[ $'\n'$(<"$REMEDY.trace")$'\n' == *$'\nfault\n'* ]]; }

# What the faults of a test are: each once, a disk that is full in the middle of a write, and one that stays so;
# those of the quarantine, which are the same for each format, not each time in each way.
KINDS=('write 5 once' 'pwrite 5 once' 'pwrite 28 short' 'pwrite 28 torn' 'sync 28 once' 'sync 5 on' 'rename 5 once'
    'create 28 once')
MORE_KINDS=('pwrite 28 on' 'write 28 short' 'write 28 on' 'rename 28 on' 'create 5 on')
REASON='Input/output error|No space left on device'

# each_fault WHAT TRY CHECK [KIND...]: TRY with the fault at the first call, at the second and so on, until there is
# none so late; each time CHECK, without it.
each_fault() {
    local kind call errno how n
    for kind in "${@:4}"; do
        read -r call errno how <<<"$kind"
        for ((n = 1; n <= 50; n += EVERY)); do
            AT="$1, $call $n: $errno $how"
            "$2" "$call" "$n" "$errno" "$how"
            no_fault
            reached || break
            "$3"
        done
        ((n > 1 && n <= 50)) || fail "$AT: of these calls there are none, or too many"
    done
}

# What the calls so far have got to the disk, if what is not there when a sync fails never gets there by another one:
# pages are clean then (ext4, xfs). Nothing is written to the store before all in quarantine is there.
expect_on_disk() {
    local problem
    problem=$(awk '
        $1 == "start" { begun++; written = 0 }
        $1 == "create" && $5 == 0 {
            split($2, id, ":")
            if ($6 ~ /lock$/) ignored[$2] = 1; else dirty[id[1] ":" $3] = begun
        }
        $1 == "rename" && $5 == 0 { dirty[$2] = begun }
        $1 == "write" && $5 > 0 && !($2 in ignored) { dirty[$2] = begun }
        $1 == "pwrite" {
            if (!written++) for (i in dirty) early += dirty[i] == begun
            for (i = $3; i < $3 + $5; i++) state[i] = "written"
            target = $2
        }
        $1 == "sync" && $5 == 0 { dirty[$2] = 0 }
        $1 == "sync" && $2 == target { for (i in state) if (state[i] == "written") state[i] = $5 == 0 ? "kept" : "lost" }
        END {
            for (i in state) if (state[i] != "kept") left++
            if (left) print left " bytes never got to the disk"
            if (early) print "the store is written to before the quarantine is on the disk"
        }
        ' "$REMEDY.trace")
    [[ -z $problem ]] || breach "$AT: $problem"
}

# ---- By itself ----

# run_driver ARGUMENT...: what it says in OUTPUT.
run_driver() { OUTPUT=$(timeout $((60 * PATIENCE)) "$DRIVER" "$REMEDY" "$QUARANTINE" "$@") || fail "$AT: the driver failed"; }
says() { [[ $'\n'$OUTPUT$'\n' =~ $1 ]] || fail "$AT: no '$1' in: $OUTPUT"; }
state_of() { STATE=$(<"$QUARANTINE/$1.meta") STATE=${STATE#*state: } STATE=${STATE%%$'\n'*}; }
id_of() { ID=$(first "$QUARANTINE"/*.meta) ID=${ID##*/} ID=${ID%.meta}; }
in_quarantine() { (shopt -s nullglob && cd "$QUARANTINE" && printf '%s ' *); }
DATE='2021-02-03 04:05:06'

message() {
    printf 'From: a@example.org\nSubject: one\n\nGood.\n%s\n' "$1"
    printf 'Nothing to see in line %04d.\n' {1..200}
    printf '%s\nEnd.\n' "$1"
}
dbox() {
    printf '\001\002N          %016X\n' "$(stat -c %s "$1")"
    cat "$1"
    printf '\n\001\003\nR5f5e100\nV1234\n\n'
}
message 'BAD-BAD-BAD' >"$WORK/bad"
message 'A notice.  ' >"$WORK/good"
HEAD=$'From x@example.org Thu Nov 26 10:00:00 2026\nSubject: first\n\nFirst.\n\n'
FROM=$'From y@example.org Thu Nov 26 10:00:01 2026\n'

# prepare FORMAT: $WORK/before and $WORK/after, the file; $WORK/item and $WORK/plan, what differs, from OFFSET on.
prepare() {
    OFFSET=0
    case $1 in
    mbox)
        { printf %s "$FROM" && cat "$WORK/bad" && echo; } >"$WORK/item"
        { printf %s "$FROM" && cat "$WORK/good" && echo; } >"$WORK/plan"
        printf %s "$HEAD" >"$WORK/head"
        ;;
    mdbox)
        dbox "$WORK/bad" >"$WORK/item"
        dbox "$WORK/good" >"$WORK/plan"
        { printf '2 M1e C6b04b343\n' && dbox "$WORK/good"; } >"$WORK/head"
        ;;
    *)
        cp "$WORK/bad" "$WORK/item"
        cp "$WORK/good" "$WORK/plan"
        : >"$WORK/head"
        ;;
    esac
    OFFSET=$(stat -c %s "$WORK/head")
    cat "$WORK"/{head,item,head} >"$WORK/before"
    cat "$WORK"/{head,plan,head} >"$WORK/after"
    SIZE=$(stat -c %s "$WORK/before")
}
fresh() {
    rm -rf "$QUARANTINE" "$WORK/fast/f"
    mkdir -p "${F%/*}"
    cp "$WORK/before" "$F"
    touch -d "$DATE" "$F"
}

# Whether each byte of the file is an old or a new one: what can be completed.
is_old_or_new() {
    python3 - "$F" "$WORK/before" "$WORK/after" <<'PYTHON'
import sys
is_, old, new = (open(path, "rb").read() for path in sys.argv[1:])
sys.exit(len(is_) != len(old) or any(c not in both for c, *both in zip(is_, old, new)))
PYTHON
}
expect_file() { cmp "$F" "$WORK/$1" || breach "$AT: it is not what was $1"; }
expect_no_lock() { [[ ! -e $F.lock ]] || fail "$AT: a lock file was left"; }

# All is replaced, and the original kept.
expect_replaced() {
    expect_file after
    id_of
    expect_equal "$(in_quarantine)" "$ID.item $ID.meta " "$AT: files in quarantine"
    state_of "$ID"
    expect_equal "$STATE" replaced "$AT: state"
    cmp "$QUARANTINE/$ID.item" "$WORK/item" || breach "$AT: the original was lost"
    [[ $(stat -c %y "$F") == "$DATE".* ]] || fail "$AT: time"
    expect_no_lock
}

try_replace() {
    fresh
    fault "$@"
    run_driver "$FORMAT" "$F" "$OFFSET" "$WORK/plan"
}
check_replace() {
    local said=$OUTPUT
    SAID[${said#*done }]=1
    expect_equal "$(stat -c %s "$F")" "$SIZE" "$AT: size"
    expect_no_lock
    case $said in
    *'done replaced '*) expect_file after ;;
    *'done failed '*', half of it')
        says "$REASON"
        is_old_or_new || breach "$AT: there are bytes that are neither old nor new"
        id_of
        cmp "$QUARANTINE/$ID.item" "$WORK/item" || breach "$AT: the original is not in quarantine"
        ;;
    *'done failed '* | *'done not-quarantined '*)
        says "$REASON"
        expect_file before
        [[ $(in_quarantine) =~ ^\ ?$ ]] || fail "$AT: left in quarantine: $(in_quarantine)"
        ;;
    *) fail "$AT: it says $said" ;;
    esac
    run_driver # started anew
    expect_on_disk
    if [[ $said == *'done replaced '* || $said == *', half of it' ]]; then
        expect_replaced
        return
    fi
    expect_file before
    run_driver "$FORMAT" "$F" "$OFFSET" "$WORK/plan"
    expect_replaced
}
declare -A SAID=()

try_recover() {
    fresh
    no_fault
    STORESCAN_REMEDY_CRASH=5 run_driver "$FORMAT" "$F" "$OFFSET" "$WORK/plan"
    says $'\ndied '
    ! cmp -s "$F" "$WORK/before" && ! cmp -s "$F" "$WORK/after" || fail "$AT: it is not half of it"
    fault "$@"
    run_driver
}
check_recover() {
    says $'\nready 1\n' # not at the first try
    # Where all that failed is the sync behind the record, the next look finds nothing to complete.
    [[ $AT == *', sync 3: '* ]] || says $'\nnote completed '
    expect_on_disk
    touch -d "$DATE" "$F" # that was lost before
    expect_replaced
}

# released STATUS: tries to.
released() {
    local status=0
    OUTPUT=$("$REMEDY" --release "$QUARANTINE" "$ID" 2>&1) || status=$?
    ((status == $1)) || fail "$AT: status $status, not $1: $OUTPUT"
}
try_release() {
    fresh
    no_fault
    run_driver "$FORMAT" "$F" "$OFFSET" "$WORK/plan"
    says $'\ndone replaced '
    id_of
    fault "$@"
    OUTPUT=$("$REMEDY" --release "$QUARANTINE" "$ID" 2>&1) && OUTPUT= || true
}
check_release() {
    expect_equal "$(stat -c %s "$F")" "$SIZE" "$AT: size"
    cmp "$QUARANTINE/$ID.item" "$WORK/item" || breach "$AT: the original was lost"
    [[ -n $OUTPUT ]] || expect_file before
    [[ -z $OUTPUT ]] || says "$REASON"
    run_driver # started anew
    state_of "$ID"
    if [[ $STATE != released ]]; then
        expect_file after
        expect_equal "$STATE" replaced "$AT: state"
        released 0
    fi
    expect_file before
    expect_on_disk
    expect_no_lock
    expect_equal "$(in_quarantine)" "$ID.item $ID.meta " "$AT: files in quarantine"
}

for FORMAT in maildir mbox mdbox; do
    prepare "$FORMAT"
    ALL=("${KINDS[@]}")
    [[ $FORMAT != mbox ]] || ALL+=("${MORE_KINDS[@]}")
    say "$FORMAT: replaced"
    SAID=()
    each_fault "$FORMAT, replaced" try_replace check_replace "${ALL[@]}"
    for outcome in 'replaced ' 'failed .*written.*error$' 'failed .*, half of it' 'not-quarantined '; do
        grep -Eq "^$outcome" <<<"$(printf '%s\n' "${!SAID[@]}")" || fail "$FORMAT: it was never $outcome"
    done
    say "$FORMAT: completed at the next start"
    each_fault "$FORMAT, completed" try_recover check_recover 'write 5 once' 'pwrite 28 short' 'sync 5 once' 'rename 5 once' 'create 28 once'
    [[ $FORMAT == mbox ]] || continue
    say "$FORMAT: released"
    each_fault "$FORMAT, released" try_release check_release "${ALL[@]}"
done

# ---- Below storescand ----

QUARANTINE=$WORK/fast/kept
QUARANTINE_CONF="directory = $QUARANTINE"
export STORESCAN_REMEDY=$REMEDY
make_fs store ext4 128M
mkdir "$WORK/originals"
for FORMAT in maildir mbox mdbox; do
    mkdir -p "$WORK/store/$FORMAT"
    add_store "$FORMAT" "$WORK/store/$FORMAT" "format=$FORMAT" on_infected=replace
done
make_maildir "$WORK/store/maildir/user"
mkdir -p "$WORK/store/mdbox/storage"

# next_mail: another file with the same infected mail, as it is in $WORK/originals.
N=0
make_mail "$WORK/mail" eicar-text --seed 1 --size 6000
next_mail() {
    N=$((N + 1))
    case $FORMAT in
    maildir) MAIL=$WORK/store/maildir/user/cur/$N.M1P1.vm:2,S ;;
    mbox) MAIL=$WORK/store/mbox/box-$N ;;
    mdbox) MAIL=$WORK/store/mdbox/storage/m.$N ;;
    esac
    ORIGINAL=$WORK/originals/$FORMAT
    if [[ ! -e $ORIGINAL ]]; then
        case $FORMAT in
        maildir) cp "$WORK/mail" "$ORIGINAL" ;;
        mbox) { echo 'From a@example.org Mon Nov 23 10:00:00 2026' && cat "$WORK/mail" && echo; } >"$ORIGINAL" ;;
        mdbox) "$MAKE_FILES" mdbox "$ORIGINAL" "$WORK/mail" >/dev/null ;;
        esac
    fi
    cp "$ORIGINAL" "$WORK/store/fresh"
    touch -d '1 minute ago' "$WORK/store/fresh" # nobody may be appending to it
    mv "$WORK/store/fresh" "$MAIL"
}

# reads FILE GOT: whether it is served; what was denied has nothing infected either.
reads() {
    local status=0
    read_file "$1" >"$2" 2>/dev/null || status=1
    ! grep -Fq "$VIRUS" "$2" || breach "$AT: the virus was served"
    ((status == 0)) || return 1
    grep -Fq "$NOTICE" "$2" || breach "$AT: something else than the notice was served"
}
VIRUS=$(eicar)
serves() { reads "$MAIL" "$WORK/got"; }

# Three readers, who wait for the same replacement, of which either all get the notice or none gets anything.
try_serve() {
    local readers=() n status
    fault "$@"
    next_mail
    for n in 1 2 3; do
        reads "$MAIL" "$WORK/got-$n" &
        readers+=("$!")
    done
    SERVED=0
    for n in 1 2 3; do
        status=0
        wait "${readers[n - 1]}" || status=$?
        ((status <= 1)) || fail "$AT: a reader ended with $status"
        if ((status == 0)); then SERVED=$((SERVED + 1)); else rm "$WORK/got-$n"; fi
    done
}
said_of() { grep -E "remedy-failed: Could not replace .*'$MAIL'" "$LOG"; }
told() { (($(said_of | wc -l) == 1)); }
# What was written and could not be recorded, or be undone, is looked at again.
settled() { ! compgen -G "$QUARANTINE/*.plan"; }
check_serve() {
    local n
    wait_until 60 settled || fail "$AT: it is not completed"
    if ((SERVED > 0)); then
        for n in 1 2 3; do
            [[ ! -e $WORK/got-$n ]] || cmp "$WORK/got-$n" "$MAIL" || breach "$AT: not the notice that stands there"
        done
        DONE+=("$MAIL")
        SEEN[served]=1
        return
    fi
    # Whether it was left as it was is looked at when nobody guards it.
    wait_until 20 told || fail "$AT: it is not told once"
    [[ $(said_of) =~ $REASON ]] || fail "$AT: the reason is not told"
    DENIED+=("$MAIL")
}

# expect_kept FILE...: what stands there is the notice, and what stood there is in quarantine.
expect_kept() {
    local file id
    for file; do
        AT=$file MAIL=$file
        serves || fail "can't be read: $file"
        cmp "$WORK/got" "$file" || breach "not what stands there: $file"
        expect_equal "$(stat -c %s "$file")" "$(stat -c %s "$ORIGINAL")" "size of $file"
        id=$(jq -r --arg path "$file" 'select(.path == $path and .state == "replaced") | .id' "$WORK/list")
        [[ -n $id && $id != *$'\n'* ]] || fail "in quarantine of $file is '$id'"
        python3 -c 'import sys; a, b = (open(p, "rb").read() for p in sys.argv[1:]); sys.exit(a not in b)' \
            "$QUARANTINE/$id.item" "$ORIGINAL" || breach "the original was lost: $file"
        [[ ! -e $QUARANTINE/$id.plan && ! -e $file.lock ]] || fail "something was left of $file"
    done
}

# Neither the replacement, nor its undoing, nor what completes it.
is_tried_again() { (($(grep -c '^fault$' "$REMEDY.trace") >= 3)); }

declare -A SEEN=()
for FORMAT in maildir mbox mdbox; do
    say "$FORMAT: read while the disk fails"
    DONE=() DENIED=() SEEN=()
    start_storescand
    each_fault "$FORMAT, read" try_serve check_serve "${KINDS[@]}"
    # Of what nobody could write, the disk fails for a while.
    AT="$FORMAT, for a while"
    fault pwrite 1 5 torn
    next_mail
    ! serves || breach "$AT: it is served"
    wait_until 20 is_tried_again || fail "$AT: it is not tried again"
    ! serves || breach "$AT: it is served while half of it is old"
    no_fault
    wait_until 60 serves || fail "$AT: it was not completed"
    DONE+=("$MAIL")
    stop_storescand
    for file in "${DENIED[@]}"; do
        if cmp -s "$file" "$ORIGINAL"; then
            SEEN[denied]=1
        else
            grep -q "replaced: .*'$file'.*It had been interrupted before" "$LOG" || breach "changed, though it was denied: $file"
            SEEN[completed]=1
        fi
    done
    for outcome in served denied completed; do [[ -v SEEN[$outcome] ]] || fail "$FORMAT: nothing was $outcome"; done
    say "$FORMAT: and when it fails no more"
    start_storescand
    for MAIL in "${DENIED[@]}"; do wait_until 20 serves || fail "it is not replaced: $MAIL"; done
    "$STORESCANCTL" --config "$CONF" --json quarantine list >"$WORK/list"
    expect_kept "${DONE[@]}" "${DENIED[@]}"
    stop_storescand
done
