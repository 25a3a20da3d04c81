# SPDX-License-Identifier: Apache-2.0
#
# Tables of tests/bench/scale, from its measurements (numbers.awk), whose columns are sizes, and the same
# for tests/bench/plot. What is shown is the median of the rounds and, in brackets, the least and the most
# of them. Exit status 1 if a target is missed.
#
# Variables: parts rounds workers sample mailboxes at_once lookups descriptors disturbed limit, and
# curves, the file for the plot

BEGIN {
    FS = "\t"
    MS = 1e-6
    MIB = 1 / 1024 # of the KiB of /proc
    steepest = 1.2
}

{
    if (!(($3, $2) in known)) {
        known[$3, $2] = 1
        sizes[$3] = sizes[$3] " " $2
    }
}

# ---- Tables and curves ----

function size_name(n) {
    return n >= 1000000 ? n / 1000000 " M" : n >= 1000 ? n / 1000 " k" : n ""
}

# A table begins, and a diagram: row has its sizes. options: of the diagram's axes.
function table(title, what, unit, row, options,    i) {
    n_sizes = split(sizes[row], size, " ")
    printf "\n%s, %s\n%-32s", title, unit, what
    for (i = 1; i <= n_sizes; i++)
        printf "  %-22s", size_name(size[i])
    printf "  %s\n", "grows as"
    printf "panel\t%s\t%s\t%s\t%s\n", title, what, unit, options >curves
}

# How steeply values grow between the last two sizes: 1 is in proportion, 0 not at all.
function steepness(row, key,    a, b) {
    if (n_sizes < 2)
        return 0
    a = median(of_rounds(row, size[n_sizes - 1], key, 1))
    b = median(of_rounds(row, size[n_sizes], key, 1))
    return a > 0 && b > 0 ? log(b / a) / log(size[n_sizes] / size[n_sizes - 1]) : 0
}

# One row of the table, and its curve. Values are scale times what was measured, divided by the size if per
# is set. aside: no curve, since its unit is another one.
function line(name, row, key, scale, per, aside,    i, list, n) {
    printf "%-32s", name
    for (i = 1; i <= n_sizes; i++) {
        list = of_rounds(row, size[i], key, scale / (per ? size[i] : 1))
        printf "  %-22s", spread(list)
        n = sort_list(list)
        if (n && sorted[1] > 0 && !aside)
            printf "point\t%s\t%s\t%s\t%s\t%s\n", name, size[i], median(list), sorted[1], sorted[n] >curves
    }
    printf "  n^%.2f\n", steepness(row, key) - (per ? 1 : 0)
}

function bound(name, value) { printf "limit\t%s\t%s\n", name, value >curves }

# Starts with what a part has, and ends.
function starts(part, ended) {
    line("start, cold", part "-cold", "ready_nsec", MS)
    line("start, warm", part "-warm", "ready_nsec", MS)
    line("start, taken over", part "-taken-over", "ready_nsec", MS)
    line("end", part "-" ended, "end_nsec", MS)
}

function marks(part, name) {
    printf "%-32s  %s\n", name, spread(of_rounds(part, size[n_sizes], "marks", 1))
}

# What readers of a crowd wait.
function waits(key) {
    line("nobody listens", "crowd-bare", key, MS)
    line("unscanned", "crowd-unscanned", key, MS)
    line("stamped", "crowd-stamped", key, MS)
}

# What storescand has meanwhile.
function takes(key, factor) {
    line("unscanned", "crowd-unscanned", key, factor)
    line("stamped", "crowd-stamped", key, factor)
}

# ---- Parts ----

function files() {
    table("Starts, messages under one mark", "messages", "ms", "files-cold", "logx,logy")
    starts("files", "cold")
    bound("target", 1000)
    table("Opens of " sample " of the messages", "messages", "us each", "files-unscanned", "logx,logy")
    line("unscanned", "files-unscanned", "wall_nsec", 1e-3 / sample)
    line("stamped", "files-stamped", "wall_nsec", 1e-3 / sample)
    table("Memory, messages under one mark", "messages", "MiB", "files", "logx")
    line("storescand", "files", "VmRSS", MIB)
    marks("files", "marks of all groups")
}

function folders() {
    table("Starts, folders marked one by one", "folders", "ms", "folders-cold", "logx,logy")
    starts("folders", "taken-over")
    table("Until a new mailbox is guarded", "folders", "ms", "folders-new", "logx,logy")
    line("half of " mailboxes, "folders-new", "p50_nsec", MS)
    line("slowest of " mailboxes, "folders-new", "most_nsec", MS)
    line("last of " at_once " at once", "folders-at-once", "most_nsec", MS)
    table("Memory, folders marked one by one", "folders", "MiB", "folders", "logx,logy")
    line("storescand", "folders", "VmRSS", MIB)
    line("kernel, slab", "folders", "slab", MIB)
    marks("folders", "marks of all groups, the last")
}

function crowd() {
    table("All readers through", "readers at once", "ms", "crowd-bare", "logx,logy")
    waits("wall_nsec")
    table("Longest wait but for 1 of 100", "readers at once", "ms", "crowd-bare", "logx,logy")
    waits("p99_nsec")
    table("Memory of storescand at its height", "readers at once", "MiB", "crowd-unscanned", "logx,logy")
    takes("VmHWM", MIB)
    table("Descriptors of storescand", "readers at once", "number", "crowd-unscanned", "logx,logy")
    takes("descriptors", 1)
    bound("limit", descriptors)
}

function cache() {
    table("The cache by itself, one digest", "digests", "us", "cache", "logx")
    line("put in, room is left", "cache", "insert_nsec", 1e-3, 1)
    line("put in, another goes", "cache", "evict_nsec", 1e-3, 1)
    line("looked up, known", "cache", "hit_nsec", 1e-3 / lookups)
    line("looked up, unknown", "cache", "miss_nsec", 1e-3 / lookups)
    line("of those last, known, %", "cache", "hits", 100 / lookups, 0, 1)
    table("Files and starts with them", "digests", "ms", "cache", "logx,logy")
    line("file saved", "cache", "save_nsec", MS)
    line("file loaded", "cache", "load_nsec", MS)
    line("storescand ready", "cache-start", "ready_nsec", MS)
    line("storescand knows them", "cache-start", "loaded_nsec", MS)
    line("storescand ends, and saves", "cache-start", "end_nsec", MS)
    table("Memory and disk", "digests", "MiB", "cache", "logx,logy")
    line("file", "cache", "file", 1 / 1048576)
    line("storescand", "cache-start", "VmRSS", MIB)
}

# ---- Targets ----

function at_most(row, key, scale, most, text,    m) {
    m = median(of_rounds(row, size[n_sizes], key, scale))
    target(m <= most, sprintf("%s: %.0f; at most %d", text, m, most))
}

function in_proportion(row, key, text,    e) {
    n_sizes = split(sizes[row], size, " ")
    e = steepness(row, key)
    target(e <= steepest, sprintf("%s grows as n^%.2f at the end; at most n^%.1f", text, e, steepest))
}

# Whether in each round all were let in.
function all_read(row,    i, n) {
    n_sizes = split(sizes[row], size, " ")
    for (i = 1; i <= n_sizes; i++) {
        n = sort_list(of_rounds(row, size[i], "read", 1))
        if (n != rounds || sorted[1] != size[i])
            return 0
    }
    return n_sizes > 0
}

function targets_of(part,    text) {
    if (part == "files") {
        n_sizes = split(sizes["files-cold"], size, " ")
        text = sprintf("start on %s messages under one mark, ms", size_name(size[n_sizes]))
        at_most("files-cold", "ready_nsec", MS, 1000, text ", cold")
        at_most("files-warm", "ready_nsec", MS, 1000, text ", warm")
        in_proportion("files-stamped", "wall_nsec", "an open of a stamped message")
        at_most("files", "marks", 1, 4, "marks")
    } else if (part == "folders") {
        in_proportion("folders-cold", "ready_nsec", "a cold start with folders")
        in_proportion("folders-taken-over", "ready_nsec", "a start that takes over folders")
        in_proportion("folders-cold", "end_nsec", "an end with folders")
        in_proportion("folders", "slab", "the kernel's memory for folders")
        in_proportion("folders-new", "p50_nsec", "the time until a new mailbox is guarded")
    } else if (part == "crowd") {
        in_proportion("crowd-unscanned", "wall_nsec", "the time of a crowd, unscanned,")
        in_proportion("crowd-stamped", "wall_nsec", "the time of a crowd, stamped,")
        at_most("crowd-unscanned", "descriptors", 1, descriptors, "descriptors of storescand")
        target(all_read("crowd-unscanned") && all_read("crowd-stamped"), "every reader of each crowd read")
    } else {
        in_proportion("cache-start", "loaded_nsec", "the time until digests are known")
        in_proportion("cache-start", "end_nsec", "the time of an end that saves digests")
        n_sizes = split(sizes["cache-start"], size, " ")
        at_most("cache-start", "ready_nsec", MS, 1000, "start with the largest file of digests, ms")
    }
}

END {
    printf "%d workers, %d rounds\n", workers, rounds
    n_parts = split(parts, part, " ")
    for (p = 1; p <= n_parts; p++)
        if (part[p] == "files")
            files()
        else if (part[p] == "folders")
            folders()
        else if (part[p] == "crowd")
            crowd()
        else
            cache()
    printf "\nTargets\n"
    for (p = 1; p <= n_parts; p++)
        targets_of(part[p])
    other_load()
    exit missed
}
