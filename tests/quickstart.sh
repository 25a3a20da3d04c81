# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# The commands and snippets of storescan-quickstart(7), for tests to take them at their word. Sourced behind
# lib.sh.

# quickstart NAME
quickstart() { man_block storescan-quickstart.7 "$1"; }
