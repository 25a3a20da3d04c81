#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# storescanctl metrics: its text is OpenMetrics, its numbers are those of what happened, and the
# dashboard asks for what there is.

source "$(dirname "$0")/../lib.sh"
setup
source "$(dirname "$0")/../bus.sh"
need_program python3 jq
GATE_CONF='hot_files = 0' # this is about what is known by its stamp, again and again

metrics() { "$STORESCANCTL" metrics; }
value() { awk -v name="$1" '$1 == name { print $2; found = 1 } END { exit !found }' "$WORK/metrics"; }
expect_value() { expect_equal "$(value "$1")" "$2" "$1"; }
check() { python3 "$SOURCE/tests/openmetrics.py" "$@" || fail "not as it has to be: $(<"$WORK/metrics")"; }

make_fs store ext4
for user in alice bob; do
    make_maildir "$WORK/store/$user"
    "$MAKE_MAIL" clean -n 3 -o "$WORK/store/$user/cur" >/dev/null
done
make_mail "$WORK/store/alice/cur/bad:2,S" eicar-base64
add_store alice "$WORK/store/alice" on_infected=replace
add_store 'bob-2' "$WORK/store/bob" on_infected=block

say 'storescand does not run: that is all there is'
start_bus
wait_until 20 test -S "$WORK/bus"
status=0
metrics >"$WORK/metrics" 2>/dev/null || status=$?
expect_equal "$status" 1 'status without storescand'
check "$WORK/metrics"
expect_value storescan_up 0

say 'what happened is counted, for each store'
start_storescand
wait_until 20 has_name || fail "storescand is not on the bus: $(<"$WORK/bus.log")"
for file in "$WORK/store"/*/cur/*; do
    read_file "$file" >/dev/null
done
# shellcheck disable=SC2317 # wait_until calls it
counted() {
    metrics >"$WORK/metrics" || return 1
    [[ $(value 'storescan_store_verdicts_total{store="alice",verdict="clean"}') -ge 4 &&
        $(value 'storescan_store_processed_total{store="bob-2"}') == 3 ]]
}
wait_until 20 counted || fail "counted is: $(<"$WORK/metrics")"
check "$WORK/metrics" "$SOURCE/etc/grafana-dashboard.json"
expect_value storescan_up 1
expect_value storescan_guarding 1
expect_value storescan_waiting_opens 0
# The notice in the place of what was infected is scanned before it is served.
expect_value 'storescan_store_verdicts_total{store="alice",verdict="infected"}' 1
expect_value 'storescan_store_verdicts_total{store="bob-2",verdict="infected"}' 0
expect_value 'storescan_store_quarantined_total{store="alice"}' 1
expect_value 'storescan_store_replaced_total{store="alice"}' 1
expect_value 'storescan_store_replaced_total{store="bob-2"}' 0
# The same mail as alice's: known by the verdict cache.
expect_value 'storescan_store_files_total{store="bob-2"}' 0
(($(value 'storescan_store_scanned_bytes_total{store="alice"}') > 0)) || fail 'no bytes are counted'
answers=$(value 'storescan_stage_duration_seconds_count{stage="answer"}')
((answers >= 7)) || fail "only $answers answers were timed"

say 'known by stamp: no answer is timed, and no clock asked'
# Read again until it says so: on a busy machine one may be written too late to say anything of its file.
# shellcheck disable=SC2317 # wait_until calls it
is_known() {
    read_file "$1" >/dev/null
    [[ $("$STORESCANCTL" --json explain "$1" | jq -r .tier) == stamp ]]
}
for file in "$WORK/store/bob/cur"/*; do
    wait_until 20 is_known "$file" || fail "its stamp does not say it: $file"
done
metrics >"$WORK/metrics"
answers=$(value 'storescan_stage_duration_seconds_count{stage="answer"}')
before=$(value storescan_stamp_hits_total)
for file in "$WORK/store/bob/cur"/*; do
    read_file "$file" >/dev/null
done
# shellcheck disable=SC2317 # wait_until calls it
hits() { metrics >"$WORK/metrics" && (($(value storescan_stamp_hits_total) >= before + 3)); }
wait_until 20 hits || fail "no stamp counted: $(<"$WORK/metrics")"
expect_value 'storescan_stage_duration_seconds_count{stage="answer"}' "$answers"

say 'the file for the node exporter'
mkdir "$WORK/node"
"$STORESCANCTL" metrics "$WORK/node/storescan.prom" || fail 'metrics FILE'
expect_equal "$(ls "$WORK/node")" storescan.prom 'what is left in the folder'
expect_equal "$(stat -c %a "$WORK/node/storescan.prom")" 644 'its mode'
python3 "$SOURCE/tests/openmetrics.py" --text "$WORK/node/storescan.prom" "$SOURCE/etc/grafana-dashboard.json" ||
    fail 'the file is not as it has to be'
if command -v promtool >/dev/null; then
    promtool check metrics <"$WORK/node/storescan.prom" || fail 'promtool does not like it'
fi
status=0
output=$("$STORESCANCTL" metrics "$WORK/nowhere/storescan.prom" 2>&1) || status=$?
expect_equal "$status" 2 'metrics in a folder that is not there'
[[ $output == *nowhere* ]] || fail "does not name the file: $output"

say 'the checker finds what is wrong'
for wrong in 's/^# EOF//' 's/_total / /' '/^# HELP storescan_scans /d' 's/le="+Inf"/le="99.0"/' \
    's/^# UNIT storescan_scanned_bytes bytes/# UNIT storescan_scanned_bytes octets/'; do
    sed "$wrong" "$WORK/metrics" >"$WORK/wrong"
    if python3 "$SOURCE/tests/openmetrics.py" "$WORK/wrong" 2>/dev/null; then
        fail "not found: $wrong"
    fi
done
sed 's/storescan_stamp_hits_total/storescan_stamp_hit_total/' "$SOURCE/etc/grafana-dashboard.json" >"$WORK/wrong.json"
if python3 "$SOURCE/tests/openmetrics.py" "$WORK/metrics" "$WORK/wrong.json" 2>/dev/null; then
    fail 'a wrong metric in the dashboard is not found'
fi
stop_storescand
exit 0
