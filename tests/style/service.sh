#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# systemd understands every line of the unit, and rates its hardening. Offline: asks no manager.

source "$(dirname "$0")/lib.sh"
need_program systemd-analyze
make_tmp

# check UNIT PROGRAM [EXPOSURE]: the most exposure, times ten.
check() {
    local unit=$BUILD/units/$1.service binary=$BUILD/daemon/$2 said known used unknown expect_twice
    local exposure=${3:-20}
    [[ -e $unit ]] || fail "no $unit"
    [[ -x $binary ]] || binary=/bin/true
    if grep -n '@[A-Z]*@' "$unit"; then
        fail "a placeholder was left in $unit"
    fi

    # verify wants ExecStart to exist; only its strict form says anything of unknown lines by its status.
    sed "s,^ExecStart=[^ ]*,ExecStart=$binary," "$unit" >"$TMP/$1.service"
    said=$(systemd-analyze verify --recursive-errors=no --man=no "$TMP/$1.service" 2>&1) ||
        fail "systemd-analyze verify: $said"
    [[ -z $said ]] || fail "systemd-analyze verify: $said"

    # What verify lets pass: a misspelt capability is dropped in silence.
    known=$(sed -n 's/^#define \(CAP_[A-Z_]*\)[[:space:]].*/\1/p' /usr/include/linux/capability.h)
    used=$(sed -n 's/^\(AmbientCapabilities\|CapabilityBoundingSet\)=//p' "$unit" | tr ' ' '\n')
    unknown=$(comm -13 <(sort -u <<<"$known") <(sort -u <<<"$used") | sed '/^$/d')
    [[ -z $unknown ]] || fail "unknown capabilities: $unknown"
    expect_twice=$(sort <<<"$used" | uniq -u | sed '/^$/d')
    # What sendmail may become is no business of ours.
    [[ $1 == storescan-notify || -z $expect_twice ]] || fail "ambient and bounding set differ: $expect_twice"

    systemd-analyze security --offline=true --threshold="$exposure" --no-pager "$TMP/$1.service" >"$TMP/said" ||
        fail "$1 is too exposed: $(tail -n 1 "$TMP/said")"
}

# The keeper keeps as much as systemd does.
max=$(sed -n 's/^#define RELAY_KEPT_MAX *\([0-9]*\)U.*/\1/p' "$SOURCE/daemon/keeper/relay.h")
grep -qx "FileDescriptorStoreMax=$max" "$BUILD/units/storescand.service" ||
    fail "FileDescriptorStoreMax= is not RELAY_KEPT_MAX, $max"

# ReadOnlyPaths= does for it what two directives do that are rated.
check storescand storescand 23
check storescan-hub hub/storescan-hub
check storescan-quarantine ctl/storescanctl 15
check storescan-metrics ctl/storescanctl 20
check storescan-notify ctl/storescanctl 80

for timer in metrics quarantine notify; do
    cp "$SOURCE/units/storescan-$timer.timer" "$TMP/"
    said=$(systemd-analyze verify --recursive-errors=no --man=no "$TMP/storescan-$timer.timer" 2>&1) ||
        fail "systemd-analyze verify: $said"
    [[ -z $said ]] || fail "systemd-analyze verify: $said"
done

# Negative control: the same checks must find what is wrong.
sed 's,^WatchdogSec=.*,WatchdogSeconds=30,' "$TMP/storescand.service" >"$TMP/wrong.service"
if systemd-analyze verify --recursive-errors=no --man=no "$TMP/wrong.service" 2>/dev/null; then
    fail 'systemd-analyze verify finds nothing any more'
fi
