#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Two hosts, one after the other on this machine: what is left of stamps when mail goes from one to the other by
# each of the commands of storescan-fleet(7), what the other one believes of it, and that nothing infected is
# served on the word of a copied or forged stamp. The tables of the page are what is tried and compared with.

source "$(dirname "$0")/../lib.sh"
setup
need_program rsync tar doveadm runuser
PAGE=storescan-fleet.7
KEYS=$WORK/keys
STAMP_CONF="keys = $KEYS"
RESULTS=$WORK/results
FORMATS=(maildir sdbox mdbox mbox)

# ---- The tables ----

# table NAME: of the page, a row a line; what a row says behind its words goes on in lines that begin with blanks.
table() {
    man_block "$PAGE" "$1" | awk '
        /^ / { sub(/^ +/, " "); printf "%s", $0; next }
        { printf "%s%s", n++ ? "\n" : "", $0 }
        END { print "" }' | grep -v '^[A-Z]'
}

# row_words N ROW, row_rest N ROW: its first N words, and what comes behind.
row_words() { awk -v n="$1" '{ for (i = 1; i <= n; i++) printf "%s%s", $i, i < n ? " " : "\n" }' <<<"$2"; }
row_rest() { awk -v n="$1" '{ for (i = 1; i <= n; i++) $i = ""; sub(/^ +/, ""); print }' <<<"$2"; }

# result NAME WORDS: what came of the row of that name.
result() { printf '%s\t%s\n' "$1" "$2" >>"$RESULTS"; }

# ---- What a host does with a file ----

DID=()
COUNTS=()
# count: how often contents were believed at once, compared, found to be stamped by a hub, scanned.
count() {
    local name line
    counter scans >/dev/null
    line=$(grep '^storescand: stats: ' "$LOG" | tail -n 1)
    COUNTS=()
    for name in stamp_hits digest_hits hub_accepted scans; do
        [[ $line =~ \ $name=([0-9]+)\  ]] || fail "no counter $name"
        COUNTS+=("${BASH_REMATCH[1]}")
    done
}

# first_read FILE: in DID how often each happened.
first_read() {
    local before=("${COUNTS[@]}") i
    expect_readable "$1"
    count
    for i in 0 1 2 3; do DID[i]=$((COUNTS[i] - before[i])); done
}

# judge FILE: in JUDGED how a message was judged that is a file of its own.
judge() {
    first_read "$1"
    case ${DID[*]} in
    '1 0 0 0') JUDGED=at-once ;;
    '0 1 0 0') JUDGED=compared ;;
    '0 0 1 0') JUDGED=believed ;;
    '0 0 0 1') JUDGED=scanned ;;
    *) fail "${DID[*]} of $1" ;;
    esac
}

# judge_both OWN HUB: the same of both of a row; where they are one file, how each of its messages was judged.
judge_both() {
    local own=scanned hub=scanned
    if [[ $1 != "$2" ]]; then
        judge "$1"
        own=$JUDGED
        judge "$2"
        hub=$JUDGED
    else
        first_read "$1"
        ((DID[3] > 0)) || own=${DID[*]}
        ((DID[2] == 0)) || hub=believed
    fi
    JUDGED="$own $hub"
}

# stamps FILE...: whether all or none of them have the stamp that another host wrote.
stamps() {
    local file n=0
    for file; do [[ -z $(stamp_of "$file") ]] || ((++n)); done
    case $n in
    0) echo lost ;;
    "$#") echo kept ;;
    *) echo both ;;
    esac
}

# mail_of FOLDER TEXT: the file whose header says so.
mail_of() {
    local found
    found=$(grep -rlE --exclude='dovecot*' "^X-Test: $2\$" "$1") || fail "no '$2' in $1"
    echo "$found"
}

# ---- Two hosts ----

# mail FOLDER: a message and one that the hub stamps, which nobody else has.
mail() {
    local kind
    make_maildir "$1"
    for kind in own hub; do
        { echo "X-Test: $kind" && cat "${MADE[0]}"; } >"$1/cur/$kind:2,S"
        MADE=("${MADE[@]:1}")
    done
    STAMPED+=("$1/cur/hub:2,S")
}

# other_host: nothing is known of what the one before has seen.
other_host() {
    stop_storescand
    rm -rf "$WORK/verdicts"
    STORES_CONF=
}

# Dovecot's tool, of a user without a server, with mail in FROM.
# shellcheck disable=SC2317
doveadm() {
    USER=$TEST_USER HOME=$WORK/home command doveadm -c "$WORK/dovecot.conf" -o "mail=maildir:$FROM" "$@"
}
mkdir "$WORK/home" "$WORK/run"
cat >"$WORK/dovecot.conf" <<END
base_dir = $WORK/run
state_dir = $WORK/run
log_path = /dev/stderr
ssl = no
first_valid_uid = 1
mail_uid = $TEST_USER
mail_gid = $(id -gn "$TEST_USER")
namespace inbox {
  inbox = yes
  separator = /
}
END

"$STORESCANCTL" --keys "$KEYS" key generate hub >/dev/null
mkdir "$WORK/made"
make_fs a ext4
make_fs b ext4
for format in "${FORMATS[@]}"; do mkdir "$WORK/b/$format"; done
mapfile -t COPIES < <(table copies)
mapfile -t DIFFERENCES < <(table differences)
((${#COPIES[@]} > 10 && ${#DIFFERENCES[@]} > 4)) || fail "$PAGE: its tables are short"
STAMPED=()
mapfile -t MADE < <("$MAKE_MAIL" clean -n $((2 * (${#COPIES[@]} + ${#DIFFERENCES[@]} + 1))) -o "$WORK/made")
for i in "${!COPIES[@]}"; do mail "$WORK/a/copy$i"; done
for i in "${!DIFFERENCES[@]}"; do mail "$WORK/a/differ$i"; done
mail "$WORK/a/bad"
"$SOURCE/tests/data/make-stamp" --key "$KEYS/hub" "${STAMPED[@]}"
chown -R "$TEST_USER:" "$WORK/a" "$WORK/b"

say 'one host'
add_store mail "$WORK/a" format=maildir
start_storescand
make_mail "$WORK/a/bad/cur/evil:2,S" eicar-base64
expect_denied "$WORK/a/bad/cur/evil:2,S"
cat "$WORK"/a/*/cur/{own,hub}:2,S >/dev/null || fail 'the first host serves no mail'
for file in "$WORK"/a/*/cur/*; do
    case $file in
    */own:*) expect_stamp "$file" cl ;;
    */hub:*) expect_stamp "$file" ch ;;
    *) expect_stamp "$file" i ;;
    esac
done
# On a busy machine one may be written too late to say anything of its file, until that is read again.
for file in "${STAMPED[@]}" "$WORK"/a/*/cur/own:2,S; do
    wait_until 20 "$STORESCANCTL" stamp verify "$file" || fail "its stamp says nothing: $file"
done
EVIL_STAMP=$(stamp_of "$WORK/a/bad/cur/evil:2,S")
other_host

say 'from one to the other'
declare -A COPY_TO
IMAGE=
for i in "${!COPIES[@]}"; do
    command=$(row_rest 3 "${COPIES[i]}")
    FROM=$WORK/a/copy$i TO=$WORK/b/maildir/copy$i
    for format in "${FORMATS[@]}"; do
        [[ $command != *"$format:TO"* ]] || TO=$WORK/b/$format/copy$i
    done
    if [[ $command == *FROM.image* ]]; then # when all others are done
        IMAGE=$i
        continue
    fi
    [[ $command == *doveadm* ]] || make_maildir "$TO" "$WORK/b/back$i"
    chown -R "$TEST_USER:" "${TO%/*}" "$WORK/b"
    COPY_TO[$i]=$TO
    command=${command//BACK/$WORK/b/back$i}
    command=${command//FROM/$FROM}
    eval "${command//TO/$TO}" || fail "$PAGE, copies: $command"
done
# copied NAME: the messages of a folder as another host has them.
copied() { cp -a "$WORK/a/$1" "$WORK/b/maildir/"; }
for i in "${!DIFFERENCES[@]}"; do
    copied "differ$i"
    setfattr -x trusted.avstamp "$WORK/b/maildir/differ$i/cur/hub:2,S"
done
copied bad
wait_until 20 umount "$WORK/a" || fail 'the first host keeps its disk busy'
if [[ -n $IMAGE ]]; then
    command=$(row_rest 3 "${COPIES[IMAGE]}")
    command=${command//FROM/$WORK/a}
    mkdir "$WORK/image"
    eval "${command//TO/$WORK/image}" 2>/dev/null || fail "$PAGE, copies: $command"
    mount_fs image
    COPY_TO[$IMAGE]=$WORK/image/copy$IMAGE
fi

# differ TEXT: the folder of that row.
differ() {
    local i
    for i in "${!DIFFERENCES[@]}"; do
        [[ $(row_rest 2 "${DIFFERENCES[i]}") != "$1" ]] || { echo "$WORK/b/maildir/differ$i" && return; }
    done
    fail "$PAGE, differences: no row '$1'"
}
own() { echo "$1/cur/own:2,S"; }
hub() { echo "$1/cur/hub:2,S"; }
# try TEXT: its row of the table of differences.
try() {
    local folder own hub
    folder=$(differ "$1")
    own=$(own "$folder")
    hub=$(hub "$folder")
    judge_both "$own" "$hub"
    result "$1" "$JUDGED"
}

say 'what is changed on the way, forged, or taken from another message'
folder=$(differ 'the message, changed on the way')
for file in "$(own "$folder")" "$(hub "$folder")"; do
    stamp=$(stamp_of "$file")
    printf 'One more line.\n' >>"$file"
    [[ -z $stamp ]] || setfattr -n trusted.avstamp -v "$stamp" "$file"
done
folder=$(differ "the message: the stamp is another one's")
setfattr -n trusted.avstamp -v "$(stamp_of "$(own "$(differ nothing)")")" "$(own "$folder")"
file=$(hub "$folder")
{ sed -n '/^X-Storescan-Stamp/,/^\ts=/p' "$(hub "$(differ nothing)")" && sed '1,/^\ts=/d' "$file"; } >"$WORK/message"
cat "$WORK/message" >"$file"
bad=$WORK/b/maildir/bad
evil=$bad/cur/evil:2,S
clean_stamp=$(stamp_of "$(own "$bad")")
# As the stamp of a clean message that a copy gave to an infected one.
cp "$evil" "$bad/cur/forged"
setfattr -n trusted.avstamp -v "$clean_stamp" "$bad/cur/forged"
# With the infected one's own digest and size, but the generation of nobody here.
cp "$evil" "$bad/cur/elsewhere"
read -r _ _ generation rest <<<"$EVIL_STAMP"
setfattr -n trusted.avstamp -v "ss1 cl $(tr 'A-Za-z' 'N-ZA-Mn-za-m' <<<"$generation") $rest" "$bad/cur/elsewhere"
# Clean by what everybody may write.
cp "$evil" "$bad/cur/user"
for name in user.avstamp user.trusted.avstamp user.rsync.trusted.avstamp; do
    setfattr -n "$name" -v "ss1 cl $generation $rest" "$bad/cur/user"
done
if runuser -u "$TEST_USER" -- setfattr -n trusted.avstamp -v "$clean_stamp" "$bad/cur/user" 2>/dev/null; then
    fail 'a user can write stamps'
fi
# Under a hub's stamp for another message.
{ sed -n '/^X-Storescan-Stamp/,/^\ts=/p' "$(hub "$bad")" && cat "$evil"; } >"$bad/cur/replayed"

say 'the other host'
mkdir "$WORK/b/ignore"
mv "$(differ 'stamps = ignore')" "$WORK/b/ignore/"
DIFFER_IGNORED=$WORK/b/ignore/$(basename "$(differ 'stamps = ignore')")
for format in "${FORMATS[@]}"; do
    add_store "$format" "$WORK/b/$format" "format=$format" marks=directories
done
add_store ignore "$WORK/b/ignore" format=maildir stamps=ignore marks=directories
[[ -z $IMAGE ]] || add_store image "$WORK/image" format=maildir
for i in "${!COPIES[@]}"; do
    OWN[i]=$(mail_of "${COPY_TO[$i]}" own)
    HUB[i]=$(mail_of "${COPY_TO[$i]}" hub)
    KEPT[i]=$(stamps "${OWN[i]}" "${HUB[i]}")
done
start_storescand
count
: >"$RESULTS"
# judge_copies WHICH: those that are files of their own, or files of many messages, which are looked at once more
# when they rest.
judge_copies() {
    local i which
    for i in "${!COPIES[@]}"; do
        [[ ${OWN[i]} != "${HUB[i]}" ]] && which=single || which=many
        [[ $which == "$1" ]] || continue
        judge_both "${OWN[i]}" "${HUB[i]}"
        printf '%s\t%s %s\n' "$(row_rest 3 "${COPIES[i]}")" "${KEPT[i]}" "$JUDGED" >>"$WORK/copies"
    done
}
judge_copies single
for text in nothing 'the message, changed on the way' "the message: the stamp is another one's"; do try "$text"; done
judge_both "$DIFFER_IGNORED"/cur/{own,hub}:2,S
result 'stamps = ignore' "$JUDGED"
expect_denied "$evil" "$bad"/cur/{forged,elsewhere,user,replayed}
count
judge_copies many
other_host

say 'one with other signatures'
mkdir "$WORK/signatures"
cp "$SIGNATURES"/* "$WORK/signatures/"
echo 'Test.Another:0:*:6e6f7468696e6720686572652069732073636e' >"$WORK/signatures/more.ndb"
same=$SCANNER_CONF
SCANNER_CONF=${SCANNER_CONF/"$SIGNATURES"/"$WORK/signatures"}
add_store mail "$WORK/b/maildir" format=maildir marks=directories
start_storescand
count
try 'the signatures'
expect_denied "$evil" "$bad"/cur/{forged,elsewhere,user,replayed}
other_host

say 'one that has no key of the hub'
SCANNER_CONF=$same
rm "$KEYS/hub"
add_store mail "$WORK/b/maildir" format=maildir marks=directories
start_storescand
count
try 'the hub, whose key is not there'
stop_storescand

say 'as the page says'
# compare TABLE N FILE: rows of the table, whose first N words are results.
compare() {
    local row
    for row in "${@:4}"; do
        printf '%s\t%s\n' "$(row_rest "$2" "$row")" "$(row_words "$2" "$row")"
    done | sort >"$WORK/expected"
    sort "$3" | diff -u "$WORK/expected" - || fail "$PAGE: its table of $1 is wrong"
}
compare copies 3 "$WORK/copies" "${COPIES[@]}"
compare differences 2 "$RESULTS" "${DIFFERENCES[@]}"
