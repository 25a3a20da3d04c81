# SPDX-License-Identifier: Apache-2.0
#
# The table of tests/bench/run, from its measurements (numbers.awk). The value of a round is the median of
# its passes; what is shown is the median of the rounds and, in brackets, the least and the most of them. A
# column is FORMAT/FILE SYSTEM/SIGNATURES/CLIENT. Exit status 1 if a target is missed.
#
# Variables: plot (a file, or nothing) rounds clients fetchers workers messages box_messages start_files cpus seconds minutes disturbed limit

BEGIN {
    FS = "\t"
    n_openers = split(clients, client, " ")
    n_clients = split(clients " " fetchers, client, " ")
    n_rows = split("none ignored hot allow-all asking stamped nospin writable digest hub unscanned clamonacc-warm " \
                   "clamonacc-cold", rows, " ")
    split("no scanner,ignore marks alone,storescand hot,allow-all listener,the same that asks,storescand stamped," \
          "the same without spin,storescand for writing,storescand digest,storescand hub stamp," \
          "storescand unscanned,clamonacc again,clamonacc first", names, ",")
    names_of["maildir"] = "Maildir"
    names_of["mbox"] = "mbox"
    names_of["imap"] = "IMAP FETCH, Dovecot with Maildir"
    n_scanners = split("libclamav clamdscan clamscan", scanners, " ")
    split("libclamav in 2 processes,clamdscan --multiscan,clamscan", scanner_names, ",")
    title["same"] = "1 client, on the listener's CPU"
    title["other"] = "1 client, on another CPU"
}

# Behind the rule of numbers.awk: what was measured, for each file.
{
    if ($4 == "files")
        files = $5
    else if ($4 == "wall_nsec" || $4 == "gate_nsec" || $4 == "scanner_nsec")
        keep("each_" $4, $5 / files / 1000)
    else if ($4 == "cpu_usec")
        keep("each_client", $5 / files)
    else if ($4 == "server_usec")
        keep("each_server", $5 / files)
    section = $2
    sub("/[^/]*$", "", section)
    if (!(section in known) && section !~ /^start/) {
        known[section] = 1
        sections[++n_sections] = section
    }
}

function keep(key, value,    id) {
    id = $3 SUBSEP $2 SUBSEP key SUBSEP $1
    values[id] = values[id] " " value
}

# ---- Numbers ----

# Microseconds a file.
function each(row, column, key) { return of_rounds(row, column, key, 1) }
function time_of(row, column) { return each(row, column, "each_wall_nsec") }
function cpu_of(row, column, who) { return median(each(row, column, "each_" who)) }

function times(row, column, base) { return ratios(row, column, base, column, "each_wall_nsec") }

function measured(row, column) { return time_of(row, column) != "" }

# The share of the machine that nobody of the row used.
function idle(row, column,    used, all) {
    used = cpu_of(row, column, "client") + cpu_of(row, column, "server") + cpu_of(row, column, "gate_nsec") + \
        cpu_of(row, column, "scanner_nsec")
    all = median(time_of(row, column)) * cpus
    return all > used ? 100 * (1 - used / all) : 0
}

# Among the columns of a section the one where the row does most, or "".
function best(row, section,    i, column, x, found, least) {
    for (i = 1; i <= n_clients; i++) {
        column = section "/" client[i]
        x = median(time_of(row, column))
        if (x > 0 && (found == "" || x < least)) {
            found = column
            least = x
        }
    }
    return found
}

# ---- The table ----

function section_title(section, part, unit) {
    split(section, part, "/")
    unit = part[1] == "mbox" ? "us a mailbox of " box_messages " messages" : "us a message"
    return names_of[part[1]] " on " part[2] ", " signatures_of(section, part[3]) ", " unit
}

# Known where something was scanned.
function signatures_of(section, set,    n) {
    n = median(of_rounds("engine", section "/any", "signatures", 1))
    return n > 0 ? n " signatures" : set " set of signatures"
}

function client_title(column, name) {
    name = column
    sub(".*/(maildir-)?", "", name)
    if (name == 1)
        return "1 client"
    return name in title ? title[name] : name " clients"
}

# A ratio, where there is something to compare with.
function ratio_text(row, column, base) {
    return row == base || !measured(base, column) ? "" : number(median(times(row, column, base)))
}

function line(i, column,    row, us) {
    row = rows[i]
    us = median(time_of(row, column))
    printf "  %-31s  %-24s %9s %9s %9s %11.0f %8s %8s %8s %7s\n", names[i], spread(time_of(row, column)),
        ratio_text(row, column, "none"), ratio_text(row, column, "ignored"), ratio_text(row, column, "allow-all"),
        1e6 / us, number(cpu_of(row, column, "client") + cpu_of(row, column, "server")),
        cpu_text(row, column, "gate_nsec"), cpu_text(row, column, "scanner_nsec"), idle_text(row, column)
}

# Sessions begin and end outside of the time that is measured.
function idle_text(row, column) { return column ~ /^imap/ ? "-" : sprintf("%.0f%%", idle(row, column)) }

function cpu_text(row, column, who,    list) {
    list = each(row, column, "each_" who)
    return list == "" ? "-" : number(median(list))
}

# What scans a whole folder.
function throughput(section,    column, i, row, load) {
    column = section "/all"
    for (i = 1; i <= n_scanners; i++) {
        row = scanners[i]
        if (!measured(row, column))
            continue
        if (row == "libclamav")
            printf "\n  %-31s  %-24s %41s %8s %17s\n", "no opens, all of a folder", "us", "a second", "client", "scanner"
        printf "  %-31s  %-24s %41.0f %8s %17s\n", scanner_names[i], spread(time_of(row, column)), \
            1e6 / median(time_of(row, column)), cpu_text(row, column, "client"), cpu_text(row, column, "scanner_nsec")
    }
    load = median(of_rounds("clamscan-load", column, "wall_nsec", 1e-9))
    if (load > 0)
        printf "  %-31s  %.2f s\n", "of clamscan's, loading", load
}

function has_client(column,    i) {
    for (i = 1; i <= n_rows; i++)
        if (measured(rows[i], column))
            return 1
    return 0
}

function table(section,    c, i, column) {
    printf "\n%s\n", section_title(section)
    for (c = 1; c <= n_clients; c++) {
        column = section "/" client[c]
        if (!has_client(column))
            continue
        printf "\n  %-31s  %-24s %9s %9s %9s %11s %8s %8s %8s %7s\n", client_title(column), "us", "x none", "x ignore", "x floor",
            "a second", "client", "listener", "scanner", "idle"
        for (i = 1; i <= n_rows; i++)
            if (measured(rows[i], column))
                line(i, column)
    }
    throughput(section)
}

# ---- Targets ----

# What bounds a row, as it was measured.
function bound(row, column,    text) {
    text = sprintf("CPU a file: client %s, listener %s", cpu_text(row, column, "client"), cpu_text(row, column, "gate_nsec"))
    if (each(row, column, "each_scanner_nsec") != "")
        text = text sprintf(", scanners %s", cpu_text(row, column, "scanner_nsec"))
    return sprintf("%s of %s us on %d CPUs, %.0f%% idle", text, number(median(time_of(row, column)) * cpus), cpus, idle(row, column))
}

# held(ROW, COLUMN, BASE, MOST): no more than so many times the other row's time.
function held(row, column, base, most,    m) {
    if (!measured(row, column) || !measured(base, column))
        return
    m = median(times(row, column, base))
    judge(m <= most, sprintf("%s / %s, %s: %.2f; at most %.2f", row, base, where(column), m, most), row, column, base, column)
}

# What bounds it is what every listener has to ask who believes stamps.
function stamped(column) {
    held("stamped", column, "allow-all", 1.25)
    if (measured("stamped", column) && measured("asking", column))
        printf "          a listener that asks for stamps and decides nothing: %.2f of allow-all; stamped: %.2f of that\n", \
            median(times("asking", column, "allow-all")), median(times("stamped", column, "asking"))
}

function where(column,    part) {
    split(column, part, "/")
    return names_of[part[1]] " on " part[2] (part[3] == "small" ? "" : ", large set") ", " client_title(column)
}

function judge(well, text, row, column, base, base_column) {
    target(well, text)
    if (well)
        return
    printf "          %s: %s\n", row, bound(row, column)
    if (base != "")
        printf "          %s: %s\n", base, bound(base, base_column)
}

function targets(    s, c, column, part) {
    printf "\nTargets\n"
    for (s = 1; s <= n_sections; s++) {
        split(sections[s], part, "/")
        for (c = 1; c <= n_clients; c++) {
            column = sections[s] "/" client[c]
            held("hot", column, "ignored", 1.06)
            if (part[1] == "maildir")
                held("hot", column, "none", 1.12)
            if (part[1] == "maildir" && (client[c] !~ /^[0-9]+$/ || client[c] <= 4))
                stamped(column)
            held("writable", column, "allow-all", 1.25)
            if (part[1] != "imap")
                ahead("hot", column, "clamonacc-warm", 100)
        }
        if (part[1] == "maildir")
            digests(best("digest", sections[s]))
        scans(sections[s], best("unscanned", sections[s]))
    }
    starts()
}

# ---- On paper ----

# cpu_of_all(ROW, COLUMN): CPU time of a message, of all who take part.
function cpu_of_all(row, column) {
    return cpu_of(row, column, "client") + cpu_of(row, column, "gate_nsec") + cpu_of(row, column, "scanner_nsec")
}

# What this machine does not have the CPUs for: messages a second, when the gate, which is one thread, is the only
# thing that can't be spread.
function on_paper(row, column,    n, gate, total, rate) {
    if (column == "" || !measured(row, column))
        return
    gate = cpu_of(row, column, "gate_nsec")
    total = cpu_of_all(row, column)
    printf "  %-58s", row ", " where(column)
    for (n = 2; n <= 64; n *= 2) {
        rate = n / total
        printf " %8.0f", 1e6 * (rate < 1 / gate ? rate : 1 / gate)
    }
    printf " %9.1f\n", total / gate
}

function many_cpus(    s, i, section) {
    printf "\nMessages a second on more CPUs, by arithmetic from the CPU times above, not measured: the gate is one thread,\n" \
        "its peers are spread; what CPUs lose to each other, in memory and in the kernel's locks, is not in it\n\n"
    printf "  %-58s %8d %8d %8d %8d %8d %8d %9s\n", "CPUs", 2, 4, 8, 16, 32, 64, "gate full"
    for (s = 1; s <= n_sections; s++) {
        section = sections[s]
        if (section !~ /^maildir/)
            continue
        for (i = 1; i <= n_rows; i++)
            if (rows[i] ~ /^(stamped|hub|digest|unscanned)$/)
                on_paper(rows[i], best(rows[i], section))
    }
}

function scans(section, column,    m) {
    if (column == "" || !measured("libclamav", section "/all"))
        return
    m = median(ratios("libclamav", section "/all", "unscanned", column, "each_wall_nsec"))
    judge(m >= 0.95, sprintf("unscanned, %s: %.2f of what libclamav does in two processes; at least 0.95", where(column), m), \
          "unscanned", column, "libclamav", section "/all")
}

function starts(    list) {
    list = of_rounds("start", "start/ext4/small/any", "wall_nsec", 1e-9)
    if (list != "")
        target(median(list) <= 1, sprintf("start on %d files: %s s; at most 1", start_files, spread(list)))
}

function digests(column,    rate) {
    if (column == "")
        return
    rate = 1e6 / median(time_of("digest", column))
    judge(rate >= 30000, sprintf("digest, %s: %.0f messages/s; at least 30000", where(column), rate), "digest", column, "")
}

function ahead(row, column, peer, least,    m) {
    if (!measured(row, column) || !measured(peer, column))
        return
    m = 1 / median(times(row, column, peer))
    judge(m >= least, sprintf("%s, %s: %.0f times as quick as %s; at least %d", row, where(column), m, peer, least), row, column, "")
}

END {
    printf "%d workers, %d rounds, median [least-most] of them; %d min %d s of at most %d min\n", workers, rounds, \
        seconds / 60, seconds % 60, minutes
    printf "client, listener, scanner: their CPU time a file in us; idle: the share of the machine that none of them used\n"
    printf "IMAP: what Dovecot takes, logins too, is the client's\n"
    for (s = 1; s <= n_sections; s++)
        table(sections[s])
    targets()
    many_cpus()
    other_load()
    if (plot != "")
        draw(plot)
    exit missed
}
