# SPDX-License-Identifier: Apache-2.0
#
# The table of tests/bench/reload, from its measurements (numbers.awk). What is shown is the median of
# the rounds and, in brackets, the least and the most of them. Exit status 1 if the target is missed.
#
# Variables: rounds workers messages clients signatures

BEGIN { FS = "\t" }

function each(row, key) { return of_rounds(row, "any", key, 1 / 1000) }

# How many times as long, in each round.
function longer(key,    r, list) {
    for (r = 1; r <= rounds; r++)
        list = list " " of_round("reload", "any", key, r) / of_round("quiet", "any", key, r)
    return list
}

function line(key, name) {
    printf "%-8s  %-22s  %-22s  %s\n", name, spread(each("quiet", key)), spread(each("reload", key)), spread(longer(key))
}

END {
    printf "%d messages of 20 KB, %d readers, %d signatures, %d workers, %d rounds\n",
        messages, clients, signatures, workers, rounds
    printf "\nTime of a message in us\n%-8s  %-22s  %-22s  %s\n", "", "quiet", "reload", "times as long"
    line("p50_nsec", "p50")
    line("p99_nsec", "p99")
    printf "\nFrom the change on disk to the swap: %s ms\n", spread(of_rounds("reload", "any", "load_msec", 1))
    printf "\nTargets\n"
    target(median(longer("p99_nsec")) <= 3,
        sprintf("p99 %.1f times as long while signatures are loaded; at most 3", median(longer("p99_nsec"))))
    exit missed
}
