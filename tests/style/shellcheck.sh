#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Every shell script of the project, found by its first line or its name.

source "$(dirname "$0")/lib.sh"
need_program shellcheck

files=()
while IFS= read -r -d '' file; do
    case $file in
    *.sh | *.bash) files+=("$file") ;;
    *) [[ ! $(head -c 64 "$file" | tr -d '\0' | sed -n 1p) =~ ^#!.*[/\ ](ba)?sh($|\ ) ]] || files+=("$file") ;;
    esac
done < <(source_files '*')
((${#files[@]} > 3)) || fail 'found no scripts'
shellcheck --external-sources --source-path=SCRIPTDIR --source-path="$SOURCE" "${files[@]}"

# Who stops reading ends who writes, by SIGPIPE, and under pipefail that is a failure that says nothing, now and then.
! grep -nHE '\| *(head (-n )?-?[0-9c]|grep (-[a-zA-Z]*q|-m)|sed [^|]*[0-9]q)' "${files[@]}" |
    grep -v "shellcheck.sh:\|head -c -" >&2 ||
    fail 'a pipe into what does not read to the end: use sed -n 1p, or grep -q PATTERN <<<"$(COMMAND)"'
