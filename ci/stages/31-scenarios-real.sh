#!/usr/bin/env bash
# The same scenario files against daemons that dfs-sim starts on loopback. They mostly wait, so all run at a time.
set -uo pipefail
scenarios=(crash-one-node partition-both-ways lost-heartbeats metadata-paused one-lost-heartbeat)
logs=$(mktemp -d)
trap 'rm -rf "$logs"' EXIT

printf '%s\n' "${scenarios[@]}" |
    xargs -P 5 -I{} sh -c '"$0" run sim/scenarios/{}.json --seed 1 --real >"$1/{}.log" 2>&1; echo $? >"$1/{}.rc"' "$BUILD_RELEASE/bin/dfs-sim" "$logs"
bad=0
for scenario in "${scenarios[@]}"; do
    cat "$logs/$scenario.log"
    [ "$(cat "$logs/$scenario.rc" 2>/dev/null)" = 0 ] || bad=1
done
exit $bad
