# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# What it takes to have more threads at once than the system has room for: put_back, which tests/lib.sh
# calls at the end, undoes it. Sourced behind lib.sh.
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
