#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Every C file is as clang-format (of the target's version, 14) would write it.

source "$(dirname "$0")/lib.sh"
need_program clang-format

mapfile -d '' -t files < <(source_files '*.c' '*.h')
((${#files[@]} > 0)) || fail 'found no C files'
clang-format --style=file --dry-run -Werror "${files[@]}"
