# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
#
# Items in quarantine, put together by hand. Sourced behind lib.sh, after setup.

QUARANTINE=$WORK/quarantine
ZERO=$(printf '0%.0s' {1..64})

# item_id NUMBER [DAYS-AGO]
item_id() { printf '%016x-%016x' $((NOW - ${2:-0} * 86400000000)) "$1"; }
NOW=${EPOCHREALTIME/[^0-9]/}

# make_item NUMBER DAYS-AGO [KEY VALUE]...: an item as storescan-remedy would quarantine it; its id in ID.
make_item() {
    local -A value=(
        [state]=replaced [store]=mail [format]=maildir [path]="/srv/mail/user/cur/mail.$1"
        [device]=1 [inode]=2 [offset]=0 [opaque]=0 [replaced]=$ZERO [content]=$(printf 'ab%.0s' {1..32})
        [signature]=Eicar-Test [generation]=666f6f626172 [uid]=0 [gid]=0 [mode]=384
        [mtime]=1795470147 [time]=$((NOW - $2 * 86400000000)) [message-id]="<$1@example.org>"
        [from]='Alice <alice@example.org>' [subject]="Subject $1"
    )
    local key
    ID=$(item_id "$1" "$2")
    [[ -d $QUARANTINE ]] || mkdir -m 0700 "$QUARANTINE"
    head -c $((4096 * $1)) /dev/zero | tr '\0' "$1" >"$QUARANTINE/$ID.item"
    value[size]=$(stat -c %s "$QUARANTINE/$ID.item")
    value[original]=$(sha256sum <"$QUARANTINE/$ID.item" | cut -d ' ' -f 1)
    shift 2
    while (($# > 0)); do
        value[$1]=$2
        shift 2
    done
    {
        echo 'storescan-quarantine: 1'
        for key in state store format path device inode offset size opaque original replaced content \
            signature generation uid gid mode mtime time message-id from subject; do
            echo "$key: ${value[$key]}"
        done
    } >"$QUARANTINE/$ID.meta"
}
