#!/usr/bin/env bash
# run --why: the event that decides in three failures that are made to have one, the exit code of the run itself, and one line for what does not go together.
set -euo pipefail
sim=$BUILD_RELEASE/bin/dfs-sim
bad=0

# why CODE PATTERN OPTION...: the exit code, and a line of the answer.
why() {
    local code=0 want=$1 pattern=$2 out
    shift 2
    out=$("$sim" run "$@" 2>&1) || code=$?
    if [ "$code" -ne "$want" ] || ! grep -qE -- "$pattern" <<<"$out"; then
        printf '%s: exit %s instead of %s, or no line like %s\n%s\n' "$*" "$code" "$want" "$pattern" "$out"
        bad=1
        return
    fi
    printf '%-50s %s\n' "$(basename "$1") ${*:2}" "$(grep -m 1 -oE -- "$pattern" <<<"$out")"
}

why 1 '^> .* d3 +fault +2: bit_rot takes hold' tests/why/every-copy-rots.json --why --suffixes 8
why 1 '^> .* d2 +fault +0: bit_rot takes hold' tests/why/rot-drawn-early.json --why --suffixes 8
why 1 '^> .* d1 +lost +-> meta +#0 HEARTBEAT' tests/why/unlucky-heartbeats.json --seed 8 --why
why 1 '"certain_from": "line"' tests/why/unlucky-heartbeats.json --seed 8 --why --json
why 0 'It does not fail' sim/scenarios/crash-one-node.json --why
for options in "--why --real" "--why --twice" "--why --trace x" "--suffixes 3" "--time 3s" "--why --suffixes 0" "--why --time soon"; do
    # shellcheck disable=SC2086 # words
    why 2 '^dfs-sim: --' tests/why/rot-drawn-early.json $options
done
exit $bad
