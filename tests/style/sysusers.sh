#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Both users of the unit and of the default configuration are made.

source "$(dirname "$0")/lib.sh"
need_program systemd-sysusers
file=${1:-$SOURCE/units/storescan.sysusers}
make_tmp
mkdir "$TMP/etc"

said=$(systemd-sysusers --root="$TMP" --dry-run "$file" 2>&1) || fail "$said"
for user in storescan storescan-worker storescan-hub; do
    grep -q "Creating user '$user'" <<<"$said" || fail "does not make $user: $said"
done
for unit in storescand storescan-hub; do
    unit_user=$(sed -n 's/^User=//p' "$BUILD/units/$unit.service")
    grep -q "Creating user '$unit_user'" <<<"$said" || fail "the unit's user $unit_user is not made"
done
