# SPDX-License-Identifier: Apache-2.0
#
# What the reports of the benchmarks share: their measurements, lines "ROUND COLUMN ROW KEY VALUE"
# separated by tabs; medians and ratios; targets. The value of a round is the median of its passes.
# The report that is read behind this one sets FS.
#
# Variables: rounds disturbed limit

{
    id = $3 SUBSEP $2 SUBSEP $4 SUBSEP $1
    values[id] = values[id] " " $5
    seen[$3] = 1
    if ($4 == "signatures")
        signatures = $5
    if ($4 == "others_percent") {
        blocks++
        others = others " " $5
        if ($5 > limit)
            noisy++
    }
}

# ---- Numbers ----

# Sorts the numbers of list into sorted[1..]; their count.
function sort_list(list,    n, i, j, x) {
    n = split(list, sorted, " ")
    for (i = 2; i <= n; i++) {
        x = sorted[i] + 0
        for (j = i - 1; j > 0 && sorted[j] + 0 > x; j--)
            sorted[j + 1] = sorted[j]
        sorted[j + 1] = x
    }
    return n
}

function median(list,    n) {
    n = sort_list(list)
    if (n == 0)
        return 0
    return n % 2 ? sorted[(n + 1) / 2] : (sorted[n / 2] + sorted[n / 2 + 1]) / 2
}

# What a round measured of a row, or "".
function of_round(row, column, key, r,    id) {
    id = row SUBSEP column SUBSEP key SUBSEP r
    return id in values ? median(values[id]) : ""
}

# The rounds' values times scale.
function of_rounds(row, column, key, scale,    r, v, list) {
    list = ""
    for (r = 1; r <= rounds; r++) {
        v = of_round(row, column, key, r)
        if (v != "")
            list = list " " v * scale
    }
    return list
}

# Rounds' ratios of one row's time to another's, each within its round; or of another key.
function ratios(row, column, base, base_column, key,    r, a, b, list) {
    list = ""
    if (key == "")
        key = "wall_nsec"
    for (r = 1; r <= rounds; r++) {
        a = of_round(row, column, key, r)
        b = of_round(base, base_column, key, r)
        if (a != "" && b != "")
            list = list " " a / b
    }
    return list
}

function number(x) {
    return sprintf(x < 9.995 ? "%.2f" : x < 99.95 ? "%.1f" : "%.0f", x)
}

function spread(list,    m, n) {
    m = median(list)
    n = sort_list(list)
    return n ? number(m) " [" number(sorted[1]) "-" number(sorted[n]) "]" : "-"
}

# ---- Targets and noise ----

function target(well, text) {
    printf "  %-6s  %s\n", well ? "met" : "MISSED", text
    if (!well)
        missed = 1
}

function other_load(    n) {
    n = sort_list(others)
    printf "\nOther load: %s of the machine, median [least-most] of %d measurements; %d repeated for it, " \
        "%d kept though above %d%%\n", spread(others), blocks, disturbed, noisy, limit
}
