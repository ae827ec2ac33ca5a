#!/usr/bin/env bash
# Same seed, same trace hash: from gcc -O0, gcc -O2, clang -O2 and the sanitizers' build, with and without address randomisation, with another environment,
# another fill of fresh memory, and in a second process. A difference ends with 5, as dfs-sim --twice does.
set -euo pipefail
scenario=sim/scenarios/crash-one-node.json
hash_of() { # COMMAND...
    "$@" run "$scenario" --seed 7 --json | sed -nE 's/.*"trace_hash": *"([0-9a-f]+)".*/\1/p'
}
want=
failed=0
compare() { # WORDS COMMAND...
    local words=$1 got
    shift
    got=$(hash_of "$@") || true
    : "${want:=$got}"
    printf '%-44s %s\n' "$words" "${got:-none}"
    if [ -z "$got" ] || [ "$got" != "$want" ]; then failed=5; fi
}
unrandomised=(setarch "$(uname -m)" -R)
"${unrandomised[@]}" true 2>/dev/null || unrandomised=(env)

compare "gcc -O2" "$BUILD_RELEASE/bin/dfs-sim"
compare "gcc -O2, again" "$BUILD_RELEASE/bin/dfs-sim"
compare "gcc -O2, addresses not randomised" "${unrandomised[@]}" "$BUILD_RELEASE/bin/dfs-sim"
compare "gcc -O2, fresh memory filled with 0x5a" env MALLOC_PERTURB_=165 "$BUILD_RELEASE/bin/dfs-sim"
compare "gcc -O2, another environment" env -i PATH="$PATH" FILLER="$(printf '%4000s' x)" "$BUILD_RELEASE/bin/dfs-sim"
compare "gcc -O0" "$BUILD_DEBUG_GCC_O0/bin/dfs-sim"
compare "gcc -O0, addresses not randomised" "${unrandomised[@]}" "$BUILD_DEBUG_GCC_O0/bin/dfs-sim"
compare "clang -O2" "$BUILD_CLANG/bin/dfs-sim"
compare "sanitizers" "${unrandomised[@]}" "$BUILD_ASAN/bin/dfs-sim"

# The same for a few draws of the swarm: odd settings, other paths.
for seed in 11 12 13; do
    hashes=$(for build in "$BUILD_RELEASE" "$BUILD_CLANG" "$BUILD_DEBUG_GCC_O0"; do
        "$build/bin/dfs-sim" run swarm --seed "$seed" --json | sed -nE 's/.*"trace_hash": *"([0-9a-f]+)".*/\1/p'
    done | sort -u)
    printf 'swarm, seed %-32s %s\n' "$seed" "$(echo $hashes)"
    [ "$(wc -l <<<"$hashes")" -eq 1 ] && [ -n "$hashes" ] || failed=5
done
exit $failed
