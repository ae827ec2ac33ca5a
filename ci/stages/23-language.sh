#!/usr/bin/env bash
# The scenario language: each file of tests/scenarios-broken holds one mistake, and `check` says exactly what stands beside it; the JSON Schema accepts what the
# reader accepts and refuses the mistakes that it can tell, by a validator that is not ours.
set -euo pipefail
sim=$(realpath "$BUILD_RELEASE/bin/dfs-sim")
bad=0

cd tests/scenarios-broken
for file in *.json; do
    code=0
    said=$("$sim" check "$file" 2>&1) || code=$?
    if [ "$code" -ne 2 ] || [ "$said" != "$(cat "${file%.json}.txt")" ]; then
        printf '%s: exit %s instead of 2, or other words\n  said  %s\n  not   %s\n' "$file" "$code" "$said" "$(cat "${file%.json}.txt")"
        bad=1
    fi
done
cd ../..
echo "$(ls tests/scenarios-broken/*.json | wc -l) broken scenarios, each with its message"
for file in sim/scenarios/*.json; do
    name=$(basename "$file" .json)
    grep -qw -- "$name" sim/scenarios/README.md || { echo "$name does not stand in sim/scenarios/README.md"; bad=1; }
done
python=python3
python3 -c 'import jsonschema' 2>/dev/null || python=/usr/bin/python3 # another python3 stands in front of the one that has Debian's packages
"$python" tests/scenarios-broken/schema.py "$sim" || bad=1
exit $bad
