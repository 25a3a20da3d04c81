#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A worker that mail has taken over, in the middle of a scan, tries to get out: to files, sockets, programs,
# other processes (escapes.c). Each attempt is refused, or costs the worker its life; nothing is served for it,
# and the gate goes on. Without the sandbox each of them succeeds, and is seen to.

source "$(dirname "$0")/../lib.sh"
setup
[[ -x $BUILD/tests/system/fragile-worker ]] || skip 'built without libclamav'
make_fs store ext4
root=$WORK/store
make_maildir "$root/user"
cp "$BUILD/tests/system/"{fragile,unconfined}-worker "$WORK"
SCANNER_CONF="${SCANNER_CONF/workers = */workers = 2}"
add_store store "$root/user" on_error=deny
mkdir -m 0777 "$WORK/open-to-all"
echo secret >"$WORK/secret"
make_mail "$root/user/cur/other" clean
mkdir "$WORK/spare"
"$MAKE_MAIL" clean -n 20 -o "$WORK/spare" >/dev/null
"$MAKE_MAIL" eicar-base64 -n 20 -o "$WORK/spare" >/dev/null
mapfile -t clean < <(printf '%s\n' "$WORK"/spare/*clean*)
mapfile -t virus < <(printf '%s\n' "$WORK"/spare/*eicar*)
n=0 rounds=0

start() { start_storescand env STORESCAN_WORKER="$WORK/$1"; }
lost() { counter workers_died; }
ended() { count_lines 'ended by SIGSYS, a system call that it may not use'; }
# As many as it takes: the lines come from the loader, behind the answer.
# shellcheck disable=SC2317 # called by wait_until
ended_are() { (($(ended) >= $1)); }

# attempt VERB [ARGUMENT]: a message that has it tried, in $mail; a new one each time.
attempt() {
    n=$((n + 1))
    mail=$root/user/cur/attempt-$n
    printf 'From: a@example.org\nSubject: %s\n\nFRAGILE: %s\n' "$n" "$*" >"$mail"
}

# All is as it was: for mail that was not seen before.
well() {
    wait_until 20 workers_are 2 || fail "after $1 there are not two workers"
    cp "${clean[rounds]}" "$root/user/cur/clean-$rounds"
    cp "${virus[rounds]}" "$root/user/cur/virus-$rounds"
    expect_readable "$root/user/cur/clean-$rounds"
    expect_denied "$root/user/cur/virus-$rounds"
    rounds=$((rounds + 1))
    ! grep -q "^escapes: .*: escaped" "$LOG" || breach "$(grep '^escapes: .*: escaped' "$LOG")"
}

# refused ERROR VERB [ARGUMENT]: and the worker goes on, with a verdict of the engine.
refused() {
    local error=$1 before
    shift
    before=$(lost)
    attempt "$@"
    expect_readable "$mail"
    wait_for_line "^escapes: $*: refused, $error\$"
    expect_equal "$(lost)" "$before" "$*: workers lost"
}

# ends VERB: costs two workers, and is not tried a third time.
ends() {
    local before died
    before=$(ended) died=$(lost)
    attempt "$@"
    expect_denied "$mail"
    wait_until 20 ended_are $((before + 2)) || fail "$1: $(ended) workers ended by SIGSYS, not $((before + 2))"
    expect_no_stamp "$mail"
    expect_denied "$mail"
    wait_until 20 counter_reaches workers_died $((died + 2)) || fail "$1: $(lost) workers lost"
    expect_equal "$(ended)" $((before + 2)) "$1: workers that ended by SIGSYS"
    ! grep -q "^escapes: $1: " "$LOG" || breach "$1 came back: $(grep "^escapes: $1: " "$LOG")"
    well "$1"
}
FATAL=(socket unix ptrace uring kill limits exec fork)

# What is outside, and what every process has of its own.
paths() {
    local worker
    worker=$(worker_pids | sed -n 1p)
    printf '%s\n' /etc/passwd "$WORK/secret" "$SIGNATURES" / "$WORK/scan/worker" /proc/self/maps "/proc/$worker/fd" \
        "/proc/$DAEMON_PID/status" /dev/null
}

say 'what ends a worker'
start fragile-worker
for verb in "${FATAL[@]}"; do ends "$verb"; done

say 'what fails: other descriptors, executable memory'
refused EBADF fds
refused EPERM memory
well 'these'
say 'and in a large message, which comes as a descriptor'
attempt fds
head -c 3000000 /dev/zero | tr '\0' x | fold -w 70 >>"$mail"
refusals=$(count_lines '^escapes: fds: refused')
expect_readable "$mail"
(($(count_lines '^escapes: fds: refused') > refusals)) || fail 'not tried in a large message'
well 'a large message'

if grep -q 'the kernel has no landlock' "$LOG"; then
    say 'left out: files, which this kernel has no landlock for'
else
    say 'files'
    mapfile -t outside < <(paths)
    for path in "${outside[@]}"; do refused EACCES open "$path"; done
    refused EACCES write "$WORK/open-to-all/file"
    refused EACCES write "$WORK/scan/worker/file"
    refused EACCES open "$root/user/cur/other"
    well 'files'
    [[ -z $(ls "$WORK/open-to-all") ]] || breach 'a file was made outside'
fi

say 'that it is seen: one descriptor more'
attempt more-fds
expect_readable "$mail"
wait_for_line '^escapes: more-fds: escaped$'
stop_storescand

say 'and everything, without the sandbox'
start unconfined-worker
for verb in "${FATAL[@]}" memory 'open /etc/passwd' "write $WORK/open-to-all/file"; do
    attempt "$verb"
    read_file "$mail" >/dev/null 2>&1 || true # exec leaves no worker that could answer
    wait_for_line "^escapes: $verb: escaped\$"
done
[[ -e $WORK/open-to-all/file ]] || fail 'no file was made outside'
expect_equal "$(ended)" 0 'workers that ended by SIGSYS without a sandbox'
stop_storescand
