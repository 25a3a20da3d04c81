#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Every shell script of the project, found by its first line or its name.

source "$(dirname "$0")/lib.sh"
need_program shellcheck

files=()
while IFS= read -r -d '' file; do
    case $file in
    *.sh | *.bash) files+=("$file") ;;
    *) if head -c 64 "$file" | head -n 1 | grep -aqE '^#!.*\b(ba)?sh\b'; then files+=("$file"); fi ;;
    esac
done < <(source_files '*')
((${#files[@]} > 3)) || fail 'found no scripts'
shellcheck --external-sources --source-path=SCRIPTDIR --source-path="$SOURCE" "${files[@]}"
