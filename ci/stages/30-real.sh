#!/usr/bin/env bash
# Real daemons on loopback: what is stored, killed, garbled and mistyped. They mostly wait, so three scripts run at a time.
set -uo pipefail
cd "$(dirname "$0")/../.." || exit 2

export DFS_BIN=${DFS_BIN:-$BUILD_RELEASE/bin}
scripts=(kills operations round_trip usage accounts faults durability hostile)
logs=$(mktemp -d)
trap 'rm -rf "$logs"' EXIT

printf '%s\n' "${scripts[@]}" | xargs -P 3 -I{} sh -c 'timeout 400 python3 tests/real/{}.py >"$1/{}.log" 2>&1; echo $? >"$1/{}.rc"' sh "$logs"

bad=0
for script in "${scripts[@]}"; do
    echo "-- $script"
    cat "$logs/$script.log"
    [ "$(cat "$logs/$script.rc" 2>/dev/null)" = 0 ] || bad=1
done
exit $bad
