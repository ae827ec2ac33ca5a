#!/usr/bin/env bash
# Small scopes, enumerated: every crash point and every lost message of one PUT, one overwrite, one repair, one checkpoint; in the
# smallest of them also every order in which anything can come, before and after the fault. Two at a time.
set -euo pipefail
sim=$BUILD_RELEASE/bin/dfs-sim
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

# explore NAME OPTION...: passes only if it is complete.
explore() {
    local name=$1 out
    shift
    if ! out=$("$sim" explore "sim/scenarios/explore/$name.json" --depth 1000 --schedule "$folder/$name.$$.json" "$@"); then
        printf '%s\n' "$name $*" "$out"
        return 1
    fi
    printf '%s\n' "$name $*" "$out"
    [[ $out == *$'\n'"complete: $name" ]]
}

# Where the round with faults walks every order, the one without would walk a part of it again.
any=(--overtakes 0 --fault-overtakes all)

(
    explore one-put --disks fast
    explore one-put --overtakes 2 --losses 0
    explore one-put --overtakes 0 --crashes 0 --fault-overtakes 1
    explore one-checkpoint --from 4s
    explore one-copy --disks fast --crashes 0 "${any[@]}"
    explore one-repair --from 24.9s --until 26s --disks fast --crashes 0 "${any[@]}"
    explore one-checkpoint --from 4s --disks fast --losses 0 "${any[@]}"
) >"$folder/half" 2>&1 &
half=$!
status=0
explore one-overwrite --from 10s --disks fast --losses 0 || status=1
explore one-overwrite --from 10s --disks slow --overtakes 0 --losses 0 || status=1
explore one-overwrite --from 10s --disks fast --overtakes 0 --crashes 0 --fault-overtakes 1 || status=1
explore one-repair --from 24.9s --until 26s || status=1
explore one-checkpoint --from 4s --overtakes 0 --losses 0 --fault-overtakes 1 || status=1
explore one-copy --disks fast --losses 0 "${any[@]}" || status=1
wait "$half" || status=1
cat "$folder/half"
exit "$status"
