#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# storescan-remedy by itself, on real file systems: what it replaces and how, what it leaves alone when a
# lock is held, the plan is hostile or the quarantine full, what a kill at each of its steps leaves behind,
# and how an original comes back.

source "$(dirname "$0")/../lib.sh"
setup
need_program flock jq

DRIVER=$BUILD/tests/system/remedy-driver
REMEDY=$BUILD/daemon/remedy/storescan-remedy
QUARANTINE=$WORK/quarantine

make_fs store ext4
make_fs xfs xfs

# run_remedy PROGRAM ARGUMENT...: what it says in OUTPUT.
run_remedy() { OUTPUT=$(timeout 60 "$DRIVER" "$1" "$QUARANTINE" "${@:2}") || fail "the driver failed: $*"; }
remedy() { run_remedy "$REMEDY" "$@"; }
says() { grep -Eq -- "$1" <<<"$OUTPUT" || fail "no '$1' in: $OUTPUT"; }
item_of() { sed -n 's/^done replaced \([^ ]*\)$/\1/p' <<<"$OUTPUT"; }
meta() { sed -n "s/^$2: //p" "$QUARANTINE/$1.meta"; }
untouched() {
    cmp "$1" "$2" || fail "changed though it must not be: $1"
    [[ ! -d $QUARANTINE || -z $(ls "$QUARANTINE") ]] || fail "left in quarantine: $(ls "$QUARANTINE")"
}

# A message whose two bad lines lie far apart, and the plan for it.
message() {
    printf 'From: a@example.org\nSubject: one\n\nGood.\n%s\n' "$1"
    printf 'Nothing to see in line %04d.\n' {1..200}
    printf '%s\nEnd.\n' "$1"
}
message 'BAD-BAD-BAD' >"$WORK/bad"
message 'A notice.  ' >"$WORK/good"
MBOX_HEAD=$'From x@example.org Thu Nov 26 10:00:00 2026\nSubject: first\n\nFirst.\n\n'
FROM=$'From y@example.org Thu Nov 26 10:00:01 2026\n'
dbox() {
    printf '\001\002N          %016X\n' "$(stat -c %s "$1")"
    cat "$1"
    printf '\n\001\003\nR5f5e100\nV1234\n\n'
}

# make FORMAT FILE: a file with the bad message; its offset in OFFSET; the plan in $WORK/plan, the item as it
# was in $WORK/item.
make() {
    mkdir -p "$(dirname "$2")"
    OFFSET=0
    case $1 in
    mbox)
        OFFSET=${#MBOX_HEAD}
        { printf %s "$FROM" && cat "$WORK/bad" && echo; } >"$WORK/item"
        { printf %s "$FROM" && cat "$WORK/good" && echo; } >"$WORK/plan"
        { printf %s "$MBOX_HEAD" && cat "$WORK/item" && printf %s "$MBOX_HEAD"; } >"$2"
        ;;
    mdbox)
        dbox "$WORK/bad" >"$WORK/item"
        dbox "$WORK/good" >"$WORK/plan"
        { printf '2 M1e C6b04b343\n' && dbox "$WORK/good"; } >"$2"
        OFFSET=$(stat -c %s "$2")
        { cat "$WORK/item" && dbox "$WORK/good"; } >>"$2"
        ;;
    sdbox)
        { printf '2 M1e C6b04b343\n' && dbox "$WORK/bad"; } >"$WORK/item"
        { printf '2 M1e C6b04b343\n' && dbox "$WORK/good"; } >"$WORK/plan"
        cat "$WORK/item" >"$2"
        ;;
    *)
        cp "$WORK/bad" "$WORK/item"
        cp "$WORK/good" "$WORK/plan"
        cat "$WORK/item" >"$2"
        ;;
    esac
    chown 12345:54321 "$2"
    chmod 0600 "$2"
    touch -a -d '2020-01-02 03:04:05.123456789' "$2"
    touch -m -d '2021-02-03 04:05:06.987654321' "$2"
}
place() { tail -c "+$((OFFSET + 1))" "$1" | head -c "$(stat -c %s "$WORK/item")"; }

say 'every format: bytes, times, owner, quarantine'
for fs in store xfs; do
    for format in maildir sdbox mdbox mbox cyrus mh sis files; do
        rm -rf "$QUARANTINE"
        file=$WORK/$fs/$format/cur/1.M1P1.vm:2,S
        make "$format" "$file"
        ln "$file" "$WORK/$fs/$format/link"
        before=$(stat -c '%X.%x %Y.%y %u %g %a %s %i' "$file")
        cp "$file" "$WORK/before"
        remedy "$format" "$file" "$OFFSET" "$WORK/plan"
        says '^done replaced [0-9a-f-]+$'
        ID=$(item_of)
        place "$file" | cmp - "$WORK/plan" || fail "$format: not replaced"
        touch -a -d '2020-01-02 03:04:05.123456789' "$file" # cmp read it
        expect_equal "$(stat -c '%X.%x %Y.%y %u %g %a %s %i' "$file")" "$before" "$format: times, owner and size"
        cmp "$file" "$WORK/$fs/$format/link" || fail "$format: the hard link differs"
        cmp "$QUARANTINE/$ID.item" "$WORK/item" || fail "$format: the original is not in quarantine"
        expect_equal "$(ls "$QUARANTINE")" "$ID.item"$'\n'"$ID.meta" "$format: files in quarantine"
        expect_equal "$(stat -c %a "$QUARANTINE" "$QUARANTINE/$ID.item" "$QUARANTINE/$ID.meta" | tr '\n' ' ')" \
            '700 600 600 ' "$format: modes in quarantine"
        expect_equal "$(meta "$ID" state) $(meta "$ID" store) $(meta "$ID" format) $(meta "$ID" uid) $(meta "$ID" gid)" \
            "replaced mail $format 12345 54321" "$format: metadata"
        [[ ! -e $file.lock ]] || fail "$format: a lock file was left"

        # And back.
        "$REMEDY" --release "$QUARANTINE" "$ID" || fail "$format: not released"
        cmp "$file" "$WORK/before" || fail "$format: not what it was"
        expect_equal "$(meta "$ID" state)" released "$format: state"
        touch -a -d '2020-01-02 03:04:05.123456789' "$file"
        expect_equal "$(stat -c '%X.%x %Y.%y %u %g %a %s %i' "$file")" "$before" "$format: times after the release"
    done
done
