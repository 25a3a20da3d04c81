# SPDX-License-Identifier: Apache-2.0
#
# The table of tests/bench/clamd, from its measurements (numbers.awk). What is shown is the median of the
# rounds and, in brackets, the least and the most of them. Exit status 1 if the target is missed.
#
# Variables: rounds workers messages disturbed limit

BEGIN { FS = "\t" }

function each(row) { return of_rounds(row, "any", "wall_nsec", 1 / messages / 1000) }

# CPU time of a message in us.
function cpu(row, whose) { return of_rounds(row, "any", whose "_nsec", 1 / messages / 1000) }

# The pool's rate as a part of clamd's own, in each round.
function part() { return ratios("direct", "any", "pool", "any") }

END {
    printf "%d messages of 20 KB a row, %d workers, %d rounds\n", messages, workers, rounds
    printf "\nTime of a message in us\n%-22s  %-22s  %s\n", "direct", "pool", "part of clamd's own rate"
    printf "%-22s  %-22s  %s\n", spread(each("direct")), spread(each("pool")), spread(part())
    printf "\nCPU time of a message in us\n%-22s  %-22s  %-22s  %s\n", "clamd, direct", "clamd, pool", "gate", "workers and pool"
    printf "%-22s  %-22s  %-22s  %s\n", spread(cpu("direct", "clamd")), spread(cpu("pool", "clamd")), \
        spread(cpu("pool", "gate")), spread(cpu("pool", "scanner"))
    printf "\nTargets\n"
    target(median(part()) >= 0.9, sprintf("the pool reaches %.2f of clamd's own rate; at least 0.9", median(part())))
    other_load()
    exit missed
}
