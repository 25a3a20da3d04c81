# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# A crowd of openers, and what it takes to have more threads at once than the system has room for: put_back,
# which tests/lib.sh calls at the end, undoes that. Sourced behind lib.sh.
#
# shellcheck disable=SC2034,SC2317 # of and for the scripts that source this

CROWD=$BUILD/tests/system/crowd
CROWD_WAS=()

# make_room N: for so many threads.
make_room() {
    local key
    for key in kernel/pid_max kernel/threads-max; do
        CROWD_WAS+=("$key=$(</proc/sys/$key)")
        (($(</proc/sys/$key) > $1 + 20000)) || echo $(($1 + 40000)) >"/proc/sys/$key"
    done
}

put_back() {
    local setting
    for setting in "${CROWD_WAS[@]}"; do echo "${setting#*=}" >"/proc/sys/${setting%%=*}"; done
}

# crowd_comes FOLDER N: so many set out to open the folder's files; $WORK/seen has what they saw in the end.
crowd_comes() {
    "$CROWD" "$1" "$2" >"$WORK/seen" 2>&1 &
    CROWD_PID=$!
    PIDS+=("$CROWD_PID")
    wait_until 300 grep -q '^opening$' "$WORK/seen" || fail 'the crowd does not come'
}

crowd_goes() { wait "$CROWD_PID" || fail "the crowd ended with $?: $(tr '\n' ' ' <"$WORK/seen")"; }
