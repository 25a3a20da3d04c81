#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# storescanctl's stamp verbs on files with every kind of stamp, without a daemon: what they say to
# people, to programs (JSON) and by their exit status.

source "$(dirname "$0")/../lib.sh"
setup
make_fs store ext4
cd "$WORK/store"

# expect STATUS PATTERN ARGUMENT...: exit status and an extended regular expression in the output.
expect() {
    local status=$1 pattern=$2 actual=0 output
    shift 2
    output=$("$STORESCANCTL" "$@" 2>&1) || actual=$?
    ((actual == status)) || fail "${*@Q}: status $actual, not $status: $output"
    grep -Eq -- "$pattern" <<<"$output" || fail "${*@Q}: no '$pattern' in: $output"
}

# stamp FILE [LETTER [SECONDS-FROM-NOW]]: the stamp that storescand would write now, put together by
# hand. Tried until the file's change time falls into the window, which a busy machine may miss.
stamp() {
    local file=$1 letter=${2:-c} shift=${3:-0} digest size
    digest=$("$BUILD/tests/system/canon-digest" "$file")
    size=$(printf '%x' "$(stat -c %s "$file")")
    touch -m -d '1 minute ago' "$file" # stamps are for content that was still before
    python3 - "$file" "ss1 ${letter}l Zm9vYmFy" "$shift" "$size $digest" <<'END' || fail "could not stamp $file in time"
import os, sys, time
file, before, shift, behind = sys.argv[1:]
for _ in range(100):
    now = time.time_ns() // 10**6
    text = f"{before} {now // 1000 + int(shift)}.{now % 1000:03} {behind}"
    os.setxattr(file, "trusted.avstamp", text.encode())
    if os.stat(file).st_ctime_ns // 10**6 <= now + 10:
        sys.exit(0)
sys.exit(1)
END
}
need_program jq

say 'no stamp'
echo mail >plain
expect 1 'No stamp' stamp show plain
expect 1 'no-stamp' stamp verify plain
expect 0 'had no stamp' stamp clear plain

say 'a valid stamp'
echo mail >clean
stamp clean
expect 0 'Verdict +clean' stamp show clean
expect 0 '=> valid' stamp verify clean
expect 0 'ok +change-time' stamp verify clean
expect 0 'ok +digest' stamp verify clean
expect 0 'Generation +Zm9vYmFy' stamp show clean
expect 0 'Size +5 bytes' stamp show clean

say 'what happens to files'
stamp clean
sleep 0.05
chmod 0600 clean
expect 1 'bad +change-time' stamp verify clean
expect 1 'ok +digest' stamp verify clean
expect 1 '=> touched' stamp verify clean
stamp clean
sleep 0.05
ln clean link
expect 1 '=> touched' stamp verify clean
stamp clean
printf 'MAIL\n' | dd of=clean conv=notrunc status=none
expect 1 'bad +digest' stamp verify clean
expect 1 '=> changed' stamp verify clean
stamp clean
echo more >>clean
expect 1 'bad +size' stamp verify clean
expect 1 '=> changed' stamp verify clean
stamp clean c 3600
expect 1 'in the future' stamp verify clean
stamp clean c -3600
expect 1 '=> touched' stamp verify clean

say 'verdicts'
echo bad >bad
for pair in i:infected l:limits e:encrypted b:broken; do
    stamp bad "${pair%%:*}"
    expect 1 "${pair##*:}|unscannable" stamp show bad
    expect 1 'bad +verdict' stamp verify bad
    expect 1 '=> valid' stamp verify bad
done

say 'what is no stamp'
for text in 'clean' '' 'ss1 cl Zm9vYmFy 1795470147.232 4d2f' \
    'ss1 cl Zm9vYmFy 1795470147.232 4d2f mVQJ3yM6c3q1fZf1yM6c3h' "$(printf 'x%.0s' {1..200})"; do
    setfattr -n trusted.avstamp -v "$text" bad
    expect 1 'Not usable' stamp show bad
    expect 1 '=> malformed' stamp verify bad
done
setfattr -n trusted.avstamp -v 'ss2 cl Zm9vYmFy' bad
expect 1 '=> unknown-format' stamp verify bad
setfattr -n trusted.avstamp -v $'\e[2Jss1' bad
expect 1 '\\x1b\[2J' stamp show bad

say 'clearing'
stamp clean
expect 0 'stamp removed' stamp clear clean
expect_no_stamp clean
expect 1 'no-stamp' stamp verify clean

say 'hostile names'
name=$'a\e]0;x\a\n"b\\caf\xe9'
echo mail >"$name"
stamp "$name"
expect 0 'a\\x1b\]0;x\\x07\\x0a"b\\\\caf\\xe9' stamp show "$name"
json=$("$STORESCANCTL" --json stamp show "$name")
expect_equal "$(jq -r .result <<<"$json")" valid 'result in JSON'
expect_equal "$(jq -r .path_base64url <<<"$json" | tr -- '-_' '+/' | base64 -d 2>/dev/null || true)" "$name" 'path'
expect_equal "$(wc -l <<<"$json")" 1 'lines of JSON'

say 'JSON'
stamp clean
json=$("$STORESCANCTL" --json stamp verify clean)
expect_equal "$(jq -r '[.verdict, .reason, .generation, .size, .result] | @csv' <<<"$json")" \
    '"clean","none","Zm9vYmFy",10,"valid"' 'values'
expect_equal "$(jq -r '[.checks[].check] | join(" ")' <<<"$json")" \
    'format verdict generation time size change-time digest' 'checks'
expect_equal "$(jq -r '.stamp' <<<"$json")" "$(stamp_of clean)" 'stamp'
status=0
json=$("$STORESCANCTL" --json stamp show clean plain /nonexistent 2>/dev/null) || status=$?
expect_equal "$status" 2 'the highest status of all files'
expect_equal "$(jq -sr '[.[] | .result // .error] | join(",")' <<<"$json")" \
    'valid,no-stamp,No such file or directory' 'one line for each file'

say 'what is no file'
mkfifo fifo
ln -s nowhere dangling
ln -s clean symlink
expect 2 'not a regular file' stamp show fifo
expect 2 'not a regular file' stamp verify /dev/zero
expect 2 'a folder has no stamp' stamp show .
expect 2 'No such file' stamp show dangling
expect 0 'Verdict +clean' stamp show symlink

say 'without the privilege to see stamps'
cp "$STORESCANCTL" "$WORK/storescanctl"
status=0
output=$(setpriv --reuid "$TEST_USER" --clear-groups "$WORK/storescanctl" stamp show clean 2>&1) ||
    status=$?
expect_equal "$status" 2 'status without privilege'
[[ $output == *'CAP_SYS_ADMIN'* ]] || fail "does not name the privilege: $output"
if unshare --user --map-root-user true 2>/dev/null; then
    status=0
    output=$(unshare --user --map-root-user "$STORESCANCTL" stamp show clean 2>&1) || status=$?
    expect_equal "$status" 2 'status as root of a container'
fi

say 'read-only'
stamp clean
mount -o remount,ro "$WORK/store"
expect 0 '=> valid' stamp verify clean
expect 2 'mounted read-only' stamp clear clean
