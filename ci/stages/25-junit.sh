#!/usr/bin/env bash
# The report of a sweep for continuous integration: runs that pass and runs that fail, by a validator and counts that are not ours.
set -euo pipefail
sim=$BUILD_RELEASE/bin/dfs-sim
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

code=0
"$sim" sweep sim/scenarios/crash-one-node.json tests/why/unlucky-heartbeats.json --seeds 7..9 --junit "$work/report.xml" >/dev/null 2>&1 || code=$?
[ "$code" -eq 1 ] || { echo "the sweep ends with $code, not 1"; exit 1; }
xmllint --noout --schema tests/junit.xsd "$work/report.xml"
count() { xmllint --xpath "string($1)" "$work/report.xml"; }
for pair in "6 count(/testsuite/testcase)" "6 /testsuite/@tests" "3 count(//testcase[contains(@classname,'crash-one-node')])" \
    "$(count 'count(//failure)') /testsuite/@failures" "$(count 'count(//error)') /testsuite/@errors"; do
    got=$(count "${pair#* }")
    [ "$got" = "${pair%% *}" ] || { echo "${pair#* } is $got, not ${pair%% *}"; exit 1; }
done
[ "$(count 'count(//failure)')" -ge 1 ] || { echo "no run failed"; exit 1; }
grep -q 'dfs-sim run tests/why/unlucky-heartbeats.json --seed 8' "$work/report.xml" || { echo "a failure does not say how to repeat it"; exit 1; }
# Any bytes may stand in the name of a file, and much in that of a scenario.
odd=$work/$(printf 'a b\xff&\xef\xbf\xbf.json')
echo '{"dfs_scenario": 1, "name": "a<b&\"c\u0001", "duration": "5s", "workload": [{"at": "1s", "put": "a", "id": "x"}], "expect": [{"operation": "x", "is": "NOT_FOUND"}]}' >"$odd"
"$sim" sweep "$odd" --seeds 1 --junit "$work/odd.xml" >"$work/odd.txt" 2>&1 && { echo "the odd one passes"; exit 1; }
xmllint --noout --schema tests/junit.xsd "$work/odd.xml"
again=$(sed -n 's/^  repeat with  //p' "$work/odd.txt")
code=0
bash -c "$again" >/dev/null 2>&1 || code=$?
[ "$code" -eq 1 ] || { echo "what repeats it ends with $code, not 1: $again"; exit 1; }
echo "6 test cases, $(count 'count(//failure)') failures"
