# SPDX-License-Identifier: Apache-2.0
#
# The plot of tests/bench/run, an SVG: a panel for each format, file system and set of signatures, a line for each
# row, a mark for each number of clients, on one logarithmic axis of time. Read behind run.awk, which calls
# draw(FILE).

BEGIN {
    split("#0072b2 #d55e00 #009e73 #cc79a7 #56b4e9 #e69f00", colours, " ")
    width = 960
    left = 190     # where the axis begins
    right = 40
    row_height = 26
}

function put(text) { print text > svg }

function escaped(text) {
    gsub(/&/, "\\&amp;", text)
    gsub(/</, "\\&lt;", text)
    return text
}

function label(x, y, text, style) { put(sprintf("<text x=\"%.1f\" y=\"%.1f\" %s>%s</text>", x, y, style, escaped(text))) }

function rule(x1, y1, x2, y2, style) {
    put(sprintf("<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" %s/>", x1, y1, x2, y2, style))
}

# Whole powers of ten that hold all times.
function find_range(    s, c, i, n, list) {
    low = 1e9
    high = -1e9
    for (s = 1; s <= n_sections; s++)
        for (c = 1; c <= n_clients; c++)
            for (i = 1; i <= n_rows; i++) {
                list = time_of(rows[i], sections[s] "/" client[c])
                n = sort_list(list)
                if (n == 0)
                    continue
                low = sorted[1] < low ? sorted[1] : low
                high = sorted[n] > high ? sorted[n] : high
            }
    low = floor(log(low) / log(10))
    high = floor(log(high) / log(10)) + 1
}

function floor(x,    n) {
    n = int(x)
    return n > x ? n - 1 : n
}

function x_of(us) { return left + (log(us) / log(10) - low) / (high - low) * (width - left - right) }

function has_row(section, row,    c) {
    for (c = 1; c <= n_clients; c++)
        if (measured(row, section "/" client[c]))
            return 1
    return 0
}

function count_rows(section,    i, n) {
    n = 0
    for (i = 1; i <= n_rows; i++)
        n += has_row(section, rows[i])
    return n
}

# The number of the colour of a client; clients of Dovecot have those of as many other ones.
function colour_of(c,    name, i) {
    name = client[c]
    sub(/^maildir-/, "", name)
    if (name == 1)
        name = "other"
    for (i = 1; i <= n_openers; i++)
        if (client[i] == name)
            return (i - 1) % 6 + 1
    return 1
}

# The clients' marks of one row, one below the other, with lines from the least to the most of the rounds.
function draw_row(section, row, y,    c, list, n, at, middle, style, colour) {
    for (c = 1; c <= n_clients; c++) {
        list = time_of(row, section "/" client[c])
        middle = median(list)
        n = sort_list(list)
        if (n == 0)
            continue
        colour = colour_of(c)
        at = y + (colour - (n_openers + 1) / 2) * 16 / n_openers
        style = sprintf("stroke=\"%s\" stroke-width=\"1.5\"", colours[colour])
        rule(x_of(sorted[1]), at, x_of(sorted[n]), at, style)
        put(sprintf("<circle cx=\"%.1f\" cy=\"%.1f\" r=\"3\" fill=\"%s\"/>", x_of(middle), at, colours[colour]))
    }
}

function draw_axis(top, bottom,    k, n, x) {
    for (k = low; k <= high; k++) {
        x = x_of(10 ^ k)
        rule(x, top, x, bottom, "stroke=\"#bbb\"")
        label(x, bottom + 14, 10 ^ k, "text-anchor=\"middle\" fill=\"#555\"")
        for (n = 2; n < 10 && k < high; n++)
            rule(x_of(n * 10 ^ k), top, x_of(n * 10 ^ k), bottom, "stroke=\"#eee\"")
    }
}

# A panel; its lower end.
function draw_section(section, y,    i, top) {
    label(10, y + 14, section_title(section), "font-weight=\"bold\"")
    top = y + 24
    draw_axis(top, top + count_rows(section) * row_height)
    y = top
    for (i = 1; i <= n_rows; i++)
        if (has_row(section, rows[i])) {
            label(left - 10, y + row_height / 2 + 4, names[i], "text-anchor=\"end\"")
            draw_row(section, rows[i], y + row_height / 2)
            y += row_height
        }
    return y + 34
}

function draw_legend(y,    c, x) {
    x = 10
    for (c = 1; c <= n_openers; c++) {
        put(sprintf("<circle cx=\"%.1f\" cy=\"%.1f\" r=\"4\" fill=\"%s\"/>", x + 4, y + 10, colours[(c - 1) % 6 + 1]))
        label(x + 14, y + 14, client_title(client[c]), "")
        x += 230
    }
    return y + 30
}

function draw(file,    s, y, height) {
    svg = file
    if (n_sections == 0)
        return
    find_range()
    height = 50
    for (s = 1; s <= n_sections; s++)
        height += 58 + count_rows(sections[s]) * row_height
    put(sprintf("<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" font-family=\"sans-serif\" font-size=\"12\">", \
                width, height))
    put("<rect width=\"100%\" height=\"100%\" fill=\"white\"/>")
    y = draw_legend(6)
    for (s = 1; s <= n_sections; s++)
        y = draw_section(sections[s], y)
    label(10, y + 4, "us, median of the rounds, with the least and the most of them; " rounds " rounds", "fill=\"#555\"")
    put("</svg>")
    close(svg)
}
