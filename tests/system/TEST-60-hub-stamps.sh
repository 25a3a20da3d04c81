#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A hub's stamp in a message's header: what it vouches for is served without a scan; whatever is wrong
# with it, the mail is scanned, and the reason counted and told.

source "$(dirname "$0")/../lib.sh"
setup
no_quarantine
MAKE_STAMP=$SOURCE/tests/data/make-stamp
KEYS=$WORK/keys
STAMP_CONF="keys = $KEYS"
CACHE_CONF='size = 0' # every message counts for itself
ROOT=$WORK/mail
BOX=$ROOT/alice/cur
MADE=$WORK/made # where messages are made: nothing but what is judged is opened in the store
mkdir "$MADE"
source "$(dirname "$0")/../bus.sh"
start_bus
# What each storescand says is kept until the end.
LOGS=0
next_log() { LOG=$WORK/said-$((++LOGS)); }

key() { "$STORESCANCTL" --keys "$KEYS" key "$@"; }

# stamp FILE [ARGUMENT...]: the message on standard input, stamped, as a file.
stamp() {
    local file=$1
    shift
    "$MAKE_STAMP" --key "$KEYS/hub1" "$@" >"$MADE/$file"
}

# message [SEED]
message() { "$MAKE_MAIL" clean --seed "${1:-1}"; }

# refused REASON FILE: the file is scanned, and why its stamp is not believed is counted and told.
refused() {
    local reason=$1 file=$2 scans before
    scans=$(counter scans)
    before=$(counter "hub_$reason")
    cp "$MADE/$file" "$BOX/$file"
    expect_readable "$BOX/$file"
    expect_equal "$(counter scans)" $((scans + 1)) "scans of $file"
    expect_equal "$(counter "hub_$reason")" $((before + 1)) "hub_$reason of $file"
    if [[ $reason != absent ]]; then
        wait_for_line "hub-refused: Found '$BOX/$file': clean.* A stamp in its header was refused: "
    fi
    expect_stamp "$BOX/$file" cl
}

has_stamp_by_hub() { [[ $("$STORESCANCTL" stamp verify "$1" 2>/dev/null) == *'on the word of a hub'* ]]; }

say 'keys'
key generate hub1
key generate --type ed25519 hub2 >"$WORK/public"
cp "$KEYS/hub1" "$KEYS/later"
if key generate hub1 2>"$WORK/error"; then fail 'a key was replaced'; fi
grep -q "$KEYS/hub1: there is a key of this id" "$WORK/error" || fail 'no word on a key that is there'
expect_equal "$(stat -c %a "$KEYS/hub1")" 600 'mode of a key'
expect_equal "$(key public hub2)" "$(cat "$WORK/public")" 'public half'
key generate --keys "$WORK/other-keys" hub1
mkdir -m 0700 "$WORK/secrets"
cp "$KEYS"/hub[12] "$WORK/secrets"

make_fs mail ext4
mkdir "$ROOT/mbox" "$ROOT/mdbox"
make_maildir "$ROOT/alice" "$ROOT/ignore" "$ROOT/old" "$ROOT/access" "$ROOT/early" "$ROOT/early-access"
add_store alice "$ROOT/alice" on_infected=block marks=directories
add_store ignore "$ROOT/ignore" stamps=ignore marks=directories
add_store access "$ROOT/access" stamps=honour-on-access-only marks=directories
add_store early "$ROOT/early" proactive=yes marks=directories
add_store early-access "$ROOT/early-access" proactive=yes stamps=honour-on-access-only marks=directories
for format in mbox mdbox; do
    add_store "$format" "$ROOT/$format" "format=$format" on_infected=block marks=directories
done
add_store old "$ROOT/old" stamp_max_age=10h marks=directories

say 'a key that others can read'
chmod 0644 "$KEYS/later"
next_log
daemon_refuses
grep -q "$KEYS/later: others may read the secret key; chmod" "$LOG" || fail 'no word on the key'
chmod 0600 "$KEYS/later"
{ cat "$KEYS/hub1" && echo more; } >"$KEYS/broken"
chmod 0600 "$KEYS/broken"
next_log
daemon_refuses
grep -q "$KEYS/broken: not a key; make one with" "$LOG" || fail 'no word on what is no key'
rm "$KEYS/broken"

next_log
start_storescand

say 'stamped mail is served without a scan, byte by byte as it is'
for n in {1..5}; do message "$n" | stamp "good$n"; done
message | stamp crlf-folded --fold $'\n \t '
message | stamp unfolded --fold ' '
message | stamp other-key --key "$KEYS/later"
message | sed 's/$/\r/' | stamp ends # a stamp with other ends of lines than the message
sed -i 's/\([^\r]\)$/\1\r/' "$MADE/ends"
{ printf 'Return-Path: <a@example.org>\nReceived: from a\n\tby b\nX-Spam: no\n' &&
    cat "$MADE/good1"; } >"$MADE/delivered"
before=$(counter scans)
cp "$MADE"/* "$BOX"
for file in "$BOX"/*; do
    read_file "$file" | cmp - "$MADE/${file##*/}" || fail "not byte by byte: $file"
    expect_stamp "$file" ch
done
expect_equal "$(counter scans)" "$before" 'scans of stamped mail'
expect_equal "$(counter hub_accepted)" 10 'stamps accepted'
has_stamp_by_hub "$BOX/good1" || fail 'origin not told'

say 'the stamp at the file goes on to hold, also after a rename, as the hub'"'"'s'
mv "$BOX/good1" "$BOX/good1:2,S"
expect_readable "$BOX/good1:2,S"
expect_stamp "$BOX/good1:2,S" ch
expect_equal "$(counter scans)" "$before" 'scans after a rename'

say 'what is wrong is refused, and scanned'
change() { sed "$1" "$MADE/good2" >"$MADE/$2"; }
message >"$MADE/none"
refused absent none
change 's/; t=1/; t=2/' forged-time
refused signature forged-time
message | "$MAKE_STAMP" --key "$WORK/other-keys/hub1" >"$MADE/forged"
refused signature forged
message | stamp unknown-key --id hub9
refused key unknown-key
{ sed '/^$/q' "$MADE/good2" && printf 'Another body\n'; } >"$MADE/replayed"
refused body replayed
change 's/^Content-Type: /Content-Type: application\/x; /' altered
refused header altered
change 's/^Subject: /Content-Type : a\/b\nSubject: /' lenient
refused header lenient
change 's/^Subject: /CONTENT-TYPE: a\/b\nSubject: /' doubled
refused header doubled
message | stamp expired --age 90000
refused expired expired
message | stamp future --age -1000
refused future future
message | stamp infected --verdict infected
refused verdict infected
{ printf 'Content-Type: multipart/mixed; boundary=b\n\n--b\n' && cat "$MADE/good2" &&
    printf '\n--b--\n'; } >"$MADE/wrong-part"
refused absent wrong-part
{ sed '/^Received\|^From/,$d' "$MADE/good2" && cat "$MADE/good2"; } >"$MADE/duplicate"
refused duplicate duplicate
{ printf 'X-Storescan-Stamp: %01100d\n' 0 && message; } >"$MADE/oversize"
refused oversize oversize
change 's/; r=clean/; r=clean; r=clean/' malformed
refused malformed malformed
change 's/\tg=/\tg =/' blank
refused malformed blank
change 's/v=1;/v=2;/' version
refused version version
{ for n in {1..5}; do printf 'X-Storescan-Stamp: %d\n' "$n"; done && message; } >"$MADE/many"
refused many many
change '$s/$/\r/' mixed-ends
refused irregular mixed-ends

say 'a bad stamp does not spoil a good one'
before=$(counter scans)
message | stamp two
sed '1iX-Storescan-Stamp: nonsense' "$MADE/two" >"$BOX/two"
expect_readable "$BOX/two"
expect_stamp "$BOX/two" ch
expect_equal "$(counter scans)" "$before" 'scans of a message with a good stamp and a bad one'

say 'a virus under the stamp of another message is blocked'
{ sed '/^[A-WYZ]/,$d' "$MADE/good2" && "$MAKE_MAIL" eicar-base64; } >"$MADE/virus"
grep -q '^X-Storescan-Stamp: v=1' "$MADE/virus" || fail 'the virus has no stamp'
cp "$MADE/virus" "$BOX/virus"
expect_denied "$BOX/virus"
expect_stamp "$BOX/virus" i

say 'policies of stores'
before=$(counter scans)
cp "$MADE/good3" "$ROOT/ignore/cur/good"
expect_readable "$ROOT/ignore/cur/good"
expect_stamp "$ROOT/ignore/cur/good" cl
expect_equal "$(counter scans)" $((before + 1)) 'scans in a store that ignores stamps'
message | "$MAKE_STAMP" --key "$KEYS/hub1" --age 30000 >"$ROOT/old/cur/young"
message | "$MAKE_STAMP" --key "$KEYS/hub1" --age 40000 >"$ROOT/old/cur/old"
expect_readable "$ROOT/old/cur/"{young,old}
expect_stamp "$ROOT/old/cur/young" ch
expect_stamp "$ROOT/old/cur/old" cl

say 'messages of mailboxes that are one file'
# box FORMAT NAME MESSAGE...: these as one file of that store.
box() {
    local format=$1 name=$2
    shift 2
    "$SOURCE/tests/data/make-store-formats" "$format" "$WORK/box" "${@/#/$MADE/}" >"$WORK/layout"
    cp "$WORK/box" "$ROOT/$format/$name"
}
# A file that rests is looked at once more, and nothing of it is scanned twice.
stop_storescand
CACHE_CONF=
next_log
start_storescand
seed=100
for format in mbox mdbox; do
    name=$ROOT/$format/m.
    mkdir "$WORK/fresh"
    "$MAKE_MAIL" clean -n 29 --seed "$seed" --flags '' -o "$WORK/fresh" >/dev/null
    ((seed += 29))
    n=0
    for file in "$WORK"/fresh/*; do
        if ((++n < 9)); then mv "$file" "$MADE/stamped$n"; else mv "$file" "$MADE/forged$n"; fi
    done
    rmdir "$WORK/fresh"
    "$MAKE_STAMP" --key "$KEYS/hub1" "$MADE"/stamped[0-9]*
    "$MAKE_STAMP" --key "$WORK/other-keys/hub1" "$MADE"/forged[0-9]*
    before=$(counter scans)
    accepted=$(counter hub_accepted)
    box "$format" m.1 stamped{1..3}
    read_file "${name}1" | cmp - "$WORK/box" || fail "not byte by byte: ${name}1"
    expect_equal "$(counter scans)" "$before" "scans of stamped mail, $format"
    (($(counter hub_accepted) >= accepted + 3)) || fail "stamps were not honoured, $format"
    # Once it rests, the file has a stamp that says whose word it is.
    wait_until 20 has_stamp_by_hub "${name}1" || fail "no stamp of the whole file, $format"
    # Each by itself: none vouches for its neighbours, wherever they are, and none spoils them.
    before=$(counter scans)
    accepted=$(counter hub_accepted)
    refused=$(counter hub_signature)
    box "$format" m.2 stamped1 forged29 stamped{2..3}
    read_file "${name}2" | cmp - "$WORK/box" || fail "not byte by byte: ${name}2"
    expect_equal "$(counter scans)" $((before + 1)) "scans beside a forged one, $format"
    expect_equal "$(counter hub_accepted)" $((accepted + 3)) "stamps accepted beside a forged one, $format"
    expect_equal "$(counter hub_signature)" $((refused + 1)) "forged stamps, $format"
    wait_for_line "hub-refused: .*'${name}2'.*: clean.* A stamp in its header was refused: "
    # What was accepted once is known when more comes.
    accepted=$(counter hub_accepted)
    for n in {1..3}; do
        "$SOURCE/tests/data/make-store-formats" "$format" "$WORK/box" "$MADE/stamped$((n + 3))" >"$WORK/layout"
        if [[ $format == mbox ]]; then cat "$WORK/box"; else tail -n +2 "$WORK/box"; fi >>"${name}1"
        expect_readable "${name}1"
        expect_equal "$(counter hub_accepted)" $((accepted + n)) "stamps accepted as $format grows"
    done
    # Too many forged ones cost the others their stamps, and no more than that.
    before=$(counter scans)
    box "$format" m.4 stamped7 forged{9..28} stamped8
    expect_readable "${name}4"
    (($(counter scans) <= before + 22 && $(counter scans) >= before + 20)) ||
        fail "$(($(counter scans) - before)) scans of 20 forged messages and two good ones, $format"
    box "$format" m.3 stamped1 virus stamped2
    if read_file "${name}3" >/dev/null 2>&1; then fail "a virus under a stamp, $format"; fi
done

# refusals: stamps that were refused until now, for any reason.
refusals() {
    counter scans >/dev/null
    grep '^storescand: stats: ' "$LOG" | tail -n 1 | tr ' ' '\n' |
        awk -F = '/^hub_/ && !/accepted|absent/ { n += $2 } END { print n }'
}

say 'a message that is still being written is scanned as it is, and nobody calls its stamp refused'
message 30 | stamp growing
message 31 | stamp whole
box mbox growing whole
before=$(counter scans)
accepted=$(counter hub_accepted)
refused=$(refusals)
python3 - "$ROOT/mbox/growing" "$MADE/growing" $((60 * PATIENCE)) <<'END' || fail 'a growing mbox can not be read'
import fcntl, subprocess, sys
mail = open(sys.argv[2], "rb").read()
half = len(mail) - 40
with open(sys.argv[1], "ab", 0) as box:
    fcntl.lockf(box, fcntl.LOCK_EX)
    box.write(b"From a@example.org Mon Nov 23 10:00:00 2026\n" + mail[:half])
    subprocess.run(["cat", sys.argv[1]], stdout=subprocess.DEVNULL, check=True, timeout=int(sys.argv[3]))
    box.write(mail[half:] + b"\n")
END
expect_equal "$(counter scans)" $((before + 1)) 'scans of a message that is not all there'
expect_readable "$ROOT/mbox/growing"
expect_equal "$(counter scans)" $((before + 1)) 'scans once it is all there'
expect_equal "$(counter hub_accepted)" $((accepted + 2)) 'stamps accepted once it is all there'
expect_equal "$(refusals)" "$refused" 'stamps refused while it was written'

say 'new mail that is looked at before anybody asks'
before=$(counter scans)
message 32 | stamp early
cp "$MADE/early" "$ROOT/early/new/mail"
expect_stamp "$ROOT/early/new/mail" ch
expect_equal "$(counter scans)" "$before" 'scans of stamped mail that is delivered'
cp "$MADE/early" "$ROOT/early-access/new/mail"
expect_stamp "$ROOT/early-access/new/mail" cl
expect_equal "$(counter scans)" $((before + 1)) 'scans where stamps count for those who open mail alone'

say 'stamps that count for those who open mail alone'
before=$(counter scans)
found=$(counter found)
make_maildir "$ROOT/moved"
message 33 | stamp moved
cp "$MADE/moved" "$ROOT/moved/cur/mail"
mv "$ROOT/moved" "$ROOT/access/.moved"
wait_until 20 counter_reaches found $((found + 1)) || fail 'a folder that was moved in was not found'
expect_stamp "$ROOT/access/.moved/cur/mail" cl
expect_equal "$(counter scans)" $((before + 1)) 'scans of what nobody waits for'
message 34 | stamp opened
cp "$MADE/opened" "$ROOT/access/cur/opened"
expect_readable "$ROOT/access/cur/opened"
expect_stamp "$ROOT/access/cur/opened" ch
expect_equal "$(counter scans)" $((before + 1)) 'scans of what is opened'

say 'storescan-stamp: stamps what it scanned, and explains stamps'
# On a mail transport host there may be no store.
printf '[scanner]\n%s\n[stamp]\n%s\n' "$SCANNER_CONF" "$STAMP_CONF" >"$WORK/transport.conf"
export STORESCAN_WORKER=$BUILD/daemon/worker/storescan-worker
tool() { timeout --kill-after=5 $((60 * PATIENCE)) "$BUILD/daemon/stamp/storescan-stamp" --config "$CONF" "$@"; }
# expect_status STATUS COMMAND...
expect_status() {
    local expected=$1 status=0
    shift
    "$@" >"$WORK/out" 2>"$WORK/error" || status=$?
    ((status == expected)) || fail "status $status, not $expected: ${*@Q}: $(cat "$WORK/error")"
}
message >"$MADE/plain"
for key in hub1 hub2; do
    tool --key "$key" sign <"$MADE/plain" >"$MADE/signed-$key"
    expect_equal "$(grep -c '^X-Storescan-Stamp: ' "$MADE/signed-$key")" 1 'stamps'
    tail -c "$(stat -c %s "$MADE/plain")" "$MADE/signed-$key" | cmp - "$MADE/plain" ||
        fail 'the message was changed'
    expect_status 0 tool verify "$MADE/signed-$key"
    before=$(counter scans)
    cp "$MADE/signed-$key" "$BOX/signed-$key"
    expect_readable "$BOX/signed-$key"
    expect_stamp "$BOX/signed-$key" ch
    expect_equal "$(counter scans)" "$before" "scans of what storescan-stamp signed with $key"
done
[[ $(tool --config "$WORK/transport.conf" --key hub1 sign <"$MADE/plain") == 'X-Storescan-Stamp: '* ]] ||
    fail 'no stamp where there are no stores'
cmp -n 60 <(tool --key hub2 sign <"$MADE/signed-hub1") "$MADE/signed-hub2" ||
    fail 'a stamp was not replaced'
message | sed 's/$/\r/' | tool --key hub1 sign >"$MADE/crlf"
if grep -qv $'\r$' "$MADE/crlf"; then fail "a stamp's lines end otherwise than its message's"; fi
expect_status 0 tool verify "$MADE/crlf"
expect_status 1 tool verify "$MADE/plain"
expect_status 1 tool verify "$MADE/altered"
grep -q 'bad   header *the stamp is for a message with another header' "$WORK/out" || fail 'no word on the header'
expect_status 2 tool sign <"$MADE/plain"
grep -q 'there are several keys; name one by --key=ID' "$WORK/error" || fail 'no word on several keys'
"$MAKE_MAIL" eicar-base64 >"$MADE/eicar"
expect_status 1 tool --key hub1 sign <"$MADE/eicar"
[[ ! -s $WORK/out ]] || breach 'infected mail was written'
STORESCAN_WORKER=/bin/false expect_status 75 tool --key hub1 sign <"$MADE/plain"
[[ ! -s $WORK/out ]] || fail 'mail that was not scanned was written'

say 'storescan-stamp --xattr: a delivered file has its stamp before anybody opens it'
stop_storescand
cp "$MADE/plain" "$BOX/arrived"
cp "$MADE/eicar" "$BOX/arrived-infected"
expect_status 0 tool --xattr "$BOX/arrived"
expect_status 1 tool --xattr "$BOX/arrived-infected"
exec {writer}>>"$BOX/arrived"
expect_status 75 tool --xattr "$BOX/arrived"
exec {writer}>&-
expect_status 2 tool --xattr "$MADE/plain"
"$STORESCANCTL" stamp verify "$BOX/arrived" >"$WORK/out" || fail "stamp of --xattr: $(cat "$WORK/out")"
next_log
start_storescand
expect_readable "$BOX/arrived"
expect_denied "$BOX/arrived-infected"
expect_equal "$(counter scans)" 0 'scans of files that were stamped before'

say 'what tells of keys'
wait_until 20 has_name || fail "storescand is not on the bus: $(<"$WORK/bus.log")"
# asked COMMAND...: all that it says is kept as well, whatever it means.
asked() {
    local said
    LOGS=$((LOGS + 1))
    said=$WORK/said-$LOGS
    "$@" >"$said" 2>&1 || [[ -s $said ]] || fail "says nothing: ${*@Q}"
}
for json in '' --json; do
    for verb in status stats pending doctor "explain $BOX/good2" "stamp show $BOX/good2" "stamp verify $BOX/good2" \
        'store list' 'sweep status' 'quarantine list' "check-config $CONF" version; do
        # shellcheck disable=SC2086 # words
        asked "$STORESCANCTL" $json --config "$CONF" $verb
    done
    # shellcheck disable=SC2086
    asked "$STORESCANCTL" $json --keys "$KEYS" key list
done
asked "$STORESCANCTL" metrics
asked "$STORESCAND" --config "$CONF" --print-config
asked busctl call org.storescan /org/storescan org.freedesktop.DBus.Properties GetAll s org.storescan.Manager
asked cat "/proc/$DAEMON_PID/cmdline" "/proc/$DAEMON_PID/environ"

say 'a hub whose key was taken away is not believed any more'
stop_storescand
message | stamp late
cp "$MADE/late" "$BOX/late"
rm "$KEYS/hub1"
cp "$WORK/public" "$KEYS/hub2"
next_log
start_storescand
expect_readable "$BOX/late"
expect_equal "$(counter hub_key)" 1 'stamps by a key that is gone'

say 'the public half of a key is enough to believe, and not to stamp'
cp "$MADE/signed-hub2" "$BOX/by-public"
expect_readable "$BOX/by-public"
expect_stamp "$BOX/by-public" ch
expect_status 2 tool --key hub2 sign <"$MADE/plain"
grep -q 'this key is public' "$WORK/error" || fail "no word on a public key: $(cat "$WORK/error")"
stop_storescand

say 'no key was told, in any form'
cat >"$WORK/secrets.py" <<'END'
# FOLDER FILE...: the files that have a part of a secret key from FOLDER: as text, base64, hexadecimal, bytes.
import base64, pathlib, sys
parts = set()
for key in pathlib.Path(sys.argv[1]).iterdir():
    text = key.read_bytes().split()[2]
    raw = base64.urlsafe_b64decode(text + b"=" * (-len(text) % 4))
    assert len(raw) >= 32, key
    base = base64.b64encode(raw)
    for form, size in (text, 16), (base, 16), (raw.hex().encode(), 16), (raw.hex().upper().encode(), 16), (raw, 8):
        parts |= {form[i:i + size] for i in range(len(form) - size + 1)}
for name in sys.argv[2:]:
    data = pathlib.Path(name).read_bytes()
    if any(part in data for part in parts):
        print(name)
END
expect_equal "$(python3 "$WORK/secrets.py" "$WORK/secrets" "$WORK"/said-* "$WORK/out" "$WORK/error")" '' 'where a key was told'
secret=$(awk '{ print $3 }' "$WORK/secrets/hub1")
bytes() { python3 -c 'import base64, sys; sys.stdout.buffer.write(base64.urlsafe_b64decode(sys.argv[1] + "==="))' "$secret"; }
printf 'a key: %s.\n' "${secret:5:20}" >"$WORK/told-text"
bytes | base64 -w 0 | cut -c 3-24 >"$WORK/told-base64"
bytes | xxd -p -c 256 | cut -c 4-30 >"$WORK/told-hex"
bytes | xxd -p -u -c 256 | cut -c 4-30 >"$WORK/told-HEX"
bytes | tail -c +9 >"$WORK/told-raw"
expect_equal "$(python3 "$WORK/secrets.py" "$WORK/secrets" "$WORK"/told-* | wc -l)" 5 'forms of a key that would be found'
