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
compare "gcc -O2, another environment" env -i PATH="$PATH" FILLER="$(printf '%4000s' x)" "$BUILD_RELEASE/bin/dfs-sim"
compare "gcc -O0" "$BUILD_DEBUG_GCC_O0/bin/dfs-sim"
compare "gcc -O0, addresses not randomised" "${unrandomised[@]}" "$BUILD_DEBUG_GCC_O0/bin/dfs-sim"
compare "clang -O2" "$BUILD_CLANG/bin/dfs-sim"
compare "clang -O2, fresh memory filled with 0x5a" env MALLOC_PERTURB_=165 "$BUILD_CLANG/bin/dfs-sim"
compare "sanitizers" "${unrandomised[@]}" "$BUILD_ASAN/bin/dfs-sim"

# Every scenario once more: without and with random addresses, another compiler, fresh memory filled, another environment and stack.
tests/perturbed -j 2 "$BUILD_RELEASE/bin/dfs-sim" "$BUILD_CLANG/bin/dfs-sim" sim/scenarios/*.json sim/scenarios/regressions/*.json || failed=5

# The same for a few draws of the swarm: odd settings, other paths.
for seed in 11 12 13; do
    hashes=$(for build in "$BUILD_RELEASE" "$BUILD_CLANG" "$BUILD_DEBUG_GCC_O0"; do
        "$build/bin/dfs-sim" run swarm --seed "$seed" --json | sed -nE 's/.*"trace_hash": *"([0-9a-f]+)".*/\1/p'
    done | sort -u)
    printf 'swarm, seed %-32s %s\n' "$seed" "$(echo $hashes)"
    [ "$(wc -l <<<"$hashes")" -eq 1 ] && [ -n "$hashes" ] || failed=5
done

# diverge: nothing to find between two builds; a line that another program changes is found, with exit code 5.
sim=$BUILD_RELEASE/bin/dfs-sim
"$sim" diverge swarm --seed 11 --against "$BUILD_CLANG/bin/dfs-sim" || failed=5
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cat >"$work/other" <<END
#!/usr/bin/env bash
# As dfs-sim, but its line 1000 says something else.
"$sim" run "\$2" --seed "\$4" --trace /dev/fd/5 5> >(sed '1000s/\$/ planted/' >"\$6") >/dev/null
wait \$!
END
chmod +x "$work/other"
code=0
"$sim" diverge "$scenario" --seed 7 --against "$work/other" >"$work/said" || code=$?
if [ "$code" != 5 ] || ! grep -q '^line 1000 ' "$work/said" || ! grep -q '^2 .* planted$' "$work/said"; then
    echo "diverge did not find the planted difference (exit $code):"
    cat "$work/said"
    failed=5
fi

# The lines are the same, the hash is not: a program that says another hash.
cat >"$work/hash" <<END
#!/usr/bin/env bash
"$sim" "\$@" | sed -E 's/("trace_hash": *")[0-9a-f]{4}/\10000/'
END
chmod +x "$work/hash"
code=0
"$sim" diverge "$scenario" --seed 7 --against "$work/hash" >"$work/said" || code=$?
if [ "$code" != 5 ] || ! grep -q 'but the trace hashes differ' "$work/said"; then
    echo "diverge did not compare the hashes (exit $code):"
    cat "$work/said"
    failed=5
fi
exit $failed
