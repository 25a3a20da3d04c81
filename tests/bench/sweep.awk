# SPDX-License-Identifier: Apache-2.0
#
# The table of tests/bench/sweep, from its measurements (numbers.awk). What is shown is the median of
# the rounds and, in brackets, the least and the most of them. Exit status 1 if a target is missed.
#
# Variables: rounds workers messages clients disturbed limit

BEGIN { FS = "\t" }

# One row's value as many times another's, in each round.
function times(row, base, key,    r, list) {
    for (r = 1; r <= rounds; r++)
        list = list " " of_round(row, "any", key, r) / of_round(base, "any", key, r)
    return list
}

# Messages a second, in each round.
function rate(row,    r, list) {
    for (r = 1; r <= rounds; r++)
        list = list " " messages / of_round(row, "any", "wall_nsec", r) * 1000000000
    return list
}

function line(key, name) {
    printf "%-8s  %-22s  %-22s  %s\n", name, spread(of_rounds("quiet", "any", key, 1 / 1000)),
        spread(of_rounds("busy", "any", key, 1 / 1000)), spread(times("busy", "quiet", key))
}

END {
    printf "%d messages of 20 KB, %d readers, %d signatures, %d workers, %d rounds\n",
        messages, clients, signatures, workers, rounds
    printf "\nMessages a second\n%-22s  %-22s  %s\n", "libclamav", "sweep", "part"
    printf "%-22s  %-22s  %s\n", spread(rate("libclamav")), spread(rate("sweep")),
        spread(times("libclamav", "sweep", "wall_nsec"))
    printf "\nTime of a stamped message in us\n%-8s  %-22s  %-22s  %s\n", "", "quiet", "sweep runs", "times as long"
    line("p50_nsec", "p50")
    line("p99_nsec", "p99")
    printf "\nTargets\n"
    target(median(times("libclamav", "sweep", "wall_nsec")) >= 0.9,
        sprintf("sweep %.2f of the rate of libclamav alone; at least 0.9",
            median(times("libclamav", "sweep", "wall_nsec"))))
    target(median(times("busy", "quiet", "p99_nsec")) <= 2,
        sprintf("p99 of stamped mail %.1f times as long during a sweep; at most 2",
            median(times("busy", "quiet", "p99_nsec"))))
    other_load()
    exit missed
}
