# SPDX-License-Identifier: Apache-2.0
#
# Tables of tests/bench/fanout, from its measurements (numbers.awk). What is shown is the median of
# the rounds and, in brackets, the least and the most of them. Exit status 1 if a target is missed.
#
# Variables: rounds workers mailboxes different signatures disturbed limit

BEGIN {
    FS = "\t"
    n_rows = split("maildir-20k maildir-1m mbox-20k mbox-1m", rows, " ")
    split("Maildir 20 KB,Maildir 1 MB,mbox 20 KB,mbox 1 MB", names, ",")
}

# Of one mailbox.
function each(row, n) { return of_rounds(row, "any", "wall_nsec", 1 / n / 1000) }

# How many times as quick as a scan, in each round.
function quicker(row,    r, a, b, list) {
    for (r = 1; r <= rounds; r++) {
        a = of_round(row "-scanned", "any", "wall_nsec", r) / different
        b = of_round(row "-known", "any", "wall_nsec", r) / (mailboxes - 1)
        list = list " " a / b
    }
    return list
}

function scans(row,    r, list) {
    for (r = 1; r <= rounds; r++)
        list = list " " of_round(row "-known", "any", "scans", r)
    sort_list(list)
    return list
}

END {
    printf "%d mailboxes with the message, %d with different ones, %d signatures, %d workers, %d rounds\n", \
        mailboxes, different, signatures, workers, rounds
    printf "\nTime of a mailbox in us\n%-24s  %-22s  %-22s  %-22s  %s\n", "", "scanned", "known", "times as quick", "scans of the one"
    for (i = 1; i <= n_rows; i++)
        printf "%-24s  %-22s  %-22s  %-22s  %s\n", names[i], spread(each(rows[i] "-scanned", different)), \
            spread(each(rows[i] "-known", mailboxes - 1)), spread(quicker(rows[i])), median(scans(rows[i]))
    printf "\nTargets\n"
    for (i = 1; i <= n_rows; i++) {
        n = sort_list(scans(rows[i]))
        target(n == rounds && sorted[1] == 1 && sorted[n] == 1, sprintf("%s: one message, %d mailboxes, one scan", \
                                                                        names[i], mailboxes))
        m = median(quicker(rows[i]))
        text = sprintf("%s: known %.1f times as quick as scanned; at least 50", names[i], m)
        if (signatures >= 100000)
            target(m >= 50, text)
        else
            printf "  -       %s with 100,000 signatures; these are %d\n", text, signatures
    }
    other_load()
    exit missed
}
