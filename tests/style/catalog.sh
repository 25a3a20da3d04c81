#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Every event has an entry in the journal catalog and every entry an event; journald can read it.

source "$(dirname "$0")/lib.sh"
catalog=${1:-$SOURCE/units/storescan.catalog}
events=$SOURCE/daemon/events.h

ids=$(grep -Eo '"[0-9a-f]{32}"' "$events" | tr -d '"')
entries=$(sed -n 's/^-- \([0-9a-f]\{32\}\)$/\1/p' "$catalog")
[[ -n $ids ]] || fail "no MESSAGE_IDs found in $events"
same "$events" "$ids" "$catalog" "$entries"
[[ $(wc -l <<<"$ids") == $(sort -u <<<"$ids" | wc -l) ]] || fail "an id is given twice in $events"
[[ $(wc -l <<<"$entries") == $(sort -u <<<"$entries" | wc -l) ]] || fail "an entry is given twice"
[[ $ids == "$entries" ]] || fail 'the catalog is not in the order of the events'

# Each entry says what happened, whose message it is and where to read on, then explains it.
awk '
    function check() {
        if (id != "" && (!subject || !by || !doc || text < 2)) {
            print "entry " id " lacks a Subject, Defined-By, Documentation or text"; bad = 1
        }
    }
    /^-- / { check(); id = $2; subject = by = doc = text = head = 0; head = 1; next }
    /^#/ { next }
    head && /^Subject: ./ { subject = 1; next }
    head && /^Defined-By: storescan$/ { by = 1; next }
    head && /^Documentation: man:/ { doc = 1; next }
    /^$/ { head = 0; next }
    !/^ / && length($0) > 78 { print FILENAME ":" FNR ": longer than 78 columns"; bad = 1 }
    { text++ }
    END { check(); exit bad }
' "$catalog" >&2 || fail 'malformed entries'

# Fields that the texts name must be fields that storescand sends.
sent=$(grep -oh 'STORESCAN_[A-Z_]*=%' "$SOURCE/daemon/journal.c" | sed 's/=%$//')
used=$(grep -o '@STORESCAN_[A-Z_]*@' "$catalog" | tr -d @)
unknown=$(comm -13 <(sort -u <<<"$sent") <(sort -u <<<"$used"))
[[ -z $unknown ]] || fail "no message has these fields: ${unknown//$'\n'/, }"

need_program journalctl
make_tmp
mkdir -p "$TMP/usr/lib/systemd/catalog" "$TMP/var/lib/systemd/catalog"
cp "$catalog" "$TMP/usr/lib/systemd/catalog/"
SYSTEMD_LOG_LEVEL=info journalctl --root="$TMP" --update-catalog
listed=$(journalctl --root="$TMP" --list-catalog | awk '{ print $1 }')
same "$catalog" "$entries" 'the compiled catalog' "$listed"
