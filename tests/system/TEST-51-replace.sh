#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What is infected is replaced by a notice when it is read, in every format: the reader gets the notice,
# sizes, times and clean mail stay as they are, nothing is scanned again, the original lies in quarantine
# byte by byte, and comes back by a release. What can't be replaced is blocked.

source "$(dirname "$0")/../lib.sh"
setup
need_program jq bzip2 gzip flock
MAKE_FILES=$SOURCE/tests/data/make-store-formats
REPLACED=$SOURCE/tests/system/replaced-mail
R=$WORK/store
O=$WORK/originals

ctl() { "$STORESCANCTL" --config "$CONF" "$@"; }

# ---- Mail ----

# make_originals FORMAT: 2, 4 and 6 of $O are infected. Each format has mail of its own: what is released
# is let through wherever it is.
SEED=0
make_originals() {
    local kind n=0
    rm -rf "$O"
    mkdir "$O"
    for kind in clean eicar-base64 clean eicar-text clean eicar-nested; do
        n=$((n + 1))
        SEED=$((SEED + 1))
        make_mail "$WORK/mail" "$kind" --seed "$SEED" --size 9000
        sed -i "s/^Subject: /&$1 /" "$WORK/mail"
        [[ $1 != cyrus ]] || sed -i 's/$/\r/' "$WORK/mail"
        mv "$WORK/mail" "$O/$n.$([[ $kind == clean ]] && echo clean || echo virus)"
    done
}

# place FORMAT MAIL...: has them stored at FILE, an array: a file each, or all in one; as they were stored
# at STORED.
place() {
    local format=$1 mail n=0 name folder=$R/$1/user
    shift
    case $format in
    maildir | gzip | bzip2 | crypt) folder=$R/$format/user/cur ;;
    sdbox) folder=$R/$format/user/mailboxes/INBOX/dbox-Mails ;;
    mdbox) folder=$R/$format/user/storage ;;
    esac
    mkdir -p "$folder"
    FILE=() STORED=()
    if is_many "$format"; then
        name=$([[ $format == mbox ]] && echo INBOX || echo m.1)
        "$MAKE_FILES" "$format" "$O/$name" "$@" | grep -v 'header$' >"$WORK/layout"
        STORED=("$O/$name")
    else
        for mail; do
            n=$((n + 1))
            case $format in
            maildir) name=$n:2,S && cp "$mail" "$O/$name" ;;
            gzip) name=$n:2,S && gzip -n <"$mail" >"$O/$name" ;;
            bzip2) name=$n:2,S && bzip2 <"$mail" >"$O/$name" ;;
            crypt) name=$n:2,S && { printf 'CRYPTED\003\007' && cat "$mail"; } >"$O/$name" ;;
            sdbox) name=u.$n && "$MAKE_FILES" sdbox "$O/$name" "$mail" | grep -v 'header$' >"$WORK/layout.$n" ;;
            cyrus) name=$n. && cp "$mail" "$O/$name" ;;
            mh) name=$n && cp "$mail" "$O/$name" ;;
            *) name=$n-$format && cp "$mail" "$O/$name" ;;
            esac
            STORED+=("$O/$name")
        done
    fi
    for name in "${STORED[@]}"; do
        touch -d '2026-01-02 03:04:05.678' "$name"
        cp -p "$name" "$folder/"
        FILE+=("$folder/$(basename "$name")")
    done
}

is_many() { [[ $1 == mdbox || $1 == mbox ]]; }

# message FORMAT NUMBER FILE: the message itself, on standard output.
message() {
    local offset size
    case $1 in
    gzip) gzip -dc "$3" ;;
    sdbox | mdbox | mbox)
        read -r _ _ offset size _ < <(if is_many "$1"; then sed -n "$2p" "$WORK/layout"; else cat "$WORK/layout.$2"; fi)
        dd if="$3" iflag=skip_bytes,count_bytes skip="$offset" count="$size" bs=64K status=none
        ;;
    *) cat "$3" ;;
    esac
}

# expect_notice ORIGINAL FILE: the same header and lines, a notice, and no virus.
expect_notice() {
    python3 - "$REPLACED" "$@" <<'END' || fail "not as it should be replaced: $1"
import importlib.machinery, importlib.util, sys
loader = importlib.machinery.SourceFileLoader("replaced", sys.argv[1])
replaced = importlib.util.module_from_spec(importlib.util.spec_from_loader("replaced", loader))
loader.exec_module(replaced)
try:
    replaced.expect_message("replaced", sys.argv[2], open(sys.argv[3], "rb").read())
except replaced.Wrong as e:
    sys.exit(str(e))
END
}

# quarantined FILE: the ids of what is there of it, in the order of the items.
quarantined() {
    ctl --json quarantine list |
        jq -sr --arg path "$1" '[.[] | select(.path == $path and .state == "replaced")] | sort_by(.offset) | .[].id'
}

# ---- One format ----

# expect_read FORMAT: clean mail as it is, notices for the others.
expect_read() {
    local n file
    for n in {1..6}; do
        file=${FILE[n - 1]:-${FILE[0]}}
        read_file "$file" >"$WORK/got" || fail "$1: message $n can't be read"
        message "$1" "$n" "$WORK/got" >"$WORK/message"
        # As it was stored: an mbox has more in its headers.
        message "$1" "$n" "${STORED[n - 1]:-${STORED[0]}}" >"$WORK/message.virus"
        if [[ -e $O/$n.clean ]]; then
            cmp "$WORK/message.virus" "$WORK/message" || fail "$1: clean mail was changed"
        else
            expect_notice "$WORK/message.virus" "$WORK/message"
        fi
    done
}

# test_format FORMAT
test_format() {
    local format=$1 n before file id ids
    say "$format: read, with the same sizes and times, and no scan at the second reading"
    make_originals "$format"
    place "$format" "$O"/{1.clean,2.virus,3.clean,4.virus,5.clean,6.virus}
    expect_read "$format"
    before=$(counter scans)
    for n in "${!FILE[@]}"; do
        expect_equal "$(stat -c '%s %y' "${FILE[n]}")" "$(stat -c '%s %y' "${STORED[n]}")" "$format: size and time"
        is_many "$format" || expect_stamp "${FILE[n]}" c
    done
    expect_readable "${FILE[@]}"
    expect_equal "$(counter scans)" "$before" "$format: scans at the second reading"
    wait_for_line "replaced: Replaced .*'$R/$format/.*Eicar-Test-Signature.*in quarantine as [0-9a-f-]+ \(message"

    say "$format: quarantine, release"
    for n in "${!FILE[@]}"; do
        is_many "$format" || ((n % 2)) || continue
        mapfile -t ids < <(quarantined "${FILE[n]}")
        expect_equal "${#ids[@]}" "$(is_many "$format" && echo 3 || echo 1)" "$format: items in quarantine of ${FILE[n]}"
        for id in "${ids[@]}"; do
            ctl quarantine show "$id" | grep Eicar-Test-Signature >/dev/null || fail "$format: no signature in quarantine"
            rm -f "$WORK/exported"
            ctl quarantine export "$id" "$WORK/exported"
            is_many "$format" || cmp "$WORK/exported" "${STORED[n]}" || fail "$format: not the original"
            ctl quarantine release "$id" >"$WORK/said" 2>&1 || fail "$format: release: $(cat "$WORK/said")"
        done
        read_file "${FILE[n]}" | cmp - "${STORED[n]}" || fail "$format: it did not come back"
    done
}

# ---- Stores ----

make_fs store ext4
for format in maildir gzip bzip2 crypt; do
    add_store $format "$R/$format" on_infected=replace on_unscannable=deny
done
for format in sdbox mdbox mbox mh cyrus sis files; do
    add_store $format "$R/$format" format=$format on_infected=replace
done
# Its openers do not wait for long.
add_store locked "$R/locked" format=mbox on_infected=replace scan_timeout=2s
mkdir -p "$R"/{maildir,gzip,bzip2,crypt,sdbox,mdbox,mbox,mh,cyrus,sis,files,locked}
start_storescand
wait_for_line "policy-hazard: Store 'files' is files with on_infected = replace: infected files are blocked"

for format in ${FORMATS:-maildir gzip sdbox mdbox mbox mh cyrus}; do test_format "$format"; done

# ---- What has no format of its own, or no remedy ----

say 'an attachment that is kept apart, with two links'
folder=$R/sis/ab/cd
mkdir -p "$folder/hashes"
{ eicar && printf '%4000s' ' '; } >"$WORK/attachment"
cp "$WORK/attachment" "$folder/hashes/one"
ln "$folder/hashes/one" "$folder/one-1"
read_file "$folder/one-1" >"$WORK/got"
grep -q 'Infected content was removed' "$WORK/got" || fail 'sis: no notice'
expect_equal "$(stat -c %s "$WORK/got")" "$(stat -c %s "$WORK/attachment")" 'sis: size'
read_file "$folder/hashes/one" | cmp - "$WORK/got" || fail 'sis: the other link has something else'
# By whatever name the kernel knows it.
expect_equal "$({ quarantined "$folder/one-1" && quarantined "$folder/hashes/one"; } | wc -l)" 1 'sis: items in quarantine'

say 'two readers of the same content: both get the notice, neither keeps the remedy out'
make_originals maildir
place maildir "$O/2.virus"
READERS=()
mapfile -t WORKERS < <(worker_pids)
joined=$(counter joined)
kill -STOP "${WORKERS[@]}"
for n in 1 2; do
    read_file "${FILE[0]}" >"$WORK/got-$n" &
    READERS+=("$!")
done
wait_until 20 counter_reaches joined $((joined + 1)) || fail 'the second reader did not join the scan'
kill -CONT "${WORKERS[@]}"
for n in 1 2; do
    wait "${READERS[n - 1]}" || fail "reader $n was refused"
    expect_equal "$(stat -c %s "$WORK/got-$n")" "$(stat -c %s "${STORED[0]}")" "size that reader $n saw"
    ! cmp -s "$WORK/got-$n" "${STORED[0]}" || breach "reader $n got what is infected"
done

say 'what can not be replaced is blocked'
make_originals bzip2
place bzip2 "$O/2.virus"
expect_denied "${FILE[0]}"
wait_for_line "remedy-failed: Could not replace what is infected in '${FILE[0]}'"
BLOCKED=${FILE[0]}
cp "${STORED[0]}" "$WORK/blocked"
place crypt "$O/4.virus"
expect_denied "${FILE[0]}"
mkdir -p "$R/files/a"
cp "$O/2.virus" "$R/files/a/1"
expect_denied "$R/files/a/1"

say 'a mailbox that is locked: denied when the time is over, replaced afterwards'
make_originals mbox
LOCKED=$R/locked/user
"$MAKE_FILES" mbox "$O/locked" "$O"/{1.clean,2.virus} >/dev/null
# Locked before there is anything to find: where no ranges are told, all is judged when the locker opens it.
: >"$LOCKED"
lock_file "$LOCKED"
cat "$O/locked" >"$LOCKED"
expect_denied "$LOCKED"
wait_for_line "remedy-failed: .*'$LOCKED'.*locked all the time"
kill "$LOCKER"
wait "$LOCKER" || true
# On a busy machine a replacement may take longer than this store's openers wait.
wait_until 30 read_file "$LOCKED" || fail 'it is denied though nobody has it locked'
wait_for_line "replaced: .*'$LOCKED'"
stop_storescand
cmp "$BLOCKED" "$WORK/blocked" || fail 'what was blocked was changed'
