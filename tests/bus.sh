# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# A system bus of a test's own. Sourced behind lib.sh's setup; start_bus before start_storescand.

need_program dbus-daemon busctl jq

BUS=
export DBUS_SYSTEM_BUS_ADDRESS=unix:path=$WORK/bus

write_bus_config() {
    cat >"$WORK/bus.conf" <<END
<busconfig>
    <type>system</type>
    <listen>$DBUS_SYSTEM_BUS_ADDRESS</listen>
    <auth>EXTERNAL</auth>
    <policy context="default">
        <allow user="*"/>
        <deny own="*"/>
        <deny send_type="method_call"/>
        <allow send_type="signal"/>
        <allow send_requested_reply="true" send_type="method_return"/>
        <allow send_requested_reply="true" send_type="error"/>
        <allow receive_type="method_call"/>
        <allow receive_type="method_return"/>
        <allow receive_type="error"/>
        <allow receive_type="signal"/>
        <allow send_destination="org.freedesktop.DBus" send_interface="org.freedesktop.DBus"/>
    </policy>
    <policy user="root">
        <allow send_destination="org.freedesktop.DBus" send_interface="org.freedesktop.DBus.Monitoring"/>
    </policy>
    <include>$SOURCE/units/org.storescan.conf</include>
</busconfig>
END
}

start_bus() {
    dbus-daemon --config-file="$WORK/bus.conf" --nofork --nopidfile 2>"$WORK/bus.log" &
    BUS=$!
    PIDS+=("$BUS")
}
has_name() { busctl status org.storescan >/dev/null 2>&1; }
property() { busctl get-property org.storescan /org/storescan org.storescan.Manager "$1"; }

# watch_signals: what storescand tells from now on goes to $WORK/signals, one JSON object a line.
watch_signals() {
    stdbuf -oL busctl monitor --json=short org.storescan >"$WORK/signals" 2>"$WORK/monitor.log" &
    PIDS+=("$!")
    wait_until 20 grep -q Monitoring "$WORK/monitor.log" || fail "signals can't be watched: $(<"$WORK/monitor.log")"
}
# told_change PATH PROPERTY VALUE: for wait_until; the value as jq prints it.
told_change() {
    jq -e --arg path "$1" --arg name "$2" --arg value "$3" -n '[inputs | select(.member == "PropertiesChanged" and
        .path == $path) | .payload.data[1][$name] | values | .data | tojson | select(. == $value)] | length > 0' \
        "$WORK/signals"
}
expect_told() { wait_until 20 told_change "$@" || fail "not told that $2 is $3: $(<"$WORK/signals")"; }

write_bus_config
