# SPDX-License-Identifier: Apache-2.0
#
# Tables of tests/bench/open, from its measurements: lines "ROUND COLUMN ROW KEY VALUE", separated
# by tabs. The value of a round is the median of its passes; what is shown is the median of the
# rounds and, in brackets, the least and the most of them. Exit status 1 if a target is missed.
#
# Variables: rounds messages bytes workers cpus disturbed limit

BEGIN {
    FS = "\t"
    n_columns = split("same other 4 8", columns, " ")
    split("1 same CPU,1 other CPU,4 clients,8 clients", titles, ",")
    n_rows = split("bare allow-all hot second stamped unscanned clamonacc-warm clamonacc-cold", rows, " ")
    split("bare,allow-all listener,storescand hot,storescand second read,storescand stamped," \
          "storescand unscanned,clamonacc warm,clamonacc cold", names, ",")
    engine = "libclamav-" workers
}

function cpu_usec(row, key, column) { return median(of_rounds(row, column, key, 1 / messages / 1000)) }

# ---- Tables ----

function heading(text,    c) {
    printf "\n%s\n%-24s", text, ""
    for (c = 1; c <= n_columns; c++)
        printf "  %-22s", titles[c]
    printf "\n"
}

function table(kind,    i, c, row, text) {
    for (i = 1; i <= n_rows; i++) {
        row = rows[i]
        if (!(row in seen))
            continue
        printf "%-24s", names[i]
        for (c = 1; c <= n_columns; c++) {
            if (kind == "time")
                text = spread(of_rounds(row, columns[c], "wall_nsec", 1 / messages / 1000))
            else if (kind == "rate")
                text = sprintf("%.0f", messages * 1e9 / median(of_rounds(row, columns[c], "wall_nsec", 1)))
            else if (kind == "latency")
                text = number(median(of_rounds(row, columns[c], "p50_nsec", 0.001))) " / " \
                       number(median(of_rounds(row, columns[c], "p99_nsec", 0.001)))
            else if (kind == "cpu")
                text = row == "bare" || row == "allow-all" ? "-" : \
                       number(cpu_usec(row, "gate_nsec", columns[c])) " + " \
                       number(cpu_usec(row, "scanner_nsec", columns[c]))
            else
                text = spread(ratios(row, columns[c], kind, columns[c]))
            printf "  %-22s", text
        }
        printf "\n"
    }
}

function engine_row(n,    row) {
    row = "libclamav-" n
    printf "%-24s  %s messages/s, CPU %s us a message\n", "in " n " processes", \
        spread(rates(row)), number(median(of_rounds(row, "8", "cpu_usec", 1 / messages)))
}

function rates(row,    r, v, list) {
    for (r = 1; r <= rounds; r++) {
        v = of_round(row, "8", "wall_nsec", r)
        if (v != "")
            list = list " " messages * 1e9 / v
    }
    return list
}

# ---- Targets ----

function targets(    c, m, n) {
    printf "\nTargets\n"
    m = 1 / median(ratios("unscanned", "8", engine, "8"))
    target(m >= 0.9, sprintf("unscanned, 8 clients: %.2f of libclamav's throughput in %d processes; at least 0.90", \
                             m, workers))
    for (c = 1; c <= n_columns; c++) {
        m = median(ratios("stamped", columns[c], "allow-all", columns[c]))
        target(m <= 1.5, sprintf("stamped, %s: %.2f x the allow-all listener; at most 1.50", titles[c], m))
    }
    if ("clamonacc-warm" in seen)
        for (c = 1; c <= n_columns; c++) {
            ahead("unscanned", "clamonacc-cold", c)
            ahead("stamped", "clamonacc-warm", c)
            ahead("second", "clamonacc-warm", c)
        }
    n = sort_list(of_rounds("gate", "8", "VmRSS", 1 / 1024))
    target(n && sorted[n] <= 16, sprintf("gate RSS %.1f MiB; at most 16", sorted[n]))
    n = sort_list(of_rounds("worker", "8", "private", 1 / 1024))
    target(n && sorted[n] <= 6, sprintf("worker private memory %.1f MiB; at most 6", sorted[n]))
}

function ahead(row, peer, c,    m) {
    m = 1 / median(ratios(row, columns[c], peer, columns[c]))
    target(m > 1, sprintf("%s, %s: %.1f x as quick as %s; more than 1", row, titles[c], m, peer))
}

END {
    printf "%d messages of %.1f KB on average, %d signatures, %d workers, %d rounds\n", messages, \
        bytes / messages / 1000, signatures, workers, rounds
    heading("Time of one open+read+close in us (time of all / messages), median [least-most] of the rounds")
    table("time")
    heading("Files per second")
    table("rate")
    heading("Latency of one open+read+close in us, p50 / p99")
    table("latency")
    heading("Times the bare file system")
    table("bare")
    heading("Times the allow-all listener")
    table("allow-all")
    heading("CPU time of a message in us: storescand + its workers; clamonacc + clamd")
    table("cpu")

    printf "\nlibclamav alone, from memory\n"
    if (workers != 2)
        engine_row(2)
    engine_row(workers)

    printf "\nMemory after an unscanned round with 8 clients, MiB, median [least-most] of the rounds\n"
    printf "%-24s  RSS %s, of it anonymous %s, files %s, shared slots %s\n", "storescand", \
        spread(of_rounds("gate", "8", "VmRSS", 1 / 1024)), spread(of_rounds("gate", "8", "RssAnon", 1 / 1024)), \
        spread(of_rounds("gate", "8", "RssFile", 1 / 1024)), spread(of_rounds("gate", "8", "RssShmem", 1 / 1024))
    printf "%-24s  %s\n", "worker, private (most)", spread(of_rounds("worker", "8", "private", 1 / 1024))

    for (c = 1; c <= n_columns; c++)
        list = list " " of_rounds("unscanned", columns[c], "without_stamp", 1)
    sort_list(list)
    printf "\nMessages scanned but not stamped at once (too many under way): %s of %d\n", spread(list), messages

    targets()
    other_load()
    exit missed
}
