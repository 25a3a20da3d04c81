#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# clang-tidy with the checks of .clang-tidy over every file that the build compiles.

source "$(dirname "$0")/lib.sh"
need_program clang-tidy python3
[[ -e $BUILD/compile_commands.json ]] || fail "no $BUILD/compile_commands.json"

mapfile -t files < <(python3 -c '
import json, os, sys
build, source = sys.argv[1:]
seen = set()
for entry in json.load(open(os.path.join(build, "compile_commands.json"))):
    path = os.path.realpath(os.path.join(entry["directory"], entry["file"]))
    if path.startswith(source + "/") and path not in seen:
        seen.add(path)
        print(path)
' "$BUILD" "$(readlink -f "$SOURCE")")
((${#files[@]} > 0)) || fail 'the build compiles nothing'

# gcc's own options mean nothing to clang.
printf '%s\0' "${files[@]}" |
    xargs -0 -n 1 -P "$(nproc)" clang-tidy --quiet -p "$BUILD" --warnings-as-errors='*' \
        --extra-arg=-Wno-unknown-warning-option --extra-arg=-Wno-ignored-optimization-argument \
        2> >(grep -Ev '^[0-9]+ warnings? (generated|treated as errors?)\.?$|^Suppressed|^Use ' >&2)
