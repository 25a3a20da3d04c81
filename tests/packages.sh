# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Installs Debian packages that are missing. Sourced by tests/run and tests/demo.

# What building needs.
# shellcheck disable=SC2034 # of the scripts that source this
BUILD_PACKAGES=(
    gcc libc6-dev meson ninja-build pkg-config python3
    check libclamav-dev libgoogle-perftools-dev libinih-dev libmilter-dev libseccomp-dev libssl-dev libsystemd-dev liburing-dev
    libbz2-dev liblz4-dev liblzma-dev libzstd-dev zlib1g-dev
    systemd # systemd.pc, systemd-analyze
)

# install_packages PACKAGE...: those that are not there; asks nothing.
install_packages() {
    local package missing=()
    command -v apt-get >/dev/null || {
        printf 'This is no Debian: install yourself what these packages hold: %s\n' "$*" >&2
        return
    }
    for package; do
        [[ $(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) == installed ]] ||
            missing+=("$package")
    done
    ((${#missing[@]} > 0)) || return 0
    printf 'Installing %s\n' "${missing[*]}"
    export DEBIAN_FRONTEND=noninteractive
    apt-get update --quiet=2
    apt-get install --quiet=2 --yes --no-install-recommends "${missing[@]}" >/dev/null
}
