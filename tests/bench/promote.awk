# SPDX-License-Identifier: Apache-2.0
#
# The table of tests/bench/promote, from its measurements (numbers.awk). What is shown is the median
# of the rounds and, in brackets, the least and the most of them. Exit status 1 if the target is missed.
#
# Variables: rounds workers messages signatures disturbed limit

BEGIN { FS = "\t" }

function each(row) { return of_rounds(row, "any", "wall_nsec", 1 / messages / 1000) }

# How many times as quick as a scan, in each round.
function quicker() { return ratios("scanned", "any", "stamped", "any") }

END {
    printf "%d messages of 20 KB a row, %d signatures, %d workers, %d rounds\n", messages, signatures, workers, rounds
    printf "\nTime of a message in us\n%-22s  %-22s  %s\n", "scanned", "stamped", "times as quick"
    printf "%-22s  %-22s  %s\n", spread(each("scanned")), spread(each("stamped")), spread(quicker())
    printf "\nTargets\n"
    target(median(quicker()) >= 20, sprintf("stamped %.1f times as quick as scanned; at least 20", median(quicker())))
    other_load()
    exit missed
}
