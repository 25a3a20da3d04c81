# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# What tests of sweeps share: what is in their state, the options they start with. Sourced behind lib.sh;
# owns nothing.
#
# shellcheck disable=SC2034,SC2153 # of the scripts that source this

# state STORE KEY: of the newest slot that is whole.
state() {
    python3 - "$WORK/verdicts/sweep/$1.state" "$2" <<'END'
import sys

def slot(text):
    head, found, end = text.partition('\nend ')
    keys = dict(line.partition(' ')[::2] for line in head.split('\n'))
    return (int(head.split()[2]), keys) if found and len(end) > 16 else None

data = open(sys.argv[1], 'rb').read()
slots = [slot(data[i:i + 32768].decode('ascii')) for i in (0, 32768)]
print(max((s for s in slots if s), key=lambda s: s[0])[1][sys.argv[2]])
END
}
state_is() { [[ $(state "$1" "$2") == "$3" ]]; }
expect_state() { expect_equal "$(state "$1" "$2")" "$3" "$2 of the sweep of $1"; }

sweep_pid() { pgrep -P "$DAEMON_PID" -x storescan-sweep; }
sweep_runs() { [[ -n $(sweep_pid) ]]; }

# swept STORE [SECONDS]: waits for its end.
swept() { wait_for_line "sweep-finished: The sweep of store '$1' is through" "${2:-60}"; }

sweep_conf() {
    SWEEP_CONF="[sweep]
max_pressure = 0
max_load = 0
$(printf '%s\n' "$@")"
}
again() { # STORE KEY=VALUE...: stops, and starts with these in [sweep]
    [[ -z $DAEMON_PID ]] || stop_storescand
    sweep_conf "${@:2}"
    STORES_CONF=$STORES$SWEEP_CONF
    start_storescand
}
