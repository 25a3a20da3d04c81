# SPDX-License-Identifier: Apache-2.0
#
# Tables of tests/bench/mbox, from its measurements (numbers.awk). What is shown is the median of the
# rounds and, in brackets, the least and the most of them. Exit status 1 if a target is missed.
#
# Variables: rounds workers megabytes disturbed limit

BEGIN {
    FS = "\t"
    n_places = split("same other", places, " ")
    split("listener on the same CPU,listener on another CPU", place_names, ",")
    n_kinds = split("small-4096 small-65536 large-4096 large-65536", kinds, " ")
    split("5 MB by 4 KiB,5 MB by 64 KiB," megabytes " MB by 4 KiB," megabytes " MB by 64 KiB", titles, ",")
    n_rows = split("none ignored hot allow-all same-marks writable clamonacc", rows, " ")
    split("no listener,ignore mark alone,storescand read-only,allow-all for writing," \
          "same marks for writing,storescand for writing,clamonacc", names, ",")
}

function table(place,    i, k, row) {
    printf "\nReading a clean mbox in ms, %s\n%-24s", place_names[place], ""
    for (k = 1; k <= n_kinds; k++)
        printf "  %-22s", titles[k]
    printf "\n"
    for (i = 1; i <= n_rows; i++) {
        printf "%-24s", names[i]
        for (k = 1; k <= n_kinds; k++) {
            row = rows[i] "-" kinds[k]
            printf "  %-22s", spread(of_rounds(row, places[place], "wall_nsec", 1e-6))
        }
        printf "\n"
    }
}

function deliveries(    p) {
    printf "\nDelivering 20 MB by 8 KiB in ms\n"
    for (p = 1; p <= n_places; p++)
        printf "%-24s  no listener %s, allow-all %s, same marks %s, storescand %s\n", \
            place_names[p], spread(of_rounds("none-deliver", places[p], "wall_nsec", 1e-6)), \
            spread(of_rounds("allow-all-deliver", places[p], "wall_nsec", 1e-6)), \
            spread(of_rounds("same-marks-deliver", places[p], "wall_nsec", 1e-6)), \
            spread(of_rounds("storescand-deliver", places[p], "wall_nsec", 1e-6))
}

function appended(    p) {
    printf "\nReading one appended message in ms: it is scanned\n"
    for (p = 1; p <= n_places; p++)
        printf "%-24s  to 5 MB %s, to %d MB %s\n", place_names[p], \
            spread(of_rounds("appended-small", places[p], "wall_nsec", 1e-6)), megabytes, \
            spread(of_rounds("appended-large", places[p], "wall_nsec", 1e-6))
}

function rate(row,    r, list) {
    for (r = 1; r <= rounds; r++)
        list = list " " of_round(row, "same", "size", r) * 1e3 / of_round(row, "same", "wall_nsec", r)
    return spread(list)
}

function first() {
    printf "\nJudged for the first time, by one reader by 64 KiB: 5 MB %s MB/s, %d MB %s MB/s\n", \
        rate("first-small"), megabytes, rate("first-large")
}

# One line for each place and kind.
function limit_reads(row, base, most, text,    p, k, m) {
    for (p = 1; p <= n_places; p++)
        for (k = 1; k <= n_kinds; k++) {
            m = median(ratios(row "-" kinds[k], places[p], base "-" kinds[k], places[p]))
            target(m > 0 && m <= most, sprintf("%s, %s, %s: %.2f; at most %.2f", text, titles[k], \
                                               place_names[p], m, most))
        }
}

# All rounds' and passes' least and most.
function all_are(row, key, value,    p, r, n, i, list) {
    for (p = 1; p <= n_places; p++)
        for (r = 1; r <= rounds; r++) {
            n = split(values[row SUBSEP places[p] SUBSEP key SUBSEP r], list, " ")
            if (n == 0)
                return 0
            for (i = 1; i <= n; i++)
                if (list[i] != value)
                    return 0
        }
    return 1
}

function targets(    p, m, r, list) {
    printf "\nTargets\n"
    limit_reads("hot", "ignored", 1.1, "read-only x an ignore mark alone")
    limit_reads("writable", "same-marks", 1.3, "for writing x allow-all listener with the same marks")
    for (p = 1; p <= n_places; p++) {
        m = median(ratios("storescand-deliver", places[p], "same-marks-deliver", places[p]))
        target(m > 0 && m <= 1.3, sprintf("delivering x that listener, %s: %.2f; at most 1.30 (with marks for " \
                                          "permission alone: %.2f)", place_names[p], m, \
                                          median(ratios("storescand-deliver", places[p], "allow-all-deliver", places[p]))))
    }
    for (p = 1; p <= n_places; p++) {
        m = median(ratios("appended-large", places[p], "appended-small", places[p]))
        target(m > 0 && m <= 1.5, sprintf("one appended message to %d MB x to 5 MB, %s: %.2f; at most 1.50", \
                                          megabytes, place_names[p], m))
    }
    target(all_are("appended-small", "scans", 1) && all_are("appended-large", "scans", 1), \
           "one appended message, one scan")
    for (r = 1; r <= rounds; r++)
        list = list " " (of_round("first-large", "same", "RssAnon", r) - of_round("first-small", "same", "RssAnon", r)) / 1024
    m = median(list)
    target(m <= 1, sprintf("gate's own memory for %d MB, beyond that for 5 MB: %.2f MiB; at most 1", megabytes, m))
}

END {
    printf "%d workers, %d rounds\n", workers, rounds
    for (i = 1; i <= n_places; i++)
        table(i)
    deliveries()
    appended()
    first()
    printf "Gate's RSS then %s MiB, of it anonymous %s MiB\n", \
        spread(of_rounds("first-large", "same", "VmRSS", 1 / 1024)), \
        spread(of_rounds("first-large", "same", "RssAnon", 1 / 1024))
    targets()
    other_load()
    exit missed
}
