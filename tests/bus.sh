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

write_bus_config
