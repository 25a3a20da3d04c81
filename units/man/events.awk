# SPDX-License-Identifier: Apache-2.0
# Puts the table of daemon/events.h into the place of @EVENTS@ in a man page: events.awk EVENTS.H PAGE
BEGIN { FS = "\"" }
FNR == NR && /^ *X\(/ {
        gsub(/[^A-Z]|LOG_/, "", $5)
        events = events ".TP\n.BR " $2 " \" (" tolower($5) ")\"\n" $6 "\n.br\n.I " $4 "\n"
        n++
}
FNR == NR { next }
$0 == "@EVENTS@" { printf "%s", events; next }
{ print }
END { exit n == 0 }
