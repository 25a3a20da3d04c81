#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Sweeps by storescanctl: started, watched, stopped, refused; through a pause, a restart and a reload.

source "$(dirname "$0")/../lib.sh"
source "$(dirname "$0")/../sweep.sh"
setup
source "$(dirname "$0")/../bus.sh"
start_bus

# sweep STORE KEY: of "sweep status".
sweep() { "$STORESCANCTL" sweep status --json | jq -r "select(.store == \"$1\") | .$2"; }
sweep_is() { [[ $(sweep "$1" "$2") == "$3" ]]; }
has_done() { (($(sweep "$1" 'done') > $2)); }
refuses() { # TEXT VERB...
    local output status=0
    output=$("$STORESCANCTL" "${@:2}" 2>&1) || status=$?
    expect_equal "$status" 2 "status of ${*:2}"
    [[ $output == *"$1"* ]] || fail "${*:2} says '$output'"
}
# on_a_terminal COMMAND...: what it prints there.
on_a_terminal() { python3 -c 'import pty, sys; sys.exit(pty.spawn(sys.argv[1:]) >> 8)' "$@" </dev/null; }
# What a terminal shows in the end, behind how many different bars of store mail it has shown.
screen() {
    python3 - "$1" <<'END'
import re, sys
lines, row, bars = {}, 0, set()
for token in re.findall(r"\033\[\d+A|\033\[K|\r\n|[^\033\r]+", open(sys.argv[1], newline="").read()):
    up = re.fullmatch(r"\033\[(\d+)A", token)
    if up:
        row -= int(up[1])
    elif token == "\r\n":
        row += 1
    elif token == "\033[K":
        lines[row] = ""
    else:
        lines[row] += token
        bars.update(re.findall(r"^mail .* \[([#.]{20})\]", lines[row]))
print(len(bars))
for row in sorted(lines):
    print(lines[row])
END
}

make_fs store ext4
make_maildir "$WORK/store/alice"
mkdir "$WORK/other"
# In one folder: what lists and sorts it must be allowed to the process.
"$MAKE_MAIL" clean -n 150 -s 2000 -o "$WORK/store/alice/cur" >/dev/null
make_mail "$WORK/store/alice/cur/bad:2,S" eicar-base64
chmod 0755 "$WORK"
add_store mail "$WORK/store" sweep_rate=5
add_store other "$WORK/other"
STORES_CONF+="
[sweep]
max_pressure = 0
max_load = 0
"
start_storescand
wait_until 20 has_name || fail "storescand is not on the bus: $(<"$WORK/bus.log")"

say 'started, stopped, started again'
expect_equal "$(sweep mail state)" never 'state'
refuses "no store 'none'" sweep start none
refuses "No sweep of store 'mail' runs" sweep stop mail
"$STORESCANCTL" sweep start mail
refuses 'runs already' sweep start mail
wait_until 20 sweep_is mail total 151 || fail "total is $(sweep mail total)"
wait_until 20 has_done mail 5 || fail 'it does not come on'
"$STORESCANCTL" sweep stop mail
wait_until 20 sweep_is mail state stopped || fail "it is $(sweep mail state)"
wait_for_line "sweep-stopped: The sweep of store 'mail' was stopped"
before=$(sweep mail 'done')
((before < 151)) || fail 'it was through before it was stopped'
"$STORESCANCTL" sweep start mail
wait_for_line "sweep-started: The sweep of store 'mail' goes on"
wait_until 20 has_done mail "$before" || fail 'it does not go on'

say 'a pause: it rests, and skips nothing'
"$STORESCANCTL" pause 1min
wait_until 20 eval '! sweep_runs' || fail 'it does not rest'
refuses 'paused' sweep start other
swept=$(counter swept)
"$STORESCANCTL" resume
wait_until 20 counter_reaches swept $((swept + 3)) || fail 'it does not go on behind the pause'

say 'stopped in a pause: so it is behind it, and after a restart'
"$STORESCANCTL" pause 1min
wait_until 20 eval '! sweep_runs' || fail 'it does not rest'
before=$(sweep mail 'done')
"$STORESCANCTL" sweep stop mail
expect_equal "$(sweep mail state)" stopped 'state'
refuses "No sweep of store 'mail' runs" sweep stop mail
wait_until 20 state_is mail status stopped || fail "written down is: $(state mail status)"
"$STORESCANCTL" resume
expect_equal "$(sweep mail state)" stopped 'state behind the pause'
stop_storescand
start_storescand
wait_until 20 has_name || fail "storescand is not on the bus: $(<"$WORK/bus.log")"
expect_equal "$(sweep mail state)" stopped 'state after a restart'
expect_equal "$(count_lines 'sweep-started')" 0 'sweeps that nobody started'
"$STORESCANCTL" sweep start mail
wait_until 20 has_done mail "$before" || fail 'it does not go on'

say 'a reload: it goes on by the new rate'
sed -i 's/^sweep_rate = .*/sweep_rate = 500/' "$CONF"
"$STORESCANCTL" reload
wait_until 60 sweep_is mail state finished || fail "it is $(sweep mail state)"
expect_equal "$(sweep mail 'done')" 151 'items'
expect_equal "$(sweep mail infected)" 1 'infected items'
for file in "$WORK"/store/alice/cur/*clean*; do expect_stamp "$file" c; done
expect_stamp "$WORK/store/alice/cur/bad:2,S" i
expect_equal "$(count_lines 'sweep-failed')" 0 'sweeps that died'

say 'watched to its end'
"$STORESCANCTL" sweep start mail other
"$STORESCANCTL" sweep status --watch >"$WORK/watched"
grep -Eq '^mail +finished +151 of 151 items' "$WORK/watched" || fail "watched: $(<"$WORK/watched")"

say 'watched on a terminal: a bar that grows where it is'
touch "$WORK"/store/alice/cur/* # their change times: all of it is opened
sed -i 's/^sweep_rate = .*/sweep_rate = 60/' "$CONF"
"$STORESCANCTL" reload
wait_until 20 reloaded 1 || fail 'the new rate was not taken'
"$STORESCANCTL" sweep start mail
on_a_terminal "$STORESCANCTL" sweep status --watch >"$WORK/watched"
screen "$WORK/watched" >"$WORK/screen"
(($(head -n 1 "$WORK/screen") > 1)) || fail "it does not grow: $(cat -v "$WORK/watched")"
expect_equal "$(tail -n +2 "$WORK/screen" | sed 's/ \+/ /g')" \
    $'mail finished [####################] 151 of 151 items, 1 infected\nother finished [....................] 0 items, 0 infected' \
    'the screen'
stop_storescand
